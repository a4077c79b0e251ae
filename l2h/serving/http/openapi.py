"""The contract of the server as OpenAPI 3.1: a tool can generate requests from it."""

import math
from typing import Any

from l2h.serving.http import protocol

JSON = "application/json"
BINARY = "application/octet-stream"
ERRORS = {
    400: "The request is malformed; the error says what was expected.",
    401: "The server has a token, and the request does not carry it.",
    404: "There is no such path, model or version.",
    408: "The headers or the body took too long.",
    413: "The body is too large.",
    415: "The body has a Content-Encoding.",
    429: "As many requests wait as may wait; Retry-After says when to come back.",
    431: "There are too many headers, or they are too long.",
    500: "The model failed.",
    503: "The server is not ready, too busy, or shuts down; Retry-After says when to come back.",
}


def description(*, dtype: str, shape: tuple[int, ...], n_classes: int, max_rows: int) -> dict[str, Any]:
    """The OpenAPI document of a helper's server.

    Args:
        dtype: of one input, "uint8" or "float32".
        shape: of one input.
        n_classes: K >= 2.
        max_rows: largest number of inputs of one request.

    >>> sorted(description(dtype="uint8", shape=(3, 32, 32), n_classes=10, max_rows=64)["paths"])[-1]
    '/v2/models/server/versions/1/ready'
    """
    schemas = {
        "Request": _request(dtype, shape, max_rows),
        "Answer": _answer(n_classes, max_rows),
        "Error": _object({"error": {"type": "string"}}),
    }
    gets = {
        "/v2": "Name, version and extensions of the server",
        "/v2/health/live": "Whether the process answers",
        "/v2/health/ready": "Whether requests are answered",
        "/metrics": "Counters for Prometheus",
        "/openapi.json": "This document",
    }
    paths: dict[str, Any] = {path: {"get": _operation(summary)} for path, summary in gets.items()}
    for model in protocol.MODEL_PATHS:
        paths[model] = {"get": _operation("Names, datatypes and shapes of input and output")}
        paths[f"{model}/ready"] = {"get": _operation("Whether the model answers")}
        paths[f"{model}/infer"] = {"post": _inference()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Server model of a helper (Open Inference Protocol, version 2)", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _request(dtype: str, shape: tuple[int, ...], max_rows: int) -> dict[str, Any]:
    size = math.prod(shape)
    number = {"type": "integer", "minimum": 0, "maximum": 255} if dtype == "uint8" else {"type": "number"}
    tensor = _object(
        {
            "name": {"const": protocol.INPUT_NAME},
            "datatype": {"const": protocol.DATATYPES[dtype]},
            "shape": _tensor_shape(shape, max_rows),
            "data": {"type": "array", "items": number, "minItems": size, "maxItems": size * max_rows},
            "parameters": {"type": "object", "properties": {"binary_data_size": {"type": "integer"}}},
        },
        optional=("data", "parameters"),
    )
    output = _object(
        {
            "name": {"const": protocol.OUTPUT_NAME},
            "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
        },
        optional=("parameters",),
    )
    return _object(
        {
            "id": {"type": "string"},
            "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
            "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
            "outputs": {"type": "array", "items": output, "maxItems": 1},
        },
        optional=("id", "parameters", "outputs"),
    )


def _answer(n_classes: int, max_rows: int) -> dict[str, Any]:
    tensor = _object(
        {
            "name": {"const": protocol.OUTPUT_NAME},
            "datatype": {"const": "FP32"},
            "shape": _tensor_shape((protocol.score_columns(n_classes),), max_rows),
            "data": {"type": "array", "items": {"type": "number"}},
            "parameters": {"type": "object"},
        },
        optional=("data", "parameters"),
    )
    return _object(
        {
            "model_name": {"const": protocol.MODEL_NAME},
            "model_version": {"const": protocol.MODEL_VERSION},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
        },
        optional=("id",),
    )


def _tensor_shape(shape: tuple[int, ...], max_rows: int) -> dict[str, Any]:
    rows = {"type": "integer", "minimum": 1, "maximum": max_rows}
    length = 1 + len(shape)
    prefix = [rows, *({"const": each} for each in shape)]
    return {
        "type": "array",
        "prefixItems": prefix,
        "items": {"type": "integer"},
        "minItems": length,
        "maxItems": length,
    }


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _operation(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": "As the protocol says."}, **_errors(401, 404, 503)},
    }


def _inference() -> dict[str, Any]:
    content = {JSON: {"schema": _reference("Request")}, BINARY: {"schema": {"type": "string", "format": "binary"}}}
    answers = {JSON: {"schema": _reference("Answer")}, BINARY: {"schema": {"type": "string", "format": "binary"}}}
    length = {
        "name": protocol.LENGTH_HEADER,
        "in": "header",
        "description": "Length of the JSON part of a body that holds the bytes of a tensor behind it.",
        "schema": {"type": "integer", "minimum": 0},
    }
    return {
        "summary": "The scores of some inputs",
        "parameters": [length],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "The scores.", "content": answers}, **_errors(*ERRORS)},
    }


def _errors(*statuses: int) -> dict[str, Any]:
    content = {JSON: {"schema": _reference("Error")}}
    return {str(status): {"description": ERRORS[status], "content": content} for status in statuses}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
