"""What goes wrong with the embedded model, in words for the person at the terminal."""

from __future__ import annotations


class EmbeddedModelError(Exception):
    """The model cannot be fetched or started; the message says what to do."""
