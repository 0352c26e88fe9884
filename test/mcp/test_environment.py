"""What a child may see, and which program it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kubechain.mcp.environment import child_environment, resolve
from kubechain.mcp.failures import ConnectFailure

OWN = {"PATH": "/usr/bin:/bin", "HOME": "/home/x", "AWS_SECRET_ACCESS_KEY": "canary", "HTTPS_PROXY": "http://u:p@proxy"}


def test_a_child_gets_a_short_list_of_our_variables_and_its_own():
    environment = child_environment({"TOKEN": "x"}, OWN)
    assert environment.keys() == {"PATH", "HOME", "TOKEN"}
    assert environment["PATH"].startswith("/usr/bin:/bin:")


def test_folders_and_certificates_are_inherited_and_what_may_hold_a_password_is_not():
    folders = {"UV_CACHE_DIR": "/cache/uv", "NPM_CONFIG_CACHE": "/cache/npm", "XDG_CACHE_HOME": "/cache"}
    own = OWN | folders | {"UV_DEFAULT_INDEX": "https://u:p@index", "NPM_CONFIG_REGISTRY": "https://u:p@registry"}
    environment = child_environment({"UV_CACHE_DIR": "/other"}, own)
    assert environment.keys() == {"PATH", "HOME", *folders}
    assert (environment["UV_CACHE_DIR"], environment["NPM_CONFIG_CACHE"]) == ("/other", "/cache/npm")


def test_each_folder_is_once_on_the_path():
    beside = os.path.dirname(sys.executable)
    path = child_environment({}, OWN | {"PATH": f"/usr/bin:{beside}:/bin::/usr/bin"})["PATH"]
    assert path == f"/usr/bin:{beside}:/bin"


REFUSED = """
    LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES BASH_ENV PYTHONSTARTUP NODE_OPTIONS GLIBC_TUNABLES BASH_FUNC_x%%
    A=B 1A A\0B é
"""


@pytest.mark.parametrize("name", REFUSED.split())
def test_names_that_run_other_code_or_are_none_are_refused(name: str):
    with pytest.raises(ConnectFailure) as refusal:
        child_environment({name: "s3cr3t"}, OWN)
    assert refusal.value.is_permanent
    assert "s3cr3t" not in str(refusal.value)


def test_a_value_with_a_nul_is_refused_without_showing_it():
    with pytest.raises(ConnectFailure, match="env: TOKEN") as refusal:
        child_environment({"TOKEN": "s3cr3t\0"}, OWN)
    assert "s3cr3t" not in str(refusal.value)


def test_programs_are_found_on_our_path_and_beside_our_python(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    assert resolve("mine", {"PATH": str(tmp_path)}) == str(mine)
    assert os.path.dirname(resolve("python", {"PATH": "/nowhere"})) == os.path.dirname(sys.executable)


@pytest.mark.parametrize("command", ["", "no-such-program", "/no/such/program", "ls\0", "ls -l", "$(id)"])
def test_what_is_no_program_is_refused(command: str):
    with pytest.raises(ConnectFailure) as refusal:
        resolve(command, OWN)
    assert refusal.value.is_permanent


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("uvx mcp-server-fetch", 'not a program: "uvx mcp-server-fetch": put arguments into args'),
        ("TOKEN=1 npx -y x", "variables into env"),
        ("uvx\tx && y", "no shell is involved"),
        ("npx ", 'not found: "npx": it begins or ends with white space'),
        ("no-such-program", 'not found on the PATH of the manager: "no-such-program"'),
        ("/no/such/program", 'not found: "/no/such/program"'),
    ],
)
def test_what_is_no_program_says_what_to_do(command: str, says: str):
    with pytest.raises(ConnectFailure) as refusal:
        resolve(command, OWN)
    assert says in str(refusal.value)


def test_a_file_that_cannot_be_executed_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o644)
    with pytest.raises(ConnectFailure, match="not executable"):
        resolve(str(tmp_path / "file"), OWN)


def test_a_program_whose_path_has_a_space_is_a_program(tmp_path: Path):
    program = tmp_path / "my server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert resolve(str(program), OWN) == str(program)
