"""JSON schemas of every kind of an API server, made of its own OpenAPI document, for kubeconform.

They are strict: a field that the server does not know is an error, as with `kubectl apply --validate=strict`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

LOCATION = "{{ .ResourceKind }}_{{ .Group }}_{{ .ResourceAPIVersion }}.json"
"""The template by which kubeconform finds a schema in the folder."""

Schema = Mapping[str, Any]

_OR_NUMBER = {"int-or-string", "io.k8s.apimachinery.pkg.api.resource.Quantity"}


def write_schemas(openapi: Schema, folder: Path) -> int:
    """Write a file for each kind and version; return how many.

    Args:
        openapi: What `/openapi/v2` answers.
        folder: Where they go.
    """
    definitions = {name: strict(name, schema) for name, schema in openapi["definitions"].items()}
    count = 0
    for name, schema in openapi["definitions"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", ())
        if not kinds:
            continue
        needed = {one: definitions[one] for one in reached(definitions, name)}
        text = json.dumps({"$ref": f"#/definitions/{name}", "definitions": needed})
        for kind in kinds:
            # kubeconform takes the first part of an apiVersion for the group; that of the core group has only one.
            group = kind["group"] or kind["version"]
            (folder / f"{kind['kind'].lower()}_{group}_{kind['version']}.json").write_text(text)
            count += 1
    return count


def reached(definitions: Mapping[str, Any], name: str) -> set[str]:
    """The names of the definitions that one refers to, itself included."""
    found, left = {name}, [name]
    while left:
        text = json.dumps(definitions[left.pop()])
        new = set(re.findall(r'"#/definitions/([^"]+)"', text)) - found
        found |= new
        left += new
    return found


def strict(name: str, schema: Any) -> Any:
    """Return a schema that knows no field beyond those that it names, and takes a number where the server does."""
    if isinstance(schema, list):
        return [strict("", one) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("dict[str, Any]", schema)
    if name in _OR_NUMBER or given.get("format") in _OR_NUMBER:
        return {"type": ["string", "number", "integer"]}
    made = {key: _inner(key, value) for key, value in given.items()}
    if "properties" in given and "x-kubernetes-preserve-unknown-fields" not in given:
        made.setdefault("additionalProperties", False)
    return made


def _inner(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: strict("", one) for name, one in value.items()}
    return strict("", value) if key in ("items", "additionalProperties", "allOf") else value


def refused(report: str) -> Iterator[str]:
    """What kubeconform found, one line for each object that is not as its schema says."""
    for resource in json.loads(report)["resources"]:
        yield f"{resource['kind']}/{resource['name']}: {resource['status']}: {resource['msg']}"
