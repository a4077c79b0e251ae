"""Figures of chapter 01: training losses count epochs from one, and the component map names all parts."""

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from companion.chapters.ch01_problem import figures as ch01_problem_figures


def labels(ax):
    return ax.get_xlabel(), ax.get_ylabel()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_history_counts_epochs_from_one(ax):
    ch01_problem_figures.plot_training_loss(ax, {"client": [0.9, 0.5], "server": [0.8, 0.4, 0.2]})
    assert ax.lines[1].get_xydata().tolist() == [[1, 0.8], [2, 0.4], [3, 0.2]]
    assert labels(ax) == ("epoch (passes over the training images)", "training loss (mean per image)")
    assert legend(ax) == ["client", "server"]


def test_the_component_map_names_the_parts_and_the_decision(ax):
    ch01_problem_figures.plot_components(ax)
    said = " ".join(texts(ax))
    for part in (
        "client\n$m(x)$",
        "rejector\n$r(x)$",
        "server\n$e(x)$",
        "$r(x) > 0$",
        "$r(x) \\leq 0$",
        "$c_e$",
        "device",
    ):
        assert part in said
    assert sum(isinstance(patch, FancyBboxPatch) for patch in ax.patches) == 4
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == 5
