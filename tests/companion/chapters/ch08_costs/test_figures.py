"""The figure of chapter 08 shows the numbers of its table."""

import numpy as np
import pandas as pd
import pytest

from companion.chapters.ch08_costs.figures import plot_alpha_beta_map

TABLE = pd.DataFrame([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], index=[0.5, 6.0], columns=[2.0, 4.0, 8.0])


def test_alphas_are_rows_betas_columns_and_the_recommended_choice_is_framed(ax):
    plot_alpha_beta_map(ax, TABLE, title="coverage", highlighted=(6.0, 4.0))
    np.testing.assert_array_equal(ax.images[0].get_array(), TABLE.to_numpy())
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("$\\beta$", "$\\alpha$", "coverage")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2.0", "4.0", "8.0"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.5", "6.0"]
    assert [text.get_text() for text in ax.texts] == ["0.10", "0.20", "0.30", "0.40", "0.50", "0.60"]
    (frame,) = ax.patches
    assert frame.get_xy() == (0.5, 0.5)


def test_a_choice_outside_the_table_is_refused(ax):
    with pytest.raises(ValueError, match="not in list"):
        plot_alpha_beta_map(ax, TABLE, title="coverage", highlighted=(1.0, 4.0))
