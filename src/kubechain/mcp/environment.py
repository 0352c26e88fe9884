"""Determines the program and the environment variables of a child process.

Pure, except that `resolve` searches the file system for the program.

The program is looked up on the PATH of the manager and in the directory of the manager's Python, which contains the
tools of its virtual environment. A PATH in the spec applies only to programs that the child starts. The child inherits
a short list of the manager's variables, none of which holds credentials. The spec must not set variables that make a
loader or an interpreter run code other than the command.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping

from kubechain.mcp.failures import ConnectFailure

INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
"""Variables that a child inherits from the manager. Proxy variables are not among them: they may hold passwords."""

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
    """Return the PATH on which programs are looked up."""
    return os.pathsep.join(filter(None, (own.get("PATH", os.defpath), os.path.dirname(sys.executable))))


def resolve(command: str, own: Mapping[str, str]) -> str:
    """Return the absolute path of a program.

    Raises:
        ConnectFailure: The program was not found; permanent.
    """
    if not command or "\0" in command:
        raise ConnectFailure(f'command: not a program name: "{command[:256]!r}"', is_permanent=True)
    if (found := shutil.which(command, path=search_path(own))) is None:
        raise ConnectFailure(f'command: not found: "{command[:256]}"', is_permanent=True)
    return os.path.abspath(found)


def child_environment(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return all environment variables of a child.

    Args:
        given: Variables of the spec.
        own: Variables of the manager.

    Raises:
        ConnectFailure: A variable is refused; permanent. The message does not include its value.
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
