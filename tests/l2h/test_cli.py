"""The command `l2h`: what it prints and writes, its exit codes, and one sentence for each wrong input."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.faults import ServerProcess
from helpers.serving import linear_onnx, small_helper
from PIL import Image

from l2h import cli
from l2h.problem import asks
from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.onnx.sessions import load_parts

VERBS = ("fit", "report", "serve", "ask", "export-triton", "verify")
SHAPE = (3, 4, 5)  # channels, height, width
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def l2h(capsys):
    """Run the command in this process: (exit code, stdout, stderr); with --json the result in place of the text."""

    def run(*arguments):
        code = cli.main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A helper for images of bytes."""
    folder = tmp_path_factory.mktemp("images") / "helper"
    small_helper(folder, shape=SHAPE, dtype="uint8")
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A helper for three numbers."""
    folder = tmp_path_factory.mktemp("table") / "helper"
    small_helper(folder)
    return folder


def save_table(path, *, n=120, seed=0, **more):
    """A task whose label is the sign of the first of three columns."""
    x = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    arrays = {"x": x, "y": np.where(x[:, 0] > 0, "dog", "cat")} | more
    np.savez(path, **arrays)
    return arrays


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """The folder of a task and its client, in files."""
    folder = tmp_path_factory.mktemp("task")
    train, test = save_table(folder / "train.npz"), save_table(folder / "test.npz", seed=1)
    linear_onnx(folder / "client.onnx", output="scores")
    for name, arrays in (("train", train), ("test", test)):
        m = np.where(arrays["x"][:, 1] > 0, "dog", "cat")
        np.savez(folder / f"{name}_with_answers.npz", m=m, scores=arrays["x"][:, 1], **arrays)
    return folder


@pytest.fixture(scope="module")
def fitted(task):
    """A helper fitted by the command for the client of the task."""
    client, data, test = (task / name for name in ("client.onnx", "train.npz", "test.npz"))
    code = cli.main(["fit", "--client", str(client), "--data", str(data), "--test", str(test), str(task / "out")])
    assert code == 0
    return task / "out"


@pytest.fixture
def saved(monkeypatch):
    """The helpers that `fit` would save: files are what takes the time."""
    helpers = []
    monkeypatch.setattr(LearningToHelpClassifier, "save", lambda helper, folder: helpers.append(helper))
    return helpers


# The verbs, with inputs that are right.


def test_fit_saves_a_helper_with_the_report_on_the_data_of_the_test(fitted, task):
    card, models = load_parts(fitted)
    assert set(models) == {"rejector", "server", "client"} and card.classes == ("cat", "dog")
    assert (card.costs.c1, card.costs.ce) == (1.0, 0.1) and card.metrics["accuracy"]["n"] == 120
    assert card.metrics["accuracy"]["data"] == "examples that fit did not use"


def test_fit_without_client_takes_the_most_frequent_label(l2h, saved, tmp_path):
    x = np.arange(120, dtype=np.float32).reshape(40, 3)
    np.savez(tmp_path / "data.npz", x=x, y=np.repeat([3, 7], (30, 10)))
    options = "--data", tmp_path / "data.npz", "--costs", "2,0.25", "--method", "always_keep", "--json"
    code, result, _ = l2h("fit", *options, tmp_path / "out")
    assert code == 0 and result["folder"] == str(tmp_path / "out") and result["interrupted"] == ""
    assert result["report"]["costs"] == {"c1": 2.0, "ce": 0.25}
    assert result["report"]["metrics"]["accuracy"]["estimate"] == 0.75
    assert saved[0].predict(x[:2]).tolist() == [3, 3]


def test_fit_takes_answers_from_the_data_where_the_client_is_no_file(l2h, saved, task, tmp_path):
    files = (task / f"{name}_with_answers.npz" for name in ("train", "test"))
    options = [each for pair in zip(("--data", "--test"), files, strict=True) for each in pair]
    code, result, _ = l2h("fit", *options, "--method", "always_keep", "--json", tmp_path / "out")
    test = cli.read_arrays(task / "test_with_answers.npz")
    assert code == 0 and len(saved) == 1 and "the client's confidence" in result["report"]["losses"]
    assert result["report"]["metrics"]["accuracy"]["estimate"] == pytest.approx((test["m"] == test["y"]).mean())


def test_report_is_that_of_the_estimator(l2h, fitted, task):
    test = cli.read_arrays(task / "test.npz")
    expected = LearningToHelpClassifier.load(fitted).report(test["x"], test["y"])
    assert l2h("report", fitted, "--data", task / "test.npz", "--json") == (0, expected.as_dict(), "")
    assert l2h("report", fitted, "--data", task / "test.npz") == (0, f"{expected}\n", "")


def test_a_terminal_without_umlauts_shows_escapes_of_them(tmp_path, monkeypatch):
    small_helper(tmp_path / "helper", classes=("Fuß", "Spaß"))
    np.savez(tmp_path / "inputs.npz", x=np.zeros((2, 3), np.float32))
    ascii_only = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    assert cli.main(["ask", str(tmp_path / "helper"), str(tmp_path / "inputs.npz")]) == 0
    ascii_only.flush()
    assert rb"\xdf" in ascii_only.buffer.getvalue()


def test_report_takes_answers_from_the_data(l2h, task, tmp_path):
    small_helper(tmp_path / "helper", client=False)
    code, result, _ = l2h("report", tmp_path / "helper", "--data", task / "test_with_answers.npz", "--json")
    assert code == 0 and result["n"] == 120
    code, _, error = l2h("report", tmp_path / "helper", "--data", task / "test.npz")
    assert code == 1 and "expected m and scores in" in error and "no file of its client" in error


def decisions(folder, x):
    """Labels and whether the device asks, by the saved models alone."""
    card, models = load_parts(folder)
    m, e = models["client"](x)["m"], models["server"](x)["e"] >= 0
    asked = asks(models["rejector"](x)["r"] - np.float32(card.threshold))
    return np.array(card.classes)[np.where(asked, e, m)], asked, np.array(card.classes)[m]


def test_ask_without_a_server_gives_the_clients_labels(l2h, table, tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.save(tmp_path / "x.npy", x)
    code, result, _ = l2h("ask", table, tmp_path / "x.npy", "--json")
    _, asked, m = decisions(table, x.astype(np.float32))
    assert code == 0 and asked.any() and not asked.all()
    assert [answer["label"] for answer in result["answers"]] == m.tolist()
    assert [answer["reason"] for answer in result["answers"]] == [("no_server" if one else None) for one in asked]
    assert result["answers"][3]["input"] == f"{tmp_path / 'x.npy'}[3]"
    _, text, _ = l2h("ask", table, tmp_path / "x.npy")
    line = text.splitlines()[asked.argmax()]
    assert line.endswith(f"{m[asked.argmax()]} from the fallback: the device has no server")


def test_the_command_serves_what_ask_and_verify_ask(l2h, images, tmp_path, monkeypatch):
    """With a token, which `serve` reads from a variable and the others from a file."""
    x = np.random.default_rng(0).integers(0, 256, size=(12, *SHAPE), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x)
    (tmp_path / "token").write_text("secret\n")
    environment = os.environ | {"L2H_TOKEN": "secret", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "l2h.cli", "serve", str(images), "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # a shell may start the tests with SIGINT ignored, which a child would inherit
    with_interrupts = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, env=environment, text=True, preexec_fn=with_interrupts, **pipes) as server:
        try:
            state = json.loads(server.stdout.readline())
            assert (state["ready"], state["fault"]) == (True, None)
            there = "--url", state["url"], "--json"
            token = "--token-file", tmp_path / "token"
            code, result, _ = l2h("ask", images, tmp_path / "x.npz", *there, *token, "--deadline", 60)
            labels, asked, _ = decisions(images, x)
            assert code == 0 and asked.any() and [each["label"] for each in result["answers"]] == labels.tolist()
            assert [each["source"] for each in result["answers"]] == [("server" if one else "client") for one in asked]
            code, result, _ = l2h("verify", images, *there, *token)
            assert code == 0 and [check["passed"] for check in result["checks"]] == [True, True]
            monkeypatch.delenv("L2H_TOKEN", raising=False)
            code, result, _ = l2h("verify", images, *there)
            assert code == 1 and result["failed"] == ["server"] and "401" in result["checks"][1]["found"]
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(120) == 130
        assert server.stderr.read() == "l2h: stopped\n"


@pytest.mark.parametrize(("shape", "mode"), [((4, 5), "L"), ((1, 4, 5), "L"), ((3, 4, 5), "RGB"), ((4, 4, 5), "RGBA")])
def test_an_image_has_the_channels_and_the_axes_of_the_card(shape, mode, tmp_path):
    card = small_helper(tmp_path / "helper", shape=shape, dtype="uint8")
    pixels = np.random.default_rng(0).integers(0, 256, size=(4, 5, len(mode)), dtype=np.uint8)
    Image.fromarray(pixels.squeeze(), mode=None).save(tmp_path / "image.png")
    ((name, x),) = cli._named_inputs(tmp_path / "image.png", card)
    assert name == str(tmp_path / "image.png") and x.dtype == np.uint8 and x.shape == shape
    assert (x == (pixels[..., 0] if len(shape) == 2 else np.moveaxis(pixels, 2, 0))).all()


def test_export_triton_names_the_files_that_it_wrote(l2h, table, tmp_path):
    code, result, _ = l2h("export-triton", table, tmp_path / "triton", "--json")
    assert code == 0 and "models/server/config.pbtxt" in result["files"]
    assert all((tmp_path / "triton" / file).is_file() for file in result["files"])
    code, _, error = l2h("export-triton", table, tmp_path / "triton")
    assert code == 1 and error.startswith("l2h: expected a new or empty folder")


def test_verify_passes_what_fit_saved(l2h, fitted, task):
    code, text, _ = l2h("verify", fitted, "--data", task / "test.npz")
    assert code == 0 and [line.partition(":")[0] for line in text.splitlines()] == ["ok", "ok"]
    code, result, _ = l2h("verify", fitted, "--data", task / "train.npz", "--json")
    assert code == 1 and result["failed"] == ["metrics"]


def test_verify_of_a_damaged_folder_fails(l2h, table, tmp_path):
    shutil.copytree(table, tmp_path / "helper")
    with (tmp_path / "helper/server.onnx").open("ab") as file:
        file.write(b"\0")
    code, text, _ = l2h("verify", tmp_path / "helper")
    assert code == 1 and text.startswith("FAILED: files: ") and "server.onnx" in text


# Usage.


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and text.startswith(f"usage: l2h {verb} ") and "--json" in text


def test_help_has_every_verb_and_examples_that_the_parser_takes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {verb}" in text for verb in VERBS)
    examples = [line.split()[1:] for line in cli.EXAMPLES.splitlines() if line.startswith("  l2h ")]
    assert len(examples) == 4 and all(cli.parser().parse_args(each) for each in examples)


@pytest.mark.parametrize(
    "arguments", [[], ["train"], ["fit", "out"], ["report", "out"], ["ask", "out"], ["serve", "out", "--port", "many"]]
)
def test_a_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2 and "usage: l2h" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1", "1,0.1,2", "one,0.1", ""])
def test_costs_are_two_numbers(text, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["fit", "--data", "train.npz", "--costs", text, "out"])
    assert ended.value.code == 2 and "expected two numbers as in 1,0.1, got" in capsys.readouterr().err


# Inputs that are wrong: exit code 1 and one sentence, before anything is fitted.


def pickled(path):
    np.savez(path, x=np.array([{}, {}], dtype=object), y=np.array([0, 1]))


def one_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def without_y(path):
    np.savez(path, x=np.zeros((2, 3)))


def two_lengths(path):
    np.savez(path, x=np.zeros((2, 3)), y=np.zeros(3))


def one_number(path):
    np.savez(path, x=np.float32(1), y=np.zeros(3))


WRONG_DATA = {
    "is no file": lambda path: None,
    "as an .npz file of plain arrays": lambda path: path.write_bytes(b"PK\x03\x04 not a zip"),
    "got: a single array": one_array,
    "Object arrays cannot be loaded": pickled,
    "got x: no y": without_y,
    "expected as many rows of y as of x": two_lengths,
    "expected as many rows of": one_number,
}


@pytest.mark.parametrize("verb", [("fit",), ("report",), ("verify",)], ids=" ".join)
@pytest.mark.parametrize(("message", "write"), WRONG_DATA.items(), ids=WRONG_DATA)
def test_wrong_data_are_refused(verb, message, write, l2h, tmp_path, table):
    write(tmp_path / "data.npz")
    folder = tmp_path / "out" if verb == ("fit",) else table
    code, out, error = l2h(*verb, "--data", tmp_path / "data.npz", folder)
    assert (code, out) == (1, "") and error.startswith("l2h: expected ") and message in error
    assert error.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((120, 4), np.float32)}, r"expected x of float32 ('n', 3) in"),
        ({"x": np.zeros((120, 3))}, "got float64 (120, 3)"),
        ({"y": np.array(["cat", "cow"] * 60)}, "got 'cow'"),
        ({"m": np.array(["cat"] * 120)}, "expected the same of m and scores in"),
    ],
)
def test_data_of_a_report_that_do_not_fit_are_refused_at_once(changes, message, l2h, task, tmp_path, monkeypatch):
    monkeypatch.setattr(LearningToHelpClassifier, "fit", None)
    save_table(tmp_path / "test.npz", **changes)
    code, _, error = l2h("fit", "--data", task / "train.npz", "--test", tmp_path / "test.npz", tmp_path / "out")
    assert code == 1 and message in error and not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_refused_before_the_fit(l2h, task, monkeypatch):
    monkeypatch.setattr(LearningToHelpClassifier, "fit", None)
    before = sorted(task.iterdir())
    code, _, error = l2h("fit", "--data", task / "train.npz", task)
    assert code == 1 and "expected a new or empty folder, or that of a saved helper" in error
    assert sorted(task.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--client", "client.onnx", "--data", "train_with_answers.npz"), "expected --client, or m and scores in"),
        (("--client", "none.onnx", "--data", "train.npz"), "expected an ONNX file as client, got none.onnx"),
        (("--client", "train.npz", "--data", "train.npz"), "expected train.npz as an ONNX model"),
        (("--method", "none", "--data", "train.npz"), "none"),
        (("--costs", "1,nan", "--data", "train.npz"), "ce"),
        (("--budget", "2", "--data", "train.npz"), "expected a budget in (0, 1)"),
    ],
)
def test_wrong_options_of_a_fit_are_refused(options, message, l2h, task, tmp_path, monkeypatch):
    monkeypatch.chdir(task)
    code, _, error = l2h("fit", *options, tmp_path / "out")
    assert code == 1 and message in error and not (tmp_path / "out").exists()


def test_a_report_that_fails_after_the_fit_loses_no_helper(l2h, saved, task, tmp_path):
    arguments = "--data", task / "train.npz", "--test", task / "train.npz", "--method", "always_keep"
    code, _, error = l2h("fit", *arguments, tmp_path / "out")
    assert code == 1 and "expected examples that fit did not use" in error and "holds the helper" in error
    assert len(saved) == 1


@pytest.mark.parametrize("verb", ["report", "serve", "ask", "export-triton"])
def test_a_folder_that_holds_no_helper_is_refused(verb, l2h, task, tmp_path):
    more = {"report": ["--data", task / "test.npz"], "ask": [task / "test.npz"], "export-triton": [tmp_path / "out"]}
    for folder in (tmp_path, tmp_path / "none"):
        code, out, error = l2h(verb, folder, *more.get(verb, []))
        assert (code, out) == (1, "") and error.startswith("l2h: expected the folder of a saved helper")


def write_image(path, size=(5, 4)):
    Image.new("RGB", size).save(path)


def test_inputs_that_are_none_are_refused(l2h, images, table, tmp_path):
    write_image(tmp_path / "large.png", (32, 32))
    write_image(tmp_path / "right.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "several.npz", x=np.zeros(SHAPE, np.uint8))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    np.save(tmp_path / "shape.npy", np.zeros((2, 2)))
    np.save(tmp_path / "empty.npy", np.zeros((0, *SHAPE), np.uint8))
    np.save(tmp_path / "float.npy", np.zeros(SHAPE))
    np.savez(tmp_path / "y.npz", y=np.zeros(2))
    cases = {
        "none.png": "is no file",
        "large.png": "expected an image of 5 x 4 pixels, got",
        "text.png": "expected an image, an .npy or an .npz file",
        "cut.npy": "as an .npy file of a plain array",
        "pickled.npy": "as an .npy file of a plain array",
        "several.npy": "as an .npy file of a plain array",
        "shape.npy": "expected inputs of shape (3, 4, 5) or (n, 3, 4, 5)",
        "empty.npy": "got (0, 3, 4, 5)",
        "float.npy": "expected x as a NumPy array of type uint8, got float64",
        "y.npz": "got y: no x",
    }
    for name, message in cases.items():
        code, out, error = l2h("ask", images, tmp_path / name)
        assert (code, out) == (1, "") and message in error, name
    code, _, error = l2h("ask", table, tmp_path / "right.png")
    assert code == 1 and "this helper reads float32 of shape (3,), no bytes of an image" in error
    assert l2h("ask", images, tmp_path / "right.png")[0] == 0


def test_tokens_and_addresses_that_are_wrong_are_refused(l2h, table, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "two words").write_text("two words")
    for verb in (["ask", table, tmp_path / "x.npy"], ["verify", table]):
        there = [*verb, "--url", "http://127.0.0.1:1"]
        for name, message in (("none", "is no file"), ("empty", "got an empty file"), ("two words", "(not shown)")):
            code, _, error = l2h(*there, "--token-file", tmp_path / name)
            assert code == 1 and message in error and "two words" not in error.replace(str(tmp_path / name), "")
        code, _, error = l2h(*verb, "--url", "ftp://host")
        assert code == 1 and "expected a URL as http://host:port" in error
        code, _, error = l2h(*verb, "--url", "https://127.0.0.1:1", "--ca", tmp_path / "none")
        assert code == 1 and "expected a file of trusted certificates" in error
    assert l2h("serve", table, "--token-file", tmp_path / "empty")[0] == 1
    assert l2h("serve", table, "--port", 0, "--key", tmp_path / "empty")[0] == 1


def test_a_deadline_that_is_none_is_refused(l2h, table, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    code, _, error = l2h("ask", table, tmp_path / "x.npy", "--deadline", 0)
    assert code == 1 and "deadline" in error


# Interrupts, warnings, and what is not installed.


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupt_ends_with_130_and_one_sentence(l2h, task, tmp_path, monkeypatch):
    monkeypatch.setattr(LearningToHelpClassifier, "fit", interrupted)
    arguments = "fit", "--data", task / "train.npz", tmp_path / "out"
    assert l2h(*arguments) == (130, "", "l2h: interrupted; nothing was saved\n")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(LearningToHelpClassifier, "load", interrupted)
    small_helper(tmp_path / "helper")
    assert l2h("report", "--data", task / "train.npz", tmp_path / "helper") == (130, "", "l2h: interrupted\n")


def test_an_interrupt_in_the_last_training_saves_what_there_is_but_over_no_helper(
    l2h, saved, task, tmp_path, monkeypatch
):
    fit = LearningToHelpClassifier.fit

    def fit_until_interrupted(self, *arrays, **answers):
        fit(self, *arrays, **answers).interrupted_ = "interrupted in the last training"
        warnings.warn(self.interrupted_, UserWarning, stacklevel=2)

    monkeypatch.setattr(LearningToHelpClassifier, "fit", fit_until_interrupted)
    arguments = "fit", "--data", task / "train.npz", "--method", "always_keep", tmp_path / "out", "--json"
    code, result, error = l2h(*arguments)
    assert (code, error) == (130, "l2h: interrupted in the last training\n") and len(saved) == 1
    assert result["interrupted"] == "interrupted in the last training"
    small_helper(tmp_path / "out")
    code, result, error = l2h(*arguments)
    assert code == 130 and "keeps the helper that it holds" in error and len(saved) == 1


def test_steps_of_a_fit_are_told_on_a_terminal_only(capsys, monkeypatch):
    for terminal, expected in ((True, "l2h: writing\n"), (False, "")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        cli._progress("writing")
        assert capsys.readouterr().err == expected


def given_command(monkeypatch, command):
    """The command line runs `command`."""
    options = argparse.Namespace(command=command, json=False, interrupted="interrupted")
    monkeypatch.setattr(cli, "parser", lambda: SimpleNamespace(parse_args=lambda arguments: options))


def test_a_warning_is_one_line(l2h, monkeypatch):
    def command(options):
        warnings.warn("the server has no ONNX file", UserWarning, stacklevel=1)
        return {}, "done"

    given_command(monkeypatch, command)
    assert l2h() == (0, "done\n", "l2h: the server has no ONNX file\n")


def test_a_library_that_is_missing_is_named_with_the_extra_that_brings_it(l2h, monkeypatch):
    def command(options):
        raise ModuleNotFoundError("No module named 'onnx'")

    given_command(monkeypatch, command)
    code, out, error = l2h()
    assert (code, out) == (1, "") and "No module named 'onnx'" in error and "[serve]" in error


def test_the_help_needs_numpy_alone():
    script = "import sys; import l2h.cli; print({'torch', 'sklearn', 'onnxruntime', 'starlette'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_verify_asks_a_server_that_is_another(l2h, table, tmp_path):
    small_helper(tmp_path / "other", seed=5)
    with ServerProcess(tmp_path / "other") as server:
        code, result, _ = l2h("verify", table, "--url", server.url, "--json")
    assert code == 1 and result["failed"] == ["server"] and "expected the model" in result["checks"][1]["found"]
