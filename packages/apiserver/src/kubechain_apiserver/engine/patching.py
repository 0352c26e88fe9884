"""PATCH: apply a patch to the present object, then write the result as an update."""

from __future__ import annotations

from typing import Any, Literal, cast

from kubechain_apiserver.engine.context import Core, copied
from kubechain_apiserver.engine.decoding import begin_with_type, decode, warn_of
from kubechain_apiserver.engine.options import WriteOptions
from kubechain_apiserver.engine.writes import Writer, match_url
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.merge import apply, patches, strategic, typed
from kubechain_apiserver.merge.apply import Manager
from kubechain_apiserver.schema import typecheck
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.store.storage import Record
from kubechain_apiserver.wire import errors, gotext
from kubechain_apiserver.wire.errors import StatusError, UndecodableError
from kubechain_apiserver.wire.field_errors import causes, go_json, invalid, required
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

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
        options: WriteOptions,
    ) -> tuple[JsonObject, bool]:
        """Return the patched object in storage form, and whether it was created."""
        strategy = self._core.strategy(info)
        if patch_type == "strategic" and not strategy.strategic:
            accepted = [MEDIA_TYPES[kind] for kind in ("json", "merge", "apply")]
            raise errors.unsupported_media_type(accepted)
        if patch_type == "apply":
            return self._server_side_apply(info, namespace, name, patch, subresource=subresource, options=options)
        record = self._core.record(info, namespace, name)
        patched = self._apply(info, patch_type, self._current(info, record), patch)
        try:
            new = decode(self._core, info, patched, options, patched=True)
        except UndecodableError as error:
            raise self._unfit(info, record, patch_type, patch, error.why) from error
        match_url(new["metadata"], namespace if info.namespaced else "", name)
        self._check_preconditions(info, record, new["metadata"])
        return self._writer.replace(info, record, new, subresource=subresource, options=options), False

    def _current(self, info: ResourceInfo, record: Record) -> JsonObject:
        view = self._core.strategy(info).view(info)
        return cast("JsonObject", copied(view(record.object) if view else record.object))

    def _apply(self, info: ResourceInfo, patch_type: PatchType, current: JsonObject, patch: Any) -> JsonObject:
        if patch_type == "json":
            return patches.apply_json_patch(current, patch)
        if not isinstance(patch, dict):
            text = "json: cannot unmarshal array into Go value of type map[string]interface {}"
            raise errors.bad_request(f"error decoding patch: {text}")
        changes = cast("JsonObject", patch)
        if patch_type == "strategic":
            return strategic.merge(current, copied(changes), info.schema or {})
        return cast("JsonObject", patches.merge(current, changes))

    def _unfit(self, info: ResourceInfo, record: Record, patch_type: PatchType, patch: Any, why: str) -> StatusError:
        """Return a 422: the patched object does not have the shape of its kind."""
        before = self._current(info, record)
        after = self._apply(info, patch_type, self._current(info, record), patch)
        if patch_type == "strategic":
            shown = gotext.plain(patch)
            why = typecheck.restoring(after, self._core.strategy(info).node(info)) or why
        else:
            shown = go_json(after) if info.custom else gotext.patched(after, before)
        return errors.invalid("", "", "", causes=causes([invalid("patch", shown, why)]))

    def _server_side_apply(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        patch: Any,
        *,
        subresource: str,
        options: WriteOptions,
    ) -> tuple[JsonObject, bool]:
        config = self._applied_config(info, patch, namespace, name, options.field_manager)
        strategy = self._core.strategy(info)
        manager = Manager(options.field_manager, info.api_version, subresource)
        now = metadata.timestamp(self._core.environment.now())
        record = self._core.store.get(self._core.key(info, namespace, name))
        live: JsonObject = record.object if record else {"metadata": {}}
        node = strategy.node(strategy.info)
        merged = copied(apply.apply(live, config, node=node, manager=manager, force=options.force, now=now))
        _report_text(options)
        new = decode(self._core, strategy.info, merged, options, applied=True)
        if record is None:
            if subresource:
                raise errors.not_found(info.group, info.plural, name)
            new["metadata"].pop("resourceVersion", None)
            uid = new["metadata"].get("uid")
            if uid:
                why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise errors.conflict(info.group, info.plural, name, why=why)
            return self._writer.insert(info, namespace, new, options, tracked=True), True
        self._check_preconditions(info, record, new["metadata"])
        updated = self._writer.replace(info, record, new, subresource=subresource, options=options, tracked=True)
        return updated, False

    def _applied_config(self, info: ResourceInfo, patch: Any, namespace: str, name: str, manager: str) -> JsonObject:
        """Return an applied configuration in storage form, without defaults."""
        if not manager:
            wrong = required("fieldManager", "is required for apply patch")
            raise errors.invalid("meta.k8s.io", "PatchOptions", "", causes=causes([wrong]))
        if not isinstance(patch, dict):
            raise errors.bad_request("error decoding patch: an object is required")
        config = cast("JsonObject", copied(patch))
        version, kind = _text(config, "apiVersion"), _text(config, "kind")
        if not version or not kind:
            raise errors.bad_request(
                f"invalid object type: {version if '/' in version else '/' + version}, Kind={kind}"
            )
        if (version, kind) != (info.api_version, info.kind):
            raise errors.bad_request(f"invalid object type: {info.group}/{version.rpartition('/')[2]}, Kind={kind}")
        begin_with_type(info, config)
        node = self._core.strategy(info).node(info)
        if not isinstance(config.get("metadata", {}), dict):
            raise _not_typed(info, config, node, place="/")
        meta = metadata.of(config)
        if meta.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        meta.setdefault("name", name)
        match_url(meta, namespace if info.namespaced else "", name)
        strategy = self._core.strategy(info)
        if not typed.conforms(config, node) and typed.check(config, node):
            raise _not_typed(info, config, node, place=f"{meta.get('namespace', '')}/{name}")
        metadata.decode(config, info)
        return strategy.to_storage(strategy.before_apply(config), info)

    def _check_preconditions(self, info: ResourceInfo, record: Record, meta: JsonObject) -> None:
        """Check the resourceVersion that a patch may contain."""
        version = meta.get("resourceVersion", "")
        if version and version != str(record.revision):
            raise errors.conflict(info.group, info.plural, record.key.name)


def _report_text(options: WriteOptions) -> None:
    """Refuse duplicate keys in the text of a configuration, or send warnings for them."""
    for text in options.strict_errors:
        if options.field_validation == "Strict":
            raise errors.bad_request(f"error strict decoding patch: {text}")
        if options.field_validation == "Warn":
            warn_of(text, options)


def _not_typed(info: ResourceInfo, config: JsonObject, node: Node, *, place: str) -> StatusError:
    wrong = typed.check(config, node)
    why = wrong[0] if len(wrong) == 1 else "\n  ".join(["errors:", *wrong])
    of = f"{place}; {info.group}/{info.version}, Kind={info.kind}"
    return StatusError(500, "", message=f"failed to create typed patch object ({of}): {why}")


def _text(config: JsonObject, name: str) -> str:
    value = config.get(name)
    return value if isinstance(value, str) else ""
