"""Lists of runs on terminals of three widths and in a pipe, and of other kinds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kubechain.api.kinds import AGENT_KIND, TASK_RUN_KIND
from kubechain.cli import main
from kubechain.cli.table import widths_of, written
from kubechain.views.listing import in_order, listing
from test.cli.test_doctor import an_agent
from test.views.builders import NOW, a_run

USAGE = {"inputTokens": 1000, "outputTokens": 234, "totalTokens": 1234, "modelCalls": 2, "cost": "0.0123"}

ANSWERED = a_run("asked-1", phase="FinalAnswer", turn=2, output="The moon has none.\nNone.", usage=USAGE)
WAITING = a_run("tidy-up-the-old-archive-1", phase="ReadyForLLM", turn=12, ready=True)
FAILED = a_run("broken-1", phase="Failed", error="401: the key is \x1b[31mwrong")
RUNS = [ANSWERED, WAITING, FAILED]


def shown(columns: int | None, *, wide: bool = False) -> list[str]:
    made = listing(TASK_RUN_KIND, RUNS, NOW, columns=columns, wide=wide)
    widths = widths_of(made.head, made.rows)
    return [written(line, widths, columns) for line in (made.head, *made.rows)]


GOLDEN = {
    60: """
NAME                        PHASE         AGE    DETAIL
asked-1                     FinalAnswer   1m1s   answered: …
tidy-up-the-old-archive-1   ReadyForLLM   1m1s   for its tu…
broken-1                    Failed        1m1s   401: the k…
""",
    100: """
NAME                        PHASE         AGENT    TURNS   AGE    DETAIL
asked-1                     FinalAnswer   helper   2       1m1s   answered: The moon has none. None.
tidy-up-the-old-archive-1   ReadyForLLM   helper   12      1m1s   for its turn to call the model
broken-1                    Failed        helper   0       1m1s   401: the key is wrong
""",
    160: """
NAME                        PHASE         AGENT    TURNS   TOKENS   COST     AGE    DETAIL
asked-1                     FinalAnswer   helper   2       1,234    $0.012   1m1s   answered: The moon has none. None.
tidy-up-the-old-archive-1   ReadyForLLM   helper   12      -        -        1m1s   for its turn to call the model
broken-1                    Failed        helper   0       -        -        1m1s   401: the key is wrong
""",
    None: """
NAME                        PHASE         AGENT    TURNS   TOKENS   COST     AGE    DETAIL
asked-1                     FinalAnswer   helper   2       1,234    $0.012   1m1s   answered: The moon has none. None.
tidy-up-the-old-archive-1   ReadyForLLM   helper   12      -        -        1m1s   for its turn to call the model
broken-1                    Failed        helper   0       -        -        1m1s   401: the key is wrong
""",
}


@pytest.mark.parametrize("columns", GOLDEN)
def test_runs_fit_the_terminal(columns: int | None) -> None:
    assert "\n".join(shown(columns)) == GOLDEN[columns].strip("\n")
    assert columns is None or max(map(len, shown(columns))) <= columns


def test_a_wide_list_has_every_column_however_narrow_the_terminal_is() -> None:
    made = listing(TASK_RUN_KIND, RUNS, NOW, columns=60, wide=True, everywhere=True)
    assert made.head == (
        "NAMESPACE", "NAME", "PHASE", "AGENT", "LLM", "TASK", "CONTINUES", "TURNS", "TOKENS", "COST", "TOOK", "AGE",
        "DETAIL",
    )  # fmt: skip
    assert made.rows[0][:5] == ("default", "asked-1", "FinalAnswer", "helper", "gpt")


def test_no_cell_drives_the_terminal() -> None:
    assert not [line for line in shown(None) if "\x1b" in line]


def test_other_kinds_have_the_columns_of_kubectl() -> None:
    made = listing(AGENT_KIND, [an_agent(timedelta(hours=1), "Ready")], NOW)
    assert made.head == ("NAME", "READY", "STATUS", "AGE")
    assert made.rows[0][:3] == ("helper", "", "Ready")
    assert listing(AGENT_KIND, [], NOW, wide=True).head == ("NAME", "READY", "STATUS", "DETAIL", "AGE")


def test_runs_are_in_the_order_of_their_creation() -> None:
    newer = ANSWERED.model_copy(
        update={"metadata": ANSWERED.metadata.model_copy(update={"creation_timestamp": NOW, "name": "a"})}
    )
    assert [each.metadata.name for each in in_order(TASK_RUN_KIND, [newer, WAITING, FAILED])] == [
        "broken-1",
        "tidy-up-the-old-archive-1",
        "a",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["cows"], 'there is no kind "cows" of ours: one of llm, ', id="a kind that is not"),
        pytest.param(["agents", "helper", "-A"], "leave out -A and -l, or the name", id="a name everywhere"),
        pytest.param(["agents/"], "a name is needed after the slash", id="a kind without a name"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", *arguments]) in (1, 2)
    assert complaint in capsys.readouterr().err
