"""What is wrong between manifests: names that are given twice, and references to what is not among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kubechain.api.meta import GROUP
from kubechain.views.refusals import meant

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
                others = [key.name for key in known if (key.kind, key.namespace) == (kind, own.namespace)]
                yield f'spec.{field}: {kind} "{name}" is not among these files{meant(name, others)}'


def secrets(manifests: Sequence[Manifest]) -> Mapping[Key, frozenset[str]]:
    """The keys of each Secret that is among the manifests; one without data is filled by something else."""
    found = {
        key_of(each): frozenset({*_mapping(each.get("data")), *_mapping(each.get("stringData"))})
        for each in manifests
        if each.get("apiVersion") == "v1" and each.get("kind") == "Secret"
    }
    return {secret: keys for secret, keys in found.items() if keys}


def absent_keys(manifest: Manifest, known: Mapping[Key, frozenset[str]]) -> Iterator[str]:
    """Yield references to keys that a Secret among the manifests does not have; other Secrets may be in the cluster."""
    namespace = key_of(manifest).namespace
    for path, name, key in _secret_keys(manifest.get("spec"), "spec"):
        keys = known.get(Key("Secret", namespace, name))
        if keys is not None and key not in keys:
            yield f'{path}: Secret "{name}" has no key "{key}" (its keys are: {", ".join(sorted(keys))})'


def _secret_keys(value: object, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, Secret and key of each reference into a Secret, however deep."""
    match value:
        case {"secretKeyRef": {"name": str(name), "key": str(key)}}:
            yield f"{path}.secretKeyRef", name, key
        case {"name": str(name), "key": str(key)} if path.endswith("From"):
            yield path, name, key
        case dict():
            for field, child in cast("Mapping[str, object]", value).items():
                yield from _secret_keys(child, f"{path}.{field}")
        case list():
            for index, child in enumerate(cast("list[object]", value)):
                yield from _secret_keys(child, f"{path}[{index}]")
        case _:
            return


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
