"""Decode a request body into an object in storage form.

Checks its version and kind, finds unknown fields, and applies the results of strict decoding. Rules of a single kind
are in its strategy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from kubechain_apiserver.engine.context import Core
from kubechain_apiserver.engine.options import WriteOptions
from kubechain_apiserver.kinds import metadata
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.schema.structural import META_FIELDS
from kubechain_apiserver.wire import errors, gojson, goyaml
from kubechain_apiserver.wire.field_errors import causes, go_json, invalid
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo


def decode(
    core: Core,
    info: ResourceInfo,
    obj: JsonObject,
    options: WriteOptions,
    *,
    patched: bool = False,
    applied: bool = False,
) -> JsonObject:
    """Bring a body into storage form, in place.

    Args:
        patched: The object is the result of a patch; refusals are worded differently.
        applied: The object is the result of server-side apply, which has reported unknown fields already, and for which
            a null is a value whose type is checked.
    """
    strategy = core.strategy(info)
    _check_type(core, info, obj, options, patched=patched)
    begin_with_type(info, obj)
    order = list(obj)
    unknown = metadata.decode(obj, info) + strategy.decode(obj, info)
    if len(unknown) > 1 and not info.custom:
        unknown.sort(key=lambda path: order.index(_first_field(path)))
    if not applied:
        report(info, [*options.strict_errors, *_unknown(unknown)], options)
        strategy.drop_nulls(obj, info)
    return strategy.to_storage(obj, info)


def _check_type(core: Core, info: ResourceInfo, obj: JsonObject, options: WriteOptions, *, patched: bool) -> None:
    """Check that a body has the version and kind of the URL; for built-in kinds it may leave both out."""
    if why := gojson.wrong_type_meta(obj):
        raise errors.cannot_be_handled(info, why)
    if info.custom:
        if not obj.get("kind"):
            raise errors.cannot_be_handled(info, gojson.kind_missing(go_json(obj)))
        if (obj.get("apiVersion", ""), obj["kind"]) != (info.api_version, info.kind):
            _refuse_type(info, core.strategy(info), obj, options, patched=patched)
        return
    version, kind = obj.get("apiVersion") or info.api_version, obj.get("kind") or info.kind
    if (version, kind) != (info.api_version, info.kind):
        raise _other_kind(info, version, kind, known=core.registry.for_kind(version, kind) is not None)


def begin_with_type(info: ResourceInfo, obj: JsonObject) -> None:
    """Insert `apiVersion` and `kind`, if missing, and move them to the front."""
    if list(obj)[:2] == ["apiVersion", "kind"] and obj["apiVersion"] and obj["kind"]:
        return
    rest = {name: value for name, value in obj.items() if name not in {"apiVersion", "kind"}}
    obj.clear()
    obj.update({"apiVersion": info.api_version, "kind": info.kind, **rest})


def _refuse_type(
    info: ResourceInfo, strategy: Strategy, obj: JsonObject, options: WriteOptions, *, patched: bool
) -> NoReturn:
    """Refuse a custom object of another type, which was neither pruned nor defaulted."""
    version, kind = obj.get("apiVersion") or "", obj["kind"]
    if kind == info.kind and version.rpartition("/")[0] == info.group:
        fields = sorted(obj.keys() - set(META_FIELDS))
        report(info, [*options.strict_errors, *_unknown(fields)], options)
    if version != info.api_version and not patched:
        text = f"the API version in the data ({version}) does not match the expected API version ({info.api_version})"
        raise errors.bad_request(text)
    found = [] if kind == info.kind else [invalid("kind", kind, f"must be {info.kind}"), *strategy.rule_errors(obj)]
    if version != info.api_version:
        found.append(invalid("apiVersion", version, f"must be {info.api_version}"))
    group = version.rpartition("/")[0]
    raise errors.invalid(group, kind, metadata.of(obj).get("name", ""), causes=causes(found))


def _unknown(paths: Iterable[str]) -> list[str]:
    return [f'unknown field "{path}"' for path in paths]


def _first_field(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _other_kind(info: ResourceInfo, version: str, kind: str, *, known: bool) -> errors.StatusError:
    """Return a 400 for a body of another built-in kind."""
    short = version.rpartition("/")[2]
    if version == info.api_version and known:
        why = f"converting (v1.{kind}) to (core.{info.kind}): unknown conversion"
    else:
        why = f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
    return errors.UndecodableError(kind, short, wanted=info.kind, why=why)


def report(info: ResourceInfo, found: Sequence[str], options: WriteOptions) -> None:
    """Refuse unknown or duplicate fields, or send warnings for them, depending on field validation.

    Raises:
        UndecodableError: Field validation is strict.
    """
    if not found or options.field_validation == "Ignore":
        return
    if options.field_validation == "Strict":
        raise errors.cannot_be_handled(info, f"strict decoding error: {', '.join(found)}")
    for text in found:
        warn_of(text, options)


def warn_of(error: str, options: WriteOptions) -> None:
    """Send an error as a warning; a YAML error that lists several duplicate keys becomes one warning for each."""
    for line in error.partition(goyaml.DOUBLED)[2].splitlines() or [error]:
        if line:
            options.warn(line.strip())
