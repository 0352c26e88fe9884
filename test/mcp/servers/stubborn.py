"""Ignores every polite way to be ended, and has a child that does so too."""

from __future__ import annotations

import os
import signal
import time

from raw import Message, serve, text, tool

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)

if not (child := os.fork()):
    while True:
        time.sleep(60)


def call(name: str, params: Message) -> Message:
    """Say who is who."""
    return text(f"{os.getpid()} {child}")


serve([tool("who")], call)
while True:
    time.sleep(60)
