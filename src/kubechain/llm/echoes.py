"""The API key in an answer: gateways and models repeat it as a model's or a tool's name, as an id, in text. Pure.

An answer is stored in a status, so the key is replaced wherever it stands. Errors are redacted in `redaction`.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from kubechain.api.message import Message
from kubechain.llm.auth import clear_key
from kubechain.llm.client import Completion
from kubechain.net.foreign import one_line
from kubechain.net.redaction import redacted, redacted_json

_SECRET_CHARACTERS = 6
"""A shorter key protects nothing, and is a part of many words."""

_LONG_CHARACTERS = 16


def without_key(completion: Completion, api_key: SecretStr | None) -> Completion:
    """Replace the key that a call was made with wherever its answer repeats it."""
    key = clear_key(api_key)
    if key is None or not _is_secret(key):
        return completion
    before = completion.message.to_wire()
    after = redacted_json(before, (key,))
    message = completion.message if after == before else Message.from_wire(after)
    return replace(completion, message=message, model=one_line(redacted(completion.model, (key,))))


def _is_secret(key: str) -> bool:
    """Whether a key is one: servers without keys are given words such as `ollama`, which stand in many answers."""
    has_digit = any(character.isdigit() for character in key)
    return len(key) >= _LONG_CHARACTERS or (has_digit and len(key) >= _SECRET_CHARACTERS)
