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
    llm(cluster)
    cluster.apply("agents", "my-assistant", spec={"llmRef": {"name": "gpt-4o"}, "system": "You are helpful."} | agent)


def llm(cluster: Cluster) -> None:
    """The LLM of all stories."""
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


def with_fallback(*tools: str, safe: bool = False) -> Arrange:
    """An agent whose LLM has a fallback, with HTTP endpoints as tools.

    Args:
        safe: They may be repeated.
    """

    def arrange(cluster: Cluster) -> None:
        endpoints(*tools, safe=safe)(cluster)
        source = {"secretKeyRef": {"name": "openai", "key": "OPENAI_API_KEY"}}
        cluster.apply("llms", "spare", spec={"provider": "openai", "apiKeyFrom": source})
        cluster.patch("llms", "gpt-4o", {"spec": {"fallbacks": [{"name": "spare"}]}})

    return arrange


def asked_twice(cluster: Cluster) -> None:
    """The same Task once more."""
    plain()(cluster)
    cluster.apply("taskruns", "again", spec={"taskRef": {"name": "hello"}})


def crowd(arrange: Arrange, *names: str) -> Arrange:
    """More runs of the Agent of a story, of no Task: which run of one ends last is chance."""

    def arranged(cluster: Cluster) -> None:
        arrange(cluster)
        for name in names:
            spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "hello what is the capital?"}
            cluster.apply("taskruns", name, spec=spec)

    return arranged


def with_one_slot(arrange: Arrange) -> Arrange:
    """An LLM that takes one call at a time."""

    def arranged(cluster: Cluster) -> None:
        arrange(cluster)
        cluster.patch("llms", "gpt-4o", {"spec": {"maxConcurrentRequests": 1}})

    return arranged


def one_slot(cluster: Cluster) -> None:
    """Three runs, and an LLM that takes one call at a time."""
    with_one_slot(asked_twice)(cluster)
    cluster.apply("taskruns", "once-more", spec={"taskRef": {"name": "hello"}})


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


def builtins(*names: str, limits: dict[str, Any] | None = None) -> Arrange:
    """An agent whose tools are functions of the operator.

    Args:
        limits: Of the Agent.
    """

    def arrange(cluster: Cluster) -> None:
        for name in names:
            function = {"description": f"The function {name}.", "execute": {"builtin": {"name": name}}}
            cluster.apply("tools", name, spec=function)
        agent = {"tools": [{"name": name} for name in names]} | ({"limits": limits} if limits else {})
        assistant(cluster, **agent)
        task(cluster)

    return arrange


def one_slot_with_builtins(cluster: Cluster) -> None:
    """Three runs with tools, and an LLM that takes one call at a time."""
    builtins("add")(cluster)
    for name in ("again", "once-more"):
        cluster.apply("taskruns", name, spec={"taskRef": {"name": "hello"}})
    cluster.patch("llms", "gpt-4o", {"spec": {"maxConcurrentRequests": 1}})


def builtin_and_endpoint(cluster: Cluster) -> None:
    """An agent that can compute, and book."""
    endpoints("book")(cluster)
    function = {"description": "The function add.", "execute": {"builtin": {"name": "add"}}}
    cluster.apply("tools", "add", spec=function)
    cluster.patch("agents", "my-assistant", {"spec": {"tools": [{"name": "add"}, {"name": "book"}]}})


def begun_by_an_earlier_release(cluster: Cluster) -> None:
    """A run that is ready for its model, with a conversation and without what the present release pins."""
    plain()(cluster)
    cluster.apply("taskruns", "adopted", spec={"agentRef": {"name": "my-assistant"}, "userMessage": "hello you"})
    window = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": "hello you"}]
    status = {"phase": "ReadyForLLM", "ready": True, "status": "Ready", "contextWindow": window}
    cluster.set_status("taskruns", "adopted", status)


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
    _mcp_server(cluster, url="https://mcp.example/trusted", trustAnnotations=True)


def mcp_server_with_list(cluster: Cluster) -> None:
    """An agent with an MCP server of which a person says what may be repeated."""
    _mcp_server(cluster, url="https://mcp.example/listed", tools={"idempotent": ["look*", "list_?"]})


def mcp_server_with_list_of_others(cluster: Cluster) -> None:
    """An agent with an MCP server of which a person says that tools may be repeated which it does not have."""
    _mcp_server(cluster, url="https://mcp.example/plain", tools={"idempotent": ["shop__lookup", "look", "?order"]})


def mcp_server_in_pod(cluster: Cluster) -> None:
    """An agent with a trusted MCP server in a Pod of its own."""
    _mcp_server(cluster, type="stdio", command="shop", isolation="Pod", trustAnnotations=True)


def mcp_server_that_sleeps(cluster: Cluster) -> None:
    """An agent with a trusted MCP server in a Pod that is stopped while nobody calls it."""
    more = {"isolation": "Pod", "idleAfterSeconds": 10, "trustAnnotations": True}
    _mcp_server(cluster, type="stdio", command="shop", **more)


def _mcp_server(cluster: Cluster, **more: Any) -> None:
    spec = {"type": "http", **more}
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
