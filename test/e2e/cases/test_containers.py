"""What containers and nodes do, kind by kind: the page's words are the ids."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.controllers.toolkinds.container import ContainerTools
from kubechain.controllers.toolkinds.model import Answered, CallOutcome, NotDone
from kubechain.llm.exchange import HttpCall
from kubechain.llm.pool import HttpPool
from kubechain.mcp.http import http_client
from kubechain.net.addresses import AddressPolicy
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.credentials import Cluster, client_context
from kubechain.runtime.http import HttpExchange
from kubechain.tools.external_api import ApiRequest, ExternalAPIClient
from kubechain.tools.http import HttpExchanger
from test.controllers.toolkinds.jobcluster import JobCluster, a_call, containers
from test.e2e.cases.rows import CONTAINERS, case, missing
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, a_tool, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.mcp.conftest import gone
from test.mcp.families import crashes_with_a_family, is_killed_with_a_family, leaves_orphans
from test.net.certificates import AUTHORITIES, signed
from test.runtime.virtual_time import VirtualTimeLoop
from test.tools.endpoint import an_endpoint, reply

SAMPLES = Path(__file__).resolve().parents[3] / "config" / "samples"

ELSEWHERE: dict[str, str] = {}
"""Why a kind has no test here, by kind."""


def test_each_kind_of_the_page_has_a_test() -> None:
    assert not missing(CONTAINERS, __name__, ELSEWHERE)


async def ask_api_server(url: str, ca: Path) -> str:
    exchange = HttpExchange(Cluster(url=url, ssl=client_context(ca_file=ca)), user_agent="test")
    try:
        return (await exchange.send("GET", "/", headers={}, body=None, timeout_seconds=5)).body.decode()
    finally:
        await exchange.aclose()


async def ask_llm(url: str, _: Path) -> str:
    pool = HttpPool(now=lambda: datetime.now(UTC))
    try:
        return (await pool.send(HttpCall("GET", f"{url}/", {}), timeout_seconds=5)).body.decode()
    finally:
        await pool.aclose()


async def ask_mcp_server(url: str, _: Path) -> str:
    async with http_client(
        {}, message_bytes=1000, answers_in_body=True, on_failure=lambda _: None, on_end=lambda _: None
    ) as client:
        return (await client.get(url)).text


async def ask_http_tool(url: str, _: Path) -> str:
    exchanger = HttpExchanger(AddressPolicy.parse(["127.0.0.1"]))
    return (await ExternalAPIClient(exchanger=exchanger).call(ApiRequest(url), {}, timeout_seconds=5)).content


@case(
    "CAs that Python 3.13 refuses",
    {"API server": ask_api_server, "LLM": ask_llm, "MCP server": ask_mcp_server, "HTTP tool": ask_http_tool},
)
async def test_a_ca_that_somebody_gave_is_trusted(
    given: Callable[[str, Path], Awaitable[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = ssl.create_default_context

    def as_python_3_13_makes_it(*args: object, **settings: object) -> ssl.SSLContext:
        context = make(*args, **settings)  # pyright: ignore[reportArgumentType]
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_python_3_13_makes_it)
    for authority in AUTHORITIES:
        made = signed(tmp_path, authority)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        async with an_endpoint(reply(200, b"hi"), tls=made.server_side()) as endpoint:
            assert await given(f"https://127.0.0.1:{endpoint.port}", made.authority) == "hi"


# --- containers: the test is the Job controller, the scheduler, kubelet and the garbage collector

DONE = {"exitCode": 0, "reason": "Completed"}


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a call: its result or how it failed, what its status said meanwhile, and after how many seconds.

    Attributes:
        told: Each word with the second in which it was said.
    """

    outcome: CallOutcome
    told: list[tuple[float, str]]
    seconds: float


Live = Callable[[JobCluster], None]


def carried_out(live: Live, *, timeout_seconds: float = 600, log: str = "hi\n") -> Carried:
    """Carry a call out on virtual time, in a cluster that lives like this once the Job is created."""

    async def carry() -> Carried:
        cluster = JobCluster(log=log)
        cluster.when_made = lambda: live(cluster)
        told: list[tuple[float, str]] = []

        async def tell(detail: str) -> None:
            told.append((clock.monotonic(), detail))

        clock = LoopClock()
        tools = ContainerTools(containers(cluster))
        outcome = await tools.execute(a_call(timeout_seconds=timeout_seconds, tell=tell))
        return Carried(outcome, told, clock.monotonic())

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(carry())


def unschedulable(cluster: JobCluster) -> None:
    message = "0/1 nodes are available: 1 Insufficient cpu."
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    cluster.set_pod(node="", conditions=[said])


def without_account(cluster: JobCluster) -> None:
    cluster.say("FailedCreate", 'error looking up service account team/ghost: serviceaccount "ghost" not found')


