"""Tells in one line that the API server cannot be used, whichever request notices, and in one line that it can again.

Caches, leader election and liveness report each failure and success here; a cluster that is away for a minute would
otherwise fill the log with the same sentence. While it lasts the line is repeated, ever more rarely; all other failures
of that time are logged at debug level. A right that is missing is told once, with the rule to add.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import structlog

from kubechain.net.backoff import Backoff
from kubechain.net.foreign import cut, error_text
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import Expired, Forbidden, NotFound, TransportError, Unauthorized
from kubechain.runtime.resource import Resource

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

AGAIN = Backoff(initial_seconds=30.0, max_seconds=600.0)
"""Between two lines that the server cannot be reached; a connection that comes and goes is told once in 30 s."""

LASTING_SECONDS = 2.0
"""A failure that is over sooner, such as a watch that a proxy cut, is not worth a warning; one at the start is."""


NO_KIND = "the API server does not have this kind, trying again: install its CustomResourceDefinition"
"""Such as after an upgrade of the manager alone. The server gives no reason with it; with one, an object is missing."""


class Outages:
    """What is known to fail now; shared by all that talk to one API server."""

    def __init__(self, *, clock: Clock, server: str = "") -> None:
        """Create it without failures.

        Args:
            clock: for durations.
            server: URL of the server and where it was configured, for the log.
        """
        self._clock = clock
        self._server = server or None
        self._was_reached = False
        self._lost_at: float | None = None
        self._told_at = self._tell_at = -math.inf
        self._told_count = 0
        self._known: dict[str, str] = {}

    def failed(self, error: Exception, *, what: str, rule: str = "") -> None:
        """Log a failed request, unless that is known.

        Args:
            error: what the request failed with.
            what: the request, such as `watch taskruns`.
            rule: the permission that it needs.
        """
        match error:
            case TransportError() | TimeoutError():
                self._lost(error, what, "the API server cannot be reached, trying again")
            case Unauthorized():
                self._lost(error, what, "the API server refuses the credentials, trying again")
            case Forbidden():
                self._reached()
                self._refused(error, what, rule)
            case Expired():  # after an outage, of each watch: it begins again with a list
                self._reached()
                log.debug("request failed, trying again", what=what, error=error_text(error))
            case NotFound(reason=""):
                self._reached()
                self._log_new(error, what, log.warning, NO_KIND)
            case _:
                self._reached()
                self._log_new(error, what, log.info, "request failed, trying again")

    def succeeded(self, what: str) -> None:
        """Log that a request succeeds again, if it was known to fail."""
        self._reached()
        if self._known.pop(what, None) == Forbidden.__name__:
            log.info("permitted now", what=what)

    def _lost(self, error: Exception, what: str, event: str) -> None:
        now = self._clock.monotonic()
        if self._lost_at is None:
            self._lost_at, self._told_count = now, 0
            self._tell_at = self._told_at + AGAIN.initial_seconds
        lost_seconds = now - self._lost_at
        is_lasting = not self._was_reached or lost_seconds >= LASTING_SECONDS
        if not is_lasting or now < self._tell_at:
            log.debug(event, server=self._server, what=what, error=error_text(error))
            return
        log.warning(event, server=self._server, error=_reason(error), duration_seconds=round(lost_seconds, 1) or None)
        self._told_at, self._tell_at = now, now + AGAIN.seconds(self._told_count)
        self._told_count += 1

    def _reached(self) -> None:
        self._was_reached = True
        if self._lost_at is None:
            return
        if self._told_at >= self._lost_at:
            seconds = round(self._clock.monotonic() - self._lost_at, 1)
            log.info("the API server can be reached again", server=self._server, duration_seconds=seconds)
        self._lost_at = None

    def _refused(self, error: Forbidden, what: str, rule: str) -> None:
        is_new = self._known.get(what) != Forbidden.__name__
        self._known[what] = Forbidden.__name__
        level = log.warning if is_new else log.debug
        level("a permission is missing, trying again", what=what, missing_rule=rule, error=error_text(error))

    def _log_new(self, error: Exception, what: str, log_first: Callable[..., Any], event: str) -> None:
        is_new = self._known.get(what) != type(error).__name__
        self._known[what] = type(error).__name__
        level = log_first if is_new else log.debug
        level(event, what=what, error=error_text(error))


def _reason(error: Exception) -> str:
    """Why a request failed, without which one it was: all of them do."""
    return cut(error.reason) if isinstance(error, TransportError) else error_text(error)


def rule_for(resource: Resource[Any], verbs: str, namespace: str | None) -> str:
    """Return the rule of a Role or ClusterRole that permits verbs on a kind, as it is written in YAML.

    Args:
        resource: the kind.
        verbs: separated by commas.
        namespace: None for all.
    """
    where = f"Role in namespace {namespace}" if namespace else "ClusterRole"
    return f'{where}: {{apiGroups: ["{resource.group}"], resources: [{resource.plural}], verbs: [{verbs}]}}'
