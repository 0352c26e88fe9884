"""Reads everything and says nothing."""

from __future__ import annotations

from raw import messages

for _ in messages():
    pass