def over_quota(cluster: JobCluster) -> None:
    cluster.say("FailedCreate", "pods is forbidden: exceeded quota: small, requested: pods=1, used: pods=1")


def without_sandbox(cluster: JobCluster) -> None:
    cluster.set_pod(waiting={"reason": "ContainerCreating"})
    cluster.say("FailedCreatePodSandBox", "Failed to create pod sandbox: container init was OOM-killed")


def slow_pull(cluster: JobCluster) -> None:
    cluster.set_pod(waiting={"reason": "ContainerCreating"})
    cluster.say("Pulling", 'Pulling image "busybox:1"', type="Normal")


NEVER_STARTED: dict[str, tuple[Live, str]] = {
    "cpu 100 (unschedulable)": (unschedulable, "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."),
    "a missing ServiceAccount": (without_account, 'serviceaccount "ghost" not found'),
    "a quota": (over_quota, "exceeded quota: small"),
    'memory "1" (sandbox fails)': (without_sandbox, "FailedCreatePodSandBox: Failed to create pod sandbox"),
    "a slow image pull": (slow_pull, 'Pulling: Pulling image "busybox:1"'),
}


@case('never started, told as "may have taken effect"', NEVER_STARTED)
def test_a_container_that_never_started_was_not_executed(given: tuple[Live, str]) -> None:
    live, words = given
    carried = carried_out(live)
    assert isinstance(carried.outcome, NotDone)
    assert words in carried.outcome.message
    assert "did not start within 600 s" in carried.outcome.message


@case("a silent wait", NEVER_STARTED)
def test_the_status_says_within_seconds_what_is_waited_for_and_changes_with_it(given: tuple[Live, str]) -> None:
    live, words = given

    def live_on(cluster: JobCluster) -> None:
        live(cluster)
        cluster.later(300, lambda: cluster.set_pod(running={}))
        cluster.later(310, lambda: cluster.set_pod(terminated=DONE))

    carried = carried_out(live_on)
    (first_at, first), (last_at, last) = carried.told
    assert words in first
    assert first_at < 5
    assert (last, round(last_at)) == ("The container runs", 300)
    assert carried.outcome == Answered("hi\n")


def running(cluster: JobCluster) -> None:
    cluster.set_pod(running={})


@case("a time-out that loses the output", {"a program that never ends, timeoutSeconds 8": running})
def test_what_was_written_until_the_time_out_is_the_result(given: Live) -> None:
    carried = carried_out(given, timeout_seconds=8, log="line 1\nline 2\n")
    said = "timed out: the container was stopped after 8 s\nline 1\nline 2"
    assert carried.outcome == Answered(said, is_error=True)
    assert round(carried.seconds) == 8


def done(cluster: JobCluster) -> None:
    cluster.set_pod(terminated=DONE)


@case("long output", {"yes | head -100000; echo THE-END": 100_000, "two millions of lines": 2_000_000})
def test_long_output_keeps_head_and_tail_and_says_what_is_left_out(given: int) -> None:
    outcome = carried_out(done, log="BEGIN\n" + "yyy\n" * given + "THE-END\n").outcome
    assert isinstance(outcome, Answered)
    assert outcome.content.startswith("BEGIN\nyyy\n")
    assert outcome.content.endswith("yyy\nTHE-END\n")
    assert "bytes left out]" in outcome.content


@case(
    "orphans of stdio servers",
    {
        "sh -c '(sleep 0.5 &)' ten times": leaves_orphans,
        "a crashing server that is a process tree": crashes_with_a_family,
        "a manager that is killed": is_killed_with_a_family,
    },
)
def test_no_zombie_stays_and_no_descendant_outlives_its_server(given: Callable[[], list[int]]) -> None:
    assert all(map(gone, given()))


@case(
    "words of kubelet that are dropped",
    {
        reason: {"waiting": {"reason": reason, "message": f"{reason} in kubelet's own words"}}
        for reason in ("ImagePullBackOff", "InvalidImageName", "CreateContainerError")
    }
    | {"StartError": {"terminated": {"reason": "StartError", "message": "StartError in kubelet's own words"}}},
)
def test_image_and_words_of_kubelet_are_told_and_the_tool_did_not_answer(given: dict[str, Any]) -> None:
    outcome = carried_out(lambda cluster: cluster.set_pod(**given)).outcome
    assert isinstance(outcome, NotDone)
    assert "cannot start: " in outcome.message
    assert "in kubelet's own words" in outcome.message
    if "waiting" in given:
        assert 'image "busybox:1"' in outcome.message


@case("a slow trivial call", {"true: its Job takes 2 s": 2.0, "its Job takes 0.3 s": 0.3})
def test_the_end_of_a_container_is_noticed_when_it_comes(given: float) -> None:
    carried = carried_out(lambda cluster: cluster.later(given, done, cluster))
    assert carried.outcome == Answered("hi\n")
    assert carried.seconds == pytest.approx(given, abs=0.1)


