"""Write what is generated: config/crd/bases and the marked parts of docs/kinds from the models of kubechain.api.

And from config/rbac the manager's rights, as `kubechain doctor` asks for them.

`make manifests` runs it. `--check` writes nothing and fails when the files on disk differ.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hack.generated import ROOT, settled
from kubechain.api.crd import custom_resource_definitions
from kubechain.api.schema import NOT_BLANK

BASES = ROOT / "config" / "crd" / "bases"
SAMPLES = ROOT / "config" / "samples"
PAGES = ROOT / "docs" / "kinds"
ROLE = ROOT / "config" / "rbac" / "role.yaml"
RIGHTS = ROOT / "src" / "kubechain" / "cli" / "managerrights.json"
HEADER = "# Generated from src/kubechain/api by `make manifests`. Do not edit.\n"

_GENERATED_PART = re.compile(r"(<!-- generated: (\w+)(?: (\S+))? -->\n).*?(<!-- end of generated -->)", re.DOTALL)

Row = tuple[str, str, str]
Schema = Mapping[str, Any]


def crd_files() -> Mapping[Path, str]:
    """Return the text of every CRD file by its path."""
    return {
        BASES / f"{crd['spec']['group']}_{crd['spec']['names']['plural']}.yaml": HEADER + as_yaml(crd)
        for crd in custom_resource_definitions()
    }


def as_yaml(document: object) -> str:
    """Return one YAML document, keys in their given order, long lines unbroken."""
    return "---\n" + yaml.safe_dump(document, sort_keys=False, width=4096, allow_unicode=True)


def pages() -> Mapping[Path, str]:
    """Return every page of docs/kinds with its generated parts made anew; the rest is written by hand."""
    schemas = {
        crd["spec"]["names"]["singular"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in custom_resource_definitions()
    }
    return {PAGES / f"{kind}.md": page(PAGES / f"{kind}.md", schema) for kind, schema in schemas.items()}


def page(path: Path, schema: Schema) -> str:
    """Return a page with its parts `fields spec`, `fields status` and `sample FILE` filled in."""

    def part(found: re.Match[str]) -> str:
        begin, what, argument, end = found.groups()
        match what:
            case "sample":
                return f"{begin}```yaml\n{(SAMPLES / argument).read_text()}```\n{end}"
            case "fields":
                return f"{begin}{fields(schema['properties'][argument])}{end}"
            case _:
                raise ValueError(f"{path.name}: nothing generates {what!r}")

    return _GENERATED_PART.sub(part, path.read_text() if path.exists() else "")


def fields(schema: Schema) -> str:
    """Return a table of all fields, and the rules that the API server holds beyond single fields."""
    table = ["| field | type | meaning |", "|---|---|---|"]
    table += [f"| `{path}` | {kind} | {meaning} |" for path, kind, meaning in rows(schema, "")]
    rules = [f"- {rule['message']}" for rule in schema.get("x-kubernetes-validations", [])]
    held = ["", "The API server also holds:", *rules] if rules else []
    return "\n".join([*table, *held]) + "\n"


def rows(schema: Schema, prefix: str) -> Iterator[Row]:
    """Return one row for each field, parents before their children."""
    for name, child in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, type_text(child, is_required=name in schema.get("required", ())), escaped(child["description"])
        if path == "conditions":  # Kubernetes' own, the same in every kind
            continue
        yield from rows(child, f"{path}.")
        yield from rows(child.get("items", {}), f"{path}[].")


def type_text(schema: Schema, *, is_required: bool) -> str:
    """Return type, choices, bounds and default in a few words."""
    said = [", ".join(f"`{value}`" for value in schema["enum"])] if "enum" in schema else [plain_type(schema)]
    said += bounds(schema)
    if "default" in schema:
        said.append(f"default `{schema['default']}`")
    if is_required:
        said.append("**required**")
    return "; ".join(said)


def plain_type(schema: Schema) -> str:
    """Return the type as people call it."""
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return "any JSON object"
    match schema["type"]:
        case "array":
            return f"list of {plain_type(schema['items'])}s"
        case "object" if "additionalProperties" in schema:
            return "map"
        case kind:
            return kind


def bounds(schema: Schema) -> list[str]:
    """Return the bounds that a person may meet."""
    if schema.get("pattern") == NOT_BLANK:
        return ["not blank"]
    wanted: Sequence[tuple[str, str]] = (("minimum", "at least {}"), ("pattern", "matches `{}`"))
    return [text.format(escaped(str(schema[key]))) for key, text in wanted if key in schema]


def escaped(text: str) -> str:
    """Return text that does not end a table cell."""
    return text.replace("|", r"\|")


def rights() -> Mapping[Path, str]:
    """Return the rules of the manager's ClusterRole as a part of the package."""
    role = next(each for each in yaml.safe_load_all(ROLE.read_text()) if each["kind"] == "ClusterRole")
    return {RIGHTS: json.dumps(role["rules"], indent=2) + "\n"}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    options = parser.parse_args(arguments)
    expected = {**crd_files(), **pages(), **rights()}
    return settled(expected, BASES.glob("*.yaml"), is_check=options.check, repair="make manifests")


if __name__ == "__main__":
    sys.exit(main())
