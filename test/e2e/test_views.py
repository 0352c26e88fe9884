"""Runs as a person sees them on the command line: why they wait, the tree, what was said."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from test.e2e.cluster import Namespace, Said, table
from test.e2e.manifests import QUESTION, SYSTEM, a_builtin, a_task, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, Script, asks
from test.e2e.processes import KUBECHAIN

RUN = "hello-world-task-1"
CALL = f"{RUN}-t0-c0"


def where(space: Namespace) -> list[str]:
    """The flags that name a namespace."""
    return ["--namespace", space.name, "--kubeconfig", str(space.cluster.kubeconfig)]


def kubechain(space: Namespace, *arguments: str, status: int = 0, stdin: str | None = None) -> Said:
    """Run a command of ours in this namespace."""
    command = [KUBECHAIN, arguments[0], *where(space), *arguments[1:]]
    done = subprocess.run(
        command, env=dict(space.cluster.environment), capture_output=True, text=True, check=False, input=stdin
    )
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return Said(done.returncode, done.stdout, done.stderr)


def timeless(text: str) -> list[str]:
    """Lines without times of day and durations."""
    return [
        re.sub(r"\[\d+[smh][^\],]*", "[0s", re.sub(r"^\d\d:\d\d:\d\d", "00:00:00", line)) for line in text.splitlines()
    ]


@pytest.fixture
def adding(namespace: Namespace, script: Script) -> Namespace:
    """A finished run with one call."""
    script.answers = [asks(Ask("add", {"a": 2, "b": 3}), content="Let me see."), "It is\nfive."]
    namespace.apply(a_builtin("add"), an_agent(tools=refs("add")), a_task())
    namespace.finished(RUN)
    return namespace


def test_a_finished_run_is_printed_turn_by_turn(adding: Namespace) -> None:
    assert timeless(kubechain(adding, "logs", RUN).out) == [
        f"00:00:00  run                {RUN} of agent my-assistant on LLM gpt-4o",
        f"          system             {SYSTEM}",
        f"          user               {QUESTION}",
        "          turn 1             Let me see.",
        '00:00:00    call             add {"a": 2, "b": 3}',
        "00:00:00    Succeeded        5  [0s]",
        "          turn 2             It is",
        "                             five.",
        "00:00:00  FinalAnswer        [0s, 2 turns, 1 tool call, 50 tokens]",
    ]


def test_a_finished_run_is_a_tree(adding: Namespace) -> None:
    run, call = table(kubechain(adding, "tree", RUN).out)
    assert (run["NAME"], run["PHASE"], run["TURNS"], run["TOKENS"]) == (
        f"{RUN} (my-assistant)",
        "FinalAnswer",
        "2",
        "50",
    )
    assert (call["NAME"], call["PHASE"]) == ('└─ add {"a": 2, "b": 3}', "Succeeded")
    story: dict[str, Any] = json.loads(kubechain(adding, "tree", RUN, "-o", "json").out)
    assert (story["phase"], story["total"]["totalTokens"], story["output"]) == ("FinalAnswer", 50, "It is\nfive.")


def test_runs_are_listed_with_how_far_they_are(adding: Namespace) -> None:
    head, row = kubechain(adding, "get").lines
    assert head.split() == ["NAME", "PHASE", "AGENT", "TURNS", "TOKENS", "COST", "AGE", "DETAIL"]
    assert row.split()[:5] == [RUN, "FinalAnswer", "my-assistant", "2", "50"]
    assert row.endswith("answered: It is five.")
    [everywhere] = [line for line in kubechain(adding, "get", "-A").lines if adding.name in line]
    assert everywhere.split()[:2] == [adding.name, RUN]
    assert kubechain(adding, "get", "-o", "name").lines == [f"taskrun.kubechain.humanlayer.dev/{RUN}"]
    assert json.loads(kubechain(adding, "get", "-o", "json").out)["items"][0]["status"]["turn"] == 2
    assert json.loads(kubechain(adding, "get", "tr", RUN, "-o", "json").out)["metadata"]["name"] == RUN
    assert kubechain(adding, "get", "-l", "a=b").err == "there are no taskruns\n"
    assert kubechain(adding, "get", "agents").lines[1].split()[:3] == ["my-assistant", "true", "Ready"]
    assert '"nobody" not found' in kubechain(adding, "get", "tr", "nobody", status=1).err


def test_a_list_goes_on_with_what_changes(namespace: Namespace, script: Script) -> None:
    namespace.apply(an_agent())
    command = [KUBECHAIN, "get", *where(namespace), "--watch"]
    environment = dict(namespace.cluster.environment)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        namespace.apply(a_task())
        lines = iter(process.stdout.readline, "")
        assert next(lines).split()[0] == "NAME"
        assert next(line for line in lines if "FinalAnswer" in line).split()[0] == RUN
        process.terminate()


def test_sums_go_on_with_what_changes(namespace: Namespace, script: Script) -> None:
    namespace.apply(an_agent())
    command = [KUBECHAIN, "top", *where(namespace), "--watch"]
    environment = dict(namespace.cluster.environment)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "there are no runs\n"
        namespace.apply(a_task())
        lines = iter(process.stdout.readline, "")
        assert next(lines).split()[:3] == ["AGENT", "OPEN", "ANSWERED"]
        assert next(line for line in lines if line.split()[:3] == ["my-assistant", "0", "1"])
        process.terminate()


@pytest.mark.parametrize("name", [RUN, f"tr/{RUN}", f"taskruns/{RUN}", "task/hello-world-task", f"trtc/{CALL}"])
def test_a_finished_run_is_explained_by_each_name(adding: Namespace, name: str) -> None:
    text, _, *commands = kubechain(adding, "explain", name).out.splitlines()
    assert text.startswith(f"TaskRun {RUN} of agent my-assistant has answered after ")
    assert text.endswith("(2 turns, 1 tool call, 50 tokens): It is five.")
    assert commands[0].startswith(f"  kubechain logs {RUN} -n {adding.name} --kubeconfig ")


def test_what_can_be_used_says_so(adding: Namespace) -> None:
    said = kubechain(adding, "explain", "agent/my-assistant").out
    assert said.startswith("Agent my-assistant can be used: All dependencies validated successfully.")


def test_the_cause_of_a_wait_comes_with_the_command_that_ends_it(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(an_llm(base_url=model.base_url), an_agent(), a_task())
    namespace.wait("llm/gpt-4o", "{.status.status}", "Error")
    namespace.wait("task/hello-world-task", "{.status.status}", "Error")
    said = kubechain(namespace, "explain", "task/hello-world-task").out
    assert said.startswith("Task hello-world-task cannot be used until it is changed: ")
    assert 'LLM "gpt-4o"' in said
    said = kubechain(namespace, "explain", "llm/gpt-4o").out
    assert "LLM gpt-4o cannot be used until it is changed: " in said
    assert "kubectl create secret generic openai --from-literal=OPENAI_API_KEY=YOUR_KEY" in said


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        pytest.param(
            ("logs", "nobody"), 1, 'taskruns.kubechain.humanlayer.dev "nobody" not found', id="a run that is not"
        ),
        pytest.param(("tree", "agent/x"), 2, 'a TaskRun is needed: "agent/x"', id="another kind"),
        pytest.param(("explain", "cow/x"), 2, 'there is no kind "cow" of ours: one of llm, ', id="a kind that is not"),
        pytest.param(("explain", "llm/"), 2, "a name is needed after the slash", id="a kind without a name"),
        pytest.param(("logs", "x", "-f", "-o", "json"), 2, "leave out -f", id="a format that cannot be followed"),
    ],
)
def test_a_mistake_is_named(namespace: Namespace, arguments: tuple[str, ...], status: int, complaint: str) -> None:
    assert complaint in kubechain(namespace, *arguments, status=status).err
