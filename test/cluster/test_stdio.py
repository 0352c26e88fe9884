"""MCP servers of type stdio in the manager's own Pod, as the release runs them."""

from __future__ import annotations

import pytest

from test.cluster.insiders import TOKEN, a_person_approves, an_insider, connected, leaves_no_orphan, run
from test.cluster.installation import Installation
from test.e2e.cluster import Namespace
from test.e2e.model import Script

pytestmark = pytest.mark.smoke


def test_who_may_approves_a_call_of_a_server_in_the_managers_pod(
    installation: Installation, namespace: Namespace, script: Script
) -> None:
    installation.wait_until_decisions_are_verified()
    connected(namespace, an_insider(isolation="Process", requiresApproval=True))
    a_person_approves(namespace, script)


def test_in_the_managers_pod_it_reads_nothing_of_the_managers(namespace: Namespace, script: Script) -> None:
    connected(namespace, an_insider(isolation="Process"))
    manager = "$(cut -d' ' -f4 /proc/$PPID/stat)"
    secrets = (TOKEN, f"/proc/{manager}/environ", f"/proc/{manager}/root{TOKEN}")
    for told in run(namespace, script, *(f"cat {path}" for path in secrets)):
        assert told.startswith("1\n")
        assert "Permission denied" in told


def test_what_its_processes_leave_behind_is_reaped_in_the_managers_pod(namespace: Namespace, script: Script) -> None:
    connected(namespace, an_insider(isolation="Process"))
    leaves_no_orphan(namespace, script)
