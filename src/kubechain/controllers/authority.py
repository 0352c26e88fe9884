"""Whether the API server itself holds who may decide: the admission policies of `config/admission`.

They compare the name in a decision with the user who writes it, and ask RBAC for the verb approve. Where they are not
in force, the name in a decision is what its writer claims.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from kubechain.api.approval import DecisionIdentity
from kubechain.api.humanrequest import Decision
from kubechain.api.meta import KubeObject, time_text
from kubechain.runtime.client import Client
from kubechain.runtime.errors import ApiError, Forbidden, NotFound, TransportError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

POLICY = "kubechain-human-requests"
"""Name of the policy, and of its binding, unless an overlay changed it."""

NO_POLICIES = "this control plane has no admission policies"

INSTALL = "kubectl apply -k config/admission"
MAY_READ = "an administrator runs: kubectl apply -k config/policy-reader"
"""For a manager with a Role: the policies belong to the cluster, and a Role gives no right to read them."""

SETTLING = timedelta(seconds=10)
"""Every API server has compiled a policy by then: kube-apiserver looks for changes once a second, from a watch."""

_API = "/apis/admissionregistration.k8s.io/v1"
_RESOURCE = "humanrequests"

_ESSENTIAL: Mapping[str, str] = {
    "compare decision.by with the user": "decision.by == request.userInfo.username",
    "ask RBAC for the verb approve": ".check('approve').allowed()",
    "refuse decisions of ServiceAccounts": "!request.userInfo.username.startsWith('system:serviceaccount:')",
}
"""What one of the validations must contain each, in any layout."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Whether the policies are in force.

    Attributes:
        weakness: What keeps them from it; empty where they are in force.
        since: When every API server held them as they are now. None: not known, and assumed of nothing.
        repair: What an administrator does about the weakness.
    """

    weakness: str = ""
    since: datetime | None = None
    repair: str = INSTALL

    @property
    def is_in_force(self) -> bool:
        """Whether the API server compares who decides with the user who writes."""
        return not self.weakness

    def over(self, request: KubeObject) -> Enforcement:
        """The same about one request: a decision is compared when it is made, so the policies must be the older ones.

        The only time of a request that nobody can change is that of its creation, and it is decided after that.
        """
        created = request.metadata.creation_timestamp
        if self.weakness or self.since is None or (created is not None and created >= self.since):
            return self
        text = f"the request is older than the admission policies, which are in force since {time_text(self.since)}"
        return Enforcement(text, self.since)


def identity_of(decision: Decision, enforcement: Enforcement) -> DecisionIdentity:
    """How sure it is that the person whom a decision names made it.

    Args:
        enforcement: Over the request that is decided: `DecisionAuthority.enforcement_over`.
    """
    if not enforcement.is_in_force:
        return DecisionIdentity.CLAIMED
    if decision.through:
        return DecisionIdentity.DELEGATED
    return DecisionIdentity.VERIFIED if decision.by else DecisionIdentity.CLAIMED


def enforcement_of(policy: Json, binding: Json) -> Enforcement:
    """Whether a policy and its binding deny what they must; each way in which they could be weaker is named."""
    name = _name(policy)
    found = (*_weaknesses_of_policy(policy.get("spec", {})), *_weaknesses_of_binding(binding.get("spec", {}), name))
    if found:
        return Enforcement(f"admission policy {name}: {'; '.join(found)}")
    times = (*_times(policy), *_times(binding))
    return Enforcement(since=max(times) + SETTLING if times else None)


def _name(obj: Json) -> str:
    return str(obj.get("metadata", {}).get("name", POLICY))


def _weaknesses_of_policy(rule: Json) -> Iterator[str]:
    if rule.get("failurePolicy", "Fail") != "Fail":
        yield "failurePolicy is not Fail"
    if rule.get("matchConditions"):
        yield "it has matchConditions"
    if not _covers(rule.get("matchConstraints", {})):
        yield f"it is not about each create and update of {_RESOURCE}"
    validations = [re.sub(r"\s", "", str(each.get("expression"))) for each in rule.get("validations", ())]
    if not validations:
        yield "it has no validations"
        return
    for purpose, expression in _ESSENTIAL.items():
        if not any(re.sub(r"\s", "", expression) in each for each in validations):
            yield f"it does not {purpose}"


def _weaknesses_of_binding(bound: Json, policy: str) -> Iterator[str]:
    actions, params = bound.get("validationActions", ()), bound.get("paramRef", {})
    if bound.get("policyName") != policy:
        yield "the binding is of another policy"
    if "Deny" not in actions:
        yield f"the binding does not deny: its validationActions are {', '.join(actions) or 'empty'}"
    if bound.get("matchResources"):
        yield "the binding is for some objects only"
    if params.get("parameterNotFoundAction") != "Deny":
        yield "the binding allows everything without the ServiceAccount"
    if not params.get("name") or not params.get("namespace"):
        yield "the binding does not name the manager's ServiceAccount"


def _times(obj: Json) -> Iterator[datetime]:
    """When a policy was made, and when each of its writers changed what it says last."""
    metadata: Json = obj.get("metadata", {})
    entries: Sequence[Json] = metadata.get("managedFields", ())
    said = [each.get("time") for each in entries if each.get("subresource") != "status"]
    for text in (metadata.get("creationTimestamp"), *said):
        if text:
            yield datetime.fromisoformat(text)


def _covers(constraints: Json) -> bool:
    """Whether every create and update of a request matches."""
    narrowed = constraints.get("excludeResourceRules") or any(
        constraints.get(selector) for selector in ("namespaceSelector", "objectSelector")
    )
    rules: Sequence[Json] = constraints.get("resourceRules", ())
    return not narrowed and any(
        {"CREATE", "UPDATE"} <= set(each.get("operations", ()))
        and _RESOURCE in each.get("resources", ())
        and "*" in each.get("apiVersions", ())
        and not each.get("resourceNames")
        for each in rules
    )


@dataclass(frozen=True, slots=True)
class _Unread:
    """Why there is no object, and what is done about it."""

    reason: str
    repair: str = INSTALL


@dataclass(frozen=True, slots=True)
class DecisionAuthority:
    """Reads whether the policies are in force; once at the start for the log, and again for each decision.

    Attributes:
        requires_verified: Whether decisions count only where the policies are in force.
        policy: Name of the policy, and of its binding; empty where the control plane has none, as on a laptop.
    """

    client: Client
    requires_verified: bool = False
    policy: str = POLICY

    async def run(self) -> None:
        """Log what is found when the manager starts."""
        found = await self.enforcement()
        if found.is_in_force:
            log.info("decisions of people are verified by the API server", policy=self.policy)
            return
        if not self.policy:
            log.debug("decisions of people are taken as their writers claim them", reason=found.weakness)
            return
        log.warning(
            "decisions of people are refused until the admission policies are in force"
            if self.requires_verified
            else "decisions of people are taken as their writers claim them",
            reason=found.weakness,
            repair=found.repair,
        )

    async def enforcement(self) -> Enforcement:
        """Whether the policies are in force now. For a decision: `enforcement_over`."""
        if not self.policy:
            return Enforcement(NO_POLICIES)
        policy = await self._read("validatingadmissionpolicies")
        binding = await self._read("validatingadmissionpolicybindings")
        unread = [each for each in (policy, binding) if isinstance(each, _Unread)]
        if isinstance(policy, _Unread) or isinstance(binding, _Unread):
            return Enforcement("; ".join(dict.fromkeys(each.reason for each in unread)), repair=unread[0].repair)
        return enforcement_of(policy, binding)

    async def enforcement_over(self, request: KubeObject) -> Enforcement:
        """Whether the policies have been in force as long as this request could be decided."""
        return (await self.enforcement()).over(request)

    async def _read(self, plural: str) -> Json | _Unread:
        """The object of the policy's name, or why there is none."""
        what = f"{plural}.admissionregistration.k8s.io/{self.policy}"
        try:
            return json.loads(await self.client.request("GET", f"{_API}/{plural}/{self.policy}"))
        except NotFound:
            return _Unread(f"{what} is not installed")
        except Forbidden:
            return _Unread(f"{what} cannot be read: the manager has no right to", MAY_READ)
        except (ApiError, TransportError) as error:
            return _Unread(f"{what} cannot be read: {error}")
