"""Carries out a case on a server and returns what came back, normalised.

Called by the tests and by the command line. What to ask is in `cases`, what to expect in `golden`.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import time
from typing import Any, cast

from packages.apiserver.conformance.normal import normalised, plain_output
from packages.apiserver.conformance.servers import Reply, Server
from packages.apiserver.conformance.steps import Case, Edited, Json, Kubectl, Request, Step, Watch

BACKGROUND_SECONDS = 30.0
"""For what happens in the background: deleting a namespace takes kube-apiserver five seconds at least."""

POLL_SECONDS = 0.02
_PLACE = re.compile(r"\$\(([^)]+)\)")
_numbers = itertools.count(1)


class Run:
    """One case on one server.

    Args:
        kubectl: The program, for cases that use it.
    """

    def __init__(self, server: Server, case: Case, *, kubectl: str = "kubectl") -> None:
        self._server = server
        self._case = case
        self._kubectl = kubectl
        # The time makes it unique on a server that is used again.
        self._namespace = f"ns{int(time.time()) % 1_000_000:06}n{next(_numbers)}"
        self._saved: dict[str, Json] = {}
        self._seen: list[Json] = []

    def outcomes(self) -> list[Json]:
        """Carry out the steps in a namespace of their own; one outcome for each."""
        self._make_namespace()
        raw = [self._step(step) for step in self._case.steps]
        return normalised(raw, namespace=self._namespace, seen=self._seen, mask=self._case.mask)

    def _make_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
        self._ask(Request("POST", "/api/v1/namespaces", body))

    def _step(self, step: Step) -> Json:
        match step:
            case Request():
                return self._request(step)
            case Watch():
                return self._watch(step)
            case Kubectl():
                return self._command(step)

    def _request(self, step: Request) -> Json:
        deadline = time.monotonic() + BACKGROUND_SECONDS
        reply = self._ask(step)
        while step.until not in {None, reply.status} and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            reply = self._ask(step)
        body = _parsed(reply.body)
        if step.quiet:
            self._seen.append(body)
        if step.save:
            self._saved[step.save] = body
        return {"status": reply.status} if step.quiet else _outcome(reply, _picked(body, step.pick))

    def _ask(self, step: Request) -> Reply:
        headers = dict(step.headers)
        if step.body is not None:
            headers.setdefault("content-type", step.content_type)
        return self._server.ask(step.method, self._filled(step.path), self._body(step.body), headers)

    def _body(self, body: Json) -> bytes | None:
        match body:
            case None:
                return None
            case bytes():
                return self._filled(body.decode()).encode()
            case Edited(saved, changes):
                body = _merged(self._saved[saved], changes)
            case _:
                pass
        return self._filled(json.dumps(body)).encode()

    def _filled(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            return str(_picked(self._saved, tuple(found[1].split("."))))

        return _PLACE.sub(value, text).replace("$ns", self._namespace)

    def _watch(self, step: Watch) -> Json:
        connection = self._server.connect()
        try:
            connection.request("GET", self._filled(step.path), headers=self._server.headers(step.headers))
            response = connection.getresponse()
            for request in step.during:
                self._request(request)
            lines: list[bytes] = []
            while len(lines) < step.events and (line := response.readline()):
                lines.append(line)
            left = len(lines) == step.events and response.status == 200
            return {
                "status": response.status,
                "events": [_parsed(line) for line in lines],
                "ended": not left and not response.readline(),
            }
        finally:
            connection.close()

    def _command(self, step: Kubectl) -> Json:
        done = subprocess.run(
            [self._kubectl, "--namespace", self._namespace, *shlex.split(self._filled(step.command))],
            input=self._filled(step.stdin),
            env=self._server.environment(),
            cwd=self._server.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if step.quiet:
            return {"exit": done.returncode}
        return {"exit": done.returncode, "out": _lines(done.stdout), "err": _lines(done.stderr)}


def _outcome(reply: Reply, body: Json) -> Json:
    outcome: dict[str, Json] = {"status": reply.status}
    media = reply.headers.get("content-type", "")
    if media != "application/json":
        outcome["type"] = media
    if reply.warnings:
        outcome["warnings"] = reply.warnings
    return {**outcome, "body": body}


def _lines(text: str) -> list[str]:
    return plain_output(text).splitlines()


def _parsed(body: bytes) -> Json:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _picked(value: Json, path: tuple[str, ...]) -> Json:
    """Return a part of a value, or None where there is none."""
    for key in path:
        match value:
            case dict():
                value = cast("dict[str, Json]", value).get(key)
            case list() if "=" in key:
                value = next((item for item in cast("list[Json]", value) if _has(item, key)), None)
            case list() if key.isdigit():
                value = cast("list[Json]", value)[int(key)]
            case list():
                value = [_picked(item, (key,)) for item in cast("list[Json]", value)]
            case _:
                return None
    return value


def _has(item: Any, condition: str) -> bool:
    key, _, wanted = condition.partition("=")
    return _picked(item, tuple(key.split("/"))) == wanted


def _merged(value: Json, changes: Any) -> Json:
    """Apply a JSON merge patch."""
    if not isinstance(changes, dict):
        return changes
    made: dict[str, Json] = dict(cast("dict[str, Json]", value)) if isinstance(value, dict) else {}
    for key, change in cast("dict[str, Json]", changes).items():
        if change is None:
            made.pop(key, None)
        else:
            made[key] = _merged(made.get(key), change)
    return made
