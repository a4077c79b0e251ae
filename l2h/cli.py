"""The command `l2h`: fit a helper for a frozen client, report on it, serve it, ask it, ship it and verify it."""

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CLIENT_ANSWERS = {"m": "client_labels", "scores": "client_scores"}  # name in an .npz -> argument of the estimator
IMAGE_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels
EXIT_ERROR, EXIT_INTERRUPTED = 1, 130  # the second as a shell reports Ctrl-C
EXAMPLES = """examples:
  l2h fit --client model.onnx --data train.npz --test test.npz --costs 1,0.1 out/
  l2h report out/ --data test.npz
  l2h serve out/ --port 8000
  l2h ask out/ image.png --url http://127.0.0.1:8000
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: results on stdout, errors on stderr.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        0; 1 for an error, or where `verify` finds a contradiction; 130 after Ctrl-C. A wrong usage exits with 2.
    """
    options = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, format="l2h: %(message)s", level=logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _show_warning
            result, lines = options.command(options)
    except KeyboardInterrupt:
        _say(options.interrupted)
        return EXIT_INTERRUPTED
    except (OSError, ValueError, RuntimeError) as error:
        _say(str(error))
        return EXIT_ERROR
    except ImportError as error:
        _say(f"{error}: pip install '.[serve]' in the checkout brings what the command needs")
        return EXIT_ERROR
    text = json.dumps(result, indent=1, allow_nan=False) if options.json else str(lines)
    sys.stdout.write(f"{printable(text)}\n")
    if result.get("interrupted"):
        return EXIT_INTERRUPTED
    return EXIT_ERROR if result.get("failed") else 0


