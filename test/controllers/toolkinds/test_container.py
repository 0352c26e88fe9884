"""A call's Job: made once, found again, followed through failures, stopped with its call, and never another call's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import pytest

from kubechain.controllers.toolkinds.model import Started
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import AlreadyExists, BadRequest, Forbidden, Invalid, ServiceUnavailable, TransportError
from kubechain.tools.container import LOG_LIMIT_BYTES
from kubechain.tools.givingup import GIVEN_UP_SECONDS, PULL_SECONDS
from kubechain.tools.model import InvalidTool, NotExecuted, OutOfTime, Output, Uncertain
from test.controllers.toolkinds.jobcluster import (
    JOB,
    NAME,
    POST,
    SECRET,
    SPEC,
    UID,
    JobCluster,
    a_call,
    an_owned_job,
    containers,
)

ENDED = {"exitCode": 0, "reason": "Completed"}


class Told:
    """What the status of the call said, in order."""

    def __init__(self) -> None:
        self.words: list[str] = []

    async def __call__(self, detail: str) -> None:
        self.words.append(detail)


def a_running_cluster(**settings: Any) -> JobCluster:
    """Its container runs at once, and ends after 10 seconds."""
    cluster = JobCluster(**settings)

    def run() -> None:
        cluster.set_pod(running={})
        cluster.later(10, lambda: cluster.set_pod(terminated=ENDED))

    cluster.when_made = run
    return cluster


async def test_what_a_container_says_comes_back_without_the_secrets_it_was_given() -> None:
    assert await containers(a_running_cluster()).run(a_call(), SPEC) == Output("it said [redacted]")


async def test_its_end_is_noticed_when_it_comes_and_nobody_waits_for_the_job_controller() -> None:
    cluster, clock = a_running_cluster(), LoopClock()
    await containers(cluster).run(a_call(), SPEC)
    assert clock.monotonic() == pytest.approx(10, abs=0.1)
    assert cluster.job is not None
    assert cluster.job.get("status") is None


async def test_without_the_right_to_watch_its_end_is_noticed_at_the_next_look() -> None:
    cluster, clock = a_running_cluster(), LoopClock()
    cluster.can_watch = False
    assert (await containers(cluster).run(a_call(), SPEC)).content == "it said [redacted]"
    assert clock.monotonic() < 16


@pytest.mark.parametrize(
    "post",
    [
        pytest.param(AlreadyExists(409, "AlreadyExists", "taken"), id="an earlier attempt made it"),
        pytest.param(TransportError("reset"), id="the reply was lost"),
        pytest.param(ServiceUnavailable(503, "", "busy"), id="the server failed after it had made it"),
    ],
)
async def test_a_job_that_is_there_is_waited_for(post: Exception) -> None:
    cluster = a_running_cluster(job=an_owned_job())
    cluster.failures[POST] = [post]
    cluster.when_made()
    assert (await containers(cluster).run(a_call(), SPEC)).content == "it said [redacted]"
    assert cluster.requests.count(POST) == 1


async def test_a_job_that_was_not_made_is_no_job() -> None:
    cluster = JobCluster()
    cluster.failures[POST] = [TransportError("reset")]
    with pytest.raises(NotExecuted, match="could not be created"):
        await containers(cluster).run(a_call(), SPEC)


async def test_the_job_of_an_earlier_call_of_the_same_name_is_neither_taken_nor_deleted() -> None:
    cluster = JobCluster(job=an_owned_job(uid="another"))
    with pytest.raises(NotExecuted, match="does not belong to this call"):
        await containers(cluster).run(a_call(), SPEC)
    assert f"DELETE {JOB}" not in cluster.requests


async def test_looks_that_fail_end_nothing() -> None:
    cluster = a_running_cluster()
    cluster.failures[f"GET {JOB}"] = [TransportError("reset"), ServiceUnavailable(503, "", "busy")]
    assert (await containers(cluster).run(a_call(), SPEC)).content == "it said [redacted]"


def forbid(cluster: JobCluster) -> None:
    cluster.failures[f"GET {JOB}"] = [Forbidden(403, "Forbidden", "no")]


def delete(cluster: JobCluster) -> None:
    cluster.collect()


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(delete, id="somebody deleted it before it had started"),
        pytest.param(forbid, id="it may not be read"),
    ],
)
async def test_a_job_whose_end_cannot_be_seen_is_uncertain(harm: Callable[[JobCluster], None]) -> None:
    cluster = JobCluster()
    cluster.when_made = lambda: cluster.later(5, harm, cluster)
    with pytest.raises(Uncertain):
        await containers(cluster).run(a_call(), SPEC)


async def test_the_end_of_a_pod_that_is_gone_is_what_the_watch_last_said() -> None:
    cluster = a_running_cluster()

    def end_and_go() -> None:
        cluster.set_pod(terminated={"exitCode": 3})
        cluster.collect()

    cluster.when_made = lambda: cluster.later(3, end_and_go)
    output = await containers(cluster).run(a_call(), SPEC)
    assert output.content.startswith("exit code 3\n[the log cannot be read")


# --- waits, and containers that never start


async def test_what_is_waited_for_is_told_soon_and_whenever_it_changes() -> None:
    cluster, told = JobCluster(), Told()

    def live() -> None:
        cluster.say("FailedCreate", "exceeded quota: pods")
        cluster.later(20, lambda: cluster.set_pod(waiting={"reason": "ContainerCreating"}))
        cluster.later(20, lambda: cluster.say("Pulling", f"Pulling image {SECRET}", type="Normal"))
        cluster.later(40, lambda: cluster.set_pod(running={}))
        cluster.later(50, lambda: cluster.set_pod(terminated=ENDED))

    cluster.when_made = live
    await containers(cluster).run(a_call(tell=told), SPEC)
    assert told.words == [
        "Waiting for the container: FailedCreate: exceeded quota: pods",
        "Waiting for the container: Pulling: Pulling image [redacted]",
        "The container runs",
    ]


async def test_a_container_that_starts_at_once_costs_no_word() -> None:
    told = Told()
    await containers(a_running_cluster()).run(a_call(tell=told), SPEC)
    assert told.words == []


async def test_words_that_differ_in_numbers_only_are_told_twice_a_minute() -> None:
    cluster, told = JobCluster(), Told()

    def count(number: int) -> None:
        cluster.say("FailedMount", f"try {number}")
        cluster.later(3, count, number + 1)

    cluster.when_made = lambda: count(1)
    with pytest.raises(OutOfTime):
        await containers(cluster).run(a_call(timeout_seconds=59, tell=told), SPEC)
    assert len(told.words) == 2


async def test_a_container_that_does_not_start_in_its_time_was_not_executed_and_says_why() -> None:
    cluster = JobCluster()
    message = "0/1 nodes are available: 1 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    cluster.when_made = lambda: cluster.set_pod(node="", conditions=[condition])
    with pytest.raises(OutOfTime, match=f"did not start within 60 s: Unschedulable: {message}"):
        await containers(cluster).run(a_call(), SPEC)
    assert cluster.job is None


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"waiting": {"reason": "ImagePullBackOff", "message": f"no {SECRET}"}}, id="no image"),
        pytest.param(
            {"terminated": {"reason": "StartError", "message": f"no {SECRET}", "exitCode": 128}}, id="no file"
        ),
    ],
)
async def test_a_container_that_cannot_start_is_told_in_kubelet_s_words_and_its_job_is_deleted(
    state: dict[str, Any],
) -> None:
    cluster = JobCluster()
    cluster.when_made = lambda: cluster.set_pod(**state)
    with pytest.raises(NotExecuted, match=r"cannot start: \w+: no \[redacted\]"):
        await containers(cluster).run(a_call(), SPEC)
    assert cluster.job is None


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"terminated": {"exitCode": 128, "reason": "StartError"}}, id="it could not start"),
        pytest.param({"terminated": {"exitCode": 137, "reason": "Error"}}, id="it ended"),
        pytest.param({"running": {}}, id="it runs"),
    ],
)
async def test_the_pod_of_an_earlier_attempt_says_nothing_about_this_one(state: dict[str, Any]) -> None:
    cluster = a_running_cluster()
    run = cluster.when_made
    cluster.when_made = lambda: cluster.later(1, run)
    status = {"containerStatuses": [{"name": "tool", "state": state, "containerID": "containerd://1"}]}
    owner = {"kind": "Job", "name": NAME, "uid": "an-earlier-job"}
    metadata = {"name": "earlier", "namespace": "default", "uid": "earlier", "ownerReferences": [owner]}
    cluster.others = [{"metadata": metadata, "spec": {"containers": []}, "status": status}]
    assert (await containers(cluster).run(a_call(), SPEC)).content == "it said [redacted]"


# --- containers that are given up before they have started

WAITING_FOR_IMAGE = {"reason": "ContainerCreating"}


def a_slow_pull(**settings: Any) -> JobCluster:
    """Its image is pulled until the test ends that; garbage collector and node do what the test says."""
    cluster = JobCluster(**settings)
    cluster.collects = False

    def pull() -> None:
        cluster.set_pod(waiting=WAITING_FOR_IMAGE)
        cluster.say("Pulling", 'Pulling image "busybox:1"', type="Normal")

    cluster.when_made = pull
    cluster.later(10.1, cluster.mark)
    return cluster


def end_and_remove(cluster: JobCluster, **state: Any) -> None:
    """The node ends the Pod, which is removed at once: no look comes in between."""
    if state:
        node_has_it = cluster.pod
        cluster.set_pod(**state)
        assert node_has_it is not None
    cluster.end_pod()
    cluster.remove()


async def give_up(cluster: JobCluster, *, told: Told | None = None) -> Output:
    """Carry a call out whose container may take ten seconds."""
    return await containers(cluster).run(a_call(timeout_seconds=10, tell=told or Told()), SPEC)


@pytest.mark.parametrize("seconds", [pytest.param(12, id="soon"), pytest.param(300, id="after minutes")])
async def test_a_pull_that_fails_after_its_call_was_given_up_was_not_executed(seconds: float) -> None:
    cluster, told = a_slow_pull(), Told()
    cluster.later(seconds, end_and_remove, cluster)
    with pytest.raises(OutOfTime, match="did not start within 10 s: Pulling: Pulling image"):
        await give_up(cluster, told=told)
    given_up = 'Giving the container up: its node has not given it up: Pulling: Pulling image "busybox:1"'
    assert (given_up in told.words) == (seconds > 20)


async def test_a_node_that_takes_some_seconds_after_a_pull_that_failed_has_not_executed_it() -> None:
    cluster = a_slow_pull()
    cluster.later(100, cluster.say, "Failed", "Failed to pull image: canceled")
    cluster.later(120, end_and_remove, cluster)
    with pytest.raises(OutOfTime):
        await give_up(cluster)


async def test_a_pull_that_ends_well_after_its_call_was_given_up_has_started_its_container() -> None:
    cluster = a_slow_pull()
    cluster.later(60, lambda: end_and_remove(cluster, running={}))
    with pytest.raises(Uncertain, match="it started while it was given up, and was stopped: Pulling"):
        await give_up(cluster)


async def test_a_pull_that_does_not_end_stays_unknown() -> None:
    cluster, clock = a_slow_pull(), LoopClock()
    with pytest.raises(Uncertain, match="its node has not given it up, and may have started it: Pulling"):
        await give_up(cluster)
    assert clock.monotonic() == pytest.approx(10 + PULL_SECONDS, abs=6)


async def test_a_node_that_does_not_answer_may_have_started_the_container() -> None:
    cluster, clock = a_slow_pull(), LoopClock()
    cluster.when_made = lambda: cluster.set_pod(waiting=WAITING_FOR_IMAGE)
    with pytest.raises(Uncertain, match="its node has not given it up, and may have started it"):
        await give_up(cluster)
    assert clock.monotonic() == pytest.approx(10 + GIVEN_UP_SECONDS, abs=3)


async def test_a_pod_that_was_removed_by_force_may_have_started() -> None:
    cluster = a_slow_pull()
    cluster.later(12, cluster.remove)
    with pytest.raises(Uncertain, match="was removed before its node had given it up, and may have started it"):
        await give_up(cluster)


async def test_without_the_right_to_watch_nobody_knows_how_a_pod_ended_that_is_gone() -> None:
    cluster = a_slow_pull()
    cluster.can_watch = False
    cluster.later(12, end_and_remove, cluster)
    with pytest.raises(Uncertain, match="its Pod is gone, and nobody has said how it ended"):
        await give_up(cluster)


async def test_a_watch_that_was_closed_is_opened_again_where_it_was() -> None:
    cluster = a_slow_pull()
    cluster.later(11.9, cluster.end_watches)
    cluster.later(12, end_and_remove, cluster)
    with pytest.raises(OutOfTime):
        await give_up(cluster)


async def test_a_watch_that_cannot_go_on_where_it_was_begins_anew() -> None:
    cluster = a_slow_pull()
    cluster.later(10.05, cluster.end_watches)
    cluster.later(10.2, cluster.forget)
    cluster.later(20, end_and_remove, cluster)
    with pytest.raises(OutOfTime):
        await give_up(cluster)


@pytest.mark.parametrize("watches", [pytest.param(True, id="watched"), pytest.param(False, id="listed")])
async def test_a_container_that_starts_while_it_is_given_up_is_uncertain(watches: bool) -> None:
    cluster = JobCluster()
    cluster.can_watch, cluster.collects = watches, False
    cluster.when_made = lambda: cluster.set_pod(waiting={"reason": "ImagePullBackOff"})
    cluster.later(0.5, lambda: cluster.set_pod(running={}))
    with pytest.raises(Uncertain, match="started while it was given up"):
        await containers(cluster).run(a_call(), SPEC)


async def test_a_pod_that_ends_before_its_container_was_created_was_not_executed() -> None:
    cluster = JobCluster()
    cluster.collects = False
    cluster.when_made = lambda: cluster.set_pod(waiting={"reason": "ImagePullBackOff"})
    cluster.later(0.5, end_and_remove, cluster)
    with pytest.raises(NotExecuted, match="cannot start: ImagePullBackOff"):
        await containers(cluster).run(a_call(), SPEC)


async def test_a_job_that_is_given_up_goes_after_its_pod_and_no_other_of_its_name() -> None:
    cluster = a_slow_pull()
    cluster.later(12, end_and_remove, cluster)
    with pytest.raises(OutOfTime):
        await give_up(cluster)
    [options] = cluster.deleted
    assert options["propagationPolicy"] == "Foreground"
    assert options["preconditions"] == {"uid": "job-uid"}


@pytest.mark.parametrize(
    ("seconds", "failure"),
    [
        pytest.param(0, OutOfTime("container: did not start within 10 s: "), id="its call is out of time"),
        pytest.param(5, NotExecuted("container: cannot start: "), id="its call has time for another attempt"),
    ],
)
async def test_a_manager_that_finds_a_job_that_is_given_up_goes_on_with_it(
    seconds: float, failure: NotExecuted | OutOfTime
) -> None:
    cluster = a_slow_pull()
    running = asyncio.create_task(give_up(cluster))
    await asyncio.sleep(15)
    running.cancel()
    await asyncio.wait({running})
    cluster.later(20, end_and_remove, cluster)
    with pytest.raises(type(failure), match=f"{failure}its Job was deleted: Pulling: Pulling image"):
        await containers(cluster).follow(Started("default", NAME, UID, timeout_seconds=10, remaining_seconds=seconds))


@pytest.mark.parametrize(
    "node", [pytest.param("", id="no node had it"), pytest.param("node-1", id="its node ended it")]
)
async def test_a_container_whose_job_somebody_deleted_before_its_start_was_not_executed(node: str) -> None:
    cluster = JobCluster()
    cluster.when_made = lambda: cluster.set_pod(node=node, waiting=WAITING_FOR_IMAGE)
    cluster.later(5, cluster.collect)
    with pytest.raises(NotExecuted, match=r"cannot start: (its Job was deleted|ContainerStatusUnknown)"):
        await containers(cluster).run(a_call(), SPEC)


async def test_a_job_that_cannot_be_deleted_at_first_is_deleted() -> None:
    cluster = JobCluster()
    cluster.when_made = lambda: cluster.set_pod(waiting={"reason": "ImagePullBackOff"})
    cluster.failures[f"DELETE {JOB}"] = [TransportError("reset"), ServiceUnavailable(503, "", "busy")]
    with pytest.raises(NotExecuted, match="cannot start"):
        await containers(cluster).run(a_call(), SPEC)
    assert len(cluster.deleted) == 1


async def test_a_job_that_cannot_be_deleted_may_start() -> None:
    cluster = JobCluster()
    cluster.when_made = lambda: cluster.set_pod(waiting={"reason": "ImagePullBackOff"})
    cluster.failures[f"DELETE {JOB}"] = [Forbidden(403, "Forbidden", "no") for _ in range(50)]
    with pytest.raises(Uncertain, match="its Job could not be deleted, and may start it: ImagePullBackOff"):
        await containers(cluster).run(a_call(), SPEC)


async def test_what_an_api_server_that_fails_does_not_say_stays_unknown() -> None:
    cluster = a_slow_pull()
    cluster.later(11, lambda: cluster.failures.update({f"GET {JOB}": [TransportError("reset")] * 100}))
    with pytest.raises(Uncertain, match="the API server does not say what became of its Pod, and may have started it"):
        await give_up(cluster)


# --- the end of the call


async def test_a_container_that_runs_out_of_time_is_stopped_and_what_it_wrote_is_the_answer() -> None:
    cluster = JobCluster()
    cluster.when_made = lambda: cluster.set_pod(running={})
    output = await containers(cluster).run(a_call(timeout_seconds=8), SPEC)
    assert output == Output("timed out: the container was stopped after 8 s\nit said [redacted]", is_error=True)
    assert cluster.job is None


async def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    for lines in (30_000, 400_000):
        cluster = a_running_cluster(log="START\n" + "y\n" * lines * 10 + "THE-END\n")
        content = (await containers(cluster).run(a_call(), SPEC)).content
        assert content.startswith("START\ny\n")
        assert content.endswith("y\nTHE-END\n")
        assert "bytes left out]" in content
        assert len(content) < LOG_LIMIT_BYTES + 100


async def test_a_cancelled_process_leaves_its_job_to_the_next_one() -> None:
    cluster = a_running_cluster()
    running = asyncio.create_task(containers(cluster).run(a_call(), SPEC))
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert f"DELETE {JOB}" not in cluster.requests
    started = Started("default", NAME, UID, timeout_seconds=60, remaining_seconds=50)
    assert await containers(cluster).follow(started) == Output("it said [redacted]")
    assert cluster.requests.count(POST) == 1


@pytest.mark.parametrize(
    "job",
    [pytest.param(None, id="it is gone"), pytest.param(an_owned_job(uid="another"), id="it is another call's")],
)
async def test_only_a_job_of_the_call_is_followed_and_none_is_made(job: dict[str, Any] | None) -> None:
    cluster = JobCluster(job=job)
    with pytest.raises(Uncertain, match="interrupted"):
        await containers(cluster).follow(Started("default", NAME, UID, timeout_seconds=60, remaining_seconds=60))
    assert POST not in cluster.requests


async def test_a_job_whose_call_is_out_of_time_is_read_before_it_is_stopped() -> None:
    cluster = JobCluster(job=an_owned_job())
    cluster.set_pod(running={})
    started = Started("default", NAME, UID, timeout_seconds=8, remaining_seconds=0)
    assert (await containers(cluster).follow(started)).content.endswith("after 8 s\nit said [redacted]")


async def test_a_process_that_stops_before_the_start_says_that_nothing_was_started() -> None:
    cluster = JobCluster()
    running = asyncio.create_task(containers(cluster).run(a_call(), SPEC))
    cluster.gate.clear()
    await cluster.is_asked.wait()
    running.cancel()
    with pytest.raises(NotExecuted, match="before it was started"):
        await running
    assert cluster.job is None


async def test_a_call_that_ends_does_not_delete_the_job_of_something_else() -> None:
    cluster = JobCluster(job=an_owned_job(uid="another"))
    await containers(cluster).stop(Started("default", NAME, UID, timeout_seconds=8, remaining_seconds=0))
    assert cluster.job is not None


async def test_a_call_that_ends_takes_its_job_with_it() -> None:
    cluster = JobCluster(job=an_owned_job())
    await containers(cluster).stop(Started("default", NAME, UID, timeout_seconds=8, remaining_seconds=0))
    assert cluster.job is None


# --- whether a Tool can be carried out


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        pytest.param(None, "", id="the cluster would create its Job"),
        pytest.param(Invalid(422, "Invalid", "spec: no"), "container: spec: no", id="the cluster would refuse its Job"),
        pytest.param(BadRequest(400, "", "webhook: no dry run"), "", id="a webhook knows no dry runs"),
        pytest.param(Forbidden(403, "Forbidden", "exceeded quota"), "", id="the quota is used up now"),
    ],
)
async def test_the_cluster_is_asked_about_a_tool_and_nothing_is_created(answer: Exception | None, refused: str) -> None:
    cluster = JobCluster()
    cluster.failures[POST] = [answer] if answer else []
    with pytest.raises(InvalidTool, match=refused) if refused else nullcontext():
        await containers(cluster).check("default", SPEC)
    assert cluster.job is None


@pytest.mark.parametrize("exists", [pytest.param(True, id="it exists"), pytest.param(False, id="it does not")])
async def test_a_service_account_that_a_tool_names_must_exist(exists: bool) -> None:
    cluster = JobCluster()
    cluster.accounts = ["worker"] if exists else []
    with nullcontext() if exists else pytest.raises(InvalidTool, match='ServiceAccount "worker" not found'):
        await containers(cluster).check("default", SPEC.with_changes(service_account_name="worker"))


async def test_the_secrets_that_kubelet_reads_are_read_at_the_start_of_the_container() -> None:
    made = containers(a_running_cluster())
    await made.run(a_call(), SPEC)
    assert cast(Any, made.secrets).doubted == ["s"]
