"""CustomResourceDefinition: its strategy, and the resources that a definition adds."""

from __future__ import annotations

from typing import ClassVar

from kubechain_apiserver.kinds.builtin import crd_spec, crd_warnings, shapes
from kubechain_apiserver.kinds.builtin.crd_decoding import Decoder, WrongType, fill_lists
from kubechain_apiserver.kinds.custom import CustomStrategy
from kubechain_apiserver.kinds.strategy import Strategy, keep_only
from kubechain_apiserver.wire.errors import cannot_be_handled
from kubechain_apiserver.wire.field_errors import FieldError, invalid
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import PrinterColumn, ResourceInfo

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Keeps a definition that is being deleted until the last of its objects is gone."""

TERMINATING = "Terminating"
"""Type of the condition that reports the progress of the deletion."""

_NAMES = shapes.fields(
    "names specify the resource and kind names for the custom resource.",
    categories=shapes.array(shapes.text(), "categories is a list of grouped resources this custom resource is in."),
    kind=shapes.text("kind is the serialized kind of the resource."),
    listKind=shapes.text("listKind is the serialized kind of the list for this resource."),
    plural=shapes.text("plural is the plural name of the resource to serve."),
    shortNames=shapes.array(shapes.text(), "shortNames are short names for the resource."),
    singular=shapes.text("singular is the singular name of the resource."),
)
_CONVERSION = shapes.fields(
    "conversion defines conversion settings for the CRD.",
    strategy=shapes.text("strategy specifies how custom resources are converted between versions."),
    webhook=shapes.fields(
        "webhook describes how to call the conversion webhook.",
        clientConfig=shapes.fields(
            "",
            caBundle=shapes.text(),
            service=shapes.fields(
                "",
                name=shapes.text(),
                namespace=shapes.text(),
                path=shapes.text(),
                port={**shapes.integer(), "default": 443},
            ),
            url=shapes.text(),
        ),
        conversionReviewVersions=shapes.array(shapes.text()),
    ),
)
_VERSION = shapes.fields(
    "",
    additionalPrinterColumns=shapes.array(
        shapes.fields(
            "",
            description=shapes.text(),
            format=shapes.text(),
            jsonPath=shapes.text(),
            name=shapes.text(),
            priority=shapes.integer(),
            type=shapes.text(),
        ),
        "additionalPrinterColumns specifies additional columns returned in Table output.",
    ),
    deprecated=shapes.boolean("deprecated indicates this version of the custom resource API is deprecated."),
    deprecationWarning=shapes.text("deprecationWarning overrides the default warning returned to API clients."),
    name=shapes.text("name is the version name."),
    schema=shapes.fields("", openAPIV3Schema=shapes.anything("openAPIV3Schema is the schema of the version.")),
    selectableFields=shapes.array(shapes.fields("", jsonPath=shapes.text()), "Fields that can be selected."),
    served=shapes.boolean("served is a flag enabling/disabling this version from being served via REST APIs."),
    storage=shapes.boolean("storage indicates this version should be used when persisting custom resources."),
    subresources=shapes.fields(
        "",
        scale=shapes.fields(
            "",
            labelSelectorPath=shapes.text(),
            specReplicasPath=shapes.text(),
            statusReplicasPath=shapes.text(),
        ),
        status=shapes.fields(""),
    ),
)

INFO = ResourceInfo(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    list_kind="CustomResourceDefinitionList",
    plural="customresourcedefinitions",
    singular="customresourcedefinition",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    namespaced=False,
    has_status=True,
    subresources=("status",),
    storage_version="v1beta1",  # what kube-apiserver writes into etcd, and so what discovery tells of
    schema=shapes.resource(
        "CustomResourceDefinition represents a resource that should be exposed on the API server.",
        spec=shapes.fields(
            "spec describes how the user wants the resources to appear",
            conversion=_CONVERSION,
            group=shapes.text("group is the API group of the defined custom resource."),
            names=_NAMES,
            preserveUnknownFields=shapes.boolean(),
            scope=shapes.text("scope indicates whether the defined custom resource is cluster- or namespace-scoped."),
            versions=shapes.array(_VERSION, "versions is the list of all API versions of the custom resource."),
        ),
        status=shapes.anything("status indicates the actual state of the CustomResourceDefinition"),
    ),
)


class CustomResourceDefinitionStrategy(Strategy):
    """A definition is established at once: there is no other server to wait for."""

    unconditional_update = False
    blank: ClassVar[JsonObject] = {"metadata": {}, "spec": {"names": {}}}
    untracked: ClassVar[tuple[str, ...]] = ("status",)

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        unknown = super().decode(obj, info)
        spec: JsonObject = obj.setdefault("spec", {})
        fill_lists(obj, self.node(info))
        for index, version in enumerate(spec.get("versions") or ()):
            unknown += _decode_schema(version.get("schema") or {}, f"spec.versions[{index}].schema", info)
        spec.setdefault("conversion", {"strategy": "None"})
        names: JsonObject = spec.setdefault("names", {})
        if names.get("kind"):
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", f"{names['kind']}List")
        return unknown

    def prepare_create(self, new: JsonObject) -> None:
        new["metadata"]["generation"] = 1
        new["status"] = _status(new, [], new["metadata"]["creationTimestamp"])

    def prepare_update(self, new: JsonObject, old: JsonObject, subresource: str) -> None:
        if subresource == "status":
            keep_only(new, old, "status")
            return
        if new["spec"] != old["spec"]:
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
        since = old["status"]["conditions"][0]["lastTransitionTime"]
        status = _status(new, old["status"].get("storedVersions", []), since)
        kept = [one for one in old["status"]["conditions"] if one["type"] == TERMINATING]
        new["status"] = {**status, "conditions": [*status["conditions"], *kept]}

    def begin_deletion(self, obj: JsonObject, now: str) -> JsonObject | None:
        meta: JsonObject = obj["metadata"]
        if "deletionTimestamp" in meta:
            return None
        finalizers = [name for name in meta.get("finalizers") or () if name != CLEANUP_FINALIZER]
        meta = {**meta, "deletionTimestamp": now, "finalizers": [*finalizers, CLEANUP_FINALIZER]}
        text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        status = with_condition(obj["status"], "True", "InstanceDeletionPending", text, now)
        return {**obj, "metadata": meta, "status": status}

    def validate(self, new: JsonObject) -> list[FieldError]:
        return crd_spec.check(new)

    def validate_create(self, new: JsonObject, found: list[FieldError], info: ResourceInfo) -> list[FieldError]:
        spec: JsonObject = new["spec"]
        wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
        wrong: list[FieldError] = []
        name: str = new["metadata"].get("name", "")
        if name and name != wanted:
            wrong.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
        return wrong + self.validate(new)

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        if new["spec"] == old["spec"]:
            return []  # a server that starts anew brings the same definitions again
        return self.validate(new) + list(crd_spec.check_immutable(new, old))

    def warnings(self, new: JsonObject, old: JsonObject | None) -> list[str]:
        before = crd_warnings.found(old) if old else []
        return [text for text in crd_warnings.found(new) if text not in before]


def _decode_schema(parent: JsonObject, path: str, info: ResourceInfo) -> list[str]:
    """Decode the schema of a version, in place; returns its unknown fields."""
    unknown: list[str] = []
    if "openAPIV3Schema" in parent:
        try:
            Decoder(unknown.append).schema(
                parent["openAPIV3Schema"],
                f"{path}.openAPIV3Schema",
                "spec.versions.schema.openAPIV3Schema",
                struct="CustomResourceValidation",
            )
        except WrongType as error:
            raise cannot_be_handled(info, str(error)) from error
    return unknown


def _status(new: JsonObject, stored: list[str], since: str) -> JsonObject:
    current = next((v.get("name", "") for v in new["spec"].get("versions") or () if v.get("storage")), None)
    conditions = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    return {
        "conditions": [
            {"type": type_, "status": "True", "lastTransitionTime": since, "reason": reason, "message": message}
            for type_, reason, message in conditions
        ],
        "acceptedNames": new["spec"]["names"],
        "storedVersions": stored if current is None or current in stored else [*stored, current],
    }


def with_condition(status: JsonObject, value: str, reason: str, message: str, now: str) -> JsonObject:
    """Return a status with its condition `Terminating` set."""
    present = next((one for one in status["conditions"] if one["type"] == TERMINATING), None)
    since = present["lastTransitionTime"] if present and present["status"] == value else now
    condition = {"type": TERMINATING, "status": value, "lastTransitionTime": since, "reason": reason}
    others = [one for one in status["conditions"] if one["type"] != TERMINATING]
    return {**status, "conditions": [*others, {**condition, "message": message}]}


def custom_infos(crd: JsonObject) -> list[ResourceInfo]:
    """Return the resources of a definition: all versions, served or not, the preferred one first."""
    terminating = "deletionTimestamp" in crd["metadata"]
    return [_info(crd["spec"], version, terminating=terminating) for version in crd["spec"]["versions"]]


def _info(spec: JsonObject, version: JsonObject, *, terminating: bool) -> ResourceInfo:
    names: JsonObject = spec["names"]
    subresources: JsonObject = version.get("subresources") or {}
    return ResourceInfo(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        list_kind=names["listKind"],
        plural=names["plural"],
        singular=names["singular"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec["scope"] == "Namespaced",
        has_status="status" in subresources,
        subresources=("status",) if "status" in subresources else (),
        columns=_columns(version),
        schema=version["schema"]["openAPIV3Schema"],
        selectable_fields=tuple(f["jsonPath"].removeprefix(".") for f in version.get("selectableFields") or ()),
        storage_version=_storage_version(spec),
        custom=True,
        terminating=terminating,
        deprecation_warning=_deprecation(spec, version),
    )


def _columns(version: JsonObject) -> tuple[PrinterColumn, ...]:
    columns: list[JsonObject] = version.get("additionalPrinterColumns") or []
    return tuple(
        PrinterColumn(
            column["name"],
            column["type"],
            column["jsonPath"],
            column.get("description", ""),
            column.get("format", ""),
            column.get("priority", 0),
        )
        for column in columns
    )


def _storage_version(spec: JsonObject) -> str:
    return next(version["name"] for version in spec["versions"] if version.get("storage"))


def _deprecation(spec: JsonObject, version: JsonObject) -> str:
    if not version.get("deprecated"):
        return ""
    return (
        version.get("deprecationWarning") or f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    )


def custom_strategy(crd: JsonObject) -> tuple[CustomStrategy, list[ResourceInfo]]:
    """Return the strategy of a definition's objects, and its served resources."""
    infos = custom_infos(crd)
    storage = next(info for info in infos if info.version == info.storage_version)
    return CustomStrategy(infos, storage), served_infos(crd)


def served_infos(crd: JsonObject) -> list[ResourceInfo]:
    """Return the served versions of a definition."""
    served = {version["name"] for version in crd["spec"]["versions"] if version.get("served")}
    return [info for info in custom_infos(crd) if info.version in served]
