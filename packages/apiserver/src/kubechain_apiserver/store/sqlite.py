"""Storage in one SQLite file, which survives restarts and SIGKILL.

All records are in memory too, so reads do not touch the file. A change is committed to the write-ahead log before the
reply, but not fsynced each time: a power failure may lose the latest changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kubechain_apiserver.store.storage import Key, MemoryStorage, Record
from kubechain_apiserver.wire import errors
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


_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
}
"""Causes in plain words, by the primary code of SQLite; for others, SQLite's own words are shown."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StorageError(Exception):
    """Raised when the file cannot be used; the message names it, the cause and what to do."""


class StorageInUseError(StorageError):
    """Raised when another process has the file open."""


class SqliteStorage:
    """Records in a file of `folder`, which is created if absent.

    Raises:
        StorageInUseError: Another process has the file open.
        StorageError: The file cannot be opened or is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # Secrets are in it; SQLite gives its log files the same mode
        except OSError as error:
            raise StorageError(f'storage: "{self._path}": {error.strerror}') from error
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=0, check_same_thread=False)
        try:
            self._memory = self._open()
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> StorageError:
        code = _primary_code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StorageInUseError(f"storage: {self._path}: in use by another process")
        if code in _DAMAGED:
            what_to_do = "put a copy in its place, or move it away to start without objects"
            return StorageError(f'storage: "{self._path}": the file is damaged ({error}); {what_to_do}')
        return StorageError(f'storage: "{self._path}": {_REASONS.get(code, str(error))}')

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
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", row)
            self._advance(record.revision)
        self._memory.put(record)

    def delete(self, key: Key, revision: int) -> None:
        with self._transaction():
            place = (*key.resource, key.namespace, key.name)
            self._db.execute("DELETE FROM objects WHERE grp = ? AND plural = ? AND namespace = ? AND name = ?", place)
            self._advance(revision)
        self._memory.delete(key, revision)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Make a change durable, or leave everything as it was.

        Raises:
            StatusError: 500, when the file cannot be written; the message names the folder and the cause.
        """
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            reason = _REASONS.get(_primary_code(error), str(error))
            raise errors.internal(f'storage: "{self._path.parent}": {reason}; the change is not stored') from error

    def _advance(self, revision: int) -> None:
        self._db.execute("UPDATE counter SET revision = max(revision, ?)", (revision,))

    def count(self) -> dict[GroupResource, int]:
        return self._memory.count()

    def close(self) -> None:
        self._db.close()


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's result code without the detail in its upper bits; 0 for an error of Python's module."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
