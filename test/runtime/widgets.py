"""Kinds for the runtime's tests: a small model of its own, since the runtime knows none of the project's."""

from __future__ import annotations

from typing import Any

import msgspec

from kubechain.runtime.metadata import Metadata
from kubechain.runtime.resource import Resource

API_VERSION = "example.com/v1"
WIDGETS_PATH = "apis/example.com/v1/widgets"
PARTS_PATH = "apis/example.com/v1/parts"


class Widget(msgspec.Struct, rename="camel", omit_defaults=True):
    """An object with free-form spec and status."""

    metadata: Metadata
    api_version: str = ""
    kind: str = ""
    spec: dict[str, Any] = {}
    status: dict[str, Any] = {}


WIDGETS: Resource[Widget] = Resource(
    group="example.com",
    version="v1",
    kind="Widget",
    plural="widgets",
    decode=msgspec.json.Decoder(Widget).decode,
    encode=msgspec.json.encode,
)
PARTS: Resource[Widget] = Resource(
    group="example.com",
    version="v1",
    kind="Part",
    plural="parts",
    decode=msgspec.json.Decoder(Widget).decode,
    encode=msgspec.json.encode,
)


def a_widget(name: str = "w", *, namespace: str = "default", kind: str = "Widget", **more: Any) -> dict[str, Any]:
    """Return a widget as it is on the wire."""
    metadata = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **more}


def widget(name: str = "w", *, namespace: str = "default", kind: str = "Widget", **more: Any) -> Widget:
    """Return a widget as a model."""
    return msgspec.convert(a_widget(name, namespace=namespace, kind=kind, **more), Widget)
