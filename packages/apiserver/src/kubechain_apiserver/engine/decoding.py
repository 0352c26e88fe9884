"""From a body to an object in storage form: what it says it is, which fields it has, what strict reading says of them.

Called by `writes` for bodies, by `patching` for what patches made. What a kind makes of its fields is its strategy's.
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
        patched: it is what a patch made of an object, which is refused in other words.
        applied: it is what server-side apply made, which has looked for unknown fields, and for which a null is a
            value, of a type that may not fit.
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
    """A body names the version and kind of the URL; one of a built-in kind may name neither."""
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
    """Put version and kind, which a body of a built-in kind may leave out, where objects have them: first."""
    if list(obj)[:2] == ["apiVersion", "kind"] and obj["apiVersion"] and obj["kind"]:
        return
    rest = {name: value for name, value in obj.items() if name not in {"apiVersion", "kind"}}
    obj.clear()
    obj.update({"apiVersion": info.api_version, "kind": info.kind, **rest})


def _refuse_type(
    info: ResourceInfo, strategy: Strategy, obj: JsonObject, options: WriteOptions, *, patched: bool
) -> NoReturn:
    """A custom object of another type was neither pruned nor given defaults: nothing is known of its schema."""
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
    """400 for a body of another built-in kind."""
    short = version.rpartition("/")[2]
    if version == info.api_version and known:
        why = f"converting (v1.{kind}) to (core.{info.kind}): unknown conversion"
    else:
        why = f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
    return errors.UndecodableError(kind, short, wanted=info.kind, why=why)


def report(info: ResourceInfo, found: Sequence[str], options: WriteOptions) -> None:
    """Refuse, or warn of, fields that the kind does not have or that stand twice.

    Raises:
        UndecodableError: validation is strict.
    """
    if not found or options.field_validation == "Ignore":
        return
    if options.field_validation == "Strict":
        raise errors.cannot_be_handled(info, f"strict decoding error: {', '.join(found)}")
    for text in found:
        warn_of(text, options)


def warn_of(error: str, options: WriteOptions) -> None:
    """Send an error as a warning; an error of YAML that lists several duplicate keys becomes a warning for each."""
    for line in error.partition(goyaml.DOUBLED)[2].splitlines() or [error]:
        if line:
            options.warn(line.strip())
