"""Bodies of API requests, checked against the API's own description."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml
from flask import request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import RequestEntityTooLarge

from service.errors import BadRequest

LARGEST_JSON_BYTES = 64 * 1024
"""A turn in JSON is a key or a sentence."""


@functools.cache
def description() -> dict:
    """The OpenAPI 3.1 description of the API."""
    return yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text(encoding="utf-8"))


def validator(schema: str) -> Draft202012Validator:
    """Checks against a schema of the description."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **description()})


def json_body(wanted: Draft202012Validator) -> dict:
    """The request's body; BadRequest if it is not what is wanted."""
    if request.content_length is None:
        raise BadRequest("the body is missing, or has no Content-Length")
    if request.content_length > LARGEST_JSON_BYTES:
        raise RequestEntityTooLarge()
    try:
        given = request.get_json(force=True, silent=True)
    except RecursionError as e:
        raise BadRequest("the body is nested too deeply") from e
    if given is None:
        raise BadRequest("the body is not JSON")
    error = next(wanted.iter_errors(given), None)
    if error:
        # Not the library's own message: it quotes the body.
        place = ".".join(map(str, error.absolute_path)) or "body"
        raise BadRequest(f"{place}: breaks the rule {error.validator}")
    return given
