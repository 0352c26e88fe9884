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
