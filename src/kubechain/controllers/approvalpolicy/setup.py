"""Registers the control loop of ApprovalPolicies."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.controllers import resources
from kubechain.controllers.approvalpolicy.reconciler import ApprovalPolicyReconciler
from kubechain.controllers.parts import Parts
from kubechain.runtime.controller import controller
from kubechain.runtime.manager import Manager


def setup(manager: Manager, parts: Parts) -> None:
    """Follow policies."""
    reconciler = ApprovalPolicyReconciler(
        policies=manager.lister(resources.APPROVAL_POLICIES),
        writer=parts.writer(resources.APPROVAL_POLICIES, reasons.APPROVAL_POLICY_CONTROLLER),
        clock=manager.clock,
    )
    controller(manager, "approvalpolicy").for_(resources.APPROVAL_POLICIES).complete(reconciler)
