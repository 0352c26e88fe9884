"""What `kubechain doctor` makes of clocks, schemas, leases and objects that a test cluster does not easily have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hack import manifests
from kubechain.api.agent import Agent
from kubechain.api.crd import custom_resource_definitions
from kubechain.cli import checks, rights
from kubechain.cli.checks import Check, Verdict
from kubechain.cli.clusters import Place
from kubechain.cli.examining import Examination, Installation
from kubechain.cli.installed import watched
from kubechain.controllers.authority import Enforcement
from kubechain.controllers.workloads import Deployment, Pod
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.leases import Lease, LeaseMetadata, LeaseSpec, micro_time
from kubechain.runtime.transport import Exchange, Reply, WholeReply
from kubechain_apiserver import ControlPlane

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INSTALLATION = Installation("kubechain-system", "kubechain-manager", "kubechain.humanlayer.dev", "policy")
NONE = ("", "")
AUTHORIZATION = "/apis/authorization.k8s.io/v1/"


class Altered:
    """An API server that is wrong in one way.

    Attributes:
        off_by: How far its clock is ahead.
        denied: A verb and a resource that nobody has; empty for none.
    """

    def __init__(
        self, behind: Exchange, *, off_by: timedelta = timedelta(), denied: tuple[str, str] = ("", "")
    ) -> None:
        self._behind, self._off_by, self._denied = behind, off_by, denied

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        reply = await self._behind.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)
        said = reply.body
        verb, resource = self._denied
        if target.startswith(AUTHORIZATION) and body and f'"verb": "{verb}"'.encode() in body:
            said = said.replace(b'"allowed":true', b'"allowed":false') if f'"{resource}"'.encode() in body else said
        date = format_datetime(datetime.now(UTC) + self._off_by, usegmt=True)
        return WholeReply(reply.status, {**reply.headers, "date": date}, said)

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> Any:
        raise AssertionError(f"nothing is watched: {target}")

    async def aclose(self) -> None:
        await self._behind.aclose()


@asynccontextmanager
async def plane(definitions: list[dict[str, Any]]) -> AsyncGenerator[Exchange]:
    """An API server in this process, with these kinds."""
    control = ControlPlane()
    try:
        for definition in definitions:
            control.install_crd(definition)
        yield control.exchange(lost=TransportError)
    finally:
        await control.stop()


def examined(definitions: list[dict[str, Any]] | None = None, **altered: Any) -> list[Check]:
    """The checks of such a server."""

    async def look() -> list[Check]:
        kinds = custom_resource_definitions() if definitions is None else definitions
        async with plane(kinds) as exchange:
            place = Place(Client(Altered(exchange, **altered), clock=SystemClock()), "default")
            return [each async for each in Examination(place, INSTALLATION, SystemClock()).checks()]

    return asyncio.run(look())


def found(subject: str, among: list[Check]) -> Check:
    [check] = [each for each in among if each.subject == subject]
    return check


def without_field(definition: dict[str, Any], part: str, field: str) -> dict[str, Any]:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"][part]["properties"][field]
    return definition


def test_a_server_with_nothing_wrong_gets_no_complaint_but_that_no_manager_was_seen() -> None:
    assert [each.subject for each in examined() if each.verdict is not Verdict.OK] == ["leader"]


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        pytest.param(0, Verdict.OK, id="the same time"),
        pytest.param(-30, Verdict.WARN, id="half a minute"),
        pytest.param(3600, Verdict.FAIL, id="an hour"),
    ],
)
def test_clocks_that_differ_are_found(seconds: int, verdict: Verdict) -> None:
    check = found("clock", examined(off_by=timedelta(seconds=seconds)))
    assert check.verdict is verdict
    assert check.repair == ("" if verdict is Verdict.OK else checks.SET_CLOCK)


def test_a_kind_that_is_not_served_is_named() -> None:
    kept = [each for each in custom_resource_definitions() if each["spec"]["names"]["plural"] != "budgets"]
    check = found("kinds", examined(kept))
    assert (check.verdict, check.said) == (Verdict.FAIL, "1 kind not served: budgets")


def test_no_kind_at_all_is_a_failure_and_not_an_end() -> None:
    among = examined([])
    assert found("kinds", among).verdict is Verdict.FAIL
    assert found("leader", among).verdict is Verdict.WARN


def test_a_kind_of_an_older_version_names_what_it_lacks() -> None:
    older = [
        without_field(each, "spec", "ttlSecondsAfterFinished")
        if each["spec"]["names"]["plural"] == "taskruns"
        else each
        for each in custom_resource_definitions()
    ]
    said = [each for each in examined(older) if each.subject == "kinds"]
    assert [each.verdict for each in said] == [Verdict.OK, Verdict.WARN]
    assert said[1].said == "taskruns in the cluster is older than this command: no spec.ttlSecondsAfterFinished"


def test_a_kind_of_a_newer_version_is_told_apart() -> None:
    ours: dict[str, Any] = {"properties": {"spec": {"properties": {"a": {}}}}}
    theirs: dict[str, Any] = {"properties": {"spec": {"properties": {"a": {"items": {"properties": {"b": {}}}}}}}}
    assert checks.of_schema("cows", ours, ours) is None
    check = checks.of_schema("cows", ours, theirs)
    assert check is not None
    assert "newer than this command, which does not know spec.a[].b" in check.said


def test_what_the_user_may_not_is_told_with_its_purpose() -> None:
    check = found("your rights", examined(denied=("create", "taskruns")))
    assert check.verdict is Verdict.WARN
    assert "may not create taskruns.kubechain.humanlayer.dev (run, retry, continue)" in check.said
    assert check.repair.startswith("kubectl create rolebinding -n default kubechain-editor --clusterrole=")


def test_a_manager_of_some_namespaces_is_not_given_the_rights_of_the_whole_cluster() -> None:
    denied = [str(right) for right in rights.of_the_manager() if right.group in rights.CLUSTER_GROUPS]
    assert denied
    check = checks.of_manager_rights("manager", denied)
    assert (check.verdict, check.repair) == (Verdict.WARN, "kubectl apply -k config/policy-reader")
    check = checks.of_manager_rights("manager", [*denied, "create jobs.batch"])
    assert (check.verdict, check.repair) == (Verdict.FAIL, "kubectl apply -k config/rbac")


def test_a_user_who_may_not_read_fails() -> None:
    check = found("your rights", examined(denied=("list", "taskruns")))
    assert check.verdict is Verdict.FAIL


def lease(**spec: Any) -> Lease:
    return Lease(LeaseMetadata("lead", "kubechain-system"), LeaseSpec(lease_duration_seconds=15, **spec))


def renewed(seconds_ago: float) -> Lease:
    at = micro_time(NOW - timedelta(seconds=seconds_ago))
    return lease(holder_identity="pod-a_1", renew_time=at, acquire_time=micro_time(NOW - timedelta(hours=2)))


@pytest.mark.parametrize(
    ("held", "verdict", "said"),
    [
        pytest.param(renewed(3), Verdict.OK, "pod-a_1 leads for 2h", id="a leader that renews"),
        pytest.param(renewed(90), Verdict.FAIL, "has not renewed Lease kubechain-system/lead for 1m30s", id="stopped"),
        pytest.param(renewed(-60), Verdict.WARN, "the clock of the manager pod-a_1 is 1m ahead", id="a wrong clock"),
        pytest.param(lease(holder_identity=""), Verdict.FAIL, "is released: no manager runs", id="released"),
        pytest.param(lease(holder_identity="x", renew_time="soon"), Verdict.FAIL, "is released", id="not a time"),
    ],
)
def test_a_lease_tells_whether_somebody_leads(held: Lease, verdict: Verdict, said: str) -> None:
    check = checks.of_lease(held, NOW)
    assert check.verdict is verdict
    assert said in check.said


def an_agent(age: timedelta, status: str | None) -> Agent:
    made = (NOW - age).isoformat()
    wire = {
        "metadata": {"name": "helper", "namespace": "team-a", "creationTimestamp": made},
        "spec": {"llmRef": {"name": "l"}, "system": "s"},
        "status": {"status": status, "statusDetail": "it says"} if status else {},
    }
    return Agent.model_validate({"apiVersion": "kubechain.humanlayer.dev/v1alpha1", "kind": "Agent", **wire})


@pytest.mark.parametrize(
    ("agent", "verdict", "said"),
    [
        pytest.param(an_agent(timedelta(1), "Ready"), Verdict.OK, "1 of 1 ready: helper", id="ready"),
        pytest.param(an_agent(timedelta(1), "Pending"), Verdict.WARN, "waits, and goes on by itself", id="waits"),
        pytest.param(an_agent(timedelta(1), "Error"), Verdict.FAIL, "until it is changed", id="in error"),
        pytest.param(an_agent(timedelta(1), None), Verdict.FAIL, "no manager has seen it yet", id="nobody looks"),
        pytest.param(an_agent(timedelta(), None), Verdict.WARN, "no manager has seen it yet", id="made just now"),
    ],
)
def test_an_object_is_told_by_its_state(agent: Agent, verdict: Verdict, said: str) -> None:
    [check] = checks.of_objects("Agent", [agent], NOW)
    assert check.verdict is verdict
    assert said in check.said
    if verdict is not Verdict.OK:
        assert check.repair == "kubectl describe agent helper -n team-a"


def test_policies_that_are_not_in_force_come_with_their_repair() -> None:
    check = checks.of_policies(Enforcement("the binding does not deny"), "policy")
    assert (check.verdict, check.repair) == (Verdict.WARN, "kubectl apply -k config/admission")


def a_deployment(ready: int, *conditions: dict[str, str]) -> Deployment:
    template = {"spec": {"containers": [{"image": "kubechain:1"}]}}
    status = {"readyReplicas": ready, "conditions": conditions}
    metadata = {"name": "manager", "namespace": "agents"}
    given = {"metadata": metadata, "spec": {"replicas": 2, "template": template}, "status": status}
    return msgspec.convert(given, Deployment)


def a_pod(**state: Any) -> Pod:
    statuses = [{"name": "manager", **state}]
    return msgspec.convert({"metadata": {"name": "manager-1"}, "status": {"containerStatuses": statuses}}, Pod)


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
ENDED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("deployment", "pods", "said"),
    [
        pytest.param(a_deployment(1), [], "1 of 2 ready, kubechain:1", id="nothing is known"),
        pytest.param(a_deployment(0, QUOTA), [], "kubechain:1: FailedCreate: exceeded quota", id="no pod is made"),
        pytest.param(
            a_deployment(1),
            [a_pod(state={"running": {}}), a_pod(state=waiting("ImagePullBackOff", "Back-off pulling image"))],
            "kubechain:1: ImagePullBackOff: Back-off pulling image",
            id="no image",
        ),
        pytest.param(
            a_deployment(0),
            [a_pod(state=waiting("CrashLoopBackOff", "back-off 10s"), lastState=ENDED)],
            "CrashLoopBackOff: back-off 10s; before: OOMKilled, exit code 137",
            id="it ends again and again",
        ),
    ],
)
def test_pods_that_are_not_ready_fail_with_what_they_wait_for(
    deployment: Deployment, pods: list[Pod], said: str
) -> None:
    check = checks.of_deployment(deployment, pods)
    assert check.verdict is Verdict.FAIL
    assert check.said.endswith(said)
    assert check.repair == "kubectl -n agents describe pods -l app.kubernetes.io/name=kubechain"


def test_a_manager_that_is_ready_is_ok() -> None:
    assert checks.of_deployment(a_deployment(2), []).verdict is Verdict.OK


def started(*args: str, **env: Any) -> Deployment:
    variables = [{"name": name, **({"value": one} if isinstance(one, str) else one)} for name, one in env.items()]
    spec = {"template": {"spec": {"containers": [{"args": args, "env": variables}]}}}
    return msgspec.convert({"metadata": {"name": "manager", "namespace": "agents"}, "spec": spec}, Deployment)


OWN_NAMESPACE = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        pytest.param(started("manager", "--leader-elect"), (), id="all"),
        pytest.param(started("manager", "--namespaces=team-a,team-b"), ("team-a", "team-b"), id="some"),
        pytest.param(started("manager", "--namespaces", "team-a"), ("team-a",), id="in two words"),
        pytest.param(started("manager", "--namespaces=team-a", "--namespaces="), (), id="the last one counts"),
        pytest.param(started("--namespaces=$(POD)", POD=OWN_NAMESPACE), ("agents",), id="its own"),
        pytest.param(started(KUBECHAIN_NAMESPACES="team-a"), ("team-a",), id="by a variable"),
        pytest.param(started(WATCH_NAMESPACE=OWN_NAMESPACE), ("agents",), id="by the one that operators share"),
        pytest.param(started("--namespaces=", WATCH_NAMESPACE="team-a"), (), id="a flag counts first"),
        pytest.param(msgspec.convert({"metadata": {"name": "manager"}}, Deployment), (), id="nothing is known"),
    ],
)
def test_where_a_manager_works_is_read_from_its_deployment(deployment: Deployment, expected: tuple[str, ...]) -> None:
    assert watched(deployment) == expected


def test_who_looks_where_the_manager_does_not_work_is_told() -> None:
    assert checks.of_watched([], "default") is None
    for namespace in (None, "team-b"):
        assert checks.of_watched(["team-a", "team-b"], namespace) == checks.ok(
            "namespaces", "the manager works in team-a, team-b only"
        )
    check = checks.of_watched(["team-a"], "default")
    assert check == checks.warn(
        "namespaces",
        "the manager works in team-a only: nothing looks at what is in default",
        "kubechain doctor -n team-a",
    )


def test_a_limited_manager_is_not_given_the_rights_of_the_cluster() -> None:
    check = checks.of_manager_rights("manager", ["create jobs.batch"], "team-a")
    assert check.verdict is Verdict.FAIL
    assert check.said == "manager may not in namespace team-a create jobs.batch"
    assert check.repair == "kubectl apply -k config/namespaced"


def test_the_rights_that_are_asked_about_are_those_of_the_role() -> None:
    [(path, text)] = manifests.rights().items()
    assert Path(path).read_text() == text
    asked = set(rights.of_the_manager())
    assert rights.Right("update", "kubechain.humanlayer.dev", "taskruns/status") in asked
    policy = rights.Right(
        "get", "admissionregistration.k8s.io", "validatingadmissionpolicies", "kubechain-human-requests"
    )
    assert policy in asked
    assert "namespace" not in policy.attributes("default")
    assert rights.Right("get", "", "pods/log").attributes("default")["subresource"] == "log"
