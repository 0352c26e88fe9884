"""Namespace: its phase, its conditions, and the finalizer that keeps it until it is empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import ClassVar, Final

from kubechain_apiserver.kinds.builtin import shapes
from kubechain_apiserver.kinds.strategy import Strategy, keep_only
from kubechain_apiserver.store.selectors import read_path
from kubechain_apiserver.wire import names
from kubechain_apiserver.wire.field_errors import FieldError, invalid
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import PrinterColumn, ResourceInfo

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
AT_START = ("default", "kube-node-lease", "kube-public", "kube-system")

INFO = ResourceInfo(
    group="",
    version="v1",
    kind="Namespace",
    list_kind="NamespaceList",
    plural="namespaces",
    singular="namespace",
    short_names=("ns",),
    namespaced=False,
    has_status=True,
    subresources=("finalize", "status"),
    # Nobody can delete all namespaces at once.
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    selectable_fields=("status.phase", "name"),
    columns=(
        PrinterColumn("Status", "string", ".status.phase", "The status of the namespace"),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    ),
    schema=shapes.resource(
        "Namespace provides a scope for Names. Use of multiple namespaces is optional.",
        spec=shapes.fields(
            "Spec defines the behavior of the Namespace.",
            finalizers=shapes.array(shapes.text(), "Values that must be empty to permanently remove it."),
        ),
        status=shapes.fields(
            "Status describes the current status of a Namespace.",
            conditions=shapes.array(
                shapes.fields(
                    "",
                    lastTransitionTime=shapes.time(),
                    message=shapes.text(),
                    reason=shapes.text(),
                    status=shapes.text(),
                    type=shapes.text(),
                ),
                "Represents the latest available observations of a namespace's current state.",
                **{
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "x-kubernetes-patch-strategy": "merge",
                    "x-kubernetes-patch-merge-key": "type",
                },
            ),
            phase=shapes.text("Phase is the current lifecycle phase of the namespace."),
        ),
    ),
)


_SUCCEEDED: Final = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}
"""Conditions of a terminating namespace, with reason and message while nothing prevents its end."""


class NamespaceStrategy(Strategy):
    """Active until deleted; then Terminating until `spec.finalizers` is empty."""

    name_rule = staticmethod(names.label_name)
    returns_deleted = True
    untracked: ClassVar[tuple[str, ...]] = ("spec", "status")

    def read_field(self, obj: JsonObject, path: str) -> str:
        return read_path(obj, "metadata.name" if path == "name" else path)

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        unknown = super().decode(obj, info)
        name = obj["metadata"].get("name", "")
        if name:
            labels: JsonObject = obj["metadata"].setdefault("labels", {})
            labels[NAME_LABEL] = name
        return unknown

    def prepare_create(self, new: JsonObject) -> None:
        new["metadata"].setdefault("labels", {})[NAME_LABEL] = new["metadata"].get("name", "")
        spec: JsonObject = new.get("spec") or {}
        finalizers: list[str] = spec.get("finalizers") or []
        new["spec"] = {"finalizers": [*finalizers] if FINALIZER in finalizers else [*finalizers, FINALIZER]}
        new["status"] = {"phase": "Active"}

    def prepare_update(self, new: JsonObject, old: JsonObject, subresource: str) -> None:
        match subresource:
            case "status":
                keep_only(new, old, "status")
                _complete(new.setdefault("status", {}))
            case "finalize":
                keep_only(new, old, "spec")
            case _:
                new["spec"] = old["spec"]
                new["status"] = old["status"]

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        going = "deletionTimestamp" in new["metadata"]
        phase, right = new["status"]["phase"], "Terminating" if going else "Active"
        if phase == right:
            return []
        why = f"may only be '{right}' if `deletionTimestamp` is {'not ' if going else ''}empty"
        return [invalid("status.Phase", phase, why)]

    def holds_deletion(self, obj: JsonObject) -> bool:
        return bool(obj["spec"].get("finalizers"))

    def mark_deleting(self, new: JsonObject) -> None:
        new["status"] = {**new["status"], "phase": "Terminating"}
        new["metadata"].pop("deletionGracePeriodSeconds", None)


def _complete(status: JsonObject) -> None:
    status["phase"] = status.get("phase") or "Active"
    for condition in status.get("conditions", ()):
        # Go writes this time even where there is none.
        condition.setdefault("lastTransitionTime", None)


def with_conditions(status: JsonObject, remaining: Mapping[str, Sequence[Sequence[str]]], now: str) -> JsonObject:
    """Return the status of a terminating namespace with conditions that tell what remains in it.

    Args:
        remaining: The finalizers of each remaining object, by resource.
    """
    failures = _failures(remaining)
    present = {one["type"]: one for one in status.get("conditions", ())}
    for type_, succeeded in _SUCCEEDED.items():
        value = "True" if type_ in failures else "False"
        reason, message = failures.get(type_, succeeded)
        old = present.get(type_)
        since = old["lastTransitionTime"] if old and old["status"] == value else now
        condition = {"type": type_, "status": value, "lastTransitionTime": since}
        present[type_] = {**condition, "reason": reason, "message": message}
    return {**status, "conditions": list(present.values())}


def _failures(remaining: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if remaining:
        counts = sorted(f"{_dotted(name)} has {len(objects)} resource instances" for name, objects in remaining.items())
        text = f"Some resources are remaining: {', '.join(counts)}"
        found["NamespaceContentRemaining"] = ("SomeResourcesRemain", text)
    finalizers = Counter(chain.from_iterable(chain.from_iterable(remaining.values())))
    if finalizers:
        counts = sorted(f"{name} in {count} resource instances" for name, count in finalizers.items())
        text = f"Some content in the namespace has finalizers remaining: {', '.join(counts)}"
        found["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    return found


def _dotted(resource: str) -> str:
    """Return a resource in the form of kube-controller-manager, which appends a dot even to a name without a group."""
    return resource if "." in resource else f"{resource}."
