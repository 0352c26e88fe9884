"""Cut the OpenAPI schemas of the kinds that the embedded API server has built in out of Kubernetes' own documents.

    python hack/openapi_builtin.py <folder> > src/kubechain/embedded/openapi_builtin.json

The folder is `api/openapi-spec/v3` of a Kubernetes source tree (Apache License 2.0), with `api__v1_openapi.json` and
the like. Run by hand when the release that the server follows changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

KINDS = {
    "api__v1": ("Namespace", "Secret", "ConfigMap", "Event", "ServiceAccount"),
    "apis__events.k8s.io__v1": ("Event",),
    "apis__coordination.k8s.io__v1": ("Lease",),
    "apis__apiextensions.k8s.io__v1": ("CustomResourceDefinition",),
    "apis__authentication.k8s.io__v1": ("SelfSubjectReview", "TokenRequest"),
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


def main(folder: Path) -> None:
    """Print the document."""
    result: dict[str, Any] = {}
    for document, kinds in KINDS.items():
        schemas = json.loads((folder / f"{document}_openapi.json").read_text())["components"]["schemas"]
        result |= closure(schemas, wanted(schemas, kinds))
    for name in META_KINDS:  # these list every group there is
        result[META + name].pop("x-kubernetes-group-version-kind", None)
    json.dump(result, sys.stdout, sort_keys=True, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
