"""MCPServers in Pods of their own: what is decided, and what the status says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubechain.api.conditions import READY, find_condition
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Done, next_version
from kubechain.controllers.mcpserver import settle
from kubechain.controllers.mcpserver.decide import FORBIDDEN_STDIO, NO_PODS, decide
from kubechain.controllers.mcpserver.manifests import Hosting, manifests
from kubechain.controllers.mcpserver.observe import InPod, Observed
from kubechain.controllers.mcpserver.steps import (
    AwaitPod,
    Connect,
    Host,
    MakeToken,
    Refuse,
    ReportAsleep,
    ReportTools,
    ReportUnconnected,
    Scale,
    Step,
    Withdraw,
)
from kubechain.mcp.model import Phase, ServerSpec, ServerState
from kubechain.runtime.errors import Forbidden, WriteRefused
from test.controllers.builders import NOW
from test.controllers.mcpserver.builders import LOOK, a_server, edited, seen

HOSTING = Hosting("kubechain:1", "kubechain-system", "http://{service}.{namespace}.svc:8080/mcp")
BRIDGE = ServerSpec("http", url="http://mcp-eyes.default.svc:8080/mcp", is_bridged=True)
SERVER = a_server(isolation="Pod")
WANTED = manifests(SERVER, HOSTING, "digest", 1)
SLEEPY = a_server(isolation="Pod", idle_after_seconds=10)
SLEPT = next_version(SLEEPY, settle.asleep(SLEEPY, NOW))
KNOWN = next_version(SLEEPY, settle.connected(SLEEPY, ReportTools((LOOK,)), NOW))
IDLE = InPod(has_token=True, is_ready=True, sleeps_in_seconds=0.0)
LIVES = ServerState(Phase.READY, (LOOK,), connects=1)


def in_pod(pod: InPod | None, **changes: Any) -> Observed:
    values: dict[str, Any] = {"server": SERVER, "spec": BRIDGE, "pod": pod, "hosts_pods": True}
    return seen(**(values | changes))


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(in_pod(None, hosts_pods=False), Refuse(NO_PODS), id="the manager makes no Pods"),
        pytest.param(
            in_pod(InPod(has_token=False), spec=None, allows_stdio=False),
            MakeToken(),
            id="servers in the manager are forbidden, those in Pods are not",
        ),
        pytest.param(
            seen(a_server(), spec=None, allows_stdio=False, hosts_pods=True),
            Refuse(FORBIDDEN_STDIO),
            id="servers in the manager are forbidden",
        ),
        pytest.param(
            in_pod(None, spec=None, trouble='Secret "keys" not found'),
            Refuse('Secret "keys" not found'),
            id="a Secret of its variables is missing: nothing is made",
        ),
        pytest.param(in_pod(InPod(has_token=True, outdated=WANTED)), Host(WANTED), id="its objects are missing"),
        pytest.param(
            in_pod(InPod(has_token=True, outdated=WANTED[1:2], is_ready=True), state=LIVES),
            Host(WANTED[1:2]),
            id="the policy was deleted while it runs",
        ),
        pytest.param(in_pod(InPod(has_token=True)), AwaitPod(), id="its Pod is not ready"),
        pytest.param(
            in_pod(InPod(has_token=True, trouble="ErrImagePull: x"), state=ServerState(Phase.BACKOFF, error="refused")),
            AwaitPod("ErrImagePull: x"),
            id="its Pod is not ready any more",
        ),
        pytest.param(in_pod(InPod(has_token=True, is_ready=True)), Connect(BRIDGE), id="its Pod is ready"),
        pytest.param(
            in_pod(InPod(has_token=True), state=LIVES), ReportTools((LOOK,)), id="a connection that works counts more"
        ),
        pytest.param(
            in_pod(InPod(has_token=True, is_ready=True), state=ServerState(Phase.FAILED, error="no such program")),
            ReportUnconnected("no such program", is_broken=True),
            id="its program cannot be started",
        ),
        pytest.param(
            in_pod(InPod(has_token=True, is_ready=True, sleeps_in_seconds=7.0), state=LIVES),
            ReportTools((LOOK,), look_again_seconds=7.0),
            id="no call needs it, and not for long enough",
        ),
        pytest.param(in_pod(IDLE, server=KNOWN, state=LIVES), Scale(0), id="no call has needed it for long enough"),
        pytest.param(
            in_pod(IDLE, server=SLEEPY, state=LIVES),
            ReportTools((LOOK,), look_again_seconds=0.0),
            id="no call has needed it for long enough, and its tools are not recorded yet",
        ),
        pytest.param(
            in_pod(IDLE, server=edited(KNOWN), state=LIVES),
            ReportTools((LOOK,), look_again_seconds=0.0),
            id="no call has needed it for long enough, and its spec has changed",
        ),
        pytest.param(
            in_pod(InPod(has_token=True, is_asleep=True, sleeps_in_seconds=10.0), server=SLEPT),
            ReportAsleep(),
            id="it sleeps",
        ),
        pytest.param(
            in_pod(InPod(has_token=True, is_asleep=True, sleeps_in_seconds=10.0), server=SLEEPY),
            Scale(1),
            id="somebody put it to sleep before its tools were recorded",
        ),
        pytest.param(
            in_pod(InPod(has_token=True, is_asleep=True, sleeps_in_seconds=10.0), server=edited(SLEPT)),
            Scale(1),
            id="it sleeps, and other tools of it may be wanted now",
        ),
        pytest.param(
            in_pod(InPod(has_token=True, is_asleep=True, is_wanted=True, sleeps_in_seconds=10.0)),
            Scale(1),
            id="it sleeps, and a call needs it",
        ),
        pytest.param(in_pod(InPod(has_token=True, is_asleep=True)), Scale(1), id="it sleeps, and is not to any more"),
        pytest.param(
            in_pod(InPod(has_token=True, is_asleep=True, outdated=WANTED[3:], sleeps_in_seconds=9.0)),
            Host(WANTED[3:]),
            id="it sleeps, and its spec has changed",
        ),
        pytest.param(
            replace(in_pod(InPod(has_token=True, is_wanted=True, sleeps_in_seconds=10.0)), server=SLEPT),
            AwaitPod(is_waking=True),
            id="it wakes",
        ),
        pytest.param(
            replace(in_pod(InPod(has_token=True, is_ready=True), state=ServerState(Phase.CONNECTING)), server=SLEPT),
            Done(),
            id="it is awake and being connected: the status stays",
        ),
        pytest.param(
            seen(a_server(), hosts_pods=True, left_over=("Service", "Deployment")),
            Withdraw(("Service", "Deployment")),
            id="it was in a Pod before",
        ),
    ],
)
def test_decision(observed: Observed, step: Step) -> None:
    assert decide(observed) == step


def test_a_server_that_sleeps_is_ready_to_be_called() -> None:
    status = SLEPT.status
    assert (status.status, status.ready, status.connected, status.pod) == ("Ready", True, False, "Asleep")
    waking = next_version(SLEPT, settle.awaits_pod(SLEPT, AwaitPod(is_waking=True), NOW))
    assert (waking.status.status, waking.status.pod) == ("Ready", "Starting")
    stuck = next_version(waking, settle.awaits_pod(waking, AwaitPod("ErrImagePull: x", is_waking=True), NOW))
    assert (stuck.status.status, stuck.status.status_detail) == ("Pending", "Starting its Pod: ErrImagePull: x")


def test_how_long_kubelet_waits_before_it_tries_again_is_no_news() -> None:
    said = "CrashLoopBackOff: back-off {} restarting failed container"
    first = next_version(SERVER, settle.awaits_pod(SERVER, AwaitPod(said.format("10s")), NOW))
    again = settle.awaits_pod(first, AwaitPod(said.format("20s")), NOW)
    assert first.status.status_detail.startswith("Starting its Pod: CrashLoopBackOff")
    assert next_version(first, again) is first
    assert not again.events


def test_a_refused_object_is_told_and_tried_again() -> None:
    error = Forbidden(403, "Forbidden", "exceeded quota: small")
    settled = settle.object_refused(SERVER, WriteRefused('Deployment "mcp-eyes"', error, is_create=True), NOW)
    server = next_version(SERVER, settled)
    assert server.status.status == StatusType.ERROR
    assert "exceeded quota: small" in server.status.status_detail
    assert settled.requeue_after_seconds
    condition = find_condition(server.status.conditions, READY)
    assert condition is not None
    assert condition.reason == "WriteRefused"
