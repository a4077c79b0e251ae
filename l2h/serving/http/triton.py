"""A repository for NVIDIA Triton: a helper's server model, what starts it, and manifests for Kubernetes and KServe.

Triton comes from the wheel `nvidia-pytriton`, in an environment of its own that has numpy < 2: with numpy 2 its Python
backend answers with status 200 and wrong scores. `run.py` of the repository compares four known inputs before it
serves.
"""

import re
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from string import Template

from l2h.serving.http import protocol
from l2h.serving.http.application import DEFAULT_SETTINGS, ServerSettings, load_server
from l2h.serving.http.self_check import SCORE_TOLERANCE

TEMPLATES = Path(__file__).with_name("triton_files")
TRITON_FILES = {  # template -> file in the repository
    "config.pbtxt": "models/server/config.pbtxt",
    "model.py.txt": "models/server/1/model.py",
    "run.py.txt": "run.py",
    "Dockerfile": "Dockerfile",
    "kubernetes.yaml": "kubernetes.yaml",
    "kserve.yaml": "kserve.yaml",
}
KUBERNETES_NAME = r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?"
IMAGE_NAME = r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}"
# With one, as measured on a busy machine with Triton 2.51, one request in ten waited for 500 ms; with two, none did.
LEAST_INSTANCES = 2


def write_triton_repository(
    folder: str | PathLike[str],
    out: str | PathLike[str],
    *,
    settings: ServerSettings = DEFAULT_SETTINGS,
    name: str = "l2h-server",
    image: str = "registry.example/l2h-server:1",
) -> Path:
    """Write what Triton needs to serve a helper's server model.

    Args:
        folder: of a saved helper.
        out: a new or empty folder.
        settings: of which Triton takes max_batch, batch_delay, workers, but `LEAST_INSTANCES` at least, queue_length
            and request_seconds.
        name: of the service in a cluster: small letters, digits and hyphens.
        image: of the container that the manifests start.

    Returns:
        The folder, with `run.py`, which a Python that has `nvidia-pytriton` and `onnxruntime` starts; `Dockerfile`,
        `kubernetes.yaml` and `kserve.yaml`; and `models`, the repository itself.

    Raises:
        FileNotFoundError, ValueError: if the folder is no helper's, its server has no file, `out` holds files, or a
            name is not valid.
    """
    for value, pattern in ((name, KUBERNETES_NAME), (image, IMAGE_NAME)):
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected a name that matches {pattern}, got {value!r}")
    card, model = load_server(folder)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"expected a new or empty folder for the repository, got {out}")
    values = {
        "name": name,
        "image": image,
        "sha256": model.sha256,
        "dtype": card.input_dtype,
        "datatype": protocol.DATATYPES[card.input_dtype],
        "shape": card.input_shape,
        "dims": ", ".join(map(str, card.input_shape)),
        "columns": protocol.score_columns(len(card.classes)),
        "max_batch": min(settings.max_batch, settings.max_rows),  # Triton has one limit for both
        "workers": max(settings.workers, LEAST_INSTANCES),
        "delay": round(settings.batch_delay * 1e6),
        "queue_length": settings.queue_length,
        "timeout": round(settings.request_seconds * 1e6),
        "tolerance": SCORE_TOLERANCE,
        "onnxruntime": version("onnxruntime"),
    }
    for template, file in TRITON_FILES.items():
        path = out / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template((TEMPLATES / template).read_text("utf8")).substitute(values), "utf8")
    (out / "models/server/1/server.onnx").write_bytes(model.content())
    return out
