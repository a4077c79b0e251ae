"""A repository with the smallest book: two plain pages and one chapter, executed."""

import json
import shutil

import yaml

from companion.build import notebooks

CLAIMS = """
- {id: gains, statement: It gains., source: x, kind: empirical, verdict: open,
   rule: {estimand: gain, method: t, holds: {above: 0}}}
"""


def cell(source, **more):
    plain = {"cell_type": "code", "id": "c", "metadata": {}, "outputs": [], "execution_count": 1}
    return plain | {"source": source} | more


def notebook(*cells, **metadata):
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "# A chapter\n\nIt is about $x$."}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": [title, *cells], "metadata": kernel | metadata, "nbformat": 4, "nbformat_minor": 5}


def make_small_book(root):
    """The repository, in a new folder."""
    (root / "book" / "claims").mkdir(parents=True)
    (root / "book" / "claims" / "01_problem.yml").write_text(CLAIMS)
    for name in ("_config.yml", "CITATION.cff"):
        shutil.copy(notebooks.ROOT / name, root)
    shutil.copytree(notebooks.ROOT / "book" / "_templates", root / "book" / "_templates")
    shutil.copytree(notebooks.ROOT / "book" / "_static", root / "book" / "_static")
    (root / "references.bib").write_text("")
    chapters = [{"file": "book/01_problem"}, {"file": "book/status"}]
    toc = {"format": "jb-book", "root": "book/index", "parts": [{"chapters": chapters}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    (root / "book" / "index.md").write_text("# Index\n\nSee {doc}`01_problem`.\n")
    (root / "book" / "status.md").write_text("# Status\n")
    (root / "book" / "01_problem.md").write_text("---\nkernelspec:\n  name: python3\n---\n\n# A chapter\n")
    (root / "book" / "01_problem.ipynb").write_text(json.dumps(notebook(cell("1 + 1"))))
    return root
