"""A Sphinx extension: the directive `interactive NAME`, which shows a figure with sliders after its content.

A program that does not know the directive, such as Jupyter, shows the content alone.
"""

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from companion.chapters.ch04_surrogate.interactive import surrogate_figure
from companion.chapters.choosing.interactive import coverage_figure
from l2h.problem import Costs

FIGURES: dict[str, Callable[[], str]] = {
    "surrogate": lambda: surrogate_figure(Costs(c1=1.0, ce=0.18)),
    "coverage": coverage_figure,
}


class Interactive(SphinxDirective):
    """Shows a figure of `FIGURES` after its content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The nodes of the content and of the figure; an unknown name is an error of the directive."""
        name = self.arguments[0]
        if name not in FIGURES:
            raise self.error(f"expected a figure among {', '.join(FIGURES)}, got {name}")
        return [*self.parse_content_to_nodes(), nodes.raw("", FIGURES[name](), format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension; Sphinx calls this."""
    app.add_directive("interactive", Interactive)
    return {"parallel_read_safe": True}
