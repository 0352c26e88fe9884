"""The type of JSON objects: Kubernetes objects, schemas, patches."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