def printable(text: str) -> str:
    r"""The text as stdout can show it: a character that its encoding lacks becomes an escape, such as \xfc.

    >>> printable("a, b")
    'a, b'
    """
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _say(text: str) -> None:
    sys.stderr.write(f"l2h: {text}\n")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(str(message))


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with one subcommand for each verb."""
    top = argparse.ArgumentParser(
        prog="l2h",
        description="A rejector for the device and a server model, trained for a client that cannot change.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, command: Callable[[argparse.Namespace], Any], summary: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=command, interrupted="interrupted")
        added.add_argument("--json", action="store_true", help="write the result as JSON")
        return added

    _add_fit(verb("fit", _fit, "Fit rejector and server for a frozen client, and save them in a folder."))
    _add_report(verb("report", _report, "Say what a saved helper is worth on data that it was not fitted on."))
    _add_serve(verb("serve", _serve, "Serve the server model of a saved helper over HTTP."))
    _add_ask(verb("ask", _ask, "Classify inputs as the device does, with or without a server."))
    _add_export_triton(verb("export-triton", _export_triton, "Write a model repository for NVIDIA Triton."))
    _add_verify(verb("verify", _verify, "Check a saved helper: its files, its metrics on data, a running server."))
    return top


def _add_fit(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="where the helper is saved")
    command.set_defaults(interrupted="interrupted; nothing was saved")
    command.add_argument("--data", type=Path, required=True, help="an .npz with x and y, not used for the client")
    command.add_argument(
        "--client", type=Path, help="an ONNX file; by default m or scores in the data, else the most frequent label"
    )
    command.add_argument("--costs", type=_costs, default=(1.0, 0.1), metavar="C1,CE", help="c1 and ce, 1,0.1")
    command.add_argument("--method", default="learning_to_help", help="name of a method, learning_to_help")
    command.add_argument("--budget", type=float, help="largest share of inputs that is sent, in (0, 1)")
    command.add_argument("--seed", type=int, default=0, help="of all random numbers, 0")
    command.add_argument("--test", type=Path, help="an .npz as the data, on which the report is made")


def _add_report(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="of a saved helper")
    command.add_argument("--data", type=Path, required=True, help="an .npz with x and y, not used for fitting")


def _add_serve(command: argparse.ArgumentParser) -> None:
    command.set_defaults(interrupted="stopped")
    command.add_argument("folder", type=Path, help="of a saved helper")
    command.add_argument("--host", default="127.0.0.1", help="address to bind to, 127.0.0.1")
    command.add_argument("--port", type=int, default=8000, help="0 for a free one, 8000")
    command.add_argument("--token-file", type=Path, help="file with the token that requests must bring")
    command.add_argument("--certificate", type=Path, help="PEM file, for TLS")
    command.add_argument("--key", type=Path, help="PEM file of the certificate's key")


def _add_ask(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="of a saved helper")
    command.add_argument("inputs", type=Path, nargs="+", help="images, .npy files, or .npz files with x")
    command.add_argument("--url", help="of a running server; without one the client answers all inputs")
    command.add_argument("--deadline", type=float, default=1.0, help="seconds for a whole exchange, 1")
    _add_server_options(command)


def _add_export_triton(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="of a saved helper")
    command.add_argument("repository", type=Path, help="where the model repository is written")


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="of a saved helper")
    command.add_argument("--data", type=Path, help="the .npz that --test of fit named, for the card's metrics")
    command.add_argument("--url", help="of a running server, which must answer as the saved model does")
    _add_server_options(command)


def _add_server_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--token-file", type=Path, help="file with the server's token")
    command.add_argument("--ca", type=Path, help="PEM file with the certificates to trust, by default the system's")


def _costs(text: str) -> tuple[float, float]:
    """Two numbers, c1 and ce."""
    parts = text.split(",")
    try:
        c1, ce = (float(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two numbers as in 1,0.1, got {text!r}") from None
    return c1, ce


def read_arrays(path: Path, *, required: Sequence[str] = ("x", "y")) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; nothing in it is unpickled.

    Args:
        path: of the file.
        required: names that must be there; y, m and scores have one entry for each of x.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an .npz file of plain arrays, a name is missing, or lengths differ.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected an .npz file, got {path}, which is no file")
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and NumPy have no common class
        raise ValueError(f"expected {path} as an .npz file of plain arrays, got: {error}") from error
    if missing := [name for name in required if name not in arrays]:
        raise ValueError(f"expected {', '.join(required)} in {path}, got {', '.join(arrays)}: no {missing[0]}")
    for name in (name for name in ("x", "y", *CLIENT_ANSWERS) if name in arrays):  # x first: the others are as long
        if arrays[name].ndim == 0 or len(arrays[name]) != len(arrays["x"]):
            raise ValueError(
                f"expected as many rows of {name} as of x in {path}, got {arrays[name].shape} and {arrays['x'].shape}"
            )
    return arrays


def _fit(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from l2h.serving.folder import check_target, is_helper

    check_target(options.folder)
    data = read_arrays(options.data)
    test = None if options.test is None else read_arrays(options.test)
    answers = _client_answers(data)
    if options.client is not None and answers:
        raise ValueError(f"expected --client, or m and scores in {options.data}, got both")
    if test is not None:
        _check_test(options, data, test)
    from l2h.serving.estimator.classifier import LearningToHelpClassifier  # torch comes last: it takes seconds

    c1, ce = options.costs
    helper = LearningToHelpClassifier(
        options.client, c1=c1, ce=ce, method=options.method, budget=options.budget, random_state=options.seed
    )
    helper.fit(data["x"], data["y"], **answers)
    if helper.interrupted_ and is_helper(options.folder):
        options.interrupted = f"{options.folder} keeps the helper that it holds; the interrupted one was not saved"
        raise KeyboardInterrupt
    try:
        report = helper.report_ if test is None else helper.report(test["x"], test["y"], **_client_answers(test))
    except ValueError as error:
        helper.save(options.folder)
        reason = f"{error}; {options.folder} holds the helper with a report on the validation part of {options.data}"
        raise ValueError(reason) from error
    assert report is not None  # fit makes one
    _progress("writing ONNX files")
    helper.save(options.folder)
    result = {"folder": str(options.folder), "interrupted": helper.interrupted_, "report": report.as_dict()}
    return result, f"{report}\nsaved in {options.folder}"


def _progress(text: str) -> None:
    """A line on a terminal for what follows."""
    if sys.stderr.isatty():
        _say(text)


def _check_test(options: argparse.Namespace, data: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray]) -> None:
    """Refuse data of a report that do not fit those of the fit, before it starts."""
    x, x_test = data["x"], test["x"]
    if (x.shape[1:], x.dtype) != (x_test.shape[1:], x_test.dtype):
        raise ValueError(
            f"expected x of {x.dtype} {('n', *x.shape[1:])} in {options.test}, as in {options.data}, got "
            f"{x_test.dtype} {x_test.shape}"
        )
    if unknown := sorted(set(test["y"].ravel().tolist()) - set(data["y"].ravel().tolist()), key=str):
        raise ValueError(f"expected labels of {options.data} in {options.test}, got {unknown[0]!r}")
    if set(_client_answers(data)) != set(_client_answers(test)):
        names = [", ".join(set(CLIENT_ANSWERS) & set(each)) or "neither" for each in (data, test)]
        raise ValueError(f"expected the same of m and scores in {options.data} and {options.test}, got {names}")


def _report(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from l2h.serving.folder import read_card

    data = read_arrays(options.data)
    if "client" not in read_card(options.folder).parts and not _client_answers(data):
        raise ValueError(f"expected m and scores in {options.data}, since the helper has no file of its client")
    from l2h.serving.estimator.classifier import LearningToHelpClassifier  # torch comes last: it takes seconds

    helper = LearningToHelpClassifier.load(options.folder)
    report = helper.report(data["x"], data["y"], **_client_answers(data))
    return report.as_dict(), str(report)


def _client_answers(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The client's answers among arrays, by the names of the estimator's arguments."""
    return {argument: data[name] for name, argument in CLIENT_ANSWERS.items() if name in data}


