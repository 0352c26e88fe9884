"""Ends when a tool is called."""

from __future__ import annotations

import os

from raw import Message, serve, tool


def call(name: str, params: Message) -> Message | None:
    """Die."""
    os._exit(4)


serve([tool("die")], call)
