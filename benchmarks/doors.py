"""Random input at every door: parameters, command lines, variables, and files of results, claims, data and records.

A case ends well if the door takes the input, or refuses it with an error of the expected kind that has a message, and
if the files that were there are there afterwards, unchanged. Each case has a random generator of its own, seeded by the
door's name and the case's number, so that one case can be repeated alone: `run_case("store", 7, folder)`.
"""

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.figures import Figure
from companion.build import audit, execute, notebooks, sweep, verify
from companion.build.notebooks import Folders
from companion.chapters.parameters import chapters_with_settings, load_settings, parameter_names
from companion.claims import registry
from companion.pages import render
from l2h import cli
from l2h.data import sources
from l2h.experiments import sweep as sweeps
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.store import Store
from tests.helpers.mutations import TEXTS, changed_bytes, changed_json

SEED = 14
CASES = {
    "parameters": 4000,
    "commands": 2000,
    "variables": 1000,
    "store": 1000,
    "claims": 1000,
    "data": 500,
    "records": 500,
}
REFUSALS = (OSError, RuntimeError, TypeError, ValueError)
NUMBERS = (
    0, 1, 2, 3, -1, 10**6, 2**63, -(2**63), 10**30, 0.0, -0.0, 0.1, 0.18, 0.5, 1e-320, 1e308, -1e308,
    float("nan"), float("inf"), float("-inf"), True, False, 1j,
)  # fmt: skip


class BadEnd(AssertionError):
    """A case that ended in another way than it should."""


def random_value(rng: random.Random, depth: int = 3) -> Any:
    """A value of a type that a notebook's parameter may have."""
    kind = rng.randrange(9 if depth else 5)
    if kind < 2:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice(TEXTS)
    if kind == 3:
        return rng.choice((None, b"", b"\0", rng.random(), rng.randint(-3, 12)))
    if kind == 4:  # nearly right
        return [rng.choice((0, 0.0, 0.05, 0.1, 0.15, rng.uniform(-0.1, 0.3))) for _ in range(rng.randrange(5))]
    items = [
        random_value(rng, depth - 1) for _ in range(rng.choice((0, 1, 2, 3, 300)) if depth == 3 else rng.randrange(3))
    ]
    hashable = [item for item in items if not isinstance(item, list | dict | set)]
    return (items, tuple(items), {str(item): item for item in items}, {repr(item) for item in hashable})[kind - 5]


