"""What a server's process cannot read although it runs as the manager's own user."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from kubechain.mcp.launcher import SYS_LANDLOCK_CREATE_RULESET, allowed_beside
from kubechain.mcp.process import ChildProcess
from kubechain.mcp.warden import Warden

READER = """
import sys
for path in sys.argv[1:]:
    try:
        print(open(path).read(), flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


def has_landlock() -> bool:
    return ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, 1) > 0


needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")


async def read_by_child(*paths: Path, hidden: Path) -> list[str]:
    warden = Warden()
    argv = [sys.executable, "-c", READER, *map(str, paths)]
    child = await ChildProcess.start(
        sys.executable, argv, environment={}, warden=warden, hidden=[str(hidden), "/not/there"]
    )
    try:
        return [(await child.stdout.readline()).decode().strip() for _ in paths]
    finally:
        await child.stop(5.0)
        warden.close()


@needs_landlock
async def test_a_server_cannot_read_the_token_beside_which_it_reads_everything(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "token").write_text("the-token")
    (tmp_path / "open").write_text("anything")
    (tmp_path / "link").symlink_to(secrets)
    ways = (tmp_path / "open", secrets / "token", tmp_path / "link" / "token")
    assert await read_by_child(*ways, hidden=secrets) == ["anything", "Permission denied", "Permission denied"]


@needs_landlock
async def test_a_server_cannot_look_into_the_managers_memory(tmp_path: Path) -> None:
    (said,) = await read_by_child(Path(f"/proc/{os.getpid()}/mem"), hidden=tmp_path / "none")
    assert said == "Permission denied"


def test_everything_beside_the_way_to_a_hidden_folder_is_allowed(tmp_path: Path) -> None:
    for name in ("a/hidden", "a/beside", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "c").symlink_to(tmp_path / "a")
    allowed = allowed_beside({str(tmp_path / "a" / "hidden")})
    below = sorted(path.removeprefix(str(tmp_path)) for path in allowed if path.startswith(str(tmp_path)))
    assert below == ["/a/beside", "/b"]
