"""Behaves. Its tools show what reached it."""

from __future__ import annotations

import json
import os
import sys
import time

from raw import Message, serve, text, tool


def call(name: str, params: Message) -> Message | None:
    """Answer."""
    match name:
        case "echo":
            return text(json.dumps(params))
        case "environment":
            return text(json.dumps(dict(os.environ)))
        case "process":
            return text(json.dumps({"pid": os.getpid(), "argv": sys.argv[1:]}))
        case "fail":
            return {**text("no luck"), "isError": True}
        case "slow":
            time.sleep(params["arguments"]["seconds"])
            return text("done")
        case _:
            return None


sys.stdout.write("Starting up.\nListening on stdio (this is no message).\n\n{}\n")
serve([tool(name) for name in ("echo", "environment", "process", "fail", "slow", "silent")], call)
