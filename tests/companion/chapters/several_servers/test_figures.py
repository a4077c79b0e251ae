"""The figure of the page on several servers shows the numbers that it is given."""

import numpy as np
from helpers.figures import labels, legend

from companion.chapters.several_servers.figures import plot_losses


def test_each_set_of_servers_has_a_line(ax):
    losses = {"one big server": np.array([[0.1, 0.2], [0.3, 0.4]]), "three experts": np.array([[0.2, 0.2]] * 2)}
    plot_losses(ax, (0.0, 0.1), losses, expert_ce=0.05)
    assert legend(ax) == ["one big server", "three experts", "cost of asking an expert"]
    assert labels(ax) == ("cost of asking the big server", "loss")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.3])