def _serve(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from l2h.serving.http.server import serve

    def announce(url: str, fault: str | None) -> None:
        state = {"url": url, "ready": fault is None, "fault": fault}
        line = f"ready on {url}" if fault is None else f"not ready: {fault}"
        sys.stdout.write(f"{json.dumps(state) if options.json else line}\n")
        sys.stdout.flush()

    serve(
        options.folder,
        announce=announce,
        host=options.host,
        port=options.port,
        token=_token(options.token_file),
        certificate=options.certificate,
        key=options.key,
    )
    return {"stopped": True}, "stopped"


def _ask(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from l2h.serving.device import Device
    from l2h.serving.folder import read_card

    card = read_card(options.folder)
    inputs = [each for path in options.inputs for each in _named_inputs(path, card)]
    window = 6 * options.deadline  # as long as two times the time-outs that open the breaker
    with Device(
        options.folder,
        options.url,
        deadline=options.deadline,
        breaker_window=window,
        queue_timeout=2 * window,
        token=_token(options.token_file),
        ca=options.ca,
    ) as device:
        answers = [(name, device.answer(x)) for name, x in inputs]
    rows = [{"input": name, **answer._asdict()} for name, answer in answers]
    lines = [f"{name}: {one.label} from the {one.source}{_because(one.reason)}" for name, one in answers]
    return {"answers": rows}, "\n".join(lines)


def _because(reason: str | None) -> str:
    from l2h.serving.device import REASONS

    return "" if reason is None else f": {REASONS[reason]}"


def _named_inputs(path: Path, card: Any) -> list[tuple[str, np.ndarray]]:
    """The inputs in a file, of the card's shape and type, with their names."""
    if not path.is_file():
        raise FileNotFoundError(f"expected an image, an .npy or an .npz file, got {path}, which is no file")
    if path.suffix == ".npz":
        batch = read_arrays(path, required=("x",))["x"]
    elif path.suffix == ".npy":
        batch = _read_array(path)
    else:
        batch = _read_image(path, card)
    if batch.shape == card.input_shape:
        return [(str(path), _as_input(batch, card))]
    if batch.shape[1:] != card.input_shape or len(batch) == 0:
        expected = ", ".join(map(str, card.input_shape))
        raise ValueError(f"expected inputs of shape ({expected}) or (n, {expected}) in {path}, got {batch.shape}")
    return [(f"{path}[{number}]", _as_input(x, card)) for number, x in enumerate(batch)]


def _as_input(x: np.ndarray, card: Any) -> np.ndarray:
    """Numbers as float32 where the card says so, as `fit` takes them."""
    return x.astype(np.float32) if card.input_dtype == "float32" and x.dtype.kind in "iuf" else x


def _read_array(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as stream:  # `np.load` would read an .npz file of this name, too
            array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"expected {path} as an .npy file of a plain array, got: {error}") from error
    return array


def _read_image(path: Path, card: Any) -> np.ndarray:
    """The bytes of an image, (height, width) or (channels, height, width) as the card says."""
    from PIL import Image, UnidentifiedImageError

    shape = card.input_shape
    mode = "L" if len(shape) == 2 else IMAGE_MODES.get(shape[0]) if len(shape) == 3 else None
    if card.input_dtype != "uint8" or mode is None:
        given = f"this helper reads {card.input_dtype} of shape {shape}, no bytes of an image"
        raise ValueError(f"expected an .npy or an .npz file, since {given}, got {path}")
    try:
        with Image.open(path) as image:
            height, width = shape[-2:]
            if image.size != (width, height):
                given = f"{image.size[0]} x {image.size[1]}"
                raise ValueError(f"expected an image of {width} x {height} pixels, got {path} of {given}")
            pixels = np.asarray(image.convert(mode))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"expected an image, an .npy or an .npz file, got {path}: {error}") from error
    return pixels.reshape(shape) if mode == "L" else pixels.transpose(2, 0, 1)


def _export_triton(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from l2h.serving.http.triton import write_triton_repository

    write_triton_repository(options.folder, options.repository)
    files = sorted(
        str(path.relative_to(options.repository)) for path in options.repository.rglob("*") if path.is_file()
    )
    return {"repository": str(options.repository), "files": files}, "\n".join([f"{options.repository}:", *files])


def _verify(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from l2h.serving.verification import verify

    data = None if options.data is None else read_arrays(options.data)
    checks = verify(options.folder, data=data, url=options.url, token=_token(options.token_file), ca=options.ca)
    failed = [check.name for check in checks if not check.passed]
    lines = [f"{'ok' if check.passed else 'FAILED'}: {check.name}: {check.found}" for check in checks]
    return {"checks": [check._asdict() for check in checks], "failed": failed}, "\n".join(lines)


def _token(path: Path | None) -> str | None:
    """The token in a file, or in the variable L2H_TOKEN; never on the command line, where other users could read it."""
    if path is None:
        return os.environ.get("L2H_TOKEN") or None
    if not path.is_file():
        raise FileNotFoundError(f"expected a file with a token, got {path}, which is no file")
    token = path.read_text().strip()
    if not token:
        raise ValueError(f"expected a token in {path}, got an empty file")
    return token


if __name__ == "__main__":
    sys.exit(main())
