"""What `kubechain doctor` makes of what it read of a cluster. Pure: the reading is in `examining`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kubechain.api.meta import ReadinessStatus, StatusObject, StatusType
from kubechain.controllers.authority import Enforcement
from kubechain.controllers.workloads import Deployment, Pod
from kubechain.runtime.leases import Lease, parse_micro_time
from kubechain.views import objects
from kubechain.views.wording import brief, counted, span

SKEW_WARNED = timedelta(seconds=5)
"""Expiries and deadlines are told to the second; a few seconds of difference mislead nobody."""

SKEW_FAILED = timedelta(seconds=60)
"""Certificates and tokens begin to be refused, and requests seem to expire before they are made."""

UNSEEN = timedelta(seconds=30)
"""A manager looks at a new object within a second; a busy or new one within this time."""

LEASE_SECONDS = 15
"""Where a Lease does not say how long it holds."""

NAMES_SHOWN = 5
"""Of a list of fields, rights or objects; the others are counted."""

SET_CLOCK = "timedatectl set-ntp true"
INSTALL_KINDS = "kubechain crds | kubectl apply --server-side -f -"
INSTALL_MANAGER = "kubectl apply --server-side -k config/default"
INSTALL_RIGHTS = "kubectl apply -k config/rbac"
INSTALL_ROLE = "kubectl apply -k config/namespaced"
INSTALL_POLICY_READER = "kubectl apply -k config/policy-reader"

POLICIES_GROUP = "admissionregistration.k8s.io"
"""Of what config/namespaced leaves to config/policy-reader."""


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Attributes:
        subject: What was looked at.
        repair: The command that repairs it; empty where nothing is wrong.
    """

    subject: str
    verdict: Verdict
    said: str
    repair: str = ""


def ok(subject: str, said: str) -> Check:
    """Nothing is wrong."""
    return Check(subject, Verdict.OK, said)


def warn(subject: str, said: str, repair: str) -> Check:
    """It works, and may not be what was meant."""
    return Check(subject, Verdict.WARN, said, repair)


def fail(subject: str, said: str, repair: str) -> Check:
    """It does not work."""
    return Check(subject, Verdict.FAIL, said, repair)


def of_clock(server: datetime, ours: datetime) -> Check:
    """The clock of this machine against the API server's.

    Args:
        ours: In the middle of the request to which the server answered with its time.
    """
    ahead = (ours - server).total_seconds()
    said = f"this machine's clock is {span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the API server's"
    if abs(ahead) < SKEW_WARNED.total_seconds():
        return ok("clock", "this machine and the API server agree on the time")
    make = warn if abs(ahead) < SKEW_FAILED.total_seconds() else fail
    return make("clock", said, SET_CLOCK)


def of_served(expected: Sequence[str], served: frozenset[str]) -> Check:
    """Whether the API server serves our kinds.

    Args:
        expected: Plural names.
    """
    absent = [name for name in expected if name not in served]
    if not absent:
        return ok("kinds", f"all {len(expected)} kinds are served")
    return fail("kinds", f"{counted(len(absent), 'kind')} not served: {_listed(absent)}", INSTALL_KINDS)


