"""The recipes of docs/guides/recipes.md that need Pods: the scheduled run, and the MCP server in the cluster.

Their manifests are applied as the page has them. One thing is put in its place: the image of the MCP server, which is
fictional, by the manager's own with the program `issues`. Some tests edit the CronJob: its schedule and its time-out,
since the page's are of hours, and its image, to try both variants.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.image.variants import VARIANTS, name_of
from test.cluster.insiders import LIMIT_SECONDS, ask
from test.cluster.installation import Installation
from test.cluster.test_isolation import CONFIG, CONNECT
from test.e2e import guides
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.model import ANSWER, Ask, Failure, MockModel, Script, asks
from test.e2e.test_recipes import RECIPES, at_home, manifests

MORNING, SERVER = "A run every morning", "An MCP server in the cluster"
CRON_JOB, JOB = "cronjob/morning-report", "try-it"
CONTAINER = "jobTemplate/spec/template/spec/containers/0"
"""Below the spec of the CronJob."""

SCHEDULED_SECONDS = 120.0
"""For a schedule of every minute: a minute, and another one for what follows."""

ISSUES = (Path(__file__).parent / "issues.py").read_text()

JsonObject = dict[str, Any]


def hold_pods_to_the_standard(namespace: Namespace) -> None:
    """Take no Pod but those of the restricted Pod Security Standard."""
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    namespace.cluster.kubectl("label", "namespace", namespace.name, enforced)


def follow(namespace: Namespace, title: str, folder: Path) -> None:
    """Type the commands of a recipe."""
    with guides.Shell(folder, at_home(namespace, folder)) as shell:
        for command in guides.commands(guides.section(RECIPES, title)):
            shell.run(command)


# --- a run every morning


@pytest.fixture
def morning(namespace: Namespace) -> Namespace:
    """The namespace of the test, with the recipe in it."""
    hold_pods_to_the_standard(namespace)
    namespace.apply(*manifests(MORNING))
    return namespace


def change(namespace: Namespace, path: str, value: Any, op: str = "replace") -> None:
    """Edit the spec of the CronJob."""
    patch = [{"op": op, "path": f"/spec/{path}", "value": value}]
    namespace.kubectl("patch", CRON_JOB, "--type=json", "-p", json.dumps(patch))


def begin(namespace: Namespace) -> None:
    """Start a Job of the CronJob before its time."""
    namespace.kubectl("create", "job", f"--from={CRON_JOB}", JOB)


@dataclass(frozen=True, slots=True)
class End:
    """How the Job's only Pod ended.

    Attributes:
        status: Exit status of the command.
        log: Of the Pod. The answer and the story are on two streams, whose lines are not in one order.
    """

    status: int
    log: str


def the_end(namespace: Namespace, job: str = JOB, *, condition: str = "Failed") -> End:
    """Wait for the end of a Job."""
    namespace.kubectl("wait", f"--for=condition={condition}", f"job/{job}", f"--timeout={LIMIT_SECONDS:.0f}s")
    [pod] = namespace.list("pods", f"--selector=batch.kubernetes.io/job-name={job}")
    [container] = pod["status"]["containerStatuses"]
    return End(container["state"]["terminated"]["exitCode"], namespace.kubectl("logs", f"job/{job}").out)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_job_tells_in_its_log_what_the_agent_answered(
    morning: Namespace, script: Script, tmp_path: Path, variant: str
) -> None:
    morning.apply(an_agent())
    if variant != VARIANTS[0]:
        change(morning, f"{CONTAINER}/image", name_of(variant))
    follow(morning, MORNING, tmp_path)
    end = the_end(morning, condition="Complete")
    assert end.status == 0
    assert ANSWER in end.log.splitlines()
    [run] = morning.list("taskruns")
    assert run["status"]["output"] == ANSWER
    assert [call.messages[-1]["content"] for call in script.calls] == [run["spec"]["userMessage"]]


@pytest.mark.usefixtures("script")
def test_the_schedule_starts_runs(morning: Namespace) -> None:
    morning.apply(an_agent())
    change(morning, "schedule", "* * * * *")

    def finished() -> list[str]:
        return [job["metadata"]["name"] for job in morning.list("jobs") if job.get("status", {}).get("succeeded")]

    morning.until(
        lambda: finished() != [], watch="jobs", what="a Job of the schedule", timeout_seconds=SCHEDULED_SECONDS
    )
    [first, *_] = finished()
    assert ANSWER in the_end(morning, first, condition="Complete").log.splitlines()


def the_model_refuses(script: Script) -> None:
    script.answers = [Failure(400, "no such morning")]


def a_tool_needs_approval(script: Script) -> None:
    script.answers = [asks(Ask("add", {"a": 1, "b": 2}))]


HOW_IT_FAILS: Mapping[str, tuple[Callable[[Script], None], int, str]] = {
    "the run fails": (the_model_refuses, 1, "no such morning"),
    "a person has to decide first": (a_tool_needs_approval, 5, "waits for a person"),
}


@pytest.mark.parametrize("given", HOW_IT_FAILS.values(), ids=HOW_IT_FAILS)
def test_the_job_fails_and_its_log_says_why(
    morning: Namespace, script: Script, given: tuple[Callable[[Script], None], int, str]
) -> None:
    direct, status, words = given
    direct(script)
    morning.apply(a_builtin(requiresApproval=True), an_agent(tools=refs("add")))
    begin(morning)
    end = the_end(morning)
    assert end.status == status
    assert words in end.log.splitlines()[-1]
    assert len(morning.list("taskruns")) == 1


def test_the_job_fails_where_somebody_cancels_the_run(morning: Namespace, script: Script) -> None:
    morning.apply(an_agent())
    with script.held():
        begin(morning)
        script.wait_for_call(timeout_seconds=LIMIT_SECONDS)
        [run] = morning.list("taskruns")
        morning.kubectl("patch", "taskrun", run["metadata"]["name"], "--type=merge", "-p", '{"spec":{"cancel":true}}')
        assert the_end(morning).status == 3


def test_the_job_fails_where_the_time_is_up_and_the_run_goes_on(morning: Namespace, script: Script) -> None:
    morning.apply(an_agent())
    change(morning, f"{CONTAINER}/args/-", "--timeout=1s", op="add")
    with script.held():
        begin(morning)
        end = the_end(morning)
    assert end.status == 4
    assert "goes on, and the time is up" in end.log
    [run] = morning.list("taskruns")
    assert morning.finished(run["metadata"]["name"])["status"]["output"] == ANSWER


def test_the_account_of_the_job_may_nothing_else(morning: Namespace) -> None:
    def may(account: str, namespace: str) -> set[str]:
        user = f"--as=system:serviceaccount:{morning.name}:{account}"
        listed = morning.cluster.kubectl("--namespace", namespace, "auth", "can-i", "--list", "--no-headers", user)
        return {" ".join(line.split()) for line in listed.lines}

    [role] = [each for each in manifests(MORNING) if each["kind"] == "Role"]
    granted = {
        f"{resource}.{group} [] [] [{' '.join(rule['verbs'])}]"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert may("morning-report", morning.name) == may("default", morning.name) | granted
    assert may("morning-report", "default") == may("default", "default")


# --- an MCP server in the cluster


def of_the_recipe(kind: str) -> JsonObject:
    """The manifest of that kind."""
    [found] = [each for each in manifests(SERVER) if each["kind"] == kind]
    return found


def a_deployment(*arguments: str) -> JsonObject:
    """The Deployment with an image that the node has; everything else as it is."""
    deployment = of_the_recipe("Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    container |= {"image": name_of(VARIANTS[0]), "command": ["python", "-c", ISSUES, *arguments]}
    return deployment


@pytest.fixture(scope="module")
def team(installation: Installation, model: MockModel) -> Iterator[Namespace]:
    """The namespace that the recipe names, with the recipe and an agent in it; the manager has a NetworkPolicy too."""
    cluster = installation.cluster
    team = Namespace(cluster, "team-a")
    cluster.kubectl("create", "namespace", team.name)
    cluster.kubectl("apply", "-k", str(CONFIG / "network-policy"))
    hold_pods_to_the_standard(team)
    team.apply(a_secret(), an_llm(base_url=model.base_url, model=team.name), an_agent(mcpServers=refs("issues")))
    team.apply(a_deployment(), *(each for each in manifests(SERVER) if each["kind"] != "Deployment"))
    yield team
    cluster.kubectl("delete", "-k", str(CONFIG / "network-policy"))
    cluster.kubectl("delete", "namespace", team.name, "--wait=false")


def servers(team: Namespace) -> list[str]:
    """Names of the server's Pods, those included that are about to end."""
    return [pod["metadata"]["name"] for pod in team.list("pods", "--selector=app=issues-mcp")]


