"""The public interface: its names resolve, and it loads neither torch nor anything else that a small device lacks."""

import ast
import json
import subprocess
import sys
from importlib import import_module

import pytest

import l2h
from l2h.experiments.fingerprint import PACKAGE, Code

# What a device with NumPy and SciPy only would raise, and how long the import takes beside that of the two.
ISOLATED = """
import json, sys, time
from importlib.machinery import PathFinder

class OnlyNumPyAndSciPy:
    def find_spec(self, name, path=None, target=None):
        spec = None if name in ("numpy", "scipy") or path else PathFinder.find_spec(name)
        if spec and "site-packages" in str(spec.origin):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyNumPyAndSciPy())
start = time.process_time()
import numpy, scipy
between = time.process_time()
import l2h
end = time.process_time()
kept = l2h.asks(numpy.array([0.5, -0.5])).tolist()
try:
    l2h.surrogate_loss
except ModuleNotFoundError as error:
    missing = error.name
print(json.dumps([kept, missing, (end - between) / (between - start)]))
"""


def test_every_public_name_resolves_to_the_definition_of_its_module():
    namespace = {}
    exec("from l2h import *", namespace)
    with_extra = {name for name, module in l2h.MODULES.items() if module.startswith("l2h.serving")}
    namespace |= {name: getattr(l2h, name) for name in with_extra}
    assert with_extra == {"LearningToHelpClassifier", "system_loss_scorer"} and not with_extra & set(l2h.__all__)
    assert len(l2h.__all__) == len(set(l2h.__all__)) and set(l2h.__all__) <= set(namespace) & set(dir(l2h))
    assert all(namespace[name] is getattr(import_module(module), name) for name, module in l2h.MODULES.items())


def test_names_that_are_imported_late_stand_with_the_same_module_where_type_checkers_read_them():
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert {alias.name: node.module for node in block.body for alias in node.names} == l2h.MODULES


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'l2h' has no attribute 'rival'"):
        l2h.rival  # noqa: B018


def test_a_device_with_numpy_and_scipy_only_can_import_it_in_little_time():
    done = subprocess.run([sys.executable, "-c", ISOLATED], capture_output=True, text=True, check=True)
    kept, missing, relative_time = json.loads(done.stdout)
    assert kept == [False, True]
    assert missing == "torch"
    assert relative_time < 2, "expected less than twice the time of NumPy and SciPy, which is 0.15 s or less"


@pytest.mark.parametrize("name", ["asks", "surrogate_loss"], ids=["at once", "on first use"])
def test_the_fingerprint_follows_a_name_imported_from_the_package(name):
    code = Code(PACKAGE)
    root = code.add("cell", f"from l2h import {name}\n{name}")
    module = {**l2h.MODULES, "asks": "l2h.problem"}[name]
    assert (module, name) in code.reached([root])
