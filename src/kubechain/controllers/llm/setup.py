"""Registers the control loop of LLMs."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.controllers import fallbackusers, resources
from kubechain.controllers.llm import watches
from kubechain.controllers.llm.reconciler import LLMReconciler
from kubechain.controllers.parts import Parts
from kubechain.controllers.secrets import SECRETS
from kubechain.runtime.controller import controller
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only


def setup(manager: Manager, parts: Parts) -> None:
    """Follow LLMs and the Secrets that hold their keys."""
    llms = manager.lister(resources.LLMS)
    manager.add_index(resources.LLMS, watches.BY_KEY_SOURCE, watches.secret_index)
    manager.add_index(resources.LLMS, fallbackusers.BY_FALLBACK, fallbackusers.fallback_index)
    reconciler = LLMReconciler(
        llms=llms,
        secrets=parts.secrets,
        client=parts.llm,
        checks=parts.llm_checks,
        circuits=parts.circuits,
        writer=parts.writer(resources.LLMS, reasons.LLM_CONTROLLER),
        clock=manager.clock,
    )
    (
        controller(manager, "llm")
        .for_(resources.LLMS)
        .watches(resources.LLMS, map=watches.llm_requests_for_fallback(llms))
        .watches(metadata_only(SECRETS), map=lambda secret: watches.llm_requests_for_secret(llms, secret.metadata))
        .triggered_by(parts.llm_checks.trigger)
        .triggered_by(parts.secrets.changed, map=lambda secret: watches.llm_requests_for_secret(llms, secret))
        .complete(reconciler)
    )
