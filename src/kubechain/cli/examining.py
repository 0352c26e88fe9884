"""Reads of a cluster what `kubechain doctor` judges; `checks` judges. What cannot be read is a warning, not an end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from kubechain import __version__
from kubechain.api.crd import custom_resource_definitions
from kubechain.api.kinds import (
    AGENT_KIND,
    ALL_KINDS,
    CONTACT_CHANNEL_KIND,
    LLM_KIND,
    MCP_SERVER_KIND,
    TOOL_KIND,
    Kind,
)
from kubechain.api.meta import GROUP, VERSION, StatusObject
from kubechain.cli import checks, rights
from kubechain.cli.checks import Check
from kubechain.cli.clusters import Place
from kubechain.cli.installed import watched
from kubechain.controllers.authority import DecisionAuthority
from kubechain.controllers.resources import resource_of
from kubechain.controllers.workloads import Deployment, Pod
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, Forbidden, NotFound, Unauthorized
from kubechain.runtime.leases import LEASES, Lease

T = TypeVar("T")

USABLE: Sequence[Kind[Any]] = (LLM_KIND, MCP_SERVER_KIND, TOOL_KIND, CONTACT_CHANNEL_KIND, AGENT_KIND)
"""What runs need, and what of it can be unready; what others need first."""

ASK_AN_ADMINISTRATOR = "kubechain doctor  (by an administrator)"

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_IN_PODS: Mapping[str, str] = {"app.kubernetes.io/name": "kubechain", "app.kubernetes.io/component": "manager"}


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the manager is looked for.

    Attributes:
        lease: Name of the leader's Lease.
        policy: Name of the admission policy.
    """

    namespace: str
    account: str
    lease: str
    policy: str


