"""`make mutants`: change the core in random places, one at a time, and count the changes that its tests notice.

mutmut makes the mutants and chooses, for each, the tests that execute its function; `[tool.mutmut]` in pyproject.toml
names the modules and their tests. The mutants stand in `mutants/`, a copy: the sources stay as they are.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

NOTICED = {"killed", "timeout", "segfault"}
LEAST_SHARE = 0.95
LOG = Path("mutants/run.log")


def drawn(names: list[str], number: int, seed: int) -> list[str]:
    """A sample of the mutants, the same for the same seed."""
    return sorted(random.Random(seed).sample(sorted(names), min(number, len(names))))


def core(patterns: list[str]) -> list[Path]:
    """The modules that are changed, of those that stand below the folders of the two packages."""
    paths = sorted(path for package in ("l2h", "companion") for path in Path(package).rglob("*.py"))
    return [path for path in paths if any(fnmatch(str(path), pattern) for pattern in patterns)]


def all_names() -> list[str]:
    """The names of all mutants of the core."""
    from mutmut.configuration import config
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    return [
        get_mutant_name(path, name)
        for path in core(config().only_mutate)
        for name in mutate_file_contents(str(path), path.read_text("utf8")).mutant_names
    ]


def results(names: list[str]) -> dict[str, str]:
    """What became of each mutant: killed, survived, no tests, ..."""
    from mutmut.configuration import config
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code

    codes = {}
    for path in core(config().only_mutate):
        data = SourceFileMutationData(path=path)
        data.load()
        codes |= data.exit_code_by_key
    return {name: status_by_exit_code[codes[name]] for name in names}


def report(found: dict[str, str], diff_of: Callable[[str], str]) -> tuple[str, bool]:
    """The survivors with what was changed in them, the share of the others, and whether it is large enough.

    Args:
        found: what became of each mutant, by its name.
        diff_of: gives the change that makes a mutant, by its name.
    """
    noticed = sum(status in NOTICED for status in found.values())
    survivors = [f"{name}: {status}\n{diff_of(name)}" for name, status in found.items() if status not in NOTICED]
    enough = noticed >= LEAST_SHARE * len(found)
    share = f"{noticed} of {len(found)} mutants were noticed ({noticed / len(found):.1%}); expected {LEAST_SHARE:.0%}"
    return "\n".join([*survivors, share]), enough


def main(words: list[str]) -> int:
    """Draw mutants, run the tests on them, and print the survivors."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=_at_least_one, default=400, help="how many mutants are drawn")
    parser.add_argument("--seed", type=int, default=7, help="of the draw")
    parser.add_argument("--only", nargs="+", help="names of mutants to run instead of a draw")
    arguments = parser.parse_args(words)
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    names = arguments.only or drawn(all_names(), arguments.number, arguments.seed)
    LOG.parent.mkdir(exist_ok=True)
    print(f"{len(names)} mutants, minutes to an hour; the progress stands in {LOG}", flush=True)
    with LOG.open("w") as log:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
        if subprocess.run(command, stdout=log, stderr=log).returncode:
            print(f"mutmut failed; {LOG} says why", file=sys.stderr)
            return 2
    text, enough = report(results(names), get_diff_for_mutant)
    print(text)
    return 0 if enough else 1


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of mutants, at least 1, got {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
