"""What must hold about typed answers: a result matches its schema, and a model is not asked for it for ever.

Part of the watchman, which judges by the objects and the validator alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from test.simulation.cluster import phase_of, status_of

JsonObject = dict[str, Any]

ASKED_AGAIN_MAX = 2


class TypedLaws:
    """Judges runs whose answer must match a schema, and those whose answer need not."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Begin.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated

    def on_change(self, plural: str, after: JsonObject) -> None:
        """Look at one write."""
        if plural == "taskruns":
            self._check_result(after)
            self._check_bound(after)

    def _check_result(self, run: JsonObject) -> None:
        status, name = status_of(run), run["metadata"]["name"]
        pinned: JsonObject = status.get("pinned") or {}
        schema: JsonObject | None = pinned.get("outputSchema")
        result: JsonObject | None = status.get("result")
        is_wanted = schema is not None and phase_of(run) == "FinalAnswer"
        if is_wanted != (result is not None):
            self._violated(f"taskruns/{name}: {'no result' if is_wanted else 'a result'} in {phase_of(run)}")
        if schema is not None and result is not None and not jsonschema_rs.is_valid(schema, result):
            self._violated(f"taskruns/{name}: the result does not match its schema: {result}")

    def _check_bound(self, run: JsonObject) -> None:
        """The answers that were sent back are told by what follows them."""
        status, name = status_of(run), run["metadata"]["name"]
        window: list[JsonObject] = status.get("contextWindow") or []
        sent_back = [one for one in window if one["role"] == "user" and "does not match the JSON" in one["content"]]
        if len(sent_back) > ASKED_AGAIN_MAX:
            self._violated(f"taskruns/{name}: the model was asked again {len(sent_back)} times")
        is_told_more = len(run["spec"].get("messages") or []) > (status.get("messagesRead") or 0)
        if phase_of(run) == "ReadyForLLM" and window and window[-1]["role"] == "assistant" and not is_told_more:
            self._violated(f"taskruns/{name}: the model is asked again, and not told what for")
