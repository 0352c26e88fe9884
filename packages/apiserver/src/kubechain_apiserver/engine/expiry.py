"""Expiry of Events: an hour after their last write, as in kube-apiserver.

The engine has no timer: what is due is deleted after the next write of any object.
"""

from __future__ import annotations

from collections import deque

from kubechain_apiserver.engine.context import Core
from kubechain_apiserver.kinds.builtin.events import EVENTS, TTL_SECONDS
from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.storage import Key


class EventExpiry:
    """Tracks when each Event is due; a restart begins the hour anew."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._due: deque[tuple[float, Key, int]] = deque()
        for record in core.store.scan(EVENTS):
            self._remember(record.key, record.revision)
        core.store.subscribe(self._on_change)

    def _remember(self, key: Key, revision: int) -> None:
        self._due.append((self._core.environment.now() + TTL_SECONDS, key, revision))

    def _on_change(self, change: Change) -> None:
        if change.key.resource == EVENTS and not change.deleted:
            self._remember(change.key, change.revision)

    def collect(self) -> None:
        """Delete the Events that are due and were not written since."""
        while self._due and self._due[0][0] <= self._core.environment.now():
            _, key, revision = self._due.popleft()
            record = self._core.store.get(key)
            if record is not None and record.revision == revision:
                self._core.store.delete(key)
