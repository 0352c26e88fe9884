"""The rules of the manager's roles beside the requests that it makes: none is missing, and none is there for nothing.

The requests are those of the simulation's stories, recorded where a process talks to its API server. Each gives the
verb and the resource that kube-apiserver would ask its authorizer about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from kubechain.api.kinds import ALL_KINDS
from kubechain.runtime.transport import Reply, StreamReply
from test.simulation.plans import REFERENCE
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate
from test.simulation.wire import Wire

CONFIG = Path(__file__).resolve().parents[2] / "config"
ROLES = (
    "rbac/role.yaml",
    "rbac/leader_election_role.yaml",
    "isolation/role.yaml",
    "secret-watch/role.yaml",
)

STORIES = (
    "plain",
    "cancel-model-call",
    "secret-rotated-by-name",
    "expiry",
    "two-turns",
    "call-deleted",
    "mcp-call",
    "container",
    "container-times-out",
    "mcp-in-pod",
    "mcp-in-pod-sleeps",
    "two-managers-mcp-in-pod",
    "rivals-steering-at-claim",
    "cancel-delegation",
    "approved",
    "approved-delegation",
    "approval-forged-request",
    "delivered",
    "rivals-delivered",
    "shards",
    "long-conversation",
    "namespace-budget",
)
"""Those that add a right to what the others show."""

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

BEYOND = frozenset({"create selfsubjectaccessreviews.authorization.k8s.io"})
"""What everybody may who is authenticated."""

UNSEEN: Mapping[str, frozenset[str]] = {
    "a cache is filled by a list where the server has no WatchList, or where the list must be exact": frozenset(
        f"list {plural}"
        for plural in (
            *(f"{kind.plural}.kubechain.humanlayer.dev" for kind in ALL_KINDS if kind.kind != "ContextChunk"),
            "deployments.apps",
            "networkpolicies.networking.k8s.io",
            "secrets",
            "serviceaccounts",
            "services",
        )
    ),
    "a status that conflicted is read again: in no story it is one of these": frozenset(
        {"get approvalpolicies.kubechain.humanlayer.dev", "get budgets.kubechain.humanlayer.dev"}
    ),
    "an admission plugin of the cluster asks for it where an owner reference blocks the owner's deletion": frozenset(
        f"update {plural}/finalizers.kubechain.humanlayer.dev" for plural in ("taskruns", "taskruntoolcalls", "tasks")
    ),
    "what a server in a Pod owns is replaced when its spec changes, and deleted when it leaves it": frozenset(
        {
            "delete deployments.apps",
            *(
                f"{verb} {resource}"
                for verb in ("delete", "update")
                for resource in ("networkpolicies.networking.k8s.io", "serviceaccounts", "services")
            ),
        }
    ),
    "the older part of a long conversation is read in a process that did not write it": frozenset(
        {"get contextchunks.kubechain.humanlayer.dev"}
    ),
    "a person's right is reviewed where a ContactChannel vouches for them": frozenset(
        {"create localsubjectaccessreviews.authorization.k8s.io"}
    ),
    "a container that does not start is explained by the events of its Job": frozenset({"list events"}),
}
"""Rights that no story shows in use, by what they are for."""


def granted() -> Iterator[str]:
    """Each verb on each resource that a rule gives."""
    for path in ROLES:
        for rule in yaml.safe_load((CONFIG / path).read_text())["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from (f"{verb} {_joined(resource, group)}" for verb in rule["verbs"])


def _joined(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def right_of(method: str, target: str) -> str | None:
    """The right that a request needs; None for discovery, which everybody may read."""
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    if not rest:
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    plural, name, subresource = [*rest, "", ""][:3]
    resource = f"{plural}/{subresource}" if subresource else plural
    if method == "GET":
        is_watch = "watch" in parse_qs(query)
        verb = "watch" if is_watch else "get" if name else "list"
    else:
        verb = VERBS[method]
    return f"{verb} {_joined(resource, group)}"


@pytest.fixture(scope="module")
def used() -> frozenset[str]:
    """The rights that the stories need."""
    found = set[str]()
    with pytest.MonkeyPatch.context() as patch:
        send, stream = Wire.send, Wire.stream

        async def sent(wire: Wire, method: str, target: str, **given: Any) -> Reply:
            found.update(filter(None, [right_of(method, target)]))
            return await send(wire, method, target, **given)

        def streamed(wire: Wire, target: str, **given: Any) -> AbstractAsyncContextManager[StreamReply]:
            found.update(filter(None, [right_of("GET", target)]))
            return stream(wire, target, **given)

        patch.setattr(Wire, "send", sent)
        patch.setattr(Wire, "stream", streamed)
        for name in STORIES:
            assert simulate(BY_NAME[name], REFERENCE, 11).violations == (), name
    return frozenset(found)


def test_every_request_is_permitted_by_a_rule(used: frozenset[str]) -> None:
    assert used - BEYOND - frozenset(granted()) == frozenset()


def test_every_rule_is_for_a_request(used: frozenset[str]) -> None:
    assert frozenset(granted()) - used == frozenset().union(*UNSEEN.values())
