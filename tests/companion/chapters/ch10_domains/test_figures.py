"""The figures of chapter 10 show the numbers of its tables."""

import matplotlib.pyplot as plt
import pytest
from helpers.domains import pairs_of_letters, results_of
from helpers.figures import labels

from companion.chapters.ch10_domains import analysis, figures, tasks

BY_TASK = results_of("wine", "digits", "segments", "gas_drift", "smartwatch")


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open."""
    yield
    plt.close("all")


def test_each_task_has_a_panel_of_curves():
    figures.plot_curves(BY_TASK)
    used = [ax for ax in plt.gcf().axes if ax.axison]
    assert [ax.get_title() for ax in used] == [tasks.TASKS[name].title for name in BY_TASK]
    assert all(-0.02 <= low < high <= 1.02 for low, high in (ax.get_ylim() for ax in used))
    assert labels(used[0]) == ("coverage (share kept)", "accuracy")


def test_the_synthesis_shows_tasks_mean_and_a_new_task():
    figures.plot_syntheses(BY_TASK)
    ax = plt.gcf().axes[2]
    assert ax.get_title() == "learning to help minus confidence"
    assert [text.get_text() for text in ax.get_yticklabels()] == [*BY_TASK, "mean over tasks", "a new task"]
    effects = analysis.synthesis(analysis.task_effects(BY_TASK, "confidence"))
    points = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert points[:5] == effects.estimates.tolist()
    assert points[5:] == [effects.mean_interval().estimate] * 2
    assert ax.get_xlim()[1] == pytest.approx(max(0.05, 1.6 * max(map(abs, points))))


def test_the_advantage_is_drawn_against_the_auroc(ax):
    pairs = pairs_of_letters()
    figures.plot_advantage_by_auroc(ax, BY_TASK, pairs)
    assert labels(ax) == ("AUROC of the client's confidence for its errors", "area minus that of confidence")
    assert list(ax.lines[1].get_xdata()) == pairs.auroc.tolist()
    assert [text.get_text() for text in ax.texts] == list(BY_TASK)
    assert "95 % of new tasks" in [text.get_text() for text in ax.get_legend().get_texts()]
