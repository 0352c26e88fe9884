"""Builders of the manifests that people write."""

from __future__ import annotations

from typing import Any

API_VERSION = "kubechain.humanlayer.dev/v1alpha1"

KEY = "test-key-not-a-secret"
QUESTION = "What is the capital of the moon?"
SYSTEM = "You are a helpful assistant. Your job is to help the user with their tasks."


def a_secret(name: str = "openai", **data: str) -> dict[str, Any]:
    """The Secret of step 1, as `kubectl create secret` makes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": data or {"OPENAI_API_KEY": KEY},
    }


def an_llm(
    name: str = "gpt-4o", *, base_url: str, model: str | None = None, secret: str = "openai", **spec: Any
) -> dict[str, Any]:
    """An LLM at a compatible server; without `model` the model is the LLM's own name."""
    parameters = {"baseUrl": base_url} | ({"model": model} if model else {})
    return {
        "apiVersion": API_VERSION,
        "kind": "LLM",
        "metadata": {"name": name},
        "spec": {
            "provider": "openai",
            "apiKeyFrom": {"secretKeyRef": {"name": secret, "key": "OPENAI_API_KEY"}},
            "parameters": parameters,
            **spec,
        },
    }


def an_agent(name: str = "my-assistant", *, llm: str = "gpt-4o", system: str = SYSTEM, **spec: Any) -> dict[str, Any]:
    """The Agent of step 2."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "metadata": {"name": name},
        "spec": {"llmRef": {"name": llm}, "system": system, **spec},
    }


def a_task(
    name: str = "hello-world-task", *, agent: str = "my-assistant", message: str = QUESTION, **spec: Any
) -> dict[str, Any]:
    """The Task of step 3."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"agentRef": {"name": agent}, "message": message, **spec},
    }


def a_taskrun(name: str, *, task: str, **spec: Any) -> dict[str, Any]:
    """A rerun of a Task."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskRun",
        "metadata": {"name": name},
        "spec": {"taskRef": {"name": task}, **spec},
    }


def a_tool(name: str, **spec: Any) -> dict[str, Any]:
    """A Tool; what it does is in the spec."""
    return {"apiVersion": API_VERSION, "kind": "Tool", "metadata": {"name": name}, "spec": spec}


def a_builtin(name: str = "add", **spec: Any) -> dict[str, Any]:
    """One of the functions that come along."""
    return a_tool(name, toolType="function", execute={"builtin": {"name": name}}, **spec)


def an_api_tool(name: str, *, url: str, semantics: str | None = None, **api: Any) -> dict[str, Any]:
    """A Tool that is an HTTP endpoint; it takes any `text`."""
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    more = {"semantics": semantics} if semantics else {}
    execute = {"externalAPI": {"url": url, **api}}
    return a_tool(name, toolType="externalAPI", parameters=parameters, execute=execute, **more)


def an_mcp_server(name: str, **spec: Any) -> dict[str, Any]:
    """An MCPServer."""
    return {"apiVersion": API_VERSION, "kind": "MCPServer", "metadata": {"name": name}, "spec": spec}


def refs(*names: str) -> list[dict[str, str]]:
    """References by name, as Agents have them."""
    return [{"name": name} for name in names]
