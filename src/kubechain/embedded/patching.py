"""PATCH: from the patch to the new object, which is then written like any other."""

from __future__ import annotations

from typing import Any, Literal, cast

from kubechain.embedded import errors, patches
from kubechain.embedded.core import Core, WriteOptions, copied
from kubechain.embedded.registry import ResourceInfo
from kubechain.embedded.storage import Record
from kubechain.embedded.writes import Writer, uid_mismatch

JsonObject = dict[str, Any]
PatchType = Literal["json", "merge", "strategic", "apply"]

MEDIA_TYPES: dict[PatchType, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Patcher:
    """Applies patches of all types."""

    def __init__(self, core: Core, writer: Writer) -> None:
        self._core = core
        self._writer = writer

    def patch(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        patch_type: PatchType,
        patch: Any,
        *,
        subresource: str,
        force: bool,
        options: WriteOptions,
    ) -> tuple[JsonObject, bool]:
        """The object after the patch, in storage form, and whether it was created."""
        strategy = self._core.strategy(info)
        if patch_type == "strategic" and not strategy.strategic:
            accepted = [MEDIA_TYPES[kind] for kind in ("json", "merge", "apply")]
            raise errors.unsupported_media_type(accepted)
        record = self._core.record(info, namespace, name)
        view = strategy.view(info)
        current = cast("JsonObject", copied(view(record.object) if view else record.object))
        patched = self._apply(patch_type, current, patch)
        new = self._writer.decode(info, patched, options)
        self._check_preconditions(info, record, new["metadata"])
        return self._writer.replace(info, record, new, subresource=subresource, options=options), False

    def _apply(self, patch_type: PatchType, current: JsonObject, patch: Any) -> JsonObject:
        match patch_type:
            case "json":
                return patches.apply_json_patch(current, patch)
            case "merge" | "strategic" | "apply":
                return cast("JsonObject", patches.merge(current, patch))

    def _check_preconditions(self, info: ResourceInfo, record: Record, meta: JsonObject) -> None:
        """A patch may name the uid and the resourceVersion that it is meant for."""
        uid = meta.get("uid", "")
        if uid and uid != record.object["metadata"]["uid"]:
            raise uid_mismatch(info, record, uid)
        version = meta.get("resourceVersion", "")
        if version and version != str(record.revision):
            raise errors.conflict(info.group, info.plural, record.key.name)
