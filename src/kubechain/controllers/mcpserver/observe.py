"""An MCPServer, its resolved spec, and the state of this process's connection to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr

from kubechain.api.mcpserver import MCPServer
from kubechain.api.names import mcp_pod_name
from kubechain.controllers.frame import soonest
from kubechain.controllers.mcpserver import manifests, watches
from kubechain.controllers.mcpserver.effects import Connector
from kubechain.controllers.mcpserver.idling import Usage
from kubechain.controllers.mcpserver.manifests import Manifest
from kubechain.controllers.mcpserver.owned import Owned
from kubechain.controllers.mcpserver.ownimage import HostingSource, NoImage
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.toolkinds.mcp import server_key
from kubechain.mcp.model import START_SECONDS, Phase, ServerSpec, ServerState


@dataclass(frozen=True, slots=True)
class InPod:
    """How a server in a Pod of its own stands.

    Attributes:
        has_token: Whether the Secret of its bridge is there; without it, nothing else is known.
        outdated: Its objects that are missing, or not as they are wanted.
        is_ready: Whether its Pod answers.
        trouble: What its Pod waits for.
        is_asleep: Whether its Deployment is to have no Pod.
        is_wanted: Whether a call needs the server now.
        sleeps_in_seconds: When no call has needed it for long enough; None for one that never sleeps.
    """

    has_token: bool
    outdated: tuple[Manifest, ...] = ()
    is_ready: bool = False
    trouble: str = ""
    is_asleep: bool = False
    is_wanted: bool = False
    sleeps_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a server depends on.

    Attributes:
        spec: With every secret resolved; None when one of them is missing.
        trouble: Which one.
        look_again_seconds: When to look at the Secrets again, where one is missing or the connection fails; None where
            a watch tells of changes.
        state: Of this process's connection; None when there is none, or one with another spec.
        is_replaced: Whether this process is still connected to an earlier server of the same name.
        allows_stdio: Whether servers may run as child processes of this one.
        hosts_pods: Whether this manager runs servers in Pods of their own.
        pod: Of a server that is to be in one; None for others.
        left_over: Kinds of the objects of a server that is in a Pod no more.
    """

    server: MCPServer
    spec: ServerSpec | None
    trouble: str = ""
    look_again_seconds: float | None = None
    state: ServerState | None = None
    is_replaced: bool = False
    allows_stdio: bool = True
    hosts_pods: bool = False
    pod: InPod | None = None
    left_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pods:
    """How servers are run in Pods, and the objects by which they are."""

    source: HostingSource
    owned: Owned
    usage: Usage


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a server needs."""

    secrets: SecretReader
    connector: Connector
    allows_stdio: bool = True
    pods: Pods | None = None

    async def observe(self, server: MCPServer) -> Observed:
        """Read everything, change nothing."""
        if self.connector.is_replaced(server):
            return Observed(server=server, spec=None, is_replaced=True)
        seen = Observed(
            server=server,
            spec=None,
            allows_stdio=self.allows_stdio,
            hosts_pods=self.pods is not None,
            left_over=self._left_over(server),
        )
        if server.spec.is_in_pod:
            return await self._in_pod(seen, self.pods) if self.pods else seen
        if not self.allows_stdio and server.spec.transport_type == "stdio":
            return seen
        spec = await self._resolved(server)
        if isinstance(spec, SecretUnavailable):
            return _without_secret(seen, spec)
        seen = replace(seen, look_again_seconds=self._look_again_seconds(server))
        return replace(seen, spec=spec, state=self.connector.state(server_key(server), spec))

    async def _resolved(self, server: MCPServer) -> ServerSpec | SecretUnavailable:
        """The server's spec with its secrets; they are read again where the connection fails: one may be old."""
        if self.connector.is_failing(server_key(server)):
            for name in watches.secret_names(server.spec):
                self.secrets.doubt(server.metadata.namespace, name)
        return await resolve(server, self.secrets)

    def _look_again_seconds(self, server: MCPServer) -> float | None:
        if not self.connector.is_failing(server_key(server)):
            return None
        namespace, names = server.metadata.namespace, watches.secret_names(server.spec)
        return soonest(*(self.secrets.look_again_seconds(namespace, name) for name in names))

    def _left_over(self, server: MCPServer) -> tuple[str, ...]:
        return self.pods.owned.left_over(server) if self.pods and not server.spec.is_in_pod else ()

    async def _in_pod(self, seen: Observed, pods: Pods) -> Observed:
        """Read what there is of a server in a Pod of its own, and how this process is connected to it."""
        server = seen.server
        spec = await self._resolved(server)
        if isinstance(spec, SecretUnavailable):
            return _without_secret(seen, spec)
        seen = replace(seen, look_again_seconds=self._look_again_seconds(server))
        try:
            hosting = await pods.source.get()
        except NoImage as error:
            return replace(seen, trouble=str(error))
        token = await self._token(server)
        if isinstance(token, SecretUnavailable):
            return replace(seen, pod=InPod(has_token=False), look_again_seconds=token.look_again_seconds)
        wanted = manifests.manifests(server, hosting, manifests.digest_of(token, spec.env), replicas=1)
        bridge = bridged(spec, hosting.url_of(server), token)
        deployment, state = pods.owned.deployment(server), self.connector.state(server_key(server), bridge)
        pod = InPod(
            has_token=True,
            outdated=pods.owned.outdated(server, wanted),
            is_ready=deployment is not None and deployment.is_ready,
            trouble=pods.owned.trouble(server),
            is_asleep=deployment is not None and deployment.spec.replicas == 0,
            is_wanted=pods.usage.is_wanted(server),
            sleeps_in_seconds=_sleeps_in(server, state, pods.usage),
        )
        return replace(seen, spec=bridge, pod=pod, state=state)

    async def _token(self, server: MCPServer) -> str | SecretUnavailable:
        namespace, name = server.metadata.namespace, mcp_pod_name(server.metadata.name)
        try:
            return await self.secrets.value(namespace, name, manifests.TOKEN)
        except SecretUnavailable as error:
            return error


