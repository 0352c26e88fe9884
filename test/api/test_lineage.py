"""The labels of a tree of runs."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api import lineage
from kubechain.api.taskrun import TaskRun

GROUP = "kubechain.humanlayer.dev"


def a_run(name: str = "top", *, answers: str | None = None, **labels: str) -> TaskRun:
    spec: dict[str, Any] = {"agentRef": {"name": "helper"}, "userMessage": "Hi."}
    spec |= {"taskRunToolCallRef": {"name": answers}} if answers else {}
    marked = {f"{GROUP}/{key}": value for key, value in labels.items()}
    pinned = {"agentName": "helper", "llmName": "gpt"}
    return TaskRun.from_wire({"metadata": {"name": name, "labels": marked}, "spec": spec, "status": {"pinned": pinned}})


def labelled(labels: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix(f"{GROUP}/"): value for key, value in labels.items()}


@pytest.mark.parametrize(
    ("run", "call", "child"),
    [
        pytest.param(
            a_run(),
            {"root": "top", "agent": "helper", "depth": "0"},
            {"root": "top", "parent": "top", "agent": "scout", "depth": "1"},
            id="a run that a person made",
        ),
        pytest.param(
            a_run("mid", answers="top-t0-c0", root="top", depth="1"),
            {"root": "top", "agent": "helper", "depth": "1"},
            {"root": "top", "parent": "mid", "agent": "scout", "depth": "2"},
            id="a run below another",
        ),
        pytest.param(
            a_run("mid", answers="top-t0-c0"),
            {"agent": "helper"},
            {"parent": "mid", "agent": "scout"},
            id="a run below another, made by an earlier release",
        ),
        pytest.param(
            a_run(depth="deep"),
            {"agent": "helper"},
            {"parent": "top", "agent": "scout"},
            id="a depth that is no number",
        ),
    ],
)
def test_a_tree_is_labelled_as_far_as_it_is_known(run: TaskRun, call: dict[str, str], child: dict[str, str]) -> None:
    assert labelled(lineage.of_call(run)) == call
    assert labelled(lineage.of_child(run, "scout")) == child


def test_a_run_whose_parent_is_gone_has_its_agent() -> None:
    assert labelled(lineage.of_child(None, "scout")) == {"agent": "scout"}


def test_long_names_become_valid_labels() -> None:
    labels = lineage.of_child(a_run("x" * 253), "y" * 253)
    assert all(len(value) <= 63 for value in labels.values())
