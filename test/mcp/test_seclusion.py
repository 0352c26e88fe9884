"""What a server's process cannot read although it runs as the manager's own user."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from kubechain.mcp.launcher import LANDLOCK_QUERY_VERSION, SYS_LANDLOCK_CREATE_RULESET, allowed_beside
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


LANDLOCK_VERSION = ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_QUERY_VERSION)

needs_landlock = pytest.mark.skipif(LANDLOCK_VERSION < 1, reason="this kernel has no Landlock")
needs_moves = pytest.mark.skipif(
    LANDLOCK_VERSION == 1, reason="this kernel's Landlock cannot allow rename and link across directories"
)


MOVER = """
import os, sys
move, *paths = sys.argv[1:]
for source, target in zip(paths[::2], paths[1::2]):
    try:
        getattr(os, move)(source, target)
        print("done", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


async def read_by_child(*paths: Path, hidden: Path) -> list[str]:
    return await said_by_child(READER, *map(str, paths), hidden=hidden, line_count=len(paths))


async def moved_by_child(move: str, *ways: tuple[Path, Path], hidden: Path) -> list[str]:
    paths = [str(path) for way in ways for path in way]
    return await said_by_child(MOVER, move, *paths, hidden=hidden, line_count=len(ways))


async def said_by_child(script: str, *args: str, hidden: Path, line_count: int) -> list[str]:
    warden = Warden()
    argv = [sys.executable, "-c", script, *args]
    child = await ChildProcess.start(
        sys.executable, argv, environment={}, warden=warden, hidden=[str(hidden), "/not/there"]
    )
    try:
        return [(await child.stdout.readline()).decode().strip() for _ in range(line_count)]
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


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two folders with files, and one that is to be hidden."""
    for name in ("a/file", "a/folder/file", "b/file", "secrets/token"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@needs_moves
@pytest.mark.parametrize("move", ["rename", "replace", "link"])
async def test_a_server_moves_files_from_one_folder_to_another(folders: Path, move: str) -> None:
    ways = [(folders / "a" / "file", folders / "b" / "moved"), (folders / "b" / "file", folders / "a" / "folder" / "b")]
    assert await moved_by_child(move, *ways, hidden=folders / "secrets") == ["done", "done"]
    assert [target.read_text() for _, target in ways] == ["a/file", "b/file"]


@needs_moves
async def test_a_server_moves_a_folder_to_another(folders: Path) -> None:
    way = (folders / "a" / "folder", folders / "b" / "folder")
    assert await moved_by_child("rename", way, hidden=folders / "secrets") == ["done"]
    assert await read_by_child(folders / "b" / "folder" / "file", hidden=folders / "secrets") == ["a/folder/file"]


@needs_landlock
@pytest.mark.parametrize("move", ["rename", "link"])
async def test_what_is_hidden_cannot_be_moved_to_where_it_could_be_read(folders: Path, move: str) -> None:
    hidden = folders / "secrets"
    ways = [(hidden / "token", folders / "a" / "token"), (hidden, folders / "a" / "secrets")]
    assert "done" not in await moved_by_child(move, *ways, hidden=hidden)
    assert (hidden / "token").read_text() == "secrets/token"


@needs_landlock
async def test_what_is_hidden_stays_unreadable_under_another_name(folders: Path) -> None:
    token, inside = folders / "secrets" / "token", folders / "secrets" / "inside"
    said = await said_by_child(
        "import os, sys; os.rename(*sys.argv[1:3]); print('moved', flush=True)\n" + READER.replace("[1:]", "[2:]"),
        *(str(token), str(inside)),
        hidden=folders / "secrets",
        line_count=2,
    )
    assert said == ["moved", "Permission denied"]


def test_everything_beside_the_way_to_a_hidden_folder_is_allowed(tmp_path: Path) -> None:
    for name in ("a/hidden", "a/beside", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "c").symlink_to(tmp_path / "a")
    allowed = allowed_beside({str(tmp_path / "a" / "hidden")})
    below = sorted(path.removeprefix(str(tmp_path)) for path in allowed if path.startswith(str(tmp_path)))
    assert below == ["/a/beside", "/b"]
