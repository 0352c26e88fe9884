"""`kubechain init`: writes a manifest to begin with."""

from __future__ import annotations

import argparse
from pathlib import Path

from kubechain.cli.flags import object_name
from kubechain.cli.scaffolds import SCAFFOLDS, Scaffold, rendered

SUMMARY = "write a manifest to begin with: agent, tool, mcp or llm"
DESCRIPTION = """\
Write a manifest to begin with, into a file of the object's name. No file is overwritten, and nothing is asked. An agent
comes with its LLM, unless --llm names one that there is.
"""
EPILOG = """\
examples:
  kubechain init                               an agent and its LLM
  kubechain init agent reviewer --llm local-model      with the model of `kubechain dev --model`
  kubechain init tool weather --dir agents/
  kubechain lint agents/

exit status: 0 written, 1 a file is there already, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    told = "; ".join(f"{what}: {each.summary}" for what, each in SCAFFOLDS.items())
    parser.add_argument("what", nargs="?", choices=list(SCAFFOLDS), default="agent", help=f"{told} (default: agent)")
    parser.add_argument("name", nargs="?", type=object_name, default=None, metavar="NAME", help="name of the object")
    parser.add_argument("--llm", type=object_name, default=None, metavar="NAME", help="LLM of an agent; it is there")
    parser.add_argument("--dir", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")


def run(options: argparse.Namespace) -> int:
    """Write the files."""
    from kubechain.cli.terminal import Failure, show

    chosen = SCAFFOLDS[options.what]
    if options.llm and not chosen.more:
        raise Failure(f"--llm is for an agent, not for {options.what}", status=2)
    name = options.name or chosen.name
    files = _files(options, chosen, name)
    if there := [str(path) for path in files if path.exists()]:
        raise Failure(f"there already, and not overwritten: {', '.join(there)}")
    _write(options.dir, files)
    for path in files:
        show(f"wrote {path}")
    where = " -f ".join(str(path) for path in files)
    show("\nnext:")
    for command in chosen.after:
        show(f"  {command.format(file=where, name=name)}")
    return 0


def _files(options: argparse.Namespace, chosen: Scaffold, name: str) -> dict[Path, str]:
    """The files to write, with their text."""
    folder: Path = options.dir
    others = () if options.llm else chosen.more
    files = {
        folder / f"{what}-{SCAFFOLDS[what].name}.yaml": rendered(what, SCAFFOLDS[what].name, "") for what in others
    }
    llm = options.llm or SCAFFOLDS["llm"].name
    return {**files, folder / f"{options.what}-{name}.yaml": rendered(options.what, name, llm)}


def _write(folder: Path, files: dict[Path, str]) -> None:
    from kubechain.cli.terminal import Failure

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise Failure(f'cannot write "{error.filename or folder}": {error.strerror}') from error
