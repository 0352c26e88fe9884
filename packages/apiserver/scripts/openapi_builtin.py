"""Cut the OpenAPI schemas and parameters that the embedded API server shows out of Kubernetes' own documents.

    python scripts/openapi_builtin.py schemas <folder> > src/kubechain_apiserver/openapi/builtin.json
    python scripts/openapi_builtin.py parameters <folder> > src/kubechain_apiserver/openapi/parameters.json

The folder has what a kube-apiserver serves below `/openapi/v3` (Apache License 2.0), as `api__v1_openapi.json` and the
like; `api/openapi-spec/v3` of a Kubernetes source tree is one. Run by hand when the release that the server follows
changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

KINDS = {
    "api__v1": ("Namespace", "Secret", "ConfigMap", "Event", "ServiceAccount", "TokenRequest"),
    "apis__events.k8s.io__v1": ("Event",),
    "apis__coordination.k8s.io__v1": ("Lease",),
    "apis__apiextensions.k8s.io__v1": ("CustomResourceDefinition",),
    "apis__authentication.k8s.io__v1": ("SelfSubjectReview",),
    "apis__authorization.k8s.io__v1": (
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
        "LocalSubjectAccessReview",
    ),
}
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
META_KINDS = ("DeleteOptions", "Status", "Patch")


def references(value: Any) -> Iterator[str]:
    """Yield the names of the schemas that a schema refers to."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        if isinstance(parts.get("$ref"), str):
            yield parts["$ref"].rsplit("/", 1)[1]
        for part in parts.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from references(part)


def wanted(schemas: dict[str, Any], kinds: tuple[str, ...]) -> list[str]:
    """Return the names of the schemas of `kinds`, their lists, and what every group needs."""
    names = {kind + suffix for kind in kinds for suffix in ("", "List")}
    own = [n for n in schemas if n.rsplit(".", 1)[1] in names and not n.startswith(META)]
    return own + [META + kind for kind in META_KINDS if META + kind in schemas]


def closure(schemas: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the named schemas and all that they refer to."""
    found: dict[str, Any] = {}
    while names:
        name = names.pop()
        if name not in found:
            found[name] = schemas[name]
            names += references(schemas[name])
    return found


def builtin_schemas(folder: Path) -> dict[str, Any]:
    """Return the schemas of all built-in kinds, by name."""
    result: dict[str, Any] = {}
    for document, kinds in KINDS.items():
        schemas = read(folder, document)["components"]["schemas"]
        result |= closure(schemas, wanted(schemas, kinds))
    for name in META_KINDS:  # these list every group there is
        result[META + name].pop("x-kubernetes-group-version-kind", None)
    return result


def parameters(folder: Path) -> dict[str, Any]:
    """Return the parameters of queries, by name; those that patches describe otherwise as `<name> of a patch`."""
    result: dict[str, Any] = {}
    for path in (
        "/api/v1/configmaps",
        *(f"/api/v1/namespaces/{{namespace}}/configmaps{end}" for end in ("", "/{name}")),
    ):
        item: dict[str, Any] = read(folder, "api__v1")["paths"][path]
        for method, operation in sorted(item.items(), key=lambda pair: pair[0] == "patch"):
            for one in operation if method == "parameters" else operation.get("parameters", ()):
                text = {"description": one["description"], "type": one["schema"]["type"]}
                if one["in"] == "query" and result.setdefault(one["name"], text) != text:
                    result[f"{one['name']} of a {method}"] = text
    return result


def read(folder: Path, document: str) -> dict[str, Any]:
    """Return one of Kubernetes' documents."""
    return json.loads((folder / f"{document}_openapi.json").read_text())


def main(what: str, folder: Path) -> None:
    """Print the document."""
    result = parameters(folder) if what == "parameters" else builtin_schemas(folder)
    json.dump(result, sys.stdout, sort_keys=True, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