def of_schema(plural: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Check | None:
    """What a kind lacks in the cluster, or has that this command does not know; None where they are the same."""
    here, there = set(_fields(ours)), set(_fields(theirs))
    lacking, unknown = sorted(here - there), sorted(there - here)
    if lacking:
        return warn(
            "kinds", f"{plural} in the cluster is older than this command: no {_listed(lacking)}", INSTALL_KINDS
        )
    if unknown:
        text = f"{plural} in the cluster is newer than this command, which does not know {_listed(unknown)}"
        return warn("kinds", text, "pip install --upgrade kubechain")
    return None


def _fields(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, child in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        yield where
        yield from _fields(child, where)
    if isinstance(items := schema.get("items"), Mapping):
        yield from _fields(items, f"{path}[]")  # pyright: ignore[reportUnknownArgumentType]


def of_policies(found: Enforcement, policy: str) -> Check:
    """Whether the API server compares who decides with who writes."""
    if found.is_in_force:
        return ok("policies", f"{policy} is in force: the API server verifies who decides")
    return warn("policies", f"who decides is not verified: {found.weakness}", found.repair)


def of_manager_rights(account: str, denied: Sequence[str], limited_to: str = "") -> Check:
    """What the manager may do.

    Args:
        account: Of the manager.
        denied: What it may not.
        limited_to: The namespace that was asked about, of a manager that does not work in all of them.
    """
    where = f" in namespace {limited_to}" if limited_to else ""
    if not denied:
        return ok("manager's rights", f"{account} may do what it needs{where}")
    said = f"{account} may not{where} {_listed(denied)}"
    if all(f".{POLICIES_GROUP}/" in right for right in denied):
        # A manager works without them, and verifies no decision then. config/rbac would give it the whole cluster.
        return warn("manager's rights", said, INSTALL_POLICY_READER)
    return fail("manager's rights", said, INSTALL_ROLE if limited_to else INSTALL_RIGHTS)


def of_user_rights(user: str, namespace: str | None, denied: Mapping[str, str]) -> Check:
    """What the user may do.

    Args:
        denied: What they may not, with what it is for.
    """
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    if not denied:
        return ok("your rights", f"{user} may see and steer runs {where}")
    said = f"{user} {where} may not {_listed([f'{right} ({purpose})' for right, purpose in denied.items()])}"
    binding = f"rolebinding -n {namespace}" if namespace else "clusterrolebinding"
    cannot_read = any(right.startswith(("get ", "list ")) for right in denied)
    decides_only = all("humanrequests" in right for right in denied)
    role = "kubechain-approver" if decides_only else "kubechain-editor"
    repair = f"kubectl create {binding} {role} --clusterrole={role} --user={user}"
    return (fail if cannot_read else warn)("your rights", said, repair)


def of_lease(lease: Lease, now: datetime) -> Check:
    """Whether there is a leader, and whether its clock can be believed.

    Args:
        now: The API server's time.
    """
    where = f"Lease {lease.metadata.namespace}/{lease.metadata.name}"
    look = f"kubectl -n {lease.metadata.namespace} get pods"
    holder, renewed = lease.spec.holder_identity, parse_micro_time(lease.spec.renew_time)
    if not holder or renewed is None:
        return fail("leader", f"{where} is released: no manager runs", look)
    since, limit = (now - renewed).total_seconds(), lease.spec.lease_duration_seconds or LEASE_SECONDS
    if since < -SKEW_WARNED.total_seconds():
        text = f"the clock of the manager {brief(holder)} is {span(-since)} ahead of the API server's"
        return warn("leader", text, f"{SET_CLOCK}  (on its node)")
    if since > limit:
        text = f"{brief(holder)} has not renewed {where} for {span(since)}: it stopped, or its clock is behind"
        return fail("leader", text, look)
    acquired = parse_micro_time(lease.spec.acquire_time)
    age = f" for {span((now - acquired).total_seconds())}" if acquired is not None else ""
    return ok("leader", f"{brief(holder)} leads{age}")


def of_no_lease(seen: int, unseen: int) -> Check:
    """What is known of a manager that has no Lease: what it did.

    Args:
        seen: Objects that a manager has looked at.
        unseen: Objects that none has looked at, though it had the time.
    """
    if seen and not unseen:
        return ok("leader", f"a manager without a Lease has looked at {counted(seen, 'object')}")
    return warn(
        "leader", "no Lease, and nothing that a manager has looked at: none runs, or it has no work", INSTALL_MANAGER
    )


def of_deployment(deployment: Deployment, pods: Sequence[Pod]) -> Check:
    """Whether the manager's Pods are ready, and what they wait for.

    Args:
        deployment: Of the manager.
        pods: Those of the manager, as far as they may be seen.
    """
    wanted, ready = deployment.spec.replicas, deployment.status.ready_replicas
    name, namespace = deployment.metadata.name, deployment.metadata.namespace
    said = f"Deployment {namespace}/{name}: {ready} of {wanted} ready, {brief(deployment.container.image)}"
    if wanted and ready >= wanted:
        return ok("manager", said)
    trouble = deployment.trouble or next((pod.trouble for pod in pods if pod.trouble), "")
    repair = f"kubectl -n {namespace} describe pods -l app.kubernetes.io/name=kubechain"
    return fail("manager", f"{said}: {trouble}" if trouble else said, repair)


def of_watched(watched: Sequence[str], namespace: str | None) -> Check | None:
    """Whether the manager works where the user looks; None where it works in every namespace.

    Args:
        watched: The namespaces that it is limited to, if it is.
        namespace: None means all.
    """
    if not watched:
        return None
    said = f"the manager works in {_listed(watched)} only"
    if namespace is None or namespace in watched:
        return ok("namespaces", said)
    return warn("namespaces", f"{said}: nothing looks at what is in {namespace}", f"kubechain doctor -n {watched[0]}")


def is_unseen(obj: StatusObject[Any, Any], now: datetime) -> bool:
    """Whether no manager has looked at an object, though it had the time."""
    created = obj.metadata.creation_timestamp
    return _state(obj) is None and created is not None and now - created > UNSEEN


def is_seen(obj: StatusObject[Any, Any]) -> bool:
    """Whether a manager has looked at an object."""
    return _state(obj) is not None


def _state(obj: StatusObject[Any, Any]) -> StatusType | None:
    return obj.status.status if isinstance(obj.status, ReadinessStatus) else None


def of_objects(kind: str, found: Sequence[StatusObject[Any, Any]], now: datetime) -> Iterator[Check]:
    """Whether the objects of a kind can be used: a line for each that cannot, and one for those that can."""
    ready = [each for each in found if _state(each) is StatusType.READY]
    if ready:
        yield ok(kind, f"{len(ready)} of {len(found)} ready: {_listed([each.metadata.name for each in ready])}")
    for each in found:
        if _state(each) is not StatusType.READY:
            yield _of_unready(kind, each, now)


def _of_unready(kind: str, obj: StatusObject[Any, Any], now: datetime) -> Check:
    explained = objects.of_object(obj)
    repair = f"{explained.commands[0]} -n {obj.metadata.namespace}"
    if _state(obj) is StatusType.ERROR or is_unseen(obj, now):
        return fail(kind, explained.paragraph, repair)
    return warn(kind, explained.paragraph, repair)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
