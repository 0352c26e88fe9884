"""What a child process may know: which program is started, and with which variables.

Pure but for the look at the file system that finds the program.

The program is looked up on the manager's own PATH (and beside the manager's Python, where the tools of its virtual
environment are), never on one from the spec: that one only holds for what the program starts itself. Of the manager's
variables the child gets a short list without credentials. Names by which a loader or an interpreter runs other code
than the command are refused.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping

from kubechain.mcp.failures import ConnectFailure

INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
"""Of the manager's own variables; no proxies, since their addresses may hold passwords."""

REFUSED_NAMES = frozenset(
    {"GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "LOCPATH"}
    | {"BASHOPTS", "BASH_ENV", "ENV", "IFS", "PS4", "SHELLOPTS"}
    | {"PYTHONBREAKPOINT", "PYTHONHOME", "PYTHONINSPECT", "PYTHONSTARTUP"}
    | {"NODE_OPTIONS", "PERL5DB", "PERL5OPT", "RUBYOPT"}
    | {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}
)
REFUSED_PREFIXES = ("LD_", "DYLD_", "BASH_FUNC_", "MALLOC_")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def search_path(own: Mapping[str, str]) -> str:
    """Where programs are looked up."""
    return os.pathsep.join(filter(None, (own.get("PATH", os.defpath), os.path.dirname(sys.executable))))


def resolve(command: str, own: Mapping[str, str]) -> str:
    """Return the absolute path of a program.

    Raises:
        ConnectFailure: there is none; permanent.
    """
    if not command or "\0" in command:
        raise ConnectFailure(f'command: not a program name: "{command[:256]!r}"', is_permanent=True)
    if (found := shutil.which(command, path=search_path(own))) is None:
        raise ConnectFailure(f'command: not found: "{command[:256]}"', is_permanent=True)
    return os.path.abspath(found)


def child_environment(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return all variables of a child.

    Args:
        given: From the spec.
        own: The manager's.

    Raises:
        ConnectFailure: a variable is refused; permanent. Its value is not shown.
    """
    for name, value in given.items():
        _check(name, value)
    inherited = {name: own[name] for name in INHERITED if name in own}
    return {**inherited, "PATH": search_path(own), **given}


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConnectFailure(f'env: not a variable name: "{name[:64]!r}"', is_permanent=True)
    if name in REFUSED_NAMES or name.startswith(REFUSED_PREFIXES):
        raise ConnectFailure(f"env: {name}: refused, since it makes a program run other code", is_permanent=True)
    if "\0" in value:
        raise ConnectFailure(f"env: {name}: its value holds a NUL character", is_permanent=True)