# --- Tools, and calls whose manager goes, as a person sees them


@pytest.fixture
def _manager_again(manager: Program) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    if manager.popen is None:
        manager.start()


@case(
    "a Tool that says it is valid",
    {
        "image busybox:1.36:2": ({"image": "busybox:1.36:2"}, "busybox:1.36:2"),
        "cpu: abc": ({"image": "busybox", "resources": {"limits": {"cpu": "abc"}}}, "cpu: not a quantity"),
        "a ServiceAccount that is not there": (
            {"image": "busybox", "serviceAccountName": "ghost"},
            '"ghost" not found',
        ),
        "a request over its limit": (
            {"image": "busybox", "resources": {"limits": {"cpu": 1}, "requests": {"cpu": 2}}},
            "more than the limit",
        ),
    },
)
def test_a_tool_that_cannot_work_is_in_error(namespace: Namespace, given: tuple[dict[str, Any], str]) -> None:
    container, words = given
    if "serviceAccountName" in container and not namespace.cluster.is_real:
        pytest.skip("an API server without ServiceAccounts runs no containers either")
    namespace.apply(a_tool("box", toolType="container", execute={"container": container}))
    namespace.wait("tool/box", "{.status.status}", "Error")
    assert words in namespace.get("tool", "box")["status"]["statusDetail"]


ENDS: dict[str, Callable[[Program], Any]] = {
    "SIGTERM while the container runs": lambda manager: manager.stop(),
    "SIGKILL while the container runs": lambda manager: manager.kill(),
}


def _follows(namespace: Namespace, model: MockModel, manager: Program, end: Callable[[Program], Any]) -> None:
    script = model[namespace.name]
    script.answers = [asks(Ask("box", "{}")), "Done."]
    llm = an_llm(base_url=model.base_url, model=namespace.name)
    box = a_tool("box", toolType="container", execute={"container": {"image": "busybox:1"}})
    namespace.apply(a_secret(), llm, box, an_agent(tools=refs("box")), a_task())
    namespace.wait("trtc/hello-world-task-1-t0-c0", "{.status.phase}", "Running")
    pod = _only_pod(namespace)
    _set_state(namespace, pod, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    assert end(manager) in (0, None)
    _set_state(namespace, pod, "Failed", {"terminated": {"exitCode": 3, "reason": "Error"}})
    manager.start()
    run = namespace.finished("hello-world-task-1")
    [answer] = [message for message in run["status"]["contextWindow"] if message["role"] == "tool"]
    assert "exit code 3" in answer["content"]
    assert namespace.get("trtc", "hello-world-task-1-t0-c0")["status"]["phase"] == "Failed"
    assert _only_pod(namespace) == pod


def _only_pod(namespace: Namespace) -> str:
    namespace.until(lambda: len(namespace.list("pods")) == 1, watch="pods", what="the Job has its Pod")
    return namespace.list("pods")[0]["metadata"]["name"]


def _set_state(namespace: Namespace, pod: str, phase: str, state: dict[str, Any]) -> None:
    """What kubelet writes."""
    container = {"name": "tool", "image": "busybox:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    patch = {"status": {"phase": phase, "containerStatuses": [container]}}
    namespace.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps(patch))


@pytest.mark.real
@pytest.mark.usefixtures("_manager_again")
@case("an ordered stop that destroys work", {words: end for words, end in ENDS.items() if "SIGTERM" in words})
def test_a_container_outlives_an_ordered_stop_of_its_manager(
    namespace: Namespace, model: MockModel, manager: Program, given: Callable[[Program], Any]
) -> None:
    _follows(namespace, model, manager, given)


@pytest.mark.real
@pytest.mark.usefixtures("_manager_again")
@case("an existing Job that nobody reads", {words: end for words, end in ENDS.items() if "SIGKILL" in words})
def test_a_container_outlives_its_manager(
    namespace: Namespace, model: MockModel, manager: Program, given: Callable[[Program], Any]
) -> None:
    _follows(namespace, model, manager, given)


@case("small ones", {"no container among the samples": "tool_container.yaml"})
def test_a_container_is_among_the_samples(namespace: Namespace, given: str) -> None:
    sample = next(yaml.safe_load_all((SAMPLES / given).read_text()))
    namespace.apply(sample)
    ends = ("Ready",) if namespace.cluster.is_real else ("Error", "Ready")  # without an engine it says so
    namespace.until(
        lambda: namespace.get("tool", "checksum").get("status", {}).get("status") in ends,
        watch="tool",
        what="the sample is judged",
    )
    assert given in yaml.safe_load((SAMPLES / "Kustomization").read_text())["resources"]
