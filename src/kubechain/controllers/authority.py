"""Whether the API server itself holds who may decide: the admission policies of `config/admission`.

They compare the name in a decision with the user who writes it, and ask RBAC for the verb approve. Where they are not
in force, the name in a decision is what its writer claims.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from kubechain.api.approval import DecisionIdentity
from kubechain.api.humanrequest import Decision
from kubechain.runtime.client import Client
from kubechain.runtime.errors import ApiError, NotFound, TransportError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

POLICY = "kubechain-human-requests"
"""Name of the policy, and of its binding."""

_API = "/apis/admissionregistration.k8s.io/v1"
_RESOURCE = "humanrequests"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Whether the policies are in force.

    Attributes:
        weakness: What keeps them from it; empty where they are in force.
    """

    weakness: str = ""

    @property
    def is_in_force(self) -> bool:
        """Whether the API server compares who decides with the user who writes."""
        return not self.weakness


def identity_of(decision: Decision, enforcement: Enforcement) -> DecisionIdentity:
    """How sure it is that the person whom a decision names made it."""
    if not enforcement.is_in_force:
        return DecisionIdentity.CLAIMED
    if decision.through:
        return DecisionIdentity.DELEGATED
    return DecisionIdentity.VERIFIED if decision.by else DecisionIdentity.CLAIMED


def enforcement_of(policy: Json, binding: Json) -> Enforcement:
    """Whether a policy and its binding deny what they must; each way in which they could be weaker is named."""
    rule, bound = policy.get("spec", {}), binding.get("spec", {})
    weaknesses = (
        (rule.get("failurePolicy", "Fail") != "Fail", "failurePolicy is not Fail"),
        (bool(rule.get("matchConditions")), "it has matchConditions"),
        (not rule.get("validations"), "it has no validations"),
        (not _covers(rule.get("matchConstraints", {})), f"it is not about each create and update of {_RESOURCE}"),
        (bound.get("policyName") != POLICY, "the binding is of another policy"),
        ("Deny" not in bound.get("validationActions", ()), "the binding does not deny"),
        (bool(bound.get("matchResources")), "the binding is for some objects only"),
        (
            bound.get("paramRef", {}).get("parameterNotFoundAction") != "Deny",
            "the binding allows everything without the ServiceAccount",
        ),
    )
    found = [text for is_weak, text in weaknesses if is_weak]
    return Enforcement(f"admission policy {POLICY}: {'; '.join(found)}" if found else "")


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
class DecisionAuthority:
    """Reads whether the policies are in force; once at the start for the log, and again for each decision.

    Attributes:
        requires_verified: Whether decisions count only where the policies are in force.
    """

    client: Client
    requires_verified: bool = False

    async def run(self) -> None:
        """Log what is found when the manager starts."""
        found = await self.enforcement()
        if found.is_in_force:
            log.info("decisions of people are verified by the API server", policy=POLICY)
            return
        log.warning(
            "decisions of people are refused until the admission policies are in force"
            if self.requires_verified
            else "decisions of people are taken as their writers claim them",
            reason=found.weakness,
            repair="kubectl apply -k config/admission",
        )

    async def enforcement(self) -> Enforcement:
        """Whether the policies are in force now."""
        try:
            policy = await self._read("validatingadmissionpolicies")
            binding = await self._read("validatingadmissionpolicybindings")
        except NotFound:
            return Enforcement(f"admission policy {POLICY} or its binding is not installed")
        except (ApiError, TransportError) as error:
            return Enforcement(f"admission policy {POLICY} cannot be read: {error}")
        return enforcement_of(policy, binding)

    async def _read(self, plural: str) -> Json:
        return json.loads(await self.client.request("GET", f"{_API}/{plural}/{POLICY}"))
