"""Creating and replacing objects: the steps of kube-apiserver's generic registry, in its order.

Rules of a single kind are in its strategy. Patches are written through `Writer.replace` too.
"""

from __future__ import annotations

from kubechain_apiserver.engine import admission
from kubechain_apiserver.engine.context import Core, copied
from kubechain_apiserver.engine.decoding import decode
from kubechain_apiserver.engine.options import WriteOptions
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.merge import managed_fields
from kubechain_apiserver.store.storage import Record
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.field_errors import causes, invalid
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

NAME_ATTEMPTS = 8
"""Names tried for `generateName` before a collision is reported, as in kube-apiserver."""


class Writer:
    """Creates and replaces objects."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, info: ResourceInfo, namespace: str, obj: JsonObject, options: WriteOptions) -> JsonObject:
        """Create an object from a body; returns it in storage form."""
        new = decode(self._core, info, copied(obj), options)
        return self.insert(info, namespace, new, options)

    def insert(
        self, info: ResourceInfo, namespace: str, new: JsonObject, options: WriteOptions, *, tracked: bool = False
    ) -> JsonObject:
        """Create an object that is in storage form.

        Args:
            tracked: `metadata.managedFields` of `new` is final (server-side apply).
        """
        strategy = self._core.strategy(info)
        meta = new["metadata"]
        _settle_namespace(meta, namespace if info.namespaced else "")
        metadata.wipe_system_fields(meta)
        admission.check_definition(info, meta.get("name", ""))
        admission.check_namespace(self._core, info, namespace, meta.get("name", ""))
        if "resourceVersion" in meta:
            raise errors.StatusError(500, "", message="resourceVersion should not be set on objects to be created")
        meta["uid"] = self._core.environment.uid()
        meta["creationTimestamp"] = metadata.timestamp(self._core.environment.now())
        self._choose_name(info, namespace, meta)
        strategy.prepare_create(new)
        self._check(info, new, old=None)
        for text in strategy.warnings(new, None):
            options.warn(text)
        if not tracked:
            self._track(info, new, None, subresource="", options=options)
        key = self._core.key(info, namespace, meta["name"])
        present = self._core.store.get(key)
        if present is not None:
            going = "deletionTimestamp" in present.object["metadata"]
            raise errors.already_exists(info.group, info.plural, meta["name"], going=going)
        if options.dry_run:
            return new
        return self._core.store.put(key, new).object

    def _track(
        self, info: ResourceInfo, new: JsonObject, old: JsonObject | None, *, subresource: str, options: WriteOptions
    ) -> None:
        strategy = self._core.strategy(info)
        # Fields are recorded under the names that the writer knows; the views share the metadata of `new`.
        view = strategy.view(info) or _unchanged
        managed_fields.track(
            view(new),
            None if old is None else view(old),
            blank=view(strategy.blank),
            untracked=() if subresource else strategy.untracked,
            node=strategy.node(info),
            manager=options.field_manager or "unknown",
            api_version=info.api_version,
            subresource=subresource,
            now=metadata.timestamp(self._core.environment.now()),
        )

    def _choose_name(self, info: ResourceInfo, namespace: str, meta: JsonObject) -> None:
        prefix = meta.get("generateName", "")
        if meta.get("name") or not prefix:
            return
        for _ in range(NAME_ATTEMPTS):
            suffix = self._core.environment.suffix(metadata.GENERATED_SUFFIX_LENGTH)
            meta["name"] = metadata.generated_name(prefix, suffix)
            if self._core.store.get(self._core.key(info, namespace, meta["name"])) is None:
                return

    def update(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        obj: JsonObject,
        *,
        subresource: str,
        options: WriteOptions,
    ) -> JsonObject:
        """Replace an object, or one subresource, by a body; returns it in storage form."""
        strategy = self._core.strategy(info)
        new = decode(self._core, info, copied(obj), options)
        meta = new["metadata"]
        match_url(meta, namespace if info.namespaced else "", name)
        record = self._core.store.get(self._core.key(info, namespace, name))
        if record is None:
            if not strategy.create_on_update or subresource:
                raise errors.not_found(info.group, info.plural, name)
            meta.pop("resourceVersion", None)
            return self.insert(info, namespace, new, options)
        self._check_precondition(info, strategy, meta, record)
        return self.replace(info, record, new, subresource=subresource, options=options)

    def _check_precondition(self, info: ResourceInfo, strategy: Strategy, meta: JsonObject, record: Record) -> None:
        uid = meta.get("uid")
        if uid and uid != record.object["metadata"]["uid"]:
            raise uid_mismatch(info, record, uid)
        version = meta.get("resourceVersion", "")
        if version in {"", "0"}:
            if not strategy.unconditional_update:
                wrong = invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise errors.invalid(info.group, info.plural, record.key.name, causes=causes([wrong]))
            meta["resourceVersion"] = str(record.revision)
        elif not version.isdigit():
            text = f'strconv.ParseUint: parsing "{version}": invalid syntax'
            raise errors.StatusError(500, "", message=text)
        elif version != str(record.revision):
            raise errors.conflict(info.group, info.plural, record.key.name)

    def replace(
        self,
        info: ResourceInfo,
        record: Record,
        new: JsonObject,
        *,
        subresource: str,
        options: WriteOptions,
        tracked: bool = False,
    ) -> JsonObject:
        """Replace a record by `new`, which is in storage form and whose preconditions hold.

        Args:
            tracked: `metadata.managedFields` of `new` is final (server-side apply).
        """
        strategy = self._core.strategy(info)
        old = record.object
        if subresource:
            strategy.prepare_update(new, old, subresource)
        meta = new["metadata"]
        _settle_namespace(meta, record.key.namespace)
        metadata.inherit(meta, old["metadata"])
        if not subresource:
            strategy.prepare_update(new, old, "")
        self._check(info, new, old=old)
        for text in strategy.warnings(new, old):
            options.warn(text)
        if not tracked:
            self._track(info, new, old, subresource=subresource, options=options)
        return self._keep(record, new, options)

    def _keep(self, record: Record, new: JsonObject, options: WriteOptions) -> JsonObject:
        old = record.object
        meta = new["metadata"]
        meta["resourceVersion"] = str(record.revision)
        if managed_fields.equal_but_for_times(new, old):
            return old
        if options.dry_run:
            return new
        held = meta.get("finalizers") or self._core.strategies[record.key.resource].holds_deletion(new)
        if "deletionTimestamp" in meta and not held:
            # The last finalizer went: the object goes with it; the reply is the object as written.
            self._core.store.delete(record.key)
            return new
        return self._core.store.put(record.key, new).object

    def _check(self, info: ResourceInfo, new: JsonObject, *, old: JsonObject | None) -> None:
        strategy = self._core.strategy(info)
        meta = new["metadata"]
        core = [] if info.group else metadata.check_core_finalizers(meta)
        if old is None:
            found = metadata.check_create(meta, namespaced=info.namespaced, rule=strategy.name_rule)
            found += strategy.validate_create(new, found + core, info)
        else:
            found = metadata.check_update(meta, old["metadata"], declarative=not info.custom)
            found += strategy.validate_update(new, old, found, info)
        found += core
        if found:
            stored = strategy.info
            raise errors.invalid(stored.group, stored.kind, meta.get("name", ""), causes=causes(found))


def _unchanged(obj: JsonObject) -> JsonObject:
    return obj


def _settle_namespace(meta: JsonObject, namespace: str) -> None:
    given = meta.get("namespace", "")
    if given and given != namespace:
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(text)
    if namespace:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)


def match_url(meta: JsonObject, namespace: str, name: str) -> None:
    """Check that a body has the name and namespace of the URL.

    Raises:
        StatusError: It has another name or namespace, or no name (400).
    """
    given = meta.get("name", "")
    if not given:
        text = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise errors.bad_request(text)
    if given != name:
        text = f"the name of the object ({given}) does not match the name on the URL ({name})"
        raise errors.bad_request(text)
    other = meta.get("namespace", "")
    if namespace and other and other != namespace:
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(text)


def uid_mismatch(info: ResourceInfo, record: Record, uid: str) -> errors.StatusError:
    """Return a 409: the object has another uid than the body."""
    place = "/".join(part for part in (info.group, info.plural, record.key.namespace, record.key.name) if part)
    why = (
        f"StorageError: invalid object, Code: 4, Key: /registry/{place}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {uid}, UID in object meta: {record.object['metadata']['uid']}"
    )
    return errors.conflict(info.group, info.plural, record.key.name, why=why)
