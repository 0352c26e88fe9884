"""What a Task does next: pure, complete by type check."""

from __future__ import annotations

from kubechain.api import names, reasons
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRunPhase
from kubechain.controllers.task.observe import Observed
from kubechain.controllers.task.steps import Adopt, CreateRun, Follow, Step, Wait


def decide(observed: Observed) -> Step:
    """The next step for one Task."""
    if not observed.has_created_run:
        return _start(observed)
    return Follow(_output(observed))


def _start(observed: Observed) -> Step:
    if (run := observed.first_run) is not None:
        return Adopt(run.metadata.name)
    name = observed.task.spec.agent_ref.name
    if observed.agent is None:
        return Wait(f'Waiting for agent "{name}" to exist')
    if observed.agent.status.status != StatusType.READY:
        return Wait(reasons.waiting_for_agent(name))
    return CreateRun(names.task_run_name(observed.task.metadata.name, 1))


def _output(observed: Observed) -> str:
    """Of the run that finished last; deleted runs leave the Task's own record as it is."""
    answered = [run for run in observed.finished_runs if run.status.phase == TaskRunPhase.FINAL_ANSWER]
    return answered[-1].status.output if answered else observed.task.status.output
