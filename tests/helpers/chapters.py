"""How every small chapter of the tests begins, and one that trains on digits."""

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


def record_toy_runs(folder):
    """Record a book with the one chapter RUNS, and return its folders."""
    folders = Folders(folder / "book", folder / "notebooks", folder / "references")
    folders.book.mkdir()
    (folders.book / "91_runs.md").write_text(RUNS)
    execute.execute_chapters("paper", ["91_runs"], folders)
    execute._publish(folders.notebooks / "paper" / "91_runs.ipynb", folders.book / "91_runs.ipynb")
    return folders
