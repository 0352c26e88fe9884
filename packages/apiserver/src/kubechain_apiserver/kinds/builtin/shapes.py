"""Building blocks for the schemas of built-in kinds."""

from __future__ import annotations

from typing import Any

from kubechain_apiserver.wire.json_types import JsonObject

TIME: JsonObject = {"type": "string", "format": "date-time"}


def text(description: str = "") -> JsonObject:
    """Return the schema of a string."""
    return _described({"type": "string"}, description)


def boolean(description: str = "") -> JsonObject:
    """Return the schema of a boolean."""
    return _described({"type": "boolean"}, description)


def integer(description: str = "", *, format_: str = "int32") -> JsonObject:
    """Return the schema of an integer."""
    return _described({"type": "integer", "format": format_}, description)


def time(description: str = "") -> JsonObject:
    """Return the schema of a timestamp."""
    return _described(TIME, description)


def anything(description: str = "") -> JsonObject:
    """Return the schema of any value."""
    return _described({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, description)


def array(items: JsonObject, description: str = "", **more: Any) -> JsonObject:
    """Return the schema of a list."""
    return _described({"type": "array", "items": items, **more}, description)


def mapping(values: JsonObject, description: str = "") -> JsonObject:
    """Return the schema of a map."""
    return _described({"type": "object", "additionalProperties": values}, description)


def fields(description: str = "", /, **properties: JsonObject) -> JsonObject:
    """Return the schema of an object with these fields."""
    return _described({"type": "object", "properties": properties}, description)


def resource(description: str, required: tuple[str, ...] = (), /, **properties: JsonObject) -> JsonObject:
    """Return the schema of a kind."""
    own = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {
        "type": "object",
        "description": description,
        "properties": {
            "apiVersion": text(
                "APIVersion defines the versioned schema of this representation of an object. Servers should convert "
                "recognized schemas to the latest internal value, and may reject unrecognized values."
            ),
            "kind": text(
                "Kind is a string value representing the REST resource this object represents. Servers may infer this "
                "from the endpoint the client submits requests to."
            ),
            "metadata": {"type": "object", "description": "Standard object's metadata."},
            **own,
        },
        **({"required": list(required)} if required else {}),
    }


def _described(schema: JsonObject, description: str) -> JsonObject:
    return {**schema, "description": description} if description else schema


OBJECT_REFERENCE_FIELDS = {
    "apiVersion": text("API version of the referent."),
    "fieldPath": text("If referring to a piece of an object instead of an entire object, a valid JSON path to it."),
    "kind": text("Kind of the referent."),
    "name": text("Name of the referent."),
    "namespace": text("Namespace of the referent."),
    "resourceVersion": text("Specific resourceVersion to which this reference is made, if any."),
    "uid": text("UID of the referent."),
}


def object_reference(description: str = "") -> JsonObject:
    """Return the schema of an ObjectReference."""
    schema: JsonObject = {"type": "object", "properties": OBJECT_REFERENCE_FIELDS, "x-kubernetes-map-type": "atomic"}
    return _described(schema, description)
