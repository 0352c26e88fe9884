"""With which status each command ends: what scripts rely on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from test.cli import cast
from test.cli.stage import Stage, a_stage

ANSWERED = FINE = 0
FAILED = REFUSED = 1
WRONG_USAGE = 2
CANCELLED = 3
TIMED_OUT = 4
ASKS_A_PERSON = 5

STATUSES = [
    pytest.param("kubechain watch hello-1", ANSWERED, id="a run that has answered"),
    pytest.param("kubechain watch broken-1", FAILED, id="a run that has failed"),
    pytest.param("kubechain watch stopped-1", CANCELLED, id="a run that was cancelled"),
    pytest.param(
        "kubechain watch a-run-with-a-name-that-somebody-wanted-to-be-complete-1 --timeout 50ms",
        TIMED_OUT,
        id="a run that goes on when the time is up",
    ),
    pytest.param("kubechain watch upgrade-1", ASKS_A_PERSON, id="a run that waits for a person, in a pipe"),
    pytest.param(
        "kubechain watch upgrade-1 --wait-for-people --timeout 50ms", ASKS_A_PERSON, id="a person who takes their time"
    ),
    pytest.param("kubechain get", FINE, id="a list"),
    pytest.param("kubechain get -l a=b", FINE, id="an empty list"),
    pytest.param("kubechain pending", FINE, id="requests that wait"),
    pytest.param("kubechain explain broken-1", FINE, id="the explanation of a failure"),
    pytest.param("kubechain doctor", FAILED, id="a cluster in which something fails"),
    pytest.param("kubechain get tr nobody", REFUSED, id="an object that is not there"),
    pytest.param("kubechain cancel hello-1", REFUSED, id="a cancellation after the end"),
    pytest.param("kubechain approve hello-2-t0-c0", REFUSED, id="a choice that is not offered"),
    pytest.param("kubechain approve nobody", REFUSED, id="a request that is not there"),
    pytest.param("kubechain init", FINE, id="a manifest that is written"),
    pytest.param("kubechain", WRONG_USAGE, id="no command"),
    pytest.param("kubechain fly", WRONG_USAGE, id="a command that does not exist"),
    pytest.param("kubechain get --fast", WRONG_USAGE, id="a flag that does not exist"),
    pytest.param("kubechain logs", WRONG_USAGE, id="a name that is missing"),
    pytest.param("kubechain get cows", WRONG_USAGE, id="a kind that does not exist"),
    pytest.param("kubechain tree agent/helper", WRONG_USAGE, id="an object of another kind"),
    pytest.param("kubechain explain llm/", WRONG_USAGE, id="a kind without a name"),
    pytest.param("kubechain logs hello-1 -f -o json", WRONG_USAGE, id="flags that exclude each other"),
    pytest.param("kubechain grants --revoke x -A", WRONG_USAGE, id="one object of all namespaces"),
    pytest.param("kubechain run", WRONG_USAGE, id="no question"),
    pytest.param("kubechain run x", WRONG_USAGE, id="an agent that is not named"),
    pytest.param("kubechain run --file nowhere", WRONG_USAGE, id="a file that is not there"),
    pytest.param("kubechain retry hello-1 --from-turn 9", WRONG_USAGE, id="a turn that is not there"),
    pytest.param("kubechain approve upgrade-1-t2-c0 --arguments [", WRONG_USAGE, id="arguments that are no JSON"),
    pytest.param("kubechain answer hello-2-t0-c0", WRONG_USAGE, id="no answer"),
    pytest.param("kubechain answer hello-3-budget-1 --add days=3", WRONG_USAGE, id="a limit that does not exist"),
    pytest.param("kubechain lint nowhere.yaml", WRONG_USAGE, id="a manifest that is not there"),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_stage(tmp_path_factory.mktemp("home")) as stage:
        stage.put(*cast.everything())
        yield stage


@pytest.mark.parametrize(("line", "expected"), STATUSES)
def test_a_command_ends_with_its_status(stage: Stage, line: str, expected: int) -> None:
    status, printed = stage.run(line)
    assert status == expected, printed


FORBIDDEN = [
    "kubechain get",
    "kubechain get --watch",
    "kubechain logs hello-1",
    "kubechain watch hello-1",
    "kubechain pending",
    "kubechain top",
    "kubechain run x --agent helper",
    "kubechain approve upgrade-1-t2-c0",
]


@pytest.mark.parametrize("line", FORBIDDEN)
def test_what_a_person_may_not_do_is_said_in_the_words_of_the_server(stage: Stage, line: str) -> None:
    stage.allowed = ("selfsubjectreviews",)
    try:
        status, printed = stage.run(line, columns=100)
    finally:
        stage.allowed = None
    assert status == REFUSED
    assert 'is forbidden: User "ada" cannot' in printed
    assert "`kubechain doctor` lists your rights" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "line", ["kubechain get", "kubechain get -w", "kubechain run x", "kubechain watch x", "kubechain doctor"]
)
def test_a_server_that_is_not_there_is_named_with_the_file_that_names_it(tmp_path: Path, line: str) -> None:
    with a_stage(tmp_path) as stage:
        stage.is_there = False
        status, printed = stage.run(line, columns=100)
    assert status == REFUSED
    assert f"no answer from the API server http://127.0.0.1:1 of {tmp_path}/kubeconfig (laptop): " in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("line", ["kubechain get", "kubechain pending", "kubechain ui --no-browser"])
def test_without_a_kubeconfig_a_person_is_told_how_to_name_one(tmp_path: Path, line: str) -> None:
    with a_stage(tmp_path) as stage:
        (tmp_path / "kubeconfig").unlink()
        status, printed = stage.run(line)
    assert status == REFUSED
    assert "no such file" in printed
    assert "name a kubeconfig with $KUBECONFIG or --kubeconfig" in printed


def test_a_server_without_our_kinds_is_told_from_an_object_that_is_not_there(tmp_path: Path) -> None:
    with a_stage(tmp_path, has_kinds=False) as stage:
        status, printed = stage.run("kubechain get")
    assert status == REFUSED
    assert "are the kinds installed (kubechain crds | kubectl apply -f -)?" in printed
