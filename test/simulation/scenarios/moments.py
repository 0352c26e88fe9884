"""The moments at which record and claim are one write, and the reasons why each is written alone.

People act while the write is on its way: what they do arrives before it.
"""

from __future__ import annotations

from functools import partial

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.fakes import asks
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.runs import ONE_SLOT_ENDS
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS, ROME, booking

SUM = '{"a": 1, "b": 2}'
_CALL = "hello-1-t0-c0"

CLAIM = "PUT taskruns/hello-1/status SendContextWindowToLLM"
FIRST_CLAIM, SECOND_CLAIM = f"{CLAIM}/0", f"{CLAIM}/1"
CREATED, RESULT = f"POST taskruntoolcalls/{_CALL}", f"PUT taskruntoolcalls/{_CALL}/status Succeeded"

CANCELLED = {"hello-1": TaskRunPhase.CANCELLED}
FAILED = {"hello-1": TaskRunPhase.FAILED}

adding = partial(Scenario, arrange=objects.builtins("add"), script=asks([("add", SUM)]))
"""The story of most of what may become of a function of the operator: one sum."""

CLAIMS: tuple[Scenario, ...] = (
    Scenario(name="cancel-at-claim", arrange=objects.plain(), during={FIRST_CLAIM: people.cancel()}, ends=CANCELLED),
    Scenario(name="steering-at-claim", arrange=objects.plain(), during={FIRST_CLAIM: people.steer}),
    Scenario(name="claim-refused", arrange=objects.plain(), later={0.0: people.refuse(CLAIM)}),
    Scenario(
        name="adopted",
        arrange=objects.begun_by_an_earlier_release,
        ends={"hello-1": TaskRunPhase.FINAL_ANSWER, "adopted": TaskRunPhase.FINAL_ANSWER},
    ),
    Scenario(
        name="rivals-steering-at-claim",
        arrange=objects.plain(),
        during={FIRST_CLAIM: people.steer},
        managers=2,
        elects=False,
        faults=("storm", "chaos", "stale", "behind"),
    ),
)

RESULTS: tuple[Scenario, ...] = (
    booking(name="cancel-at-results", during={SECOND_CLAIM: people.cancel()}, ends=CANCELLED),
    booking(
        name="run-deleted-at-results",
        during={"model": people.look_on, SECOND_CLAIM: people.delete_run},
        ends={"hello-1": None},
    ),
    booking(
        name="deadline-at-results",
        arrange=objects.endpoints("book", task_spec={"activeDeadlineSeconds": 40}),
        during={CREATED: people.refuse(SECOND_CLAIM)},
        ends=FAILED,
    ),
    booking(name="steering-at-results", during={SECOND_CLAIM: people.steer}),
    booking(name="agent-edited-at-results", during={SECOND_CLAIM: people.edit_agent}),
    booking(name="llm-comes-back", during={CREATED: people.take_llm_away}, is_crowded=True),
    booking(name="results-refused", during={CREATED: people.refuse(SECOND_CLAIM)}),
    Scenario(
        name="limit-at-results",
        arrange=objects.builtins("add", limits={"maxTurns": 1}),
        script=asks([("add", SUM)]),
        ends=FAILED,
    ),
    Scenario(
        name="limit-near",
        arrange=objects.builtins("add", limits={"maxTurns": 3}),
        script=asks([("add", SUM)], [("add", SUM)]),
    ),
    Scenario(
        name="one-slot-builtins",
        arrange=objects.one_slot_with_builtins,
        script=asks([("add", SUM)]),
        ends=ONE_SLOT_ENDS,
        is_crowded=True,
    ),
    booking(
        name="rivals-cancel-at-results",
        during={SECOND_CLAIM: people.cancel()},
        ends=CANCELLED,
        managers=2,
        elects=False,
        faults=("storm", "chaos", "stale", "behind"),
    ),
)

BUILTINS: tuple[Scenario, ...] = (
    adding(name="builtin"),
    adding(name="parallel-builtins", script=asks([("add", SUM), ("add", SUM), ("add", SUM)])),
    adding(name="failing-builtin", script=asks([("add", '{"a": "one"}')])),
    Scenario(
        name="builtin-and-endpoint",
        arrange=objects.builtin_and_endpoint,
        script=asks([("add", SUM), ("book", PARIS)], [("book", ROME)]),
        answers=ANSWERS,
    ),
    adding(name="cancel-at-result", during={RESULT: people.cancel()}, ends=CANCELLED),
    adding(name="call-deleted-at-result", during={RESULT: people.delete("taskruntoolcalls", _CALL)}),
    adding(name="result-refused", during={CREATED: people.refuse(RESULT)}),
    adding(name="rivals-builtin", managers=2, elects=False, faults=("storm", "chaos", "stale", "behind", "freeze")),
)

ALL = (*CLAIMS, *RESULTS, *BUILTINS)
