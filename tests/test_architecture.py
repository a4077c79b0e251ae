"""The house as `design` draws it: who imports whom, and the rules that no single test file can see."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "l2h"
PATHS = sorted(PACKAGE.rglob("*.py"))
TREES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in PATHS if path.stem != "__init__"}

# From the ground up; on its own storey a module may import those listed above it.
STOREYS = {
    "vocabulary": ["checks", "problem"],
    "theory": [
        "losses", "losses_defer", "bayes", "quadrature", "testbeds", "regions", "finite", "conditional",
        "calibration", "regret", "transfer", "specialist", "losses_stage", "multiclass", "specialists", "descent",
        "walks", "families", "rademacher", "bounds", "gaps", "failures", "erm", "shattering", "shift_bounds",
        "prover", "certify_bayes", "certify_alpha", "certify_losses", "certify_points", "certify_boxes",
        "certify_theorem", "certify_transfer", "certify",
    ],
    "learning": [
        "sources", "sources_other", "humans", "data", "shifts", "streams", "hardware", "optimize", "augment", "models",
        "models_large", "train", "recipes", "estimate", "systems", "methods_help", "methods_confidence",
        "methods_stage", "methods_staged", "methods_defer", "methods_simple", "methods",
    ],
    "evidence": [
        "store", "evaluate", "bootstrap", "curves", "comparisons", "significance", "promises", "stacking",
        "agreement", "pricing", "budgets", "configuration", "runs", "experiments",
        "verdicts", "claims",
        "plots", "plots_comparison", "plots_costs", "shifted_runs", "drift", "detectors", "remedies", "refit",
        "online", "plots_bayes", "plots_bound", "plots_surrogate", "plots_drift", "interactive", "plots_multiclass",
    ],
    "use": [
        "studies_theory", "studies", "designs", "designs_multiclass", "readings_multiclass", "evidence_multiclass",
        "designs_drift", "readings_drift", "contest", "chapters", "outputs", "records", "jobs", "execute", "sweep",
        "ledger", "verify", "pages", "ledger_page", "render", "helper", "cli",
    ],
}  # fmt: skip
ORDER = [module for storey in STOREYS.values() for module in storey]
VOCABULARY = set(STOREYS["vocabulary"])
# Right of Predictions: knows nothing of training.
EVALUATION = {"evaluate", "bootstrap", "curves", "comparisons", "significance", "promises"}
ONLY = {
    "store": {"checks"},
    "data": VOCABULARY | {"sources", "sources_other"},
    "sources": VOCABULARY,
    "sources_other": VOCABULARY | {"sources"},
    "humans": VOCABULARY | {"sources"},
    "pricing": VOCABULARY,
    "budgets": VOCABULARY | {"models"},
    "models": VOCABULARY,
    "models_large": VOCABULARY | {"models"},
    "augment": set(),
    "hardware": VOCABULARY,
    "optimize": VOCABULARY,
    "train": VOCABULARY | {"hardware", "optimize", "augment", "data", "models"},  # the loss is an argument
    "estimate": VOCABULARY | {"train", "models"},
    **dict.fromkeys(("plots_comparison", "plots_costs"), VOCABULARY | EVALUATION | {"plots"}),
    "verdicts": VOCABULARY,
    "claims": VOCABULARY | {"verdicts"},
    **dict.fromkeys((*EVALUATION, "plots"), VOCABULARY | {"losses"} | EVALUATION),
    "plots_bayes": {"plots", "bootstrap"},  # figures know results, not how they came about
    "plots_bound": {"plots", "bootstrap"},
}
SIGNS = {"problem"} | {module for module in ORDER if module.startswith("certify")}  # a prover has terms of its own
MEANS = {"train", "evaluate", "bootstrap"}  # bootstrap: over seeds and resamples
DEVICES = {"hardware", "helper"}


def imported(tree):
    """The modules of this package that a module imports, without the package's name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides where it leads"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("l2h.")}
    return found


def allowed(module):
    return ONLY.get(module, set(ORDER[: ORDER.index(module)]))


def sign_rules(tree):
    """Lines that compare a rejector's score with zero."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.LtE | ast.Lt | ast.Gt | ast.GtE):
            sides = [node.left, node.comparators[0]]
            zero = any(isinstance(side, ast.Constant) and side.value == 0 for side in sides)
            score = any(getattr(side, "id", getattr(side, "attr", None)) == "r" for side in sides)
            lines += [node.lineno] if zero and score else []
    return lines


def means(tree):
    """Lines that take a mean."""
    names = {"mean", "nanmean", "average"}
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in names]


def devices(tree):
    """Lines that choose a device, rather than follow a tensor's."""
    named = {"cuda", "mps", "set_default_device"}
    chosen = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in named]
    return chosen + [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in {"cuda", "mps"}]


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(function):
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def public(node):
    """Definitions that a reader may use: of a module or a class, without a leading underscore."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


def test_every_module_has_its_place():
    assert set(TREES) <= set(ORDER), "give the new module a place in STOREYS"
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("module", sorted(TREES))
def test_a_module_imports_only_what_lies_below(module):
    assert imported(TREES[module]) - {module} <= allowed(module)


@pytest.mark.parametrize("module", sorted(VOCABULARY))
def test_vocabulary_runs_without_torch(module):
    nodes = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Import | ast.ImportFrom)]
    roots = {(getattr(node, "module", None) or node.names[0].name).split(".")[0] for node in nodes}
    assert roots <= {*sys.stdlib_module_names, "numpy", "l2h"}


@pytest.mark.parametrize("module", sorted(set(TREES) - SIGNS))
def test_the_sign_rule_is_written_once(module):
    assert not sign_rules(TREES[module]), f"{module}: use problem.asks"


@pytest.mark.parametrize("module", sorted(set(TREES) - MEANS))
def test_means_over_examples_have_their_place(module):
    assert not means(TREES[module]), f"{module}: means are taken in {', '.join(sorted(MEANS))}"


@pytest.mark.parametrize("module", sorted(set(TREES) - DEVICES))
def test_the_choice_of_a_device_has_its_place(module):
    assert not devices(TREES[module]), f"{module}: follow the tensor's device"


@pytest.mark.parametrize(
    ("rule", "breach"),
    [
        (sign_rules, "kept = predictions.r > 0"),
        (sign_rules, "asks = r <= 0"),
        (means, "loss = losses.mean()"),
        (devices, "x.to('cuda')"),
        (devices, "torch.cuda.is_available()"),
    ],
)
def test_a_breach_of_a_rule_is_seen(rule, breach):
    assert rule(ast.parse(breach)) == [1] or rule(ast.parse(breach)) == [1, 1]


@pytest.mark.parametrize("module", sorted(TREES))
def test_functions_are_short(module):
    assert not {f.name: body_lines(f) for f in functions(TREES[module]) if body_lines(f) > 40}


@pytest.mark.parametrize("module", sorted(TREES))
def test_public_names_are_explained(module):
    silent = [node.name for node in public(TREES[module]) if not ast.get_docstring(node)]
    assert ast.get_docstring(TREES[module])
    assert not silent


@pytest.mark.parametrize("module", sorted(TREES))
def test_nothing_is_left_lying_about(module):
    calls = [n.func.id for n in ast.walk(TREES[module]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    bare = [n for n in ast.walk(TREES[module]) if isinstance(n, ast.ExceptHandler) and n.type is None]
    assert "print" not in calls
    assert not bare


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["mypy", "l2h"]], ids=lambda command: command[0])
def test_linter_and_types_are_clean(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
