"""What must hold about messages at contact channels: sent under a claim, once where the channel can be asked, closed.

Part of the watchman, which judges by the objects and by what arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubechain.humans.model import Message
from test.simulation.cluster import now, phase_of, seconds_of, status_of
from test.simulation.outside import Letter

JsonObject = dict[str, Any]

_Place = tuple[str, str, bool]
"""The uid of a request, a channel, and whether the message is the reminder."""

_ARRIVED = ("Sent", "Closed")


class DeliveryLaws:
    """Remembers requests as they were written last, and judges every message by them."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._requests: dict[str, JsonObject] = {}
        self._uids: dict[str, str] = {}
        self._gone: set[str] = set()
        self._claims: Counter[_Place] = Counter()
        self._sent: Counter[_Place] = Counter()
        self._keys: dict[str, _Place] = {}
        self._channels_gone: set[str] = set()

    def on_change(self, plural: str, before: JsonObject, after: JsonObject) -> None:
        """Look at one write."""
        if plural != "humanrequests":
            return
        name, uid = after["metadata"]["name"], after["metadata"]["uid"]
        known = _deliveries(before)
        for place, delivery in _deliveries(after).items():
            if delivery["state"] == "Sending" and delivery != known.get(place):
                self._claims[uid, *place] += 1
                self._check_claim(f"humanrequests/{name} by {place[0]}", before, known.get(place), after)
        self._requests[uid], self._uids[name] = after, uid

    def on_deletion(self, plural: str, obj: JsonObject) -> None:
        """An object is gone."""
        if plural == "humanrequests":
            self._gone.add(obj["metadata"]["uid"])
        if plural == "contactchannels":
            self._channels_gone.add(obj["metadata"]["name"])

    def on_delivery(self, message: Message, *, is_askable: bool, doubts: int) -> None:
        """Look at a message that arrives.

        Args:
            is_askable: Whether the channel can be asked what it has.
            doubts: How often a process ended, or a reply was lost.
        """
        place = (self._uids.get(message.name, ""), message.channel, message.is_reminder)
        what = f"{message.name} by {message.channel}"
        request = self._requests.get(place[0])
        self._sent[place] += 1
        if request is None:
            self._violated(f"{what}: sent, and there is no such request")
            return
        if self._keys.setdefault(message.key, place) != place:
            self._violated(f"{what}: sent under the key of another message")
        if self._sent[place] > self._claims[place]:
            self._violated(f"{what}: sent without a claim of its own")
        if self._sent[place] > (1 if is_askable else 1 + doubts):
            self._violated(f"{what}: sent {self._sent[place]} times")
        if message.is_reminder and not _is_reminded(request):
            self._violated(f"{what}: reminded before the request says so")

    def look_for_left_overs(self, letters: Mapping[str, Letter]) -> None:
        """What arrived says how its request ended, unless its channel is gone."""
        for key, letter in letters.items():
            uid, channel, _ = self._keys[key]
            request = self._requests[uid]
            is_over = uid in self._gone or phase_of(request) not in ("", "Open")
            if not is_over or channel in self._channels_gone:
                continue
            if not letter.ending:
                self._violated(f"{letter.label}: does not say that its request is over")
            elif letter.ending != status_of(request).get("statusDetail"):
                self._violated(f"{letter.label}: says {letter.ending!r}, and its request something else")

    def _check_claim(self, what: str, before: JsonObject, known: JsonObject | None, after: JsonObject) -> None:
        if phase_of(after) not in ("", "Open"):
            self._violated(f"{what}: claimed after its end")
        if "deletionTimestamp" in before.get("metadata", {}):
            self._violated(f"{what}: claimed after its deletion")
        if known is not None and known["state"] in _ARRIVED:
            self._violated(f"{what}: claimed, and it had been sent")
        if known is not None and known.get("nextAttemptAt") and now() < seconds_of(known["nextAttemptAt"]):
            self._violated(f"{what}: claimed before its next attempt is due")


def _deliveries(request: JsonObject) -> dict[tuple[str, bool], JsonObject]:
    found: Sequence[JsonObject] = status_of(request).get("deliveries") or ()
    return {(one["channel"], one.get("reminder", False)): one for one in found}


def _is_reminded(request: JsonObject) -> bool:
    conditions: Sequence[JsonObject] = status_of(request).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Reminded", "True") for one in conditions)


def are_open(requests: Sequence[JsonObject]) -> bool:
    """Whether a request is open, or has still to be told or let go."""
    return any(_is_open(request) for request in requests)


def _is_open(request: JsonObject) -> bool:
    if phase_of(request) in ("", "Open") or "deletionTimestamp" in request["metadata"]:
        return True
    return any(one["state"] not in ("Closed", "Failed") for one in _deliveries(request).values())


def arrived(letters: Mapping[str, Letter], *, tells_the_end: bool) -> dict[str, Any]:
    """What arrived, as a part of the state at the end: how often is for the laws to judge.

    Args:
        tells_the_end: Whether it belongs to the story that each message says how its request ended.
    """
    endings: dict[str, list[str]] = {}
    for letter in letters.values():
        endings.setdefault(f"letters/{letter.label}", []).append(
            letter.ending.partition(":")[0] if tells_the_end else ""
        )
    return {label: {"endings": sorted(found)} for label, found in endings.items()}
