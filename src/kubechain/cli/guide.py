"""The text that `kubechain dev` prints when it is ready, and the example manifest that it writes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from kubechain.cli.terminal import BOLD, CYAN, DIM, GREEN, YELLOW, paint

MODEL_MANIFEST = """\
# Written by `kubechain dev --model`: everything that a first answer takes. No key is needed.
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: LLM
metadata:
  name: local-model
spec:
  provider: openai
  parameters:
    baseUrl: {base_url}
    model: {model}
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Agent
metadata:
  name: my-assistant
spec:
  llmRef:
    name: local-model
  system: You are a helpful assistant. Your job is to help the user with their tasks.
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Task
metadata:
  name: hello-world-task
spec:
  agentRef:
    name: my-assistant
  message: What is the capital of the moon?
"""


@dataclass(frozen=True, slots=True)
class Ready:
    """The facts that are printed.

    Attributes:
        seconds: From the start of the command.
        url: Of the API server.
        kubeconfig: The file to export.
        data_folder: None for state in memory.
        model_url: Of the local model; None without it.
        manifest: The example for the local model; None without it.
        with_manager: Whether the manager runs in this process.
        faults: The file of the injected faults; None without faults.
        program_folder: Where our command is, where a shell does not find it.
    """

    seconds: float
    url: str
    kubeconfig: Path
    data_folder: Path | None
    model_url: str | None
    manifest: Path | None
    with_manager: bool
    faults: Path | None = None
    program_folder: Path | None = None


def text(ready: Ready, stream: TextIO) -> str:
    """The whole text, with colours if the stream shows them."""
    return "\n".join([*_facts(ready, stream), "", *_next(ready, stream), "", *_limits(ready, stream)])


def _facts(ready: Ready, stream: TextIO) -> list[str]:
    what = "KubeChain" if ready.with_manager else "The control plane, without a manager,"
    lines = [paint(GREEN, f"{what} is ready after {ready.seconds:.1f} s.", stream), f"  API server   {ready.url}"]
    if ready.model_url:
        lines.append(f"  model        {ready.model_url}")
    state = str(ready.data_folder) if ready.data_folder else "in memory, gone at the end (--data-dir DIR keeps it)"
    lines.append(f"  state        {state}")
    if ready.faults:
        lines.append(paint(YELLOW, f"  faults       as in {ready.faults}: requests fail on purpose", stream))
    return lines


def fault_counts(counts: Sequence[int]) -> str:
    """A summary of the injected faults; `counts` has the number for each rule, in the file's order."""
    each = ", ".join(f"{count} by rules[{index}]" for index, count in enumerate(counts))
    return f"Faults: {sum(counts)} ({each})." if counts else "Faults: the file has no rules."


def _next(ready: Ready, stream: TextIO) -> list[str]:
    commands = [f"export KUBECONFIG={shlex.quote(str(ready.kubeconfig))}"]
    if ready.program_folder:
        commands.append(f"export PATH={shlex.quote(str(ready.program_folder))}:$PATH")
    if not ready.with_manager:
        commands.append("kubechain manager")
    elif ready.manifest:
        commands += [f"kubectl apply -f {shlex.quote(str(ready.manifest))}", "kubechain watch hello-world-task-1"]
    else:
        commands += [
            'kubectl create secret generic openai --from-literal=OPENAI_API_KEY="$OPENAI_API_KEY"',
            "kubectl apply -f config/samples/llm.yaml -f config/samples/agent.yaml -f config/samples/task.yaml",
            "kubechain watch hello-world-task-1",
        ]
    title = paint(BOLD, "What to do next, in another terminal:", stream)
    return [title, *(f"  {paint(CYAN, command, stream)}" for command in commands)]


def _limits(ready: Ready, stream: TextIO) -> list[str]:
    lines = ["This is for development, demos and tests; production is a cluster. Ctrl-C ends it."]
    if ready.model_url:
        lines.insert(0, "The local model talks fluent nonsense: good for the plumbing, not for its answers.")
    return [paint(DIM, line, stream) for line in lines]
