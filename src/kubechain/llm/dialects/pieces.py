"""An answer as a sequence of pieces, for providers whose answers come back piece by piece in their own order. Pure.

The normal form of a message is a text and tool calls. Gemini's signatures and the reasoning of OpenAI's Responses stand
between and beside these; they are kept in `providerData` and put into their places when the message is sent back to
the same provider and model. Parts of `providerData`, in the order of the answer:

    {"part": {…}}                     a piece as it came
    {"text": 12, "fields": {…}}       the next 12 characters of the message's content, with the piece's further fields
    {"toolCall": 0, "fields": {…}}    the tool call at this place, with the piece's further fields
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from kubechain.api.message import Message, ProviderData
from kubechain.llm.client import Target
from kubechain.llm.dialects.json_values import mapping
from kubechain.llm.dialects.provider_data import kept, to_send_back

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the text."""

    text: str
    fields: Fields = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Called:
    """The tool call at a place among the message's calls, from 0."""

    index: int
    fields: Fields = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A piece that the normal form has no place for."""

    part: Fields


Piece = Said | Called | Verbatim


def text_of(pieces: Sequence[Piece]) -> str:
    """Return the text of an answer."""
    return "".join(piece.text for piece in pieces if isinstance(piece, Said))


def provider_data(target: Target, pieces: Sequence[Piece]) -> ProviderData | None:
    """Return what must come back with an answer; None where its normal form says all."""
    if all(not isinstance(piece, Verbatim) and not piece.fields for piece in pieces):
        return None
    return kept(target, [_part(piece) for piece in pieces])


def in_order(message: Message, target: Target) -> Sequence[Piece]:
    """Return the pieces of a message as the target sent them; none where it did not, or where not all of them fit.

    The same model may have sent them over another API of its provider, whose parts are of another form.
    """
    pieces: list[Piece] = []
    start = 0
    for part in to_send_back(message, target):
        fields = mapping(part.get("fields"))
        if isinstance(length := part.get("text"), int):
            pieces.append(Said(message.content[start : start + length], fields))
            start += length
        elif isinstance(index := part.get("toolCall"), int):
            pieces.append(Called(index, fields))
        elif verbatim := mapping(part.get("part")):
            pieces.append(Verbatim(verbatim))
        else:
            return ()
    calls = [piece.index for piece in pieces if isinstance(piece, Called)]
    fits = start == len(message.content) and calls == list(range(len(message.tool_calls)))
    return pieces if fits else ()


def _part(piece: Piece) -> dict[str, Any]:
    match piece:
        case Said(text, fields):
            return {"text": len(text)} | ({"fields": fields} if fields else {})
        case Called(index, fields):
            return {"toolCall": index} | ({"fields": fields} if fields else {})
        case Verbatim(part):
            return {"part": part}
        case _:
            assert_never(piece)
