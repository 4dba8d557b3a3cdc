"""The API's own description, OpenAPI 3.1, made from the routes and their types; nothing of it is written by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from hub.api.answers import Problem
from hub.api.endpoint import Endpoint
from hub.api.questions import Nothing

JSON = "application/json"
PROBLEM = "application/problem+json"
READINGS = ("application/json", "application/senml+json", "application/senml+cbor")


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The whole document, as plain data."""
    kinds = {item.takes for item in endpoints} | {item.gives for item in endpoints if item.gives} | {Problem}
    ordered = sorted(kinds - {Nothing}, key=lambda kind: (kind.__module__, kind.__name__))
    references, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(ordered, references, strict=True))
    paths: dict[str, Any] = {}
    for item in endpoints:
        path = re.sub(r":path\}", "}", item.path)
        paths.setdefault(path, {})[item.method.lower()] = _operation(item, schemas, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cityhub", "version": version, "description": "Times are ISO 8601 with Z; positions are [lon, lat] in WGS-84."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of tokens_file; none on a hub that asks for none."},
                "session": {"type": "apiKey", "in": "cookie", "name": "cityhub", "description": "The session of POST /api/v1/login; acts also need the header X-CSRF-Token. Over TLS its name begins with __Host-."},
            },
        },
    }  # fmt: skip


def _operation(item: Endpoint, schemas: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)(?::path)?\}", item.path)
    ]
    told: dict[str, Any] = {"operationId": item.handler.__name__, "summary": item.summary, "parameters": parameters}
    if item.role is not None:
        told |= {"security": [{"token": []}, {"session": []}], "x-role": item.role, "x-right": item.right}
        if item.whole:
            told["x-whole"] = True
    if item.raw:
        told["requestBody"] = {"required": True, "content": {kind: {"schema": {}} for kind in READINGS}}
    elif item.takes is not Nothing and item.method == "POST":
        told["requestBody"] = {"content": {JSON: {"schema": schemas[item.takes]}}}
    elif item.takes is not Nothing:
        fields = components[schemas[item.takes]["$ref"].rpartition("/")[2]]["properties"]
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in fields.items()]
    answer = {"description": "fine", "content": {item.media: {"schema": schemas[item.gives] if item.gives else {}}}}
    problem = {"description": "what is wrong", "content": {PROBLEM: {"schema": schemas[Problem]}}}
    told["responses"] = {"200": answer, "4XX": problem, "503": answer if item.ill_alike else problem}
    if not item.probe:
        wait = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}
        told["responses"]["429"] = {**problem, "description": "asked too often", "headers": wait}
    for status in item.also:
        bare = {204: {"description": "nothing there"}, 303: {"description": "leads on to another page"}}
        told["responses"][str(status)] = bare.get(status, answer if status < 400 else problem)
    return told