def wait_until_connected(team: Namespace) -> None:
    team.wait("mcpserver/issues", "{.status.status}", "Ready", timeout_seconds=LIMIT_SECONDS)
    team.wait("agent/my-assistant", "{.status.ready}", "true")


def test_a_run_calls_the_server_by_the_name_of_its_service(team: Namespace, model: MockModel, tmp_path: Path) -> None:
    follow(team, SERVER, tmp_path)
    wait_until_connected(team)
    assert ask(team, model[team.name], Ask("issues__get_pod")) == servers(team)


def test_no_other_pod_reaches_it(team: Namespace) -> None:
    team.apply(a_neighbour())
    team.wait("pod/neighbour", "{.status.phase}", "Running", timeout_seconds=LIMIT_SECONDS)
    policy = of_the_recipe("NetworkPolicy")

    def is_reached() -> bool:
        command = ["python", "-c", CONNECT, f"issues-mcp.{team.name}.svc", "80"]
        return team.kubectl("exec", "neighbour", "--", *command).out.strip() == "reached"

    team.until(lambda: not is_reached(), watch="pods", what="the policy is enforced")
    team.kubectl("delete", "networkpolicy", policy["metadata"]["name"])
    team.until(is_reached, watch="pods", what="without the policy it is reached")
    team.apply(policy)
    team.until(lambda: not is_reached(), watch="pods", what="the policy is enforced again")


