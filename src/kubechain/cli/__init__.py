"""The `kubechain` command.

`main` is the entry point of the installed script. A command is a module with `add_arguments` and `run`; heavy imports
are inside of `run`, so that `kubechain version` starts fast. Only command-line handling belongs here; logic belongs in
the packages below.
"""

from __future__ import annotations

from kubechain.cli.main import main

__all__ = ["main"]
