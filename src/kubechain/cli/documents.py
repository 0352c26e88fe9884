"""Reads manifests from files and folders: every YAML or JSON document, with the line that it begins at."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from kubechain.cli.terminal import unread

STANDARD_INPUT = Path("-")

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Of the files of a folder that are read."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.

    Attributes:
        where: File and line.
        manifest: None where it cannot be read as an object.
        flaw: Why it cannot; else empty.
    """

    where: str
    manifest: Mapping[str, Any] | None
    flaw: str = ""


def read(paths: list[Path]) -> Iterator[Document]:
    """Yield the documents of files, of folders with all below them, and of standard input.

    Raises:
        Failure: There is no such file.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            yield from _documents("standard input", sys.stdin.read())
            continue
        for file in _files(path):
            try:
                yield from _documents(str(file), file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise unread("manifests", file, error) from error


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())


def _documents(name: str, text: str) -> Iterator[Document]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node: yaml.Node | None = loader.get_node()
            if node is None:
                continue
            where = f"{name}:{node.start_mark.line + 1}"
            yield from _objects(where, cast("object", loader.construct_document(node)))  # pyright: ignore[reportUnknownMemberType]
    except yaml.YAMLError as error:
        yield Document(name, None, f"not YAML: {error}")
    finally:
        loader.dispose()


def _objects(where: str, value: object) -> Iterator[Document]:
    """Yield an object, or those of a List; an empty document is none."""
    match value:
        case None:
            return
        case {"kind": "List", "items": list()}:
            for item in cast("Mapping[str, list[object]]", value)["items"]:
                yield from _objects(where, item)
        case dict():
            yield Document(where, cast("Mapping[str, Any]", value))
        case _:
            yield Document(where, None, "not an object")
