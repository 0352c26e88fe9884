"""The `kubechain` command: thin commands over the packages below.

`main` is the entry point of the installed script. A command is a module with `add_arguments` and `run`; it imports what
is heavy only when it runs, so that `kubechain version` answers at once. Logic that something else could use must not
go here.
"""

from __future__ import annotations

from kubechain.cli.main import main

__all__ = ["main"]
