"""Cut the protobuf messages of the built-in kinds out of Kubernetes' own definitions.

    python scripts/protobuf_messages.py <folder> > src/kubechain_apiserver/wire/protobuf_messages.json

The folder holds `api@<version>` and `apimachinery@<version>` (the modules k8s.io/api and k8s.io/apimachinery, Apache
License 2.0). Run by hand when the release that the server follows changes. The result maps the name of a message to its
fields: number to JSON name, type, and whether it is repeated.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

KINDS = {
    "v1": ("api", "core/v1", ("ConfigMap", "Event", "Namespace", "Secret", "ServiceAccount")),
    "events.k8s.io/v1": ("api", "events/v1", ("Event",)),
    "coordination.k8s.io/v1": ("api", "coordination/v1", ("Lease",)),
    "authentication.k8s.io/v1": ("api", "authentication/v1", ("SelfSubjectReview", "TokenRequest")),
    "authorization.k8s.io/v1": (
        "api",
        "authorization/v1",
        ("LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"),
    ),
    "meta.k8s.io/v1": ("apimachinery", "pkg/apis/meta/v1", ("DeleteOptions",)),
}
PACKAGE = re.compile(r"^package (\S+);", re.MULTILINE)
MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s+(optional |repeated )?(map<string, [\w.]+>|[\w.]+) (\w+) = (\d+)", re.MULTILINE)
SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "uint32", "uint64"})

Field = tuple[str, str, bool]


def messages(path: Path) -> dict[str, dict[str, Field]]:
    """Return the messages of a definition by full name."""
    text = path.read_text()
    package = PACKAGE.findall(text)[0]
    return {f"{package}.{name}": dict(fields(package, body)) for name, body in MESSAGE.findall(text)}


def fields(package: str, body: str) -> list[tuple[str, Field]]:
    """Return the fields of a message, by number."""
    return [
        (number, (name, qualified(package, type_), label.strip() == "repeated"))
        for label, type_, name, number in FIELD.findall(body)
    ]


def qualified(package: str, type_: str) -> str:
    """Return a type with its package, unless it is a scalar."""
    if type_.startswith("map<"):
        return f"map:{qualified(package, type_[len('map<string, ') : -1])}"
    if type_ in SCALARS:
        return type_
    return type_.removeprefix(".") if "." in type_ else f"{package}.{type_}"


def main(modules: Path) -> None:
    """Print the document."""
    known: dict[str, dict[str, Field]] = {}
    kinds: dict[str, str] = {}
    for api_version, (module, folder, names) in KINDS.items():
        root = max(modules.glob(f"{module}@*"))
        found = messages(root / folder / "generated.proto")
        known |= found
        package = next(iter(found)).rpartition(".")[0]
        kinds |= {f"{api_version}/{name}": f"{package}.{name}" for name in names}
    needed: dict[str, dict[str, Field]] = {}
    todo = list(kinds.values())
    while todo:
        name = todo.pop()
        if name in known and name not in needed:
            needed[name] = known[name]
            todo += [type_.removeprefix("map:") for _, type_, _ in known[name].values()]
    json.dump({"kinds": kinds, "messages": needed}, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
