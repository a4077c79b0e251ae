"""The description of the contract: what it generates is answered, and what is answered fits it."""

import json
import math
import random

import jsonschema
import pytest
from helpers.asgi import answers
from helpers.serving import small_helper

from l2h.serving.http.application import make_app
from l2h.serving.http.openapi import description

KINDS = {
    "images": {"classes": tuple(range(10)), "shape": (3, 2, 2), "dtype": "uint8"},
    "tables": {"classes": ("cat", "dog"), "shape": (3,), "dtype": "float32"},
}


def of(kind):
    options = KINDS[kind]
    return description(dtype=options["dtype"], shape=options["shape"], n_classes=len(options["classes"]), max_rows=64)


def generated(schema, rng):
    """A value that fits a schema, of the few forms that the description uses."""
    if "const" in schema:
        return schema["const"]
    match schema["type"]:
        case "object":
            required = schema.get("required", ())
            chosen = [name for name in schema.get("properties", {}) if name in required or rng.random() < 0.5]
            return {name: generated(schema["properties"][name], rng) for name in chosen}
        case "array":
            prefix = [generated(each, rng) for each in schema.get("prefixItems", ())]
            low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
            return prefix + [generated(schema["items"], rng) for _ in range(rng.randint(low, high) - len(prefix))]
        case "integer":
            return rng.randint(schema.get("minimum", -9), schema.get("maximum", 9))
        case "number":
            return rng.choice([0, 1, rng.gauss(0, 1)])
        case "boolean":
            return rng.random() < 0.5
        case "string":
            return "".join(rng.choices('aé\0"', k=3))


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid(kind):
    for schema in of(kind)["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_path_exists_and_the_server_shows_this_description(kind, tmp_path):
    small_helper(tmp_path / "helper", **KINDS[kind])
    paths = [(path, method) for path, operations in of(kind)["paths"].items() for method in operations]
    got = answers(make_app(tmp_path / "helper"), *({"path": path, "method": method.upper()} for path, method in paths))
    assert [answer.status for answer in got] == [200 if method == "get" else 400 for _, method in paths]
    shown = next(answer for answer, (path, _) in zip(got, paths, strict=True) if path == "/openapi.json")
    assert json.loads(shown.body) == of(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_generated_requests_are_answered_as_described(kind, tmp_path):
    """A schema does not say that the numbers of a tensor are as many as its shape says; those requests are refused."""
    small_helper(tmp_path / "helper", **KINDS[kind])
    schemas = of(kind)["components"]["schemas"]
    rng = random.Random(1)
    documents = [generated(schemas["Request"], rng) for _ in range(300)]
    item = schemas["Request"]["properties"]["inputs"]["items"]["properties"]["data"]["items"]
    for document in documents[:100]:  # these are made whole
        tensor = document["inputs"][0]
        tensor.pop("parameters", None)
        tensor["data"] = [generated(item, rng) for _ in range(math.prod(tensor["shape"]))]
    requests = [{"parts": [json.dumps(each).encode()]} for each in documents]
    got = answers(make_app(tmp_path / "helper"), *requests, at_once=50)
    assert {answer.status for answer in got[:100]} == {200}
    assert {answer.status for answer in got[100:]} <= {200, 400}
    for document, answer in zip(documents, got, strict=True):
        jsonschema.validate(document, schemas["Request"])
        if answer.status == 200 and answer.headers["content-type"] == "application/json":
            jsonschema.validate(json.loads(answer.body), schemas["Answer"])
        elif answer.status == 400:
            jsonschema.validate(json.loads(answer.body), schemas["Error"])
