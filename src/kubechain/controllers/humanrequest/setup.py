"""Registers the control loop of HumanRequests."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers import resources
from kubechain.controllers.humanrequest import watches
from kubechain.controllers.humanrequest.delivering import Deliverer
from kubechain.controllers.humanrequest.observe import Observer
from kubechain.controllers.humanrequest.reconciler import HumanRequestReconciler
from kubechain.controllers.parts import Parts
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager

WORKERS = 64
"""Requests that may be sent at the same time: a channel that hangs must not delay the requests of others."""


def setup(manager: Manager, parts: Parts) -> None:
    """Follow requests, and the calls and runs that ask."""
    requests = manager.lister(resources.HUMAN_REQUESTS)
    manager.add_index(resources.HUMAN_REQUESTS, watches.BY_NAMESPACE, watches.unfinished_index)
    writer = parts.writer(resources.HUMAN_REQUESTS, reasons.HUMAN_REQUEST_CONTROLLER)
    reconciler = HumanRequestReconciler(
        requests=requests,
        observer=Observer(
            calls=manager.lister(resources.TOOL_CALLS),
            runs=manager.lister(resources.TASK_RUNS),
            channels=manager.lister(resources.CONTACT_CHANNELS),
            client=manager.client,
            clock=manager.clock,
        ),
        deliverer=Deliverer(parts.channels, writer, manager.clock),
        writer=writer,
        clock=manager.clock,
    )

    def for_call(call: TaskRunToolCall) -> list[Request]:
        return [Request(call.metadata.namespace, one.request_name) for one in call.status.questions]

    def for_run(run: TaskRun) -> list[Request]:
        """The newest request of a run: an earlier one was the newest before the change."""
        return [Request(run.metadata.namespace, one.request_name) for one in run.status.budget_requests[-1:]]

    (
        controller(manager, "humanrequest")
        .for_(resources.HUMAN_REQUESTS)
        .shared(parts.buckets.of(resources.HUMAN_REQUESTS))
        .watches(resources.TOOL_CALLS, map=for_call)
        .watches(resources.TASK_RUNS, map=for_run)
        .watches(resources.CONTACT_CHANNELS, map=lambda channel: watches.unfinished(requests, channel))
        .with_(workers=WORKERS)
        .complete(reconciler)
    )
