"""Storage in one SQLite file, which survives restarts and SIGKILL.

All records are in memory too, so reads do not touch the file. A change is committed to the write-ahead log before the
reply, but not fsynced each time: a power failure may lose the latest changes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kubechain_apiserver.store.storage import Key, MemoryStorage, Record
from kubechain_apiserver.wire.registry import GroupResource

FILE_NAME = "objects.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  grp TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  revision INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (grp, plural, namespace, name)
);
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (0, 1);
"""


class StorageInUseError(Exception):
    """Raised when another process has the file open."""


class SqliteStorage:
    """Records in a file of `folder`, which is created if absent.

    Raises:
        StorageInUseError: Another process has the file open.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._path.touch(mode=0o600)  # Secrets are in it; SQLite gives its log files the same mode
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=0, check_same_thread=False)
        try:
            self._memory = self._open()
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise StorageInUseError(f"storage: {self._path}: in use by another process") from error
            raise

    def _open(self) -> MemoryStorage:
        # One process owns the file: an exclusive lock keeps a second server from corrupting the revision order.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        (revision,) = self._db.execute("SELECT revision FROM counter").fetchone()
        memory = MemoryStorage(revision)
        rows = self._db.execute("SELECT grp, plural, namespace, name, revision, data FROM objects")
        for group, plural, namespace, name, at, data in rows:
            memory.put(Record(Key(GroupResource(group, plural), namespace, name), at, data=data))
        return memory

    @property
    def revision(self) -> int:
        return self._memory.revision

    def get(self, key: Key) -> Record | None:
        return self._memory.get(key)

    def scan(self, resource: GroupResource, namespace: str | None = None) -> list[Record]:
        return self._memory.scan(resource, namespace)

    def put(self, record: Record) -> None:
        key = record.key
        row = (*key.resource, key.namespace, key.name, record.revision, record.data)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", row)
            self._advance(record.revision)
        self._memory.put(record)

    def delete(self, key: Key, revision: int) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            place = (*key.resource, key.namespace, key.name)
            self._db.execute("DELETE FROM objects WHERE grp = ? AND plural = ? AND namespace = ? AND name = ?", place)
            self._advance(revision)
        self._memory.delete(key, revision)

    def _advance(self, revision: int) -> None:
        self._db.execute("UPDATE counter SET revision = max(revision, ?)", (revision,))

    def count(self) -> dict[GroupResource, int]:
        return self._memory.count()

    def close(self) -> None:
        self._db.close()
