"""The contact channels of a simulation: what arrived at people, and how each message says that its request ended.

Two types: that of `slack` can be asked what it has, that of `webhook` cannot. Sending and closing are W points.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.references import SecretKeyRef
from kubechain.humans.model import (
    Absent,
    ChannelKinds,
    Found,
    MayBeSent,
    Message,
    NotAskable,
    NotSent,
    Receipt,
    Refused,
)
from test.simulation.fakes import Surroundings
from test.simulation.outside import GONE, Letter

BUSY_SECONDS = 10.0
"""How long an exchange takes in which people act; a channel's own limit is longer."""


class _Channel:
    """The face of one channel in one process."""

    def __init__(self, around: Surroundings, key: SecretStr, *, is_askable: bool) -> None:
        self._around = around
        self._key = key
        self._is_askable = is_askable

    async def check(self) -> str:
        """Free of charge and of consequences: no W point."""
        await self._reach(is_check=True)
        return "people can be reached"

    async def deliver(self, message: Message) -> Receipt:
        label = f"deliver {label_of(message)}"

        async def act() -> Receipt:
            await self._reach()
            doubts = len(self._around.points.broken)
            self._around.watchman.on_delivery(message, is_askable=self._is_askable, doubts=doubts)
            self._around.outside.letters.setdefault(message.key, Letter(label_of(message))).copies += 1
            if self._around.happening(label):
                await asyncio.sleep(BUSY_SECONDS)
            return Receipt(message.key)

        return await self._around.points.passing(self._around.process, label, act, lost=_lost)

    async def find(self, message: Message) -> Found:
        await self._reach()
        if not self._is_askable:
            return NotAskable(Receipt(message.key))
        return Receipt(message.key) if message.key in self._around.outside.letters else Absent()

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        label = f"close {label_of(message)}"

        async def act() -> None:
            await self._reach()
            letter = self._around.outside.letters.get(receipt.external_id)
            if letter is not None:
                letter.ending = ending
            elif self._is_askable:
                self._around.watchman.violated(f"{label}: the channel has no such message")

        await self._around.points.passing(self._around.process, label, act, lost=_lost)

    async def _reach(self, *, is_check: bool = False) -> None:
        around = self._around
        await around.take_time()
        if around.process.is_dead:
            await around.process.gone()
        if around.outside.is_contact_down or (around.outside.is_contact_mute and not is_check):
            raise NotSent(GONE)
        if self._key.get_secret_value() in around.outside.refused_keys:
            raise Refused("the token is refused")


def _lost() -> Exception:
    return MayBeSent("no answer")


def label_of(message: Message) -> str:
    """Channel and request, and whether it is the reminder."""
    return f"{message.channel} {message.name}" + (" again" if message.is_reminder else "")


class _Kind:
    """One type of channels in one process."""

    def __init__(self, around: Surroundings, type_: str) -> None:
        self._around = around
        self.type = type_

    def secrets_of(self, spec: ContactChannelSpec) -> Mapping[str, SecretKeyRef]:
        source: Any = spec.api_key_from
        return {"key": source.secret_key_ref}

    def open(self, spec: ContactChannelSpec, secrets: Mapping[str, SecretStr]) -> _Channel:
        return _Channel(self._around, secrets["key"], is_askable=spec.type == "slack")


def kinds(around: Surroundings) -> ChannelKinds:
    """The types of channels as one process sees them."""
    return ChannelKinds.of((_Kind(around, "slack"), _Kind(around, "webhook")))
