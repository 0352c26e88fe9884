"""`kubechain lint`: checks manifests without a cluster."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kubechain.cli.documents import Document

SUMMARY = "check manifests without a cluster"
DESCRIPTION = """\
Check manifests of our kinds as an API server would: fields, values, rules between them. Folders are read with all below
them. What a manifest refers to should be among the files; what is not is a warning, since it may be in the cluster. A
key that a Secret among the files does not have, and parameters that no call can satisfy, are errors.
"""
EPILOG = """\
examples:
  kubechain lint agents/ tools.yaml
  kubectl kustomize overlays/prod | kubechain lint -
  kubechain lint --strict agents/               a warning is an error

exit status: 0 nothing is wrong, 1 something is, 2 wrong usage
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong.

    Attributes:
        where: File and line.
        what: The object; empty where it cannot be told.
    """

    where: str
    what: str
    message: str
    is_warning: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="file or folder; - is standard input")
    parser.add_argument("--strict", action="store_true", help="fail on warnings too")
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print what is wrong."""
    import asyncio

    from kubechain.cli import documents
    from kubechain.views.plain import plain

    read = list(documents.read(options.files))
    found = asyncio.run(findings(read))
    if options.output != TEXT:
        print_data(plain(found), options.output)
    else:
        _print(found, len(read))
    return 1 if any(options.strict or not each.is_warning for each in found) else 0


async def findings(read: Sequence[Document]) -> list[Finding]:
    """What is wrong with documents and between them, in their order.

    Raises:
        Failure: The API server that judges is not installed.
    """
    from kubechain.cli.terminal import Failure
    from kubechain.views import linting

    try:
        from kubechain.cli.lintplane import judging
    except ImportError as error:
        raise Failure("kubechain lint needs the extra dev-server, kubechain-apiserver") from error

    manifests = [each.manifest for each in read if each.manifest is not None]
    known, repeated = frozenset(map(linting.key_of, manifests)), linting.repeated(manifests)
    secrets, found = linting.secrets(manifests), list[Finding]()
    async with judging() as judge:
        for document in read:
            manifest = document.manifest
            if manifest is None:
                found.append(Finding(document.where, "", document.flaw))
                continue
            key = linting.key_of(manifest)
            if key in repeated:
                found.append(Finding(document.where, str(key), "described more than once"))
            if not linting.is_ours(manifest):
                continue
            complaints = await judge.complaints(manifest) or _unusable(manifest)
            found += [Finding(document.where, str(key), complaint) for complaint in complaints]
            for absent in linting.absent_keys(manifest, secrets):
                found.append(Finding(document.where, str(key), absent))
            for missing in linting.missing(manifest, known):
                found.append(Finding(document.where, str(key), missing, is_warning=True))
    return found


def _unusable(manifest: Mapping[str, Any]) -> list[str]:
    """Why the manager would refuse what an API server takes; nothing where it would not."""
    import json

    from kubechain.api.tool import Tool
    from kubechain.tools.arguments import check_schema
    from kubechain.tools.model import NotExecuted
    from kubechain.tools.parameters import check_callable

    if manifest.get("kind") != "Tool":
        return []
    tool = Tool.from_wire(json.dumps(manifest, default=str).encode())
    try:
        check_schema(tool.input_schema)
        check_callable(tool.input_schema)
    except NotExecuted as error:
        return [f"spec.{error}"]
    return []


def _print(found: Sequence[Finding], count: int) -> None:
    import sys

    from kubechain.cli.terminal import RED, YELLOW, paint
    from kubechain.net.foreign import harmless
    from kubechain.views.wording import counted

    for each in found:
        label = paint(YELLOW, "warning", sys.stdout) if each.is_warning else paint(RED, "error", sys.stdout)
        print(f"{each.where}: {label}: {f'{each.what}: ' if each.what else ''}{harmless(each.message)}")
    errors = sum(not each.is_warning for each in found)
    summary = ", ".join([counted(count, "object"), counted(errors, "error"), counted(len(found) - errors, "warning")])
    print(summary, file=sys.stderr)