def _without_secret(seen: Observed, error: SecretUnavailable) -> Observed:
    return replace(seen, trouble=str(error), look_again_seconds=error.look_again_seconds)


def _sleeps_in(server: MCPServer, state: ServerState | None, usage: Usage) -> float | None:
    """When a server has been idle for long enough, counted from its start at the earliest; None if it never sleeps."""
    limit = server.spec.idle_after_seconds
    if state is None or state.phase != Phase.READY:
        usage.forget(server.metadata.uid)
    return None if limit is None else max(0.0, limit - usage.idle_seconds(server))


def bridged(spec: ServerSpec, url: str, token: str) -> ServerSpec:
    """How to reach a program behind its bridge: its variables are the Pod's, and only what is secret stays known."""
    secret = SecretStr(f"Bearer {token}")
    headers: Mapping[str, SecretStr] = {"Authorization": secret}
    return replace(
        spec,
        transport="http",
        command="",
        args=(),
        env={},
        url=url,
        headers=headers,
        is_bridged=True,
        confidential=(*spec.confidential, secret, SecretStr(token)),
    )


async def resolve(server: MCPServer, secrets: SecretReader) -> ServerSpec | SecretUnavailable:
    """The server's spec with every secret in its place, or what is missing."""
    spec, namespace = server.spec, server.metadata.namespace
    try:
        env = await secrets.named_values(namespace, spec.env)
        headers = await secrets.named_values(namespace, spec.headers)
    except SecretUnavailable as error:
        return error
    return ServerSpec(
        transport=spec.transport_type,
        command=spec.command or "",
        args=spec.args,
        env=env,
        url=spec.url or "",
        headers=headers,
        include=(spec.tools.include or None) if spec.tools else None,
        exclude=spec.tools.exclude if spec.tools else (),
        start_seconds=float(spec.start_timeout_seconds or START_SECONDS),
        asks_first=bool(spec.asks_before_acting),
        confidential=(
            *(env[entry.name] for entry in spec.env if entry.value_from),
            *(headers[entry.name] for entry in spec.headers if entry.value_from),
        ),
    )
