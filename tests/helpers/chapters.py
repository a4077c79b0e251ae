"""How every small chapter of the tests begins, one that trains on digits, and one that assesses a claim."""

from contextlib import contextmanager

import pytest

from companion.build import execute
from companion.build.notebooks import Folders
from l2h.experiments.config import ExperimentConfig

HEADER = """---
jupytext:
  formats: ipynb,md:myst
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

```{code-cell} ipython3
:tags: [parameters]

profile = "paper"
```

```{code-cell} ipython3
"""

RUNS = (
    HEADER
    + """from l2h.experiments.config import ExperimentConfig
from l2h.experiments.shifted import Conditions, sweep_under_corruption
from l2h.experiments.sweep import sweep

base = ExperimentConfig("learning_to_help", ce=0.1, source="digits")
results = sweep([base, ExperimentConfig("confidence", ce=0.1, source="digits")])
corrupted = sweep_under_corruption([base], Conditions(("clean", "noise 4"), 50))
print(len(results), len(corrupted))
```
"""
)

DOMAIN_RUNS = (
    HEADER
    + """from companion.chapters.ch10_domains.experiments import DomainRun, method_runs, sweep_domains
from companion.chapters.parameters import settings_for

run = DomainRun("wine", 1, n_client=54, n_fit=54, n_test=20, epochs=2)
results = sweep_domains([run, *method_runs(settings_for("10_domains", "paper"), [run])])
print(len(results))
```
"""
)

ASSESSMENT = (
    HEADER
    + """from pathlib import Path
from types import SimpleNamespace

from companion.claims.registry import Evidence, assess

settings = SimpleNamespace(chapter="91_toy", profile=profile)
assess(settings, {"gains": Evidence(0.2, LOW, 0.3, n=10, seeds=2)}, Path("FOLDER"))
```
"""
)
CLAIM = """- id: gains
  statement: It gains.
  source: this project
  kind: KIND
  rule: {estimand: gain, method: t, holds: {above: 0}}
  verdict: VERDICT
"""


def write_assessment(folder, claims, *, low, verdict="reproduced", kind="empirical", ledger=CLAIM):
    """Write the chapter `91_toy`, which assesses the claim `gains`, and the ledger's file for it.

    Args:
        folder: of the chapter.
        claims: of the ledger.
        low: lower limit of the evidence, which the chapter computes; a number or an expression.
        verdict: committed for the claim.
        kind: of the claim.
        ledger: the file, with the words VERDICT and KIND.
    """
    for each in (folder, claims):
        each.mkdir(exist_ok=True)
    (claims / "91_toy.yml").write_text(ledger.replace("VERDICT", verdict).replace("KIND", kind))
    (folder / "91_toy.md").write_text(ASSESSMENT.replace("FOLDER", str(claims)).replace("LOW", str(low)))


def toy_configs():
    """The plain runs for which the chapter RUNS asks."""
    return [ExperimentConfig(method, ce=0.1, source="digits") for method in ("learning_to_help", "confidence")]


@contextmanager
def toy_environment(folder):
    """A store of its own, one worker, and a machine without CIFAR-10."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_RUNS", str(folder / "runs"))
        patch.setenv("L2H_WORKERS", "1")
        patch.setattr(execute, "cifar10_folder", lambda: None)
        yield


def record_toy_runs(folder, name="91_runs", source=RUNS):
    """Record a book with one chapter, and return its folders."""
    folders = Folders(folder / "book", folder / "notebooks", folder / "references")
    folders.book.mkdir()
    (folders.book / f"{name}.md").write_text(source)
    execute.execute_chapters("paper", [name], folders)
    execute._publish(folders.notebooks / "paper" / f"{name}.ipynb", folders.book / f"{name}.ipynb")
    return folders
