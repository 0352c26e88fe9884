"""The commands of the README's walk-through do what it shows, typed one after the other."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from test.e2e import guides
from test.e2e.cluster import Cluster, Namespace
from test.e2e.model import ANSWER, Ask, Call, MockModel, asks
from test.e2e.model import Answer as ModelAnswer
from test.e2e.servers.endpoint import Endpoint
from test.e2e.test_guides import environment_of

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

WAITS = {
    "kubectl get llm -o wide": ["kubectl wait --for=condition=Ready llm/gpt-4o --timeout=60s"],
    "kubectl get agent -o wide": ["kubectl wait --for=condition=Ready agent/my-assistant --timeout=60s"],
    "kubectl get task": ["kubectl wait --for=condition=Ready task/hello-world-task --timeout=60s"],
    "kubectl wait --for=condition=Finished taskrun/hello-world-task-1": [
        "kubectl wait --for=create taskrun/hello-world-task-1 --timeout=60s"
    ],
    "kubectl get mcpserver -o wide": ["kubectl wait --for=condition=Ready mcpserver/fetch --timeout=90s"],
    "kubectl get taskruntoolcall": [
        "kubectl wait --for=condition=Finished task --all --timeout=90s",
    ],
}
"""What a person does by reading on: time passes before these commands."""

AGES = ("kubectl describe taskrun",)
"""Commands that print how old something is."""


def answered(call: Call, page: str) -> ModelAnswer:
    """What gpt-4o says to the tasks of the samples."""
    if call.messages[-1]["role"] == "tool":
        return "2 + 3 is 5." if "add" in call.tools else "The page says that the moon has no capital."
    if "add" in call.tools:
        return asks(Ask("add", {"a": 2, "b": 3}))
    return asks(Ask("fetch__fetch", {"url": page})) if "fetch__fetch" in call.tools else ANSWER


@pytest.fixture
def folder(tmp_path: Path, namespace: Namespace, model: MockModel, endpoint: Endpoint) -> Path:
    """A checkout in which the samples name the model of the tests, and a kubeconfig that means the namespace."""
    shutil.copytree(ROOT / "config" / "samples", tmp_path / "config" / "samples")
    sample = tmp_path / "config" / "samples" / "llm.yaml"
    parameters = f"  parameters:\n    baseUrl: {model.base_url}\n    model: {namespace.name}\n"
    sample.write_text(sample.read_text().rstrip() + "\n" + parameters)
    server = tmp_path / "config" / "samples" / "mcpserver.yaml"
    # The server refuses loopback addresses unless it is told otherwise; the page of this test is on one.
    server.write_text(server.read_text().replace('"mcp-server-fetch"', '"mcp-server-fetch", "--allow-private-ips"'))
    model[namespace.name].respond = lambda call: answered(call, endpoint.url("/page"))
    config = tmp_path / "kubeconfig"
    shutil.copy(namespace.cluster.kubeconfig, config)
    copy = Cluster(config, {**os.environ, "KUBECONFIG": str(config)}, is_real=namespace.cluster.is_real)
    copy.kubectl("config", "set-context", "--current", f"--namespace={namespace.name}")
    return tmp_path


@pytest.mark.timeout(300)
def test_a_person_walks_through(folder: Path) -> None:
    commands = list(guides.commands(guides.section(README, "The walk-through")))
    assert len(commands) > 12
    environment = environment_of(folder, KUBECONFIG=str(folder / "kubeconfig"), OPENAI_API_KEY="test-key-not-a-secret")
    with guides.Shell(folder, environment) as shell:
        for command in commands:
            for line in WAITS.get(command.text, []):
                shell.run(guides.Command(line, []))
            shell.run(replace(command, printed=[]) if command.text.startswith(AGES) else command)


def test_each_command_of_the_walk_through_is_known() -> None:
    text = guides.section(README, "The walk-through")
    programs = {re.split(r"\s", command.text)[0] for command in guides.commands(text)}
    assert programs == {"kubectl"}, "nothing but kubectl is needed"
