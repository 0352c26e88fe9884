"""What is wrong between manifests: names that are given twice, and references to what is not among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kubechain.api.meta import GROUP

Manifest = Mapping[str, Any]

REFERENCES: Mapping[str, Mapping[str, str]] = {
    "Agent": {
        "llmRef": "LLM",
        "tools": "Tool",
        "mcpServers": "MCPServer",
        "subAgents": "Agent",
        "humanContactChannels": "ContactChannel",
    },
    "LLM": {"fallbacks": "LLM"},
    "Task": {"agentRef": "Agent"},
    "TaskRun": {"agentRef": "Agent", "taskRef": "Task"},
    "Tool": {"agentRef": "Agent"},
    "MCPServer": {"approvalContactChannel": "ContactChannel"},
}
"""By kind: fields of the spec that name objects, and their kind."""


@dataclass(frozen=True, slots=True)
class Key:
    """An object by its kind and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl names it."""
        return f"{self.kind.lower()}/{self.name}"


def key_of(manifest: Manifest) -> Key:
    """The object that a manifest describes; empty parts where it does not say."""
    metadata = _mapping(manifest.get("metadata"))
    return Key(str(manifest.get("kind") or ""), str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))


def is_ours(manifest: Manifest) -> bool:
    """Whether it is of one of our kinds."""
    return str(manifest.get("apiVersion") or "").partition("/")[0] == GROUP


def missing(manifest: Manifest, known: frozenset[Key]) -> Iterator[str]:
    """Yield references of a manifest to what is not among the known objects."""
    own, spec = key_of(manifest), _mapping(manifest.get("spec"))
    for field, kind in REFERENCES.get(own.kind, {}).items():
        for name in _names(spec.get(field)):
            if Key(kind, own.namespace, name) not in known:
                yield f'spec.{field}: {kind} "{name}" is not among these files'


def repeated(manifests: Sequence[Manifest]) -> frozenset[Key]:
    """Objects that are described more than once."""
    keys = [key_of(manifest) for manifest in manifests]
    return frozenset(key for key in keys if key.name and keys.count(key) > 1)


def _names(value: object) -> Iterator[str]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    for entry in entries:
        if isinstance(name := _mapping(entry).get("name"), str):
            yield name


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
