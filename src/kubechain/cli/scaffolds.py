"""The manifests that `kubechain init` writes: small, complete, and with what to change said in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A file to begin with.

    Attributes:
        summary: For the help.
        name: Of the object, where none is given.
        text: With `{name}` and `{llm}` in it.
        more: What is written beside it, where it is not there yet.
        after: What a person types next, with `{file}` and `{name}`.
    """

    summary: str
    name: str
    text: str
    after: tuple[str, ...]
    more: tuple[str, ...] = ()


LLM = """\
# A model. The key comes from a Secret, which is made once and belongs into no file:
#   kubectl create secret generic openai --from-literal=OPENAI_API_KEY=$OPENAI_API_KEY
# Other providers are in docs/providers.md. `kubechain dev --model` serves a model that needs no key: its LLM is called
# local-model.
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: LLM
metadata:
  name: {name}
spec:
  provider: openai
  apiKeyFrom:
    secretKeyRef:
      name: openai
      key: OPENAI_API_KEY
  parameters:
    # The model's name at the provider.
    model: gpt-4o
"""

AGENT = """\
# An agent: a model, a prompt, and what it may use.
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Agent
metadata:
  name: {name}
spec:
  llmRef:
    name: {llm}
  system: |
    You are a helpful assistant. Answer in a few sentences.
  # tools:
  #   - name: add
  # mcpServers:
  #   - name: fetch
  limits:
    maxTurns: 20
"""

TOOL = """\
# A tool: an HTTP endpoint, called with the arguments that the model gives.
# Addresses that are not public are allowed with --allow-addresses of the manager.
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Tool
metadata:
  name: {name}
spec:
  toolType: externalAPI
  description: Tell the weather of a city.
  parameters:
    type: object
    properties:
      city:
        type: string
    required: [city]
  execute:
    externalAPI:
      url: https://weather.example.com/v1/now?q={{city}}
      method: GET
  # It changes nothing: a call that was interrupted may be repeated.
  semantics: Idempotent
  # A person decides about each call:
  # requiresApproval: true
"""

MCP = """\
# An MCP server: its tools are the agent's. This one is a program that the manager starts; `type: http` has a url.
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: MCPServer
metadata:
  name: {name}
spec:
  type: stdio
  command: uvx
  args: ["mcp-server-fetch"]
"""

SCAFFOLDS: Mapping[str, Scaffold] = {
    "agent": Scaffold(
        "an Agent, and an LLM for it", "my-assistant", AGENT,
        ("kubectl apply -f {file}", 'kubechain run "What is the capital of the moon?" --agent {name}'),
        more=("llm",),
    ),
    "tool": Scaffold(
        "a Tool: an HTTP endpoint", "weather", TOOL,
        ("kubectl apply -f {file}", "kubechain explain tool/{name}"),
    ),
    "mcp": Scaffold(
        "an MCPServer: a program with tools", "fetch", MCP,
        ("kubectl apply -f {file}", "kubechain explain mcp/{name}"),
    ),
    "llm": Scaffold(
        "an LLM: a model and where its key is", "gpt-4o", LLM,
        ("kubectl apply -f {file}", "kubechain explain llm/{name}"),
    ),
}  # fmt: skip
"""By what is typed after `kubechain init`."""


def rendered(what: str, name: str, llm: str) -> str:
    """The manifest of one object."""
    return SCAFFOLDS[what].text.format(name=name, llm=llm)
