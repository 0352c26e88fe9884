"""Which ApprovalPolicies are about an agent, and about one call: pure. Policies only add requirements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import orjson

from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.api.globs import matches_any
from kubechain.api.taskrun import PinnedPolicy
from kubechain.tools import arguments as tool_arguments
from kubechain.tools.model import InvalidArguments, InvalidSchema

PINNED_MAX = 256
"""Most policies that a run records; all of them apply."""


def about_agent(policies: Iterable[ApprovalPolicy], agent: str) -> tuple[ApprovalPolicy, ...]:
    """The policies that are about an agent, by name."""
    found = (one for one in policies if not one.spec.agents or matches_any(one.spec.agents, agent))
    return tuple(sorted(found, key=lambda one: one.metadata.name))


def about_call(
    policies: Iterable[ApprovalPolicy], *, agent: str, tool: str, arguments: str
) -> tuple[ApprovalPolicy, ...]:
    """The policies that are about a call, by name.

    Args:
        agent: Name of the Agent.
        tool: Name of the tool as the model knows it.
        arguments: JSON text of the arguments that the tool would be called with.
    """
    return tuple(
        one
        for one in about_agent(policies, agent)
        if (not one.spec.tools or matches_any(one.spec.tools, tool)) and _is_about_arguments(one, arguments)
    )


def _is_about_arguments(policy: ApprovalPolicy, arguments: str) -> bool:
    """Whether the arguments satisfy the policy's schema. A schema that is none excludes no call."""
    if policy.spec.arguments is None:
        return True
    try:
        tool_arguments.parse(arguments, policy.spec.arguments)
    except InvalidArguments:
        return False
    except InvalidSchema:
        return True
    return True


def pins(policies: Iterable[ApprovalPolicy], agent: str) -> tuple[PinnedPolicy, ...]:
    """The policies that are about an agent, as a run records them when it begins."""
    found = about_agent(policies, agent)[:PINNED_MAX]
    return tuple(PinnedPolicy(name=one.metadata.name, hash=spec_hash(one)) for one in found)


def spec_hash(policy: ApprovalPolicy) -> str:
    """SHA-256 of what a policy says."""
    return hashlib.sha256(orjson.dumps(policy.spec.to_wire(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def combined_hash(policies: Sequence[ApprovalPolicy]) -> str | None:
    """SHA-256 of all that apply to a call; None where none does."""
    if not policies:
        return None
    said = [[one.metadata.name, spec_hash(one)] for one in policies]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()
