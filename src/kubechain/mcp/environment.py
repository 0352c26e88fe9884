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
from kubechain.net import foreign

INHERITED = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "TMPDIR", "TZ", "USER"),
    *("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("UV_CACHE_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_DOWNLOADS", "UV_LINK_MODE"),
    *("UV_HTTP_TIMEOUT", "UV_OFFLINE", "UV_SYSTEM_CERTS"),
    *("NPM_CONFIG_CACHE", "npm_config_cache", "NPM_CONFIG_OFFLINE", "npm_config_offline"),
)
"""Variables that a child inherits from the manager: user, language, certificates, and directories of uv and npm.

Proxies and package indexes are not among them: their URLs may hold passwords. `spec.env` of the server can set them.
"""

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
    """Return the PATH on which programs are looked up; each directory once."""
    entries = (*own.get("PATH", os.defpath).split(os.pathsep), os.path.dirname(sys.executable))
    return os.pathsep.join(dict.fromkeys(filter(None, entries)))


def resolve(command: str, own: Mapping[str, str]) -> str:
    """Return the absolute path of a program.

    Raises:
        ConnectFailure: The program was not found; permanent.
    """
    if not command or "\0" in command:
        raise ConnectFailure(f'command: not a program name: "{command[:256]!r}"', is_permanent=True)
    if (found := shutil.which(command, path=search_path(own))) is None:
        raise ConnectFailure(f"command: {_why_not_found(command)}", is_permanent=True)
    return os.path.abspath(found)


def _why_not_found(command: str) -> str:
    shown = f'"{foreign.one_line(command)}"'
    if len(command.split()) > 1:
        return f"not a program: {shown}: put arguments into args, and variables into env; no shell is involved"
    if command != command.strip():
        return f"not found: {shown}: it begins or ends with white space"
    if os.path.isfile(command):
        return f"not executable: {shown}"
    where = "" if os.path.dirname(command) else " on the PATH of the manager"
    return f"not found{where}: {shown}"


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
