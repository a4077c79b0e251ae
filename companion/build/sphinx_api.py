"""A Sphinx extension: how the API reference shows docstrings."""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension; Sphinx calls this."""
    app.connect("autodoc-skip-member", skip_field)
    return {"parallel_read_safe": True}


def skip_field(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave out the fields of a NamedTuple: its docstring describes them, and Python's own text says nothing.

    Args:
        app: unused, as are `what`, `skip` and `options`.
        what: kind of the object that has the member.
        name: of the member.
        member: the member.
        skip: whether autodoc would leave it out.
        options: of the directive.

    Returns:
        True to leave it out; None lets autodoc decide.
    """
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field number") else None