class Examination:
    """One look at a cluster, from the API server up to what runs need."""

    def __init__(self, place: Place, installation: Installation, clock: Clock) -> None:
        """Look at a place; nothing is read yet."""
        self._place, self._installation, self._clock = place, installation, clock
        self._now = clock.now()
        self._served = frozenset[str]()
        self._objects: dict[str, Sequence[StatusObject[Any, Any]]] = {}
        self._deployments: Sequence[Deployment] | None = None

    async def checks(self) -> AsyncIterator[Check]:
        """Yield each check as soon as it is made.

        Raises:
            ApiError: The API server does not even tell its version.
            TransportError: It cannot be reached.
        """
        yield await self._server()
        for subject, part in self._parts().items():
            try:
                found = await part()
            except ApiError as error:
                found = [checks.warn(subject, f"cannot be told: {error}", ASK_AN_ADMINISTRATOR)]
            for check in found:
                yield check

    def _parts(self) -> Mapping[str, Callable[[], Awaitable[list[Check]]]]:
        """What is looked at, in this order."""
        return {
            "clock": self._clocks,
            "kinds": self._kinds,
            "policies": self._policies,
            "your rights": self._user,
            "manager's rights": self._account,
            "manager": self._manager,
            "objects": self._usable,
        }

    async def _server(self) -> Check:
        version = await self._json("/version")
        said = f"API server {version.get('gitVersion', '?')}, this command {__version__}"
        return checks.ok("versions", said)

    async def _clocks(self) -> list[Check]:
        before = self._clock.now()
        reply = await self._place.client.once("GET", "/version")
        middle = before + (self._clock.now() - before) / 2
        if not (date := reply.headers.get("date")):
            return []
        # The header is cut to the second: half of one is the best guess.
        self._now = parsedate_to_datetime(date) + timedelta(seconds=0.5)
        return [checks.of_clock(self._now, middle)]

    async def _kinds(self) -> list[Check]:
        try:
            served: list[dict[str, Any]] = (await self._json(f"/apis/{GROUP}/{VERSION}"))["resources"]
        except NotFound:
            served = []
        self._served = frozenset(str(each["name"]) for each in served)
        found = [checks.of_served([each.plural for each in ALL_KINDS], self._served)]
        try:
            return [*found, *[each async for each in self._schemas()]]
        except Forbidden:  # CustomResourceDefinitions are not for everybody, and discovery told the most of it
            return found

    async def _schemas(self) -> AsyncIterator[Check]:
        for ours in custom_resource_definitions():
            name = ours["metadata"]["name"]
            try:
                theirs = await self._json(f"{_DEFINITIONS}/{name}")
            except NotFound:
                continue
            version = next((each for each in theirs["spec"]["versions"] if each["name"] == VERSION), None)
            if version is None:
                continue
            wanted = ours["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            if check := checks.of_schema(name.partition(".")[0], wanted, version["schema"]["openAPIV3Schema"]):
                yield check

    async def _policies(self) -> list[Check]:
        try:
            await self._json("/apis/admissionregistration.k8s.io/v1")
        except NotFound:
            text = "this API server has none, as on a laptop: who decides is not verified"
            return [checks.ok("policies", text)]
        policy = self._installation.policy
        found = await DecisionAuthority(self._place.client, policy=policy).enforcement()
        return [checks.of_policies(found, policy)]

    async def _user(self) -> list[Check]:
        denied = await rights.denied_to_us(self._place)
        return [checks.of_user_rights(await self._place.user() or "you", self._place.namespace, denied)]

    async def _account(self) -> list[Check]:
        namespace, account = self._installation.namespace, self._installation.account
        try:
            await self._json(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}")
        except NotFound:
            text = f"no ServiceAccount {namespace}/{account}: a manager has the rights of who starts it"
            return [checks.ok("manager's rights", text)]
        user = f"system:serviceaccount:{namespace}:{account}"
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        limits = await self._limits()
        if not limits:
            denied = await rights.denied_to_the_manager(self._place, self._place.namespace, user, groups)
            return [checks.of_manager_rights(user, denied)]
        asked = [self._place.namespace] if self._place.namespace in limits else limits
        denied_in = {where: await rights.denied_to_the_manager(self._place, where, user, groups) for where in asked}
        return [checks.of_manager_rights(user, denied, where) for where, denied in denied_in.items()]

    async def _limits(self) -> list[str]:
        """The namespaces that the manager is limited to; none where it is not, or nobody may see its Deployment."""
        try:
            listed = [watched(each) for each in await self._managers()]
        except Forbidden:
            return []
        return sorted({name for each in listed for name in each}) if all(listed) else []

    async def _manager(self) -> list[Check]:
        for kind in USABLE:
            if kind.plural in self._served:
                resource = resource_of(kind)
                self._objects[kind.kind] = await self._place.client.list(resource, self._place.namespace)
        found = [*await self._pods_of_managers(), *await self._metrics()]
        lease = await self._lease()
        if lease is not None:
            return [*found, checks.of_lease(lease, self._now)]
        everything = [each for each_kind in self._objects.values() for each in each_kind]
        seen = sum(map(checks.is_seen, everything))
        unseen = sum(checks.is_unseen(each, self._now) for each in everything)
        return [*found, checks.of_no_lease(seen, unseen)]

    async def _lease(self) -> Lease | None:
        for namespace in dict.fromkeys((self._installation.namespace, self._place.namespace or "default")):
            try:
                return await self._place.client.get(LEASES, namespace, self._installation.lease)
            except NotFound:
                continue
        return None

    async def _managers(self) -> Sequence[Deployment]:
        """The Deployments of the manager, read once; none on an API server that has no Deployments."""
        if self._deployments is None:
            target = f"/apis/apps/v1/namespaces/{self._installation.namespace}/deployments"
            try:
                found = await self._all(target, Deployment)
            except NotFound:
                found = []
            self._deployments = [
                each for each in found if _IN_PODS.items() <= (each.spec.template.metadata.labels or {}).items()
            ]
        return self._deployments

    async def _pods_of_managers(self) -> list[Check]:
        managers = await self._managers()
        is_limited = checks.of_watched(await self._limits(), self._place.namespace)
        pods = await self._pods() if any(each.status.ready_replicas < each.spec.replicas for each in managers) else []
        ready = [checks.of_deployment(each, pods) for each in managers]
        return [*ready, is_limited] if is_limited else ready

    async def _pods(self) -> list[Pod]:
        """The manager's Pods; none where they may not be seen: they only say more about their Deployment."""
        chosen = quote(",".join(f"{name}={value}" for name, value in _IN_PODS.items()))
        try:
            return await self._all(
                f"/api/v1/namespaces/{self._installation.namespace}/pods?labelSelector={chosen}", Pod
            )
        except (Forbidden, NotFound):
            return []

    async def _metrics(self) -> list[Check]:
        """Whether the metrics answer, by way of the API server: nobody needs a port for it."""
        services = f"/api/v1/namespaces/{self._installation.namespace}/services"
        try:
            found = await self._json(f"{services}/kubechain-metrics")
        except NotFound:
            return []
        is_secured = any(port.get("appProtocol") == "https" for port in found["spec"]["ports"])
        named = "https:kubechain-metrics:metrics" if is_secured else "kubechain-metrics:metrics"
        try:
            await self._place.client.once("GET", f"{services}/{named}/proxy/metrics")
        except ApiError as error:
            if is_secured and isinstance(error, Unauthorized):  # the API server passes no token on
                return [checks.ok("metrics", "Service kubechain-metrics answers, to those who may read metrics")]
            look = f"kubectl -n {self._installation.namespace} get endpointslices"
            return [checks.warn("metrics", f"Service kubechain-metrics does not answer: {error}", look)]
        return [checks.ok("metrics", "Service kubechain-metrics answers")]

    async def _usable(self) -> list[Check]:
        return [each for kind, found in self._objects.items() for each in checks.of_objects(kind, found, self._now)]

    async def _all(self, target: str, kind: type[T]) -> list[T]:
        return msgspec.convert((await self._json(target))["items"], list[kind])

    async def _json(self, target: str) -> Any:
        return json.loads(await self._place.client.request("GET", target))
