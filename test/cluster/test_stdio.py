"""MCP servers of type stdio in the manager's own Pod, as the release runs them."""

from __future__ import annotations

import pytest

from test.cluster.insiders import LIMIT_SECONDS, TOKEN, a_person_approves, an_insider, connected, leaves_no_orphan, run
from test.cluster.installation import DEPLOYMENT, Installation
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


def test_its_environment_has_the_caches_of_the_image_and_each_folder_of_programs_once(
    installation: Installation, namespace: Namespace, script: Script
) -> None:
    connected(namespace, an_insider(isolation="Process"))
    [told] = run(namespace, script, 'echo "$PATH"; uv cache dir; npm config get cache')
    status, path, uv, npm = told.splitlines()
    assert (status, uv, npm) == ("0", "/tmp/uv-cache", "/tmp/npm-cache")
    of_image = installation.kubectl("exec", DEPLOYMENT, "--", "printenv", "PATH").out.strip()
    assert path.split(":") == of_image.split(":")
    assert len(set(path.split(":"))) == len(path.split(":"))


def test_a_server_that_crashes_takes_its_descendants_with_it(namespace: Namespace, script: Script) -> None:
    connected(namespace, an_insider(isolation="Process"))
    run(namespace, script, "(sh -c 'sleep 98765 & sleep 98765') & kill -KILL $PPID")
    namespace.wait("mcpserver/insider", "{.status.connected}", "true", timeout_seconds=LIMIT_SECONDS)
    [told] = run(namespace, script, "grep -alz '^98[7]65$' /proc/[0-9]*/cmdline; echo none")
    assert told.splitlines()[-1] == "none"
    assert "/proc/" not in told
