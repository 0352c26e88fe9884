"""Has a child, and a grandchild that left its process group and session."""

from __future__ import annotations

import os
import time

from raw import Message, serve, text, tool

read, write = os.pipe()
if not os.fork():
    if not os.fork():
        os.setsid()
        os.write(write, f"{os.getpid()} ".encode())
    else:
        os.write(write, f"{os.getpid()} ".encode())
    while True:
        time.sleep(60)

family = b""
while family.count(b" ") < 2:
    family += os.read(read, 64)


def call(name: str, params: Message) -> Message:
    """Say who is who, or die alone."""
    if name == "die":
        os._exit(1)
    return text(f"{os.getpid()} {family.decode()}")


serve([tool("who"), tool("die")], call)
