"""Containers as tools, judged by the scheduler, kubelet and the Job controller themselves.

The kinds of fault are those of test/e2e/cases/test_containers.py, where the test plays these parts. `SHOWN` says for
each kind which test shows it with real Pods, or why the one in cases is enough.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.node import Node
from kubechain.tools.givingup import GIVEN_UP_SECONDS
from test.cluster.installation import SYSTEM_NAMESPACE, Installation
from test.cluster.registry import SlowRegistry
from test.e2e.cases.rows import CONTAINERS
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, a_tool, an_agent, refs
from test.e2e.model import Ask, Script, asks
from test.tools.imagenames import IMAGES, NO_IMAGES

RUN, CALL = "hello-world-task-1", "hello-world-task-1-t0-c0"
BUSYBOX = "busybox:1"
SAMPLE = Path(__file__).resolve().parents[2] / "config" / "samples" / "tool_container.yaml"
NOTICED_SECONDS = 2.0
"""Both times are of whole seconds, so that half a second may look like one."""

SHOWN: dict[str, str] = {
    "CAs that Python 3.13 refuses": "test_the_manager_gets_ready_with_a_ca_that_is",
    "an ordered stop that destroys work": "test_of_an_ordered_end_under_load_no_run_knows",
    'never started, told as "may have taken effect"': (
        "test_what_is_waited_for_is_said_and_what_never_started_was_not_executed"
    ),
    "a silent wait": "test_what_is_waited_for_is_said_and_what_never_started_was_not_executed",
    "a time-out that loses the output": "test_what_was_written_until_the_time_out_is_the_result",
    "an existing Job that nobody reads": "test_a_container_outlives_its_manager_and_its_result_is_read",
    "long output": "test_long_output_keeps_head_and_tail_and_says_what_is_left_out",
    "orphans of stdio servers": "test_the_first_process_reaps_what_others_leave_behind",
    "words of kubelet that are dropped": "test_image_and_words_of_kubelet_are_told",
    "a Tool that says it is valid": "test_a_tool_that_cannot_work_is_in_error",
    "a slow trivial call": "test_the_end_of_a_container_is_noticed_when_it_comes",
    "small ones": "test_a_manager_that_was_killed_leads_again_when_its_container_starts",
}

JsonObject = dict[str, Any]


def shell(command: str, **container: Any) -> JsonObject:
    """A container that runs a command line."""
    return {"image": BUSYBOX, "command": ["sh", "-c", command], **container}


def prepare(namespace: Namespace, script: Script, container: JsonObject) -> None:
    """Apply an agent that calls the container once and then answers."""
    script.answers = [asks(Ask("box", "{}")), "Done."]
    box = a_tool("box", toolType="container", execute={"container": container})
    namespace.apply(box, an_agent(tools=refs("box")))


def begin(namespace: Namespace, script: Script, container: JsonObject) -> None:
    """Apply a Task whose agent calls the container once and then answers."""
    prepare(namespace, script, container)
    namespace.apply(a_task())


def told(namespace: Namespace) -> str:
    """Wait for the end of the run, and return what the model was told of the call."""
    run = namespace.finished(RUN, timeout_seconds=110)  # a pull that fails is tried three times
    [message] = [one for one in run["status"]["contextWindow"] if one["role"] == "tool"]
    return message["content"]


def phase(namespace: Namespace) -> str:
    return namespace.get("trtc", CALL)["status"]["phase"]


def wait_for_detail(namespace: Namespace, words: str) -> None:
    """Wait until the call says so, whatever else it says."""

    def says() -> bool:
        calls = namespace.list("trtc")
        return any(words in call.get("status", {}).get("statusDetail", "") for call in calls)

    namespace.until(says, watch="trtc", what=f"the call says {words!r}")


def pods(namespace: Namespace) -> list[JsonObject]:
    return [pod for pod in namespace.list("pods") if "job-name" in pod["metadata"]["labels"]]


def test_each_kind_is_shown_with_real_pods() -> None:
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert set(SHOWN) == set(CONTAINERS)
    assert [test for test in SHOWN.values() if f"def {test}(" not in tests] == []


@pytest.mark.smoke
def test_what_a_container_writes_is_the_result(namespace: Namespace, script: Script) -> None:
    begin(namespace, script, shell("id -u; echo $HOSTNAME >/dev/null; echo hello"))
    assert told(namespace) == "65532\nhello\n"
    assert phase(namespace) == "Succeeded"


def nothing_else(_: Namespace) -> None:
    """Nothing happens between the validation of the Tool and its call."""


def make_quota(namespace: Namespace) -> None:
    namespace.kubectl("create", "quota", "none", "--hard=pods=0")


def delete_account(namespace: Namespace) -> None:
    namespace.kubectl("delete", "serviceaccount", "ghost")


NEVER_STARTED: dict[str, tuple[JsonObject, Callable[[Namespace], None], str]] = {
    "more CPU than the node has": ({"resources": {"requests": {"cpu": 100}}}, nothing_else, "Insufficient cpu"),
    "memory of one byte": ({"resources": {"limits": {"memory": "1"}}}, nothing_else, "FailedCreatePodSandBox"),
    "a quota": ({}, make_quota, "exceeded quota"),
    "a ServiceAccount that has gone": (
        {"serviceAccountName": "ghost"},
        delete_account,
        'serviceaccount "ghost" not found',
    ),
}


@pytest.mark.parametrize("given", NEVER_STARTED.values(), ids=NEVER_STARTED)
def test_what_is_waited_for_is_said_and_what_never_started_was_not_executed(
    namespace: Namespace, script: Script, given: tuple[JsonObject, Callable[[Namespace], None], str]
) -> None:
    more, happen, words = given
    namespace.kubectl("create", "serviceaccount", "ghost")
    prepare(namespace, script, shell("echo ran", timeoutSeconds=15, **more))
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    happen(namespace)
    namespace.apply(a_task())
    wait_for_detail(namespace, words)
    message = told(namespace)
    assert "did not start within 15 s" in message
    assert words in message
    assert phase(namespace) == "Failed"
    namespace.until(lambda: not pods(namespace), watch="pods", what="its Pod goes")


@pytest.fixture
def registry(node: Node | None, listening: Callable[[], socket.socket], tmp_path: Path) -> Iterator[SlowRegistry]:
    """A registry that the node knows, and that holds its image back."""
    if node is None:
        pytest.skip("needs a node that takes a registry without TLS")
    with SlowRegistry(listening(), tmp_path) as registry:
        registry.is_known_to(node, registry.host)
        yield registry


def begin_a_pull(namespace: Namespace, script: Script, registry: SlowRegistry) -> None:
    """Begin a call whose image comes from there, and return once its Job is deleted."""
    begin(namespace, script, shell("echo ran", timeoutSeconds=20) | {"image": registry.image})
    wait_for_detail(namespace, f'Pulling image "{registry.image}"')
    namespace.until(
        lambda: any("deletionTimestamp" in job["metadata"] for job in namespace.list("jobs")),
        watch="jobs",
        what="its Job is deleted",
        timeout_seconds=60,
    )


def test_a_pull_that_fails_after_its_call_was_given_up_was_not_executed(
    namespace: Namespace, script: Script, registry: SlowRegistry
) -> None:
    begin_a_pull(namespace, script, registry)
    registry.refuse()
    message = told(namespace)
    assert "did not start within 20 s" in message
    assert registry.image in message
    assert phase(namespace) == "Failed"
    namespace.until(lambda: not namespace.list("jobs"), watch="jobs", what="its Job goes")


def test_a_pull_that_outlasts_its_call_by_far_was_not_executed_and_is_said_to_be_waited_for(
    namespace: Namespace, script: Script, registry: SlowRegistry
) -> None:
    begin_a_pull(namespace, script, registry)
    wait_for_detail(namespace, "Giving the container up: its node has not given it up: Pulling")
    message = told(namespace)  # containerd breaks off a pull without progress
    assert "did not start within 20 s" in message
    assert phase(namespace) == "Failed"
    [start, end] = [namespace.get("trtc", CALL)["status"][name] for name in ("startTime", "completionTime")]
    assert seconds_between(start, end) > 20 + GIVEN_UP_SECONDS


def test_a_pull_that_ends_well_after_its_call_was_given_up_starts_the_container_and_that_is_told(
    namespace: Namespace, script: Script, registry: SlowRegistry
) -> None:
    begin_a_pull(namespace, script, registry)
    registry.release()
    assert "it started while it was given up, and was stopped: Pulling" in told(namespace)
    assert phase(namespace) == "OutcomeUnknown"


def test_a_pull_that_another_manager_gave_up_is_followed_to_its_end(
    namespace: Namespace, script: Script, registry: SlowRegistry, installation: Installation, node: Node | None
) -> None:
    begin_a_pull(namespace, script, registry)
    kill(installation, node)
    registry.refuse()
    assert "did not start within 20 s: its Job was deleted: " in told(namespace)
    assert phase(namespace) == "Failed"


def test_a_secret_that_goes_while_its_image_is_pulled_was_not_executed(
    namespace: Namespace, script: Script, registry: SlowRegistry
) -> None:
    namespace.apply(a_secret("token", KEY="not-a-secret"))
    source = {"secretKeyRef": {"name": "token", "key": "KEY"}}
    given = shell("echo ran", env=[{"name": "TOKEN", "valueFrom": source}]) | {"image": registry.image}
    begin(namespace, script, given)
    wait_for_detail(namespace, f'Pulling image "{registry.image}"')
    namespace.kubectl("delete", "secret", "token")
    registry.release()
    assert told(namespace) == 'error: Secret "token" not found'  # said of the second attempt
    assert phase(namespace) == "Failed"
    words = f'CreateContainerConfigError: secret "token" not found (image "{registry.image}")'
    said = f"Trying again: container: cannot start: {words}"
    namespace.wait_for_event("TaskRunToolCall", CALL, ("Normal", "Waiting", said, "taskruntoolcall-controller"))


def test_a_container_that_cannot_be_created_was_not_executed(
    namespace: Namespace, script: Script, registry: SlowRegistry
) -> None:
    registry.release()
    begin(namespace, script, {"image": registry.image})  # neither the image nor the Tool names a command
    message = told(namespace)
    assert "cannot start: CreateContainerError" in message
    assert "no command specified" in message
    assert registry.image in message
    assert phase(namespace) == "Failed"


def test_kubelet_takes_no_other_names_of_images_than_the_validation_of_a_tool(namespace: Namespace) -> None:
    names = {f"c{index}": image for index, image in enumerate((*IMAGES, *NO_IMAGES))}
    containers = [{"name": name, "image": image, "imagePullPolicy": "Never"} for name, image in names.items()]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "names"}, "spec": {"containers": containers}}
    namespace.apply(pod)

    def reasons() -> dict[str, str]:
        statuses = namespace.get("pod", "names").get("status", {}).get("containerStatuses", [])
        said = {names[one["name"]]: one["state"].get("waiting", {}).get("reason", "") for one in statuses}
        return {image: reason for image, reason in said.items() if reason not in ("", "ContainerCreating")}

    namespace.until(lambda: len(reasons()) == len(names), watch="pods", what="kubelet has read each name")
    assert {image for image, reason in reasons().items() if reason == "InvalidImageName"} == set(NO_IMAGES)


WORDS: dict[str, tuple[JsonObject, list[str]]] = {
    "ImagePullBackOff": ({"image": "nosuch.example/x:1"}, ["nosuch.example/x:1", "ImagePullBackOff"]),
    "StartError": ({"image": BUSYBOX, "command": ["/nosuch"]}, ["/nosuch", "no such file"]),
    "an image that no registry has": ({"image": "nosuch:1"}, ["nosuch:1"]),
}


@pytest.mark.parametrize("given", WORDS.values(), ids=WORDS)
def test_image_and_words_of_kubelet_are_told(
    namespace: Namespace, script: Script, given: tuple[JsonObject, list[str]]
) -> None:
    container, words = given
    begin(namespace, script, container)
    message = told(namespace)
    assert "cannot start" in message
    assert all(word in message for word in words)
    assert phase(namespace) == "Failed"


def test_what_was_written_until_the_time_out_is_the_result(namespace: Namespace, script: Script) -> None:
    begin(namespace, script, shell("echo line 1; echo line 2; sleep 600", timeoutSeconds=10))
    assert told(namespace) == "error: timed out: the container was stopped after 10 s\nline 1\nline 2"
    namespace.until(lambda: not pods(namespace), watch="pods", what="its Pod goes")


def test_long_output_keeps_head_and_tail_and_says_what_is_left_out(namespace: Namespace, script: Script) -> None:
    begin(namespace, script, shell("echo BEGIN; yes yyy | head -100000; echo THE-END"))
    message = told(namespace)
    assert message.startswith("BEGIN\nyyy\n")
    assert message.endswith("yyy\nTHE-END\n")
    assert "bytes left out" in message  # by the call, or by the run, whose copy may be shorter


def test_an_exit_code_and_the_reason_of_the_node_are_told(namespace: Namespace, script: Script) -> None:
    limited = {"limits": {"memory": "24Mi"}}
    begin(namespace, script, shell("echo before; exec tail /dev/zero", resources=limited))
    assert told(namespace) == "error: exit code 137 (OOMKilled)\nbefore"


CANNOT_WORK: dict[str, tuple[JsonObject, str]] = {
    "an image with two tags": ({"image": "busybox:1.36:2"}, "busybox:1.36:2"),
    "no quantity": (shell("true", resources={"limits": {"cpu": "abc"}}), "cpu: not a quantity"),
    "an account that is not there": (shell("true", serviceAccountName="ghost"), '"ghost" not found'),
}


@pytest.mark.parametrize("given", CANNOT_WORK.values(), ids=CANNOT_WORK)
def test_a_tool_that_cannot_work_is_in_error(namespace: Namespace, given: tuple[JsonObject, str]) -> None:
    container, words = given
    namespace.apply(a_tool("box", toolType="container", execute={"container": container}))
    namespace.wait("tool/box", "{.status.status}", "Error")
    assert words in namespace.get("tool", "box")["status"]["statusDetail"]


def test_the_sample_runs_with_the_image_that_is_there(namespace: Namespace, script: Script) -> None:
    sample = next(yaml.safe_load_all(SAMPLE.read_text()))
    sample["spec"]["execute"]["container"]["image"] = BUSYBOX
    script.answers = [asks(Ask("checksum", {"text": "moon"})), "Done."]
    namespace.apply(sample, an_agent(tools=refs("checksum")), a_task())
    assert told(namespace).split()[0] == hashlib.sha256(b"moon").hexdigest()


def seconds_between(earlier: str, later: str) -> float:
    """Between two times of Kubernetes, which are whole seconds, or microseconds for Leases."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_the_end_of_a_container_is_noticed_when_it_comes(namespace: Namespace, script: Script) -> None:
    # Three calls one after the other: what else the machine does holds up one of them, a manager that polls all.
    script.answers = [*(asks(Ask("box", "{}")) for _ in range(3)), "Done."]
    box = a_tool("box", toolType="container", execute={"container": shell("true")})
    namespace.apply(box, an_agent(tools=refs("box")), a_task())
    namespace.finished(RUN, timeout_seconds=110)
    calls = {call["metadata"]["uid"]: call["status"]["completionTime"] for call in namespace.list("trtc")}
    jobs = {job["metadata"]["name"]: job["metadata"]["ownerReferences"][0]["uid"] for job in namespace.list("jobs")}
    late = [
        seconds_between(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"], calls[jobs[name]])
        for pod in pods(namespace)
        for name in [pod["metadata"]["labels"]["job-name"]]
    ]
    assert len(late) == 3
    assert min(late) <= NOTICED_SECONDS


def kill(installation: Installation, node: Node | None) -> None:
    """SIGKILL to the manager's process; kubelet starts its container again."""
    if node is None:
        pytest.skip("needs the processes of the node")
    [before] = installation.pods()
    assert node.run("pkill", "-KILL", "-f", "bin/kubechain manager").returncode == 0

    def restarted() -> bool:
        [pod] = installation.pods()
        [container] = pod["status"]["containerStatuses"]
        return (
            container["ready"] and container["restartCount"] > before["status"]["containerStatuses"][0]["restartCount"]
        )

    system = Namespace(installation.cluster, SYSTEM_NAMESPACE)
    system.until(restarted, watch="pods", what="the manager is Ready again")


def test_a_manager_that_was_killed_leads_again_when_its_container_starts(
    installation: Installation, node: Node | None
) -> None:
    kill(installation, node)
    [pod] = installation.pods()
    started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    lease = installation.lease
    system = Namespace(installation.cluster, SYSTEM_NAMESPACE)
    system.until(lambda: seconds_between(started, lease()["acquireTime"]) >= 0, watch="leases", what="it leads again")
    assert installation.leader() == pod["metadata"]["name"]
    assert seconds_between(started, lease()["acquireTime"]) < lease()["leaseDurationSeconds"]


def upgrade(installation: Installation, _: Node | None) -> None:
    installation.restart()


@pytest.mark.parametrize(
    "end", [pytest.param(upgrade, id="a rolling upgrade", marks=pytest.mark.smoke), pytest.param(kill, id="SIGKILL")]
)
def test_a_container_outlives_its_manager_and_its_result_is_read(
    namespace: Namespace,
    script: Script,
    installation: Installation,
    node: Node | None,
    end: Callable[[Installation, Node | None], None],
) -> None:
    # It ends when it is told to, which shows that it outlived the manager however long that takes.
    begin(
        namespace, script, shell("echo begun; until [ -e /tmp/go ]; do sleep 1; done; echo ended", timeoutSeconds=300)
    )
    namespace.until(
        lambda: any(pod["status"]["phase"] == "Running" for pod in pods(namespace)), watch="pods", what="it runs"
    )
    [pod] = pods(namespace)
    end(installation, node)
    namespace.kubectl("exec", pod["metadata"]["name"], "--", "touch", "/tmp/go")
    assert told(namespace) == "begun\nended\n"
    assert phase(namespace) == "Succeeded"
    assert [one["metadata"]["uid"] for one in pods(namespace)] == [pod["metadata"]["uid"]]
