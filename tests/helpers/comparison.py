"""nbval's comparison of a cell's outputs, with a tolerance for numbers.

nbval cannot set parameters and compares text, so papermill executes the chapters and only nbval's comparison is used.
Text must agree once its numbers are taken out; numbers must agree within the cell's tolerance.
"""

import copy
import json
import math
import re

from nbval.plugin import IPyNbCell, coalesce_streams, nocolors

ZERO = 1e-12  # absolute: what is 0 on one machine is 1e-17 on another
RELATIVE = 1e-6  # of every number
LARGEST = 0.03  # absolute tolerance that a trained cell may ask for
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
SKIPPED = ("metadata", "output_type", "name", "execution_count", "image/png")
IGNORED = "nbval-ignore-output"  # nbval's own tag, for cells that print times


class Numbers(str):
    """Text that equals another where its numbers are close and the rest, white space and rules aside, is the same."""

    __hash__ = str.__hash__

    def __new__(cls, text, tolerance):
        self = super().__new__(cls, text)
        self.tolerance = tolerance
        return self

    def __eq__(self, other):
        ours, theirs = ("".join(NUMBER.sub("#", text).replace("-", "").split()) for text in (self, other))
        first, second = ([float(found) for found in NUMBER.findall(text)] for text in (self, other))
        return ours == theirs and all(
            math.isclose(a, b, rel_tol=RELATIVE, abs_tol=self.tolerance) for a, b in zip(first, second, strict=True)
        )

    def __ne__(self, other):
        return not self == other


class Reader:
    """What nbval's comparison needs of a cell."""

    colors = nocolors
    compare = IPyNbCell.compare_outputs

    def __init__(self, tolerance):
        self.tolerance = tolerance

    def sanitize(self, output):
        """Text and JSON, such as a chapter's evidence, with numbers that are compared as numbers."""
        if isinstance(output, dict | list):
            output = json.dumps(output, sort_keys=True)
        return Numbers(output, self.tolerance) if isinstance(output, str) else output

    def format_output_compare(self, key, reference, executed):
        self.comparison_traceback.append(f"{key}:\n{reference}\nbut executed now:\n{executed}")


def tolerance_of(cell):
    """The absolute tolerance that a cell's metadata asks for, with its reason; else that of a deterministic cell."""
    asked = cell.metadata.get("l2h", {})
    if not asked:
        return ZERO
    assert 0 < asked["tolerance"] <= LARGEST, f"expected a tolerance in (0, {LARGEST}], got {asked['tolerance']}"
    assert asked["why"].strip(), "expected a reason for the tolerance"
    return asked["tolerance"]


def differences(executed, reference):
    """What differs between the outputs of two executions of the same code cells, cell by cell."""
    found = []
    for number, (now, then) in enumerate(zip(executed, reference, strict=True)):
        reader = Reader(tolerance_of(now))
        # A kernel sends what is printed in one piece or in several, as it happens to flush.
        outputs = [coalesce_streams(copy.deepcopy(cell.outputs)) for cell in (now, then)]
        if IGNORED not in now.metadata.get("tags", ()) and not reader.compare(*outputs, SKIPPED):
            found.append(f"code cell {number}: " + "\n".join(reader.comparison_traceback))
    return found
