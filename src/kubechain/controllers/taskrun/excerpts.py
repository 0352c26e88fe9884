"""What is read of a conversation for a request: its newest messages, and of the others what no summary replaces. Pure.

The messages of the system and of the user are lasting: they are sent whatever is summarised. Places count from 0 over
the whole conversation, so that they mean the same however much of it was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kubechain.api.message import Message


def lasting(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Those of the messages that no summary replaces."""
    return tuple(message for message in messages if message.role in ("system", "user"))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The messages of a conversation from a place on, and the lasting ones before it.

    Attributes:
        messages: From the place on, to the end of what was read.
        start: The place.
        lasting: Those before the place.
    """

    messages: tuple[Message, ...] = ()
    start: int = 0
    lasting: tuple[Message, ...] = ()

    @property
    def end(self) -> int:
        """The place after the last message."""
        return self.start + len(self.messages)

    @property
    def all_lasting(self) -> tuple[Message, ...]:
        """The lasting messages before the place, and from it on."""
        return (*self.lasting, *lasting(self.messages))

    def places(self) -> Iterator[tuple[int, Message]]:
        """Each message with its place."""
        return enumerate(self.messages, self.start)

    def places_of(self, role: str) -> list[int]:
        """The places of the messages of a role."""
        return [place for place, message in self.places() if message.role == role]

    def between(self, place: int, end: int) -> tuple[Message, ...]:
        """The messages from a place on that are before another one."""
        return self.messages[max(place - self.start, 0) : max(end - self.start, 0)]

    def since(self, place: int) -> Excerpt:
        """The excerpt that begins at a place: where nothing before it is needed but what is lasting."""
        if place <= self.start:
            return self
        kept = lasting(self.between(self.start, place))
        start = min(place, self.end)
        return Excerpt(self.between(start, self.end), start, (*self.lasting, *kept))

    def appended(self, *messages: Message) -> Excerpt:
        """The excerpt with more messages at its end."""
        return replace(self, messages=(*self.messages, *messages))


NOTHING = Excerpt()
"""Of a conversation that is in its status as a whole."""
