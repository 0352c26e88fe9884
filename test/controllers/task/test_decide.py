"""A Task makes one run, and follows what its runs answer."""

from __future__ import annotations

import pytest

from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRunPhase
from kubechain.controllers.task.decide import decide
from kubechain.controllers.task.effects import first_run
from kubechain.controllers.task.observe import Observed
from kubechain.controllers.task.steps import Adopt, CreateRun, Follow, Step, Wait
from test.controllers.builders import an_agent
from test.controllers.task.builders import NEW, finished, seen, started


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(seen(agent=None), Wait('Waiting for agent "my-assistant" to exist'), id="the agent is missing"),
        pytest.param(
            seen(agent=an_agent(status=StatusType.PENDING)),
            Wait('Waiting for agent "my-assistant" to become ready'),
            id="the agent is not ready",
        ),
        pytest.param(seen(), CreateRun("hello-1"), id="the agent is ready"),
        pytest.param(
            seen(agent=None, runs=(first_run(NEW, "hello-1"),)),
            Adopt("hello-1"),
            id="the run was made by a manager that died before it could say so",
        ),
        pytest.param(seen(started()), Follow(""), id="the run was made and deleted since"),
        pytest.param(seen(started(), agent=None), Follow(""), id="the agent was deleted later"),
        pytest.param(
            seen(started(), runs=(finished("b", "second", at=2), finished("a", "first", at=1))),
            Follow("second"),
            id="the run that finished last gives the output",
        ),
        pytest.param(
            seen(
                started(),
                runs=(finished("a", "first", at=1), finished("b", "", at=2, phase=TaskRunPhase.FAILED)),
            ),
            Follow("first"),
            id="a failed run has no output",
        ),
    ],
)
def test_decide(observed: Observed, step: Step) -> None:
    assert decide(observed) == step