def a_neighbour() -> JsonObject:
    """A Pod of the same namespace that does nothing."""
    spec: JsonObject = a_deployment()["spec"]["template"]["spec"]
    [container] = spec["containers"]
    container |= {"command": ["sleep", "600"]}
    del container["readinessProbe"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "neighbour"}, "spec": spec}


@pytest.fixture(params=["without sessions", "sessions"])
def serving(request: pytest.FixtureRequest, team: Namespace) -> Namespace:
    """The server speaks that generation of the protocol, and the manager is connected to it."""
    team.apply(a_deployment(request.param))
    wait_until_rolled_out(team)
    wait_until_connected(team)
    return team


def wait_until_rolled_out(team: Namespace) -> None:
    """Wait until the newest Pod is Ready, and the only one."""
    team.kubectl("rollout", "status", "deployment/issues-mcp", f"--timeout={LIMIT_SECONDS:.0f}s")
    team.until(lambda: len(servers(team)) == 1, watch="pods", what="the Pod of before is gone")


def test_the_manager_connects_again_when_the_server_was_restarted(serving: Namespace, model: MockModel) -> None:
    [before] = servers(serving)
    assert ask(serving, model[serving.name], Ask("issues__get_pod")) == [before]
    serving.kubectl("rollout", "restart", "deployment/issues-mcp")
    wait_until_rolled_out(serving)
    [after] = servers(serving)
    assert after != before
    assert ask(serving, model[serving.name], Ask("issues__get_pod")) == [after]
    wait_until_connected(serving)


def test_a_call_that_was_under_way_is_made_again(serving: Namespace, model: MockModel) -> None:
    [before] = servers(serving)
    model[serving.name].answers = [asks(Ask("issues__get_pod", {"seconds": 10})), "Done."]
    name = f"interrupted-{before}"
    serving.apply(a_task(name))
    serving.until(lambda: "begun" in serving.kubectl("logs", before).out, watch="trtc", what="the call is under way")
    serving.kubectl("delete", "pod", before, "--now")
    window = serving.finished(f"{name}-1", timeout_seconds=LIMIT_SECONDS)["status"]["contextWindow"]
    told = [message["content"] for message in window if message["role"] == "tool"]
    wait_until_rolled_out(serving)
    assert told == servers(serving)
    assert told != [before]
