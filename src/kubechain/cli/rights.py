"""Asks the API server what the user and the manager may do, by access reviews: every authorizer answers them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from kubechain.api.meta import GROUP
from kubechain.cli.clusters import Place

_API = "/apis/authorization.k8s.io/v1"

CLUSTER_GROUPS = frozenset({"admissionregistration.k8s.io"})
"""Of the groups that the manager reads, those whose objects are in no namespace."""


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource.

    Attributes:
        resource: With its subresource after a slash.
        name: Of one object; empty for all.
    """

    verb: str
    group: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        """As a person says it, and `kubectl auth can-i` takes it."""
        resource, slash, subresource = self.resource.partition("/")
        plural = f"{resource}.{self.group}" if self.group else resource
        return f"{self.verb} {plural}{slash}{subresource}{f'/{self.name}' if self.name else ''}"

    def attributes(self, namespace: str | None) -> dict[str, str]:
        """What a review asks about."""
        resource, _, subresource = self.resource.partition("/")
        asked = {"verb": self.verb, "group": self.group, "resource": resource, "subresource": subresource}
        where = "" if self.group in CLUSTER_GROUPS else namespace or ""
        return {key: value for key, value in {**asked, "name": self.name, "namespace": where}.items() if value}


OF_A_USER: Mapping[Right, str] = {
    Right("list", GROUP, "taskruns"): "get, tree, top",
    Right("watch", GROUP, "taskruns"): "watch",
    Right("list", GROUP, "taskruntoolcalls"): "logs",
    Right("list", GROUP, "humanrequests"): "pending",
    Right("get", GROUP, "contextchunks"): "logs of long runs",
    Right("list", GROUP, "agents"): "run",
    Right("create", GROUP, "taskruns"): "run, retry, continue",
    Right("patch", GROUP, "taskruns"): "cancel, message",
    Right("patch", GROUP, "humanrequests"): "approve, reject, answer",
}
"""What the commands do, and which commands."""


def of_the_manager() -> Iterator[Right]:
    """Yield the rules of config/rbac/role.yaml one by one."""
    rules: list[Mapping[str, Sequence[str]]] = json.loads(
        resources.files("kubechain.cli").joinpath("managerrights.json").read_text()
    )
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", ("",)):
                    for verb in rule["verbs"]:
                        yield Right(verb, group, resource, name)


async def denied_to_us(place: Place) -> dict[str, str]:
    """What the commands do and the user may not, with the commands."""
    denied = await _denied(place, place.namespace, list(OF_A_USER), "SelfSubjectAccessReview", {})
    return {str(right): OF_A_USER[right] for right in denied}


async def denied_to_the_manager(place: Place, namespace: str | None, user: str, groups: Sequence[str]) -> list[str]:
    """What the manager does and a user, such as its ServiceAccount, may not.

    Args:
        place: Who asks.
        namespace: In which the manager works; None means in all.
        user: Of the manager.
        groups: Of that user.

    Raises:
        Forbidden: Who asks may not ask about others.
    """
    asked = {"user": user, "groups": list(groups)}
    denied = await _denied(place, namespace, list(of_the_manager()), "SubjectAccessReview", asked)
    return [str(right) for right in denied]


async def _denied(
    place: Place, namespace: str | None, rights: Sequence[Right], kind: str, who: Mapping[str, Any]
) -> list[Right]:
    answers = await asyncio.gather(*(_is_allowed(place, namespace, right, kind, who) for right in rights))
    return [right for right, is_allowed in zip(rights, answers, strict=True) if not is_allowed]


async def _is_allowed(place: Place, namespace: str | None, right: Right, kind: str, who: Mapping[str, Any]) -> bool:
    spec = {**who, "resourceAttributes": right.attributes(namespace)}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = await place.client.request("POST", f"{_API}/{kind.lower()}s", body=json.dumps(review).encode())
    return bool(json.loads(answer)["status"].get("allowed"))
