"""A flood of forged requests at the inbound port, beside which a run goes on and a person decides by the same port."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx2

from test.e2e.cluster import Namespace
from test.e2e.model import MockModel
from test.e2e.processes import Program
from test.e2e.test_mail import CALL, RUN, MailServer, ask, links_of, mail_server, mailer, port, space, trusted

__all__ = ["mail_server", "mailer", "port", "space", "trusted"]

REQUESTS = 20_000
CONNECTIONS = 500
GROWTH_MAX_KIB = 96 * 1024
"""Of the manager's memory: connections, heads and bodies are bounded."""


def memory_kib(program: Program) -> int:
    assert program.popen is not None
    status = Path(f"/proc/{program.popen.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1))


def test_a_flood_decides_nothing_and_a_person_does_beside_it(
    space: Namespace, model: MockModel, mail_server: MailServer, mailer: Program, port: int
) -> None:
    ask(space, model, mail_server, port)
    link = links_of(mail_server.mail())["Approve"]
    before, lines = memory_kib(mailer), mailer.log.read_text().count("\n")
    command = [sys.executable, "-m", "test.process.flooder", str(port), str(REQUESTS), str(CONNECTIONS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as flooder:
        transport = httpx2.HTTPTransport(local_address="127.0.0.2", retries=5)
        with httpx2.Client(transport=transport, timeout=60.0) as person:
            assert person.get(link).status_code == 200
            assert space.get("humanrequest", CALL)["spec"].get("decision") is None
            assert person.post(link).status_code == 200
        space.wait(f"taskrun/{RUN}", "{.status.phase}", "FinalAnswer")
        told = json.loads(flooder.communicate(timeout=240)[0])
    assert sum(told["replies"].values()) + told["broken"] > 0, told
    assert set(told["replies"]) <= {"403", "404", "429", "503"}, "nothing of it was taken"
    assert memory_kib(mailer) - before < GROWTH_MAX_KIB
    written = mailer.log.read_text().splitlines()[lines:]
    assert len(written) < 100, "a refused request has no line of its own"
    assert mailer.popen is not None
    assert mailer.popen.poll() is None, mailer.tail()
