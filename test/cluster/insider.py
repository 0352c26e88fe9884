"""An MCP server of type stdio that runs whatever it is told, as a hostile one would: what fails, its Pod forbids.

The tests hand the text of this file to the Python of the manager's image. It needs nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_RUN = {
    "name": "run",
    "description": "Run a command line; the result begins with its exit status.",
    "inputSchema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


def run(command: str) -> str:
    """Run a command line."""
    done = subprocess.run(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False
    )
    return f"{done.returncode}\n{done.stdout}"


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result of a request, or its error."""
    match method:
        case "initialize":
            about = {"name": "insider", "version": "1"}
            version = params["protocolVersion"]
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}}
        case "ping":
            return {"result": {}}
        case "tools/list":
            return {"result": {"tools": [_RUN]}}
        case "tools/call":
            return {"result": {"content": [{"type": "text", "text": run(params["arguments"]["command"])}]}}
        case _:
            return {"error": {"code": -32601, "message": f"no {method}"}}


def main() -> None:
    """Answer line by line until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "method" in request:
            reply = {"jsonrpc": "2.0", "id": request["id"], **answer(request["method"], request.get("params", {}))}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
