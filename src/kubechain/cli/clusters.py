"""What the commands that talk to a cluster share: their flags, the connection, and how a refusal is shown."""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kubechain import __version__
from kubechain.cli.causes import leaves
from kubechain.cli.terminal import Failure
from kubechain.runtime import kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock, SystemClock
from kubechain.runtime.credentials import Cluster, ConfigError
from kubechain.runtime.errors import ApiError, Forbidden, NotFound, TransportError, Unauthorized
from kubechain.runtime.http import HttpExchange

NO_CLUSTER = ": name a kubeconfig with $KUBECONFIG or --kubeconfig; `kubechain dev` starts a control plane to try it on"
"""Said where no kubeconfig can be used and none was given."""

_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace of a cluster.

    Attributes:
        namespace: None for all of them.
    """

    client: Client
    namespace: str | None

    async def user(self) -> str | None:
        """Name of the user that the API server takes us for; None where it does not tell."""
        body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
        try:
            answer = json.loads(await self.client.request("POST", _REVIEWS, body=body))
        except NotFound:
            return None
        return str(answer["status"]["userInfo"]["username"])


def flags(options: argparse.Namespace) -> list[str]:
    """The flags about the cluster that were given, for commands that a person is told to type."""
    given = {"-n": options.namespace, "--context": options.context, "--kubeconfig": options.kubeconfig}
    return [word for flag, value in given.items() if value for word in (flag, shlex.quote(value))]


def run(options: argparse.Namespace, command: Callable[[Place], Awaitable[int]]) -> int:
    """Run a command in the place that its flags name; return its exit status.

    Raises:
        Failure: The cluster cannot be reached, or refuses.
    """
    clock = SystemClock()
    try:
        cluster = kubeconfig.load(clock=clock, path=options.kubeconfig, context=options.context)
    except ConfigError as error:
        raise Failure(f"{error}{'' if options.kubeconfig else NO_CLUSTER}") from error
    try:
        return asyncio.run(_run(options, cluster, clock, command))
    except (ApiError, ConfigError, TransportError, ExceptionGroup) as error:
        causes = list(leaves(error))
        if not all(isinstance(cause, (ApiError, ConfigError, TransportError, Failure)) for cause in causes):
            raise
        namespace = "" if everywhere(options) else options.namespace or cluster.namespace
        raise Failure("; ".join(dict.fromkeys(_told(cause, cluster, namespace) for cause in causes))) from error


def everywhere(options: argparse.Namespace) -> bool:
    """Whether all namespaces are meant."""
    return bool(getattr(options, "all_namespaces", False))


def _told(cause: Exception, cluster: Cluster, namespace: str) -> str:
    """What failed, and what a person does about it where that is plain."""
    match cause:
        case TransportError():
            return f"no answer from the API server {cluster.url} of {cluster.source}: {cause}"
        case Unauthorized():
            return f"{cause}: the API server {cluster.url} does not know the user of {cluster.source}"
        case Forbidden():
            return f"{cause}; `kubechain doctor` lists your rights"
        case NotFound() if "name" not in cause.details:
            return f"{cause}: are the kinds installed (kubechain crds | kubectl apply -f -)?"
        case NotFound() if namespace:
            return f'{cause} in namespace "{namespace}"'
        case _:
            return str(cause)


async def _run(
    options: argparse.Namespace, cluster: Cluster, clock: Clock, command: Callable[[Place], Awaitable[int]]
) -> int:
    async with _place(options, cluster, clock) as place:
        return await command(place)


@asynccontextmanager
async def _place(options: argparse.Namespace, cluster: Cluster, clock: Clock) -> AsyncGenerator[Place]:
    exchange = HttpExchange(cluster, user_agent=f"kubechain/{__version__}")
    try:
        yield Place(
            Client(exchange, clock=clock), None if everywhere(options) else options.namespace or cluster.namespace
        )
    finally:
        await exchange.aclose()
