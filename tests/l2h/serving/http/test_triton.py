"""The repository for Triton: what is written, its model with a stub, and Triton itself where it is installed."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import jsonschema
import kubernetes_validate
import numpy as np
import onnxruntime
import pytest
import urllib3
import yaml
from helpers.engines import ENGINES, ROOT, WAIT, serving, triton_command, triton_process, triton_python
from helpers.serving import small_helper

from l2h.serving.http import protocol
from l2h.serving.http.application import ServerSettings
from l2h.serving.http.self_check import same_scores
from l2h.serving.http.triton import write_triton_repository
from l2h.serving.onnx.sessions import load_parts

X = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]], dtype=np.float32)
SCHEMA_VERSION = "1.37"  # of Kubernetes
NAME = {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}
METADATA = {"type": "object", "required": ["name"], "properties": {"name": NAME}}
PROBE = {
    "type": "object",
    "required": ["httpGet"],
    "properties": {
        "httpGet": {
            "type": "object",
            "required": ["path", "port"],
            "properties": {"path": {"enum": ["/v2/health/ready", "/v2/health/live"]}},
        }
    },
}
CONTAINER = {
    "type": "object",
    "required": ["name", "image", "args", "ports", "readinessProbe", "resources"],
    "properties": {
        "name": NAME,
        "image": {"type": "string", "minLength": 1},
        "args": {"type": "array", "items": {"type": "string"}, "contains": {"const": "/helper/run.py"}},
        "ports": {"type": "array", "contains": {"properties": {"containerPort": {"const": 8000}}}},
        "readinessProbe": PROBE,
        "livenessProbe": PROBE,
        "env": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        "resources": {"type": "object", "required": ["requests", "limits"]},
    },
}
CONTAINERS = {"type": "array", "minItems": 1, "items": CONTAINER}


def kind(api, name, spec):
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {"apiVersion": {"const": api}, "kind": {"const": name}, "metadata": METADATA, "spec": spec},
    }


LABELS = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
POD = {
    "type": "object",
    "required": ["metadata", "spec"],
    "properties": {
        "metadata": {"type": "object", "required": ["labels"], "properties": {"labels": LABELS}},
        "spec": {"type": "object", "required": ["containers"], "properties": {"containers": CONTAINERS}},
    },
}
MANIFESTS = {
    "Deployment": kind(
        "apps/v1",
        "Deployment",
        {
            "type": "object",
            "required": ["replicas", "selector", "template"],
            "properties": {
                "replicas": {"type": "integer", "minimum": 1},
                "selector": {"required": ["matchLabels"], "properties": {"matchLabels": LABELS}},
                "template": POD,
            },
        },
    ),
    "Service": kind(
        "v1",
        "Service",
        {
            "type": "object",
            "required": ["selector", "ports"],
            "properties": {
                "selector": LABELS,
                "ports": {"type": "array", "minItems": 1, "items": {"required": ["port", "targetPort"]}},
            },
        },
    ),
    "InferenceService": kind(
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {
            "type": "object",
            "required": ["predictor"],
            "properties": {
                "predictor": {"type": "object", "required": ["containers"], "properties": {"containers": CONTAINERS}}
            },
        },
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "helper"
    small_helper(folder, classes=tuple(range(10)), shape=(3, 8, 8), dtype="uint8")
    return folder


@pytest.fixture
def repository(folder, tmp_path):
    return write_triton_repository(folder, tmp_path / "triton")


def test_the_repository_holds_the_model_and_all_that_starts_it(folder, repository):
    assert sorted(str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()) == [
        "Dockerfile",
        "kserve.yaml",
        "kubernetes.yaml",
        "models/server/1/model.py",
        "models/server/1/server.onnx",
        "models/server/config.pbtxt",
        "run.py",
    ]
    assert (repository / "models/server/1/server.onnx").read_bytes() == (folder / "server.onnx").read_bytes()
    for path in repository.rglob("*.py"):
        compile(path.read_text(), path, "exec")


def test_the_configuration_says_what_the_card_and_the_settings_say(images, tmp_path):
    settings = ServerSettings(max_rows=16, batch_delay=0.002, workers=2, queue_length=7, request_seconds=1.5)
    text = (
        write_triton_repository(images, tmp_path / "t", settings=settings) / "models/server/config.pbtxt"
    ).read_text()
    for part in (
        "max_batch_size: 16",
        'input [ { name: "x" data_type: TYPE_UINT8 dims: [ 3, 8, 8 ] } ]',
        'output [ { name: "e" data_type: TYPE_FP32 dims: [ 10 ] } ]',
        "count: 2",
        "max_queue_delay_microseconds: 2000",
        "max_queue_size: 7",
        "default_timeout_microseconds: 1500000",
    ):
        assert part in text


@pytest.mark.parametrize(("workers", "instances"), [(1, 2), (2, 2), (3, 3)])
def test_triton_has_two_instances_at_least(images, tmp_path, workers, instances):
    """With one, single requests to Triton 2.51 waited for 500 ms."""
    repository = write_triton_repository(images, tmp_path / "t", settings=ServerSettings(workers=workers))
    assert f"count: {instances} kind" in (repository / "models/server/config.pbtxt").read_text()


@pytest.mark.parametrize(
    ("file", "kinds"), [("kubernetes.yaml", ["Deployment", "Service"]), ("kserve.yaml", ["InferenceService"])]
)
def test_the_manifests_fit_their_schema(folder, tmp_path, file, kinds):
    out = write_triton_repository(folder, tmp_path / "t", name="my-helper", image="registry.test:5000/helper@sha256:1")
    documents = list(yaml.safe_load_all((out / file).read_text()))
    assert [document["kind"] for document in documents] == kinds
    for document in documents:
        jsonschema.validate(document, MANIFESTS[document["kind"]])
        assert document["metadata"]["name"] == "my-helper"
        for changed in ({**document, "kind": "Pod"}, {key: document[key] for key in document if key != "spec"}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(changed, MANIFESTS[document["kind"]])


@pytest.mark.parametrize("kind", ["Deployment", "Service", "InferenceService"])
def test_the_manifests_fit_the_published_schema_of_kubernetes(repository, kind):
    """Strictly, so that an unknown field is an error; of KServe, what a predictor shares with a pod."""
    files = [repository / name for name in ("kubernetes.yaml", "kserve.yaml")]
    documents = [document for file in files for document in yaml.safe_load_all(file.read_text())]
    document = next(document for document in documents if document["kind"] == kind)
    if kind == "InferenceService":
        own = ("minReplicas", "maxReplicas")
        spec = {name: value for name, value in document["spec"]["predictor"].items() if name not in own}
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": document["metadata"], "spec": spec}
    kubernetes_validate.validate(document, SCHEMA_VERSION, strict=True)
    for changed in ({**document["spec"], "replica": 1}, {**document["spec"], "ports": "8000", "template": "none"}):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate({**document, "spec": changed}, SCHEMA_VERSION, strict=True)


def test_the_parts_of_the_manifest_refer_to_each_other(repository):
    deployment, service = yaml.safe_load_all((repository / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    assert service["spec"]["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_dockerfile_parses_and_starts_what_the_manifests_start(repository):
    """No image can be built here, so that its instructions are read as Docker reads them."""
    lines = [line for line in (repository / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    instructions = [tuple(line.split(maxsplit=1)) for line in lines]
    assert [name for name, _ in instructions] == ["FROM", "RUN", "COPY", "USER", "CMD"]
    given = dict(instructions)
    assert re.fullmatch(r"[a-z]+:[0-9.]+", given["FROM"])
    words = shlex.split(given["RUN"])
    assert words[:3] == ["pip", "install", "--no-cache-dir"] and "numpy<2" in words
    assert f"onnxruntime=={onnxruntime.__version__}" in words
    source, target = given["COPY"].split()
    assert (source, target) == (".", "/helper") and (repository / "run.py").is_file()
    deployment, _ = yaml.safe_load_all((repository / "kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert json.loads(given["CMD"]) == container["args"]
    assert int(given["USER"]) == container["securityContext"]["runAsUser"] != 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "My helper"}, "expected a name that matches .*, got 'My helper'"),
        ({"name": "a\nb: c"}, "expected a name that matches"),
        ({"image": "a b"}, "expected a name that matches .*, got 'a b'"),
    ],
)
def test_names_that_no_manifest_can_hold_are_refused(folder, tmp_path, options, expected):
    with pytest.raises(ValueError, match=expected):
        write_triton_repository(folder, tmp_path / "triton", **options)
    assert not (tmp_path / "triton").exists()


def test_a_folder_with_files_is_left_alone(folder, tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(ValueError, match="expected a new or empty folder for the repository, got "):
        write_triton_repository(folder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_a_helper_without_a_server_as_onnx_says_why(tmp_path):
    card = small_helper(tmp_path / "whole")
    parts = {name: part for name, part in card.parts.items() if name != "server"}
    small_helper(tmp_path / "helper", parts=parts, missing={"server": "the forest does not convert"})
    with pytest.raises(ValueError, match=r"expected a server as ONNX in .*, got none: the forest does not convert"):
        write_triton_repository(tmp_path / "helper", tmp_path / "triton")


class TritonError:
    """As the Python backend has it."""

    INVALID_ARG = 1

    def __init__(self, message, code):
        self.message, self.code = message, code


@pytest.fixture
def model(repository, monkeypatch):
    """The repository's model.py, with a stub of Triton's module and of a NumPy that it accepts."""
    stub = types.ModuleType("triton_python_backend_utils")
    stub.TritonError = TritonError
    stub.Tensor = lambda name, values: (name, values)
    stub.InferenceResponse = lambda tensors=(), error=None: types.SimpleNamespace(tensors=tensors, error=error)
    stub.get_input_tensor_by_name = lambda request, name: types.SimpleNamespace(as_numpy=lambda: request[name])
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", stub)
    monkeypatch.setattr(np, "__version__", "1.26.4")
    return loaded(repository / "models/server/1/model.py").TritonPythonModel()


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(repository):
    return {"model_repository": str(repository / "models/server"), "model_version": "1"}


def test_the_model_answers_each_request_and_refuses_what_is_not_finite(folder, repository, model):
    model.initialize(arguments(repository))
    nan, huge = np.full((1, 3), np.nan, dtype=np.float32), np.full((1, 3), 3e38, dtype=np.float32)
    first, second, third, fourth = model.execute([{"x": X}, {"x": nan}, {"x": X[:1]}, {"x": huge}])
    expected = load_parts(folder)[1]["server"](X)["e"]
    ((name, e),) = first.tensors
    assert (name, e.shape, e.dtype) == ("e", (2, 1), np.float32)
    assert same_scores(e[:, 0], expected) and same_scores(third.tensors[0][1][:, 0], expected[:1])
    assert (second.error.message, second.error.code) == ("expected finite x", TritonError.INVALID_ARG)
    assert fourth.error.message == "expected finite scores of these inputs"
    assert model.execute([{"x": nan}])[0].error is not None


def test_the_model_refuses_numpy_2(repository, model, monkeypatch):
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(RuntimeError, match=r"expected numpy < 2, got 2\.4\.6: with it this backend misreads tensors"):
        model.initialize(arguments(repository))


def test_the_model_refuses_another_file(repository, model):
    path = repository / "models/server/1/server.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(RuntimeError, match=r"expected .*server\.onnx with the SHA-256 "):
        model.initialize(arguments(repository))


def test_the_check_of_the_start_sees_wrong_scores(images, tmp_path, monkeypatch):
    """Its engine is our server: the messages are the same."""
    run = loaded(write_triton_repository(images, tmp_path / "triton") / "run.py")
    right = protocol.encode_answer
    with serving(images) as url:
        port = int(url.rpartition(":")[2])
        assert run.wrong_answer(port) is None
        monkeypatch.setattr(protocol, "encode_answer", lambda e, **how: right(e + np.float32(0.5), **how))
        assert run.wrong_answer(port).startswith("expected the scores [")
        monkeypatch.setattr(protocol, "encode_answer", lambda e, **how: right(e[:, :9], **how))
        assert run.wrong_answer(port) == "expected 10 scores of a known input, got none of that number"
        monkeypatch.setattr(protocol, "encode_answer", lambda e, **how: 1 / 0)
        assert run.wrong_answer(port) == "expected 10 scores of a known input, got none of that number"


if "triton" in ENGINES:

    def test_triton_with_wrong_scores_is_not_served_and_leaves_no_files(repository, tmp_path, monkeypatch):
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        monkeypatch.setenv("TMPDIR", str(temporary))
        path = repository / "models/server/1/model.py"
        path.write_text(path.read_text().replace("np.ascontiguousarray(e,", "np.ascontiguousarray(e + 1,"))
        done = subprocess.run(**triton_command(repository), capture_output=True, timeout=5 * WAIT, check=False)
        assert done.returncode == 1
        assert "Triton is not served: expected the scores [" in done.stderr
        assert "ready on" not in done.stdout
        assert not list(temporary.glob("triton-*"))

    def test_triton_with_a_token_refuses_who_lacks_it_and_keeps_files_closed(repository, monkeypatch):
        monkeypatch.setenv("L2H_TOKEN", "right")
        headers, body = protocol.encode_request(X)
        with triton_process(repository) as url, urllib3.PoolManager() as pool:
            infer = url + protocol.INFER_PATH
            statuses = [
                pool.request("POST", infer, headers={**headers, **more}, body=body).status
                for more in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer right"})
            ]
            closed = [
                pool.request("POST", url + path, body=json.dumps({"key": "/etc/passwd", "byte_size": 1})).status
                for path in ("/v2/repository/models/server/unload", "/v2/systemsharedmemory/region/a/register")
            ]
        assert statuses[-1] == 200 and all(400 <= status < 500 for status in statuses[:2] + closed)

else:

    def test_without_triton_the_repository_is_checked_with_a_stub_alone():
        """Nothing of `nvidia-pytriton` is installed where the tests look for it: the summary says so."""
        assert triton_python() is None and not Path(ROOT / "_build/triton/bin/python").exists()
