"""What is still there after a restart."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kubechain_apiserver.engine.options import WatchOptions
from kubechain_apiserver.store.sqlite import FILE_NAME, SqliteStorage, StorageError, StorageInUseError
from kubechain_apiserver.wire.errors import StatusError
from packages.apiserver.test.objects import Plane, a_widget, an_owner

_WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.store.sqlite import SqliteStorage
engine = Engine(SqliteStorage(Path(sys.argv[1])))
maps = engine.registry.find("", "v1", "configmaps")
for index in range(50):
    engine.create(maps, "default", {"metadata": {"name": f"c{index}"}})
print(engine.resource_version, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_objects_and_revisions_survive_a_restart(tmp_path: Path) -> None:
    before = Plane(SqliteStorage(tmp_path))
    made = before.create(a_widget())
    before.create(a_widget("gone"))
    before.engine.delete(before.widgets, "default", "gone")
    revision = int(before.engine.resource_version)
    before.engine.close()
    after = Plane(SqliteStorage(tmp_path))
    assert after.get("w") == made
    assert not after.exists("gone")
    assert int(after.engine.resource_version) >= revision
    assert int(after.create(a_widget("later"))["metadata"]["resourceVersion"]) > revision
    after.engine.close()


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _WRITE_AND_DIE, str(tmp_path)], capture_output=True, check=False, env=dict(os.environ)
    )
    assert process.returncode == -signal.SIGKILL
    plane = Plane(SqliteStorage(tmp_path))
    assert len(plane.engine.list(plane.config_maps, "default").items) == 50
    assert int(plane.engine.resource_version) >= int(process.stdout)
    plane.engine.close()


def test_one_process_at_a_time_has_the_folder(tmp_path: Path) -> None:
    first = SqliteStorage(tmp_path)
    with pytest.raises(StorageInUseError, match=r"in use by another process"):
        SqliteStorage(tmp_path)
    first.close()


def test_a_full_disk_is_told_with_its_folder_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remembered(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    plane = Plane(SqliteStorage(tmp_path))
    put = partial(plane.engine.create, plane.config_maps, "default")
    put({"metadata": {"name": "before"}})
    [connection] = connections
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StatusError, match=rf'storage: "{tmp_path}": the disk is full; the change is not stored'):
        put({"metadata": {"name": "too-much"}, "data": {"k": "x" * 100_000}})
    connection.execute(f"PRAGMA max_page_count={pages + 100}")
    put({"metadata": {"name": "after"}})
    plane.engine.close()
    again = Plane(SqliteStorage(tmp_path))
    kept = again.engine.list(again.config_maps, "default").items
    assert [each["metadata"]["name"] for each in kept] == ["after", "before"]
    again.engine.close()


@pytest.mark.parametrize("damage", ["no database", "a page"])
def test_a_damaged_file_is_told_with_its_name(tmp_path: Path, damage: str) -> None:
    storage = SqliteStorage(tmp_path)
    storage.close()
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    path.write_bytes(b"garbage" * 1000 if damage == "no database" else content[:100] + b"x" * (len(content) - 100))
    with pytest.raises(StorageError, match=rf'storage: "{path}": the file is damaged .*; put a copy in its place'):
        SqliteStorage(tmp_path)


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r'storage: ".*file/.*": '):
        SqliteStorage(tmp_path / "file")


def test_a_watch_from_before_the_restart_expires(tmp_path: Path) -> None:
    before = Plane(SqliteStorage(tmp_path))
    old = before.engine.resource_version
    before.create(a_widget())
    last = before.engine.resource_version
    before.engine.close()
    after = Plane(SqliteStorage(tmp_path))
    expired = after.engine.watch(after.widgets, options=WatchOptions(resource_version=old))
    assert [event.type for event in expired.poll()] == ["ERROR"]
    assert after.engine.watch(after.widgets, options=WatchOptions(resource_version=last)).poll() == []
    after.engine.close()


def test_owners_are_remembered(tmp_path: Path) -> None:
    before = Plane(SqliteStorage(tmp_path))
    owner = before.create(a_widget("owner"))
    before.create(a_widget("child", ownerReferences=[an_owner(owner)]))
    before.engine.close()
    after = Plane(SqliteStorage(tmp_path))
    after.engine.delete(after.widgets, "default", "owner")
    assert after.names() == []
    after.engine.close()
