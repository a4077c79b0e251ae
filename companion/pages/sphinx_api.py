"""A Sphinx extension: how the API reference shows docstrings."""

import re
from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension; Sphinx calls this."""
    app.connect("autodoc-skip-member", skip_member)
    return {"parallel_read_safe": True}


def skip_member(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave out what a class documents elsewhere, or not itself.

    The docstring of a NamedTuple describes its fields, for which Python's own text says nothing. The methods that
    scikit-learn adds to its estimators, such as `set_score_request`, refer to scikit-learn's glossary.

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
    is_field = str(getattr(member, "__doc__", "")).startswith("Alias for field number")
    return True if is_field or re.fullmatch(r"set_\w+_request", name) else None
