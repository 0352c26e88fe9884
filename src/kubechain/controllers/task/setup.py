"""Registers the control loop of Tasks."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.controllers import continued, resources
from kubechain.controllers.parts import Parts
from kubechain.controllers.task import watches
from kubechain.controllers.task.created import CreatedRuns
from kubechain.controllers.task.observe import Observer
from kubechain.controllers.task.reconciler import TaskReconciler
from kubechain.runtime.controller import controller
from kubechain.runtime.manager import Manager


def setup(manager: Manager, parts: Parts) -> None:
    """Follow Tasks, the runs that name them, and their Agents."""
    tasks, runs = manager.lister(resources.TASKS), manager.lister(resources.TASK_RUNS)
    manager.add_index(resources.TASK_RUNS, watches.RUNS_BY_TASK, watches.run_task_index)
    manager.add_index(resources.TASK_RUNS, continued.UNBEGUN_BY_SOURCE, continued.unbegun_by_source)
    manager.add_index(resources.TASKS, watches.TASKS_BY_AGENT, watches.task_agent_index)
    created = CreatedRuns(manager.clock)
    reconciler = TaskReconciler(
        tasks=tasks,
        observer=Observer(agents=manager.lister(resources.AGENTS), runs=runs, created=created, clock=manager.clock),
        created=created,
        writer=parts.writer(resources.TASKS, reasons.TASK_CONTROLLER),
        clock=manager.clock,
    )
    (
        controller(manager, "task")
        .for_(resources.TASKS)
        .watches(resources.TASK_RUNS, map=watches.task_requests_for_run)
        .watches(resources.AGENTS, map=lambda agent: watches.task_requests_for_agent(tasks, agent))
        .complete(reconciler)
    )
