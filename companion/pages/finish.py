"""What is changed in the pages after Jupyter Book has written them: their weight, and what screen readers meet."""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PIL import Image

ICON_CLASS = re.compile(r"\bfa-([a-z0-9-]+)")
# An icon of Font Awesome's script: name, width, height, other names, code point, and one or two paths.
ICON = re.compile(
    r'(?:"([a-z0-9-]+)"|\b([a-z0-9]+)):\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?'
)
MATHJAX_BUNDLE = "tex-chtml.js"  # the one that the pages load; the others triple the size of the book
# Rules of its style sheet that draw an icon before a script does.
ICON_RULE = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"\\[0-9a-f]+ ?"\}')
# The theme leaves the button that unfolds a part of the contents without a name.
UNNAMED_TOGGLE = re.compile(r'>([^<>]+)</a><details([^>]*)><summary><span class="toctree-toggle"')
# docutils gives the works in a bibliography a deprecated role that its list does not allow.
BIBLIOGRAPHY_ROLE = 'role="doc-biblioentry"'
# Blanks in signatures and code are elements of their own; the longest reference page has hundreds.
BLANK = re.compile(r'<span class="w">(\s*)</span>')


def finish_pages(html: Path) -> None:
    """Change a built book in place.

    Args:
        html: folder of the pages, as Jupyter Book wrote them.
    """
    _remove_unread_files(html)
    pages = [*html.glob("*.html"), *html.glob("*/*.html")]
    _keep_used_icons(html / "_static", pages)
    images = {path.name: _to_webp(path).name for path in sorted((html / "_images").glob("*.png"))}
    for page in pages:
        text = page.read_text("utf8")
        for change in (partial(_with_images, images=images), with_named_toggles, with_listed_works, with_plain_blanks):
            text = change(text)
        page.write_text(text, "utf8")


def _remove_unread_files(html: Path) -> None:
    """Remove the bundles of MathJax that no page loads, and the maps to the sources of the theme's scripts."""
    for bundle in (html / "_static" / "mathjax").glob("*.js"):
        if bundle.name != MATHJAX_BUNDLE:
            bundle.unlink()
    for source_map in (html / "_static").rglob("*.map"):
        source_map.unlink()


def _keep_used_icons(static: Path, pages: Iterable[Path]) -> None:
    """Remove the icons of Font Awesome that neither a page nor a script of the theme names."""
    script = static / "scripts" / "fontawesome.js"
    others = [path for path in script.parent.glob("*.js") if path != script]
    used = {name for path in (*pages, *others) for name in ICON_CLASS.findall(path.read_text("utf8"))}
    script.write_text(with_icons(script.read_text("utf8"), used), "utf8")
    for sheet in (static / "styles").glob("*.css"):
        sheet.write_text(with_icon_rules(sheet.read_text("utf8"), used), "utf8")


def with_icons(script: str, used: Iterable[str]) -> str:
    """Font Awesome's script without the icons that are not used.

    Args:
        script: its text.
        used: names of the icons that stay; those of sizes and styles, such as "lg", do no harm.

    Returns:
        The shorter script.

    >>> with_icons('{"bars":[4,5,["navicon"],"f0c9","M0"],bath:[4,5,[],"f2cd",["M1","M2"]]}', ["navicon", "lg"])
    '{"bars":[4,5,["navicon"],"f0c9","M0"],}'
    """
    names = set(used)

    def kept(icon: re.Match[str]) -> str:
        own_names = {icon[1] or icon[2], *re.findall(r'"([a-z0-9-]+)"', icon[3])}
        return icon[0] if own_names & names else ""

    return ICON.sub(kept, script)


def with_icon_rules(sheet: str, used: Iterable[str]) -> str:
    r"""A style sheet without the rules of icons that are not used.

    Args:
        sheet: its text.
        used: names of the icons that stay.

    Returns:
        The shorter sheet.

    >>> print(with_icon_rules(r'.fa-bars:before{content:"\f0c9"}.fa-bath:before{content:"\f2cd"}.b{}', ["bars"]))
    .fa-bars:before{content:"\f0c9"}.b{}
    """
    names = set(used)

    def kept(rule: re.Match[str]) -> str:
        return rule[0] if names & set(ICON_CLASS.findall(rule[0])) else ""

    return ICON_RULE.sub(kept, sheet)


def _to_webp(path: Path) -> Path:
    """The same picture, pixel by pixel, as lossless WebP, of half the size, in the place of the PNG."""
    with Image.open(path) as image:
        image.save(path.with_suffix(".webp"), "WEBP", lossless=True, quality=50, method=2)
    path.unlink()
    return path.with_suffix(".webp")


def _with_images(text: str, images: dict[str, str]) -> str:
    """A page that refers to the files that stand for its pictures now."""

    def renamed(found: re.Match[str]) -> str:
        return found[1] + images.get(found[2], found[2])

    return re.sub(r"(_images/)([^\"'/?]+\.png)", renamed, text)


def with_named_toggles(text: str) -> str:
    """A page whose contents name the buttons that unfold their parts.

    >>> with_named_toggles('<a href="api.html">API</a><details><summary><span class="toctree-toggle"></span>')
    '<a href="api.html">API</a><details><summary aria-label="Pages of API"><span class="toctree-toggle"></span>'
    """
    return UNNAMED_TOGGLE.sub(r'>\1</a><details\2><summary aria-label="Pages of \1"><span class="toctree-toggle"', text)


def with_listed_works(text: str) -> str:
    """A page whose bibliography is a list of list items.

    >>> with_listed_works('<div role="list"><div class="citation" role="doc-biblioentry"></div></div>')
    '<div role="list"><div class="citation" role="listitem"></div></div>'
    """
    return text.replace(BIBLIOGRAPHY_ROLE, 'role="listitem"')


def with_plain_blanks(text: str) -> str:
    """A page in which blanks of highlighted code are no elements, so that a browser has fewer to lay out.

    >>> with_plain_blanks('<span class="n">x</span><span class="w"> </span><span class="o">=</span>')
    '<span class="n">x</span> <span class="o">=</span>'
    """
    return BLANK.sub(r"\1", text)
