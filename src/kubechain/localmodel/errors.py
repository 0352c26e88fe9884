"""Errors of the local model, worded for the person at the terminal."""

from __future__ import annotations


class LocalModelError(Exception):
    """The model cannot be fetched or started; the message says what to do."""
