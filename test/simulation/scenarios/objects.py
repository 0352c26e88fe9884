"""The objects of the stories, as people apply them before any manager lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from test.simulation.cluster import Cluster

KEY = "sk-canary-0123456789"
NEW_KEY = "sk-canary-9876543210"
TOKEN = "tok-canary-0123456789"

Arrange = Callable[[Cluster], None]


def secret(cluster: Cluster) -> None:
    """The key of the LLM."""
    cluster.apply("secrets", "openai", stringData={"OPENAI_API_KEY": KEY})


def assistant(cluster: Cluster, **agent: Any) -> None:
    """The Agent of most stories, its LLM and the LLM's key."""
    secret(cluster)
    _llm(cluster)
    cluster.apply("agents", "my-assistant", spec={"llmRef": {"name": "gpt-4o"}, "system": "You are helpful."} | agent)


def _llm(cluster: Cluster) -> None:
    source = {"secretKeyRef": {"name": "openai", "key": "OPENAI_API_KEY"}}
    cluster.apply("llms", "gpt-4o", spec={"provider": "openai", "apiKeyFrom": source})


def task(cluster: Cluster, message: str = "hello what is the capital?", **spec: Any) -> None:
    """The Task of all stories."""
    cluster.apply("tasks", "hello", spec={"agentRef": {"name": "my-assistant"}, "message": message} | spec)


def plain(**spec: Any) -> Arrange:
    """A question to a model without tools.

    Args:
        spec: More of the Task.
    """

    def arrange(cluster: Cluster) -> None:
        assistant(cluster)
        task(cluster, **spec)

    return arrange


def asked_twice(cluster: Cluster) -> None:
    """The same Task once more."""
    plain()(cluster)
    cluster.apply("taskruns", "again", spec={"taskRef": {"name": "hello"}})


def one_slot(cluster: Cluster) -> None:
    """Three runs, and an LLM that takes one call at a time."""
    asked_twice(cluster)
    cluster.apply("taskruns", "once-more", spec={"taskRef": {"name": "hello"}})
    cluster.patch("llms", "gpt-4o", {"spec": {"maxConcurrentRequests": 1}})


def without_key(cluster: Cluster) -> None:
    """Everything but the LLM's Secret."""
    plain()(cluster)
    cluster.delete("secrets", "openai")


def endpoints(*names: str, safe: bool = False, task_spec: dict[str, Any] | None = None, **api: Any) -> Arrange:
    """An agent with HTTP endpoints as tools.

    Args:
        safe: They may be repeated.
        api: More of each endpoint.
    """

    def arrange(cluster: Cluster) -> None:
        cluster.apply("secrets", "tools", stringData={"TOKEN": TOKEN})
        for name in names:
            endpoint(cluster, name, safe=safe, **api)
        assistant(cluster, tools=[{"name": name} for name in names])
        task(cluster, **task_spec or {})

    return arrange


def endpoint(cluster: Cluster, name: str, *, safe: bool = False, **api: Any) -> None:
    """One HTTP endpoint as a Tool."""
    url = f"https://tools.example/{'safe' if safe else 'once'}/{name}"
    execute = {"externalAPI": {"url": url, "credentialsFrom": {"name": "tools", "key": "TOKEN"}} | api}
    _tool(cluster, name, execute, safe=safe)


def containers(*names: str, safe: bool = False, **container: Any) -> Arrange:
    """An agent whose tools are containers.

    Args:
        safe: They may be repeated.
        container: More of each container.
    """

    def arrange(cluster: Cluster) -> None:
        cluster.apply("secrets", "tools", stringData={"TOKEN": TOKEN})
        token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tools", "key": "TOKEN"}}}
        for name in names:
            execute = {"container": {"image": f"registry.example/tools/{name}", "env": [token]} | container}
            _tool(cluster, name, execute, safe=safe)
        assistant(cluster, tools=[{"name": name} for name in names])
        task(cluster)

    return arrange


def _tool(cluster: Cluster, name: str, execute: dict[str, Any], *, safe: bool) -> None:
    properties = {"city": {"type": "string"}}
    spec: dict[str, Any] = {
        "description": f"The tool {name}.",
        "parameters": {"type": "object", "properties": properties, "required": ["city"], "additionalProperties": False},
        "execute": execute,
    }
    cluster.apply("tools", name, spec=spec | ({"semantics": "Idempotent"} if safe else {}))


def mcp_server(cluster: Cluster) -> None:
    """An agent with a trusted MCP server."""
    spec = {"type": "http", "url": "https://mcp.example/trusted", "trustAnnotations": True}
    cluster.apply("mcpservers", "shop", spec=spec)
    assistant(cluster, mcpServers=[{"name": "shop"}])
    task(cluster)


def hierarchy(*names: str, **spec: Any) -> Arrange:
    """An agent that delegates to another one, which delegates to the next.

    Args:
        spec: More of the Task.
    """

    def arrange(cluster: Cluster) -> None:
        assistant(cluster, subAgents=[{"name": names[0]}])
        for place, name in enumerate(names):
            below = [{"name": other} for other in names[place + 1 : place + 2]]
            agent = {"llmRef": {"name": "gpt-4o"}, "system": f"You are {name}."}
            cluster.apply("agents", name, spec=agent | ({"subAgents": below} if below else {}))
        task(cluster, **spec)

    return arrange
