"""Secrets taken out of what a tool answered: some endpoints and programs repeat what they were given.

Used by `external_api`, `container` and `engine` on every text that goes to a model. Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote

from pydantic import SecretStr

REDACTED = "[redacted]"

_MIN_CHARACTERS = 4
"""Shorter values are no secrets, and taking them out would make any text unreadable."""


def redacted(text: str, secrets: Iterable[SecretStr]) -> str:
    """Take out each secret: as it is, and as it looks in JSON, in a URL and in base64."""
    for secret in secrets:
        value = secret.get_secret_value().strip()
        if len(value) >= _MIN_CHARACTERS:
            for form in _forms(value):
                text = text.replace(form, REDACTED)
    return text


def _forms(value: str) -> list[str]:
    """Longest first, since one form may be part of another."""
    encoded = base64.b64encode(value.encode()).decode()
    forms = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value, safe=""),
        encoded,
    }
    return sorted(forms, key=len, reverse=True)