def contents(folder: Path) -> dict[str, bytes | str | None]:
    """All files below a folder with their content, links with their target."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        found[str(path)] = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


@contextmanager
def nothing_lost(folder: Path) -> Iterator[None]:
    """Refuse an end where a file that was there is gone or changed."""
    before = contents(folder)
    yield
    after = contents(folder)
    if lost := [path for path, content in before.items() if path not in after or after[path] != content]:
        raise BadEnd(f"lost or changed: {', '.join(lost)}")


@contextmanager
def refused_in_words(name: str = "", kinds: tuple[type[Exception], ...] = REFUSALS) -> Iterator[None]:
    """Let errors of the expected kinds pass that have a message, with a name in it."""
    try:
        yield
    except kinds as error:
        if not str(error).strip() or name not in str(error):
            raise BadEnd(f"{error!r} does not say what is wrong, or not where: {name}") from error
    except Exception as error:
        raise BadEnd(f"{type(error).__name__}: {error}") from error


def parameters(rng: random.Random, folder: Path) -> None:
    """Parameters of a chapter: right ones, wrong ones, ones that do not exist."""
    chapter = rng.choice(chapters_with_settings())
    names = [name for name in parameter_names(chapter) if rng.random() < 0.5]
    values = {name: random_value(rng) for name in names}
    values |= {"profile": "quick"} if rng.random() < 0.7 else {}
    values |= {rng.choice(("seed", "ce", "größe", "_x", "X")): random_value(rng)} if rng.random() < 0.2 else {}
    with refused_in_words(), redirect_stdout(StringIO()):
        settings = load_settings(chapter, dict(values))
        for name in names:
            json.dumps(getattr(settings, name))  # as a key needs it


def commands(rng: random.Random, folder: Path) -> None:
    """Words of a command line, for the commands execute, sweep, verify, audit and render, and for `l2h`."""
    base = Folders(folder / "book", folder / "notebooks", folder / "references")
    base.book.mkdir()
    (folder / "mine.npz").write_bytes(rng.randbytes(50))
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("mine")
    claims, report = folder / "claims", folder / "claims.json"
    words = [_word(rng) for _ in range(rng.randrange(5))]
    calls: tuple[tuple[Callable[..., Any], list[str], tuple[Any, ...]], ...] = (
        (execute.main, [rng.choice(("quick", "paper", "record", "x")), *words], (base,)),
        (sweep.main, [rng.choice(("quick", "paper", "x")), *words], (base,)),
        (verify.main, [rng.choice(("record", "paper", "update", "x")), *words], (base, claims, report)),
        (audit.main, words, (base,)),
        (render.main, [str(folder / "notebooks"), "--html", rng.choice(("mine", "mine.npz", "new", *TEXTS))], ()),
        (cli.main, [rng.choice(("fit", "report", "ask", "export-triton", "verify", "x")), *words], ()),
    )
    main, arguments, others = rng.choice(calls)
    with nothing_lost(folder):
        _ends_as_a_command(main, arguments, others)


def _word(rng: random.Random) -> str:
    options = (
        "--runs", "--seed", "-y", "--parameters", "--scheduler=", "--data", "--costs", "--test", "--client", "--budget",
        "--method", "--json", "--deadline", "--token-file", "--ca", "--url=", "--url=http://127.0.0.1:1", "mine",
        "mine.npz",
    )  # fmt: skip
    return rng.choice(options if rng.random() < 0.6 else TEXTS)


def _ends_as_a_command(main: Callable[..., Any], arguments: list[str], others: tuple[Any, ...]) -> None:
    stream = StringIO()  # a check that fails says so on stdout
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            code = main(arguments, *others)
    except SystemExit as end:  # of argparse
        code = end.code
    except Exception as error:
        raise BadEnd(f"{main.__module__} {arguments}: {error!r}") from error
    output = stream.getvalue()
    if code not in (0, 1, 2) or "Traceback" in output or (code and not output.strip()):
        raise BadEnd(f"{main.__module__} {arguments}: exit code {code}, output {output!r}")


def variables(rng: random.Random, folder: Path) -> None:
    """Variables of the environment that a sweep and the data set read."""
    places = ("runs", "a file", "a file/below", "/dev/null", "/proc/nothing", "/etc/passwd/runs", *TEXTS)
    settings = {
        "L2H_RUNS": rng.choice(places),
        "L2H_WORKERS": rng.choice(TEXTS),
        "L2H_DATA": rng.choice((*places, ".")),
        "L2H_ACCELERATOR": rng.choice(("", "", "", "cuda", "cuda:99", "tpu", "cpu", *TEXTS)),
        "L2H_SCHEDULER": "",
    }
    (folder / "a file").write_text("mine")
    given = {name: text.replace("\ud800", "\udcff") for name, text in settings.items()}
    task = sweeps.Task(_kept_result, _key)
    with nothing_lost(folder), mock.patch.dict(os.environ, given):
        with refused_in_words(), redirect_stderr(StringIO()):
            sweeps.sweep([ExperimentConfig("client", source="digits")], task=task)
        with refused_in_words():
            sources.find_cifar10()


def _kept_result(config: ExperimentConfig, *, store: Store) -> dict[str, Any]:
    store.put(_key(config), {"method": config.method})
    return {"method": config.method}


def _key(config: ExperimentConfig) -> str:
    return "0" * 63 + str(len(config.method) % 10)


def store(rng: random.Random, folder: Path) -> None:
    """Files of results: truncated, edited, swapped, foreign, or something else in their place."""
    kept, keys = Store(folder / "runs"), [digit * 64 for digit in "ab"]
    results: list[dict[str, Any]] = [{"r": [rng.random(), 1e308], "text": rng.choice(TEXTS)}, {"seed": 1}]
    for key, result in zip(keys, results, strict=True):
        kept.put(key, result)
    path, other = (kept.folder / f"{key}.json" for key in keys)
    match rng.randrange(5):
        case 0:
            shutil.copy(other, path)
        case 1:
            path.write_text(json.dumps(changed_json(json.loads(path.read_text()), rng)))
        case 2:
            path.unlink()
            path.mkdir() if rng.random() < 0.5 else path.symlink_to(rng.choice((path.name, "/dev/null", "nothing")))
        case _:
            path.write_bytes(changed_bytes(path.read_bytes(), rng))
    with nothing_lost(folder):
        with refused_in_words(path.name, (OSError, ValueError)):
            found = kept.get(keys[0])
            if found not in (results[0], None):
                raise BadEnd(f"another result was returned: {found}")
        if kept.get(keys[1]) != results[1]:
            raise BadEnd("the other result was lost")


def claims(rng: random.Random, folder: Path) -> None:
    """Files of claims with mistakes."""
    originals = sorted(registry.CLAIMS_FOLDER.glob("*.yml"))
    path = folder / rng.choice(originals).name
    content = (registry.CLAIMS_FOLDER / path.name).read_bytes()
    entries = content.split(b"\n- id:")
    short = b"\n- id:".join([entries[0], *rng.sample(entries[1:], min(2, len(entries) - 1))])
    path.write_bytes(changed_bytes(short, rng))
    with nothing_lost(folder), refused_in_words("", (ValueError,)):
        registry.read_claims(folder)


def data(rng: random.Random, folder: Path) -> None:
    """Folders that should hold CIFAR-10."""
    images = folder / rng.choice(("data", "data ü")) / sources.CIFAR10_FOLDER
    images.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        match rng.randrange(8):
            case 0:
                continue
            case 1:
                (images / name).symlink_to(rng.choice((name, "nothing", "/dev/null", "..")))
            case 2:
                (images / name).mkdir()
            case _:
                (images / name).write_bytes(rng.randbytes(rng.choice((0, 1, 1000))))
    given = rng.choice(
        (images.parent, images.parent, images, folder, images / "test_batch", folder / "none", "", " ", "\0")
    )
    with nothing_lost(folder), refused_in_words("", (OSError, ValueError)):
        sources.read_images("cifar10", given)
        raise BadEnd("images were read that are none")


def records(rng: random.Random, folder: Path) -> None:
    """Executed notebooks that are not as they were written."""
    path = folder / "01_problem.ipynb"
    original = json.loads((notebooks.ROOT / "book" / path.name).read_text("utf8"))
    original["cells"] = original["cells"][:2] + [cell for cell in original["cells"][2:] if rng.random() < 0.2]
    if rng.random() < 0.7:
        path.write_text(json.dumps(changed_json(original, rng)), "utf8")
    else:
        path.write_bytes(changed_bytes(json.dumps(original).encode(), rng))
    with nothing_lost(folder):
        with refused_in_words(path.name, (OSError, ValueError)):
            render.read_chapter(path)
        with refused_in_words(path.name, (OSError, ValueError)):
            verify.read_executed_notebooks(folder, [path.stem])


DOORS: Mapping[str, Callable[[random.Random, Path], None]] = {
    door.__name__: door for door in (parameters, commands, variables, store, claims, data, records)
}


def run_case(door: str, number: int, folder: Path, seed: int = SEED) -> None:
    """One case, in an empty folder.

    Raises:
        BadEnd: if it does not end well.
    """
    DOORS[door](random.Random(f"{seed} {door} {number}"), folder)


def bad_ends(door: str, cases: int, seed: int = SEED) -> list[str]:
    """The cases of a door that do not end well, with their numbers."""
    found = []
    for number in range(cases):
        with tempfile.TemporaryDirectory(prefix="l2h-doors-") as folder, chdir(folder):
            try:
                run_case(door, number, Path(folder), seed)
            except BadEnd as error:
                found.append(f"{door} {number}: {error}")
    return found


def figures(cases: Mapping[str, int] = CASES) -> Iterator[Figure]:
    """The share of cases that end well, door by door.

    Raises:
        RuntimeError: naming the cases that do not.
    """
    for door, number in cases.items():
        found = bad_ends(door, number)
        if found:
            raise RuntimeError("\n".join(found))
        yield Figure(f"doors_{door}", 1.0, "cases that end well", "all cases", number, number)
