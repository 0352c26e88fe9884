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
