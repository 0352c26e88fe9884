"""Fault injection: requests are delayed, refused or lost by rules, reproducibly from a seed.

`Faults.around` wraps the request handler, so that HTTP and in-process clients get the same faults. Randomness comes
from the seed and time from the running loop, so that a simulation can replay a run.

    plane = ControlPlane(faults=Faults([Rule(LoseReply(), verbs={"create"}, probability=0.1)], seed=7))
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Final, Self

import orjson

from kubechain_apiserver.requests import routes
from kubechain_apiserver.requests.query import Query
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.authn import ADMINISTRATOR, User
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.http_types import JSON, ConnectionLost, Handler, HttpRequest, HttpResponse, Stream

_REASONS: Final = {
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "Internal error occurred: a fault that was asked for"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}
_EVERYTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Delay:
    """The request waits before it is carried out, for a random time between the two."""

    least_seconds: float
    most_seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is answered with that status and not carried out; `retry_after_seconds` becomes `Retry-After`."""

    status: int = 503
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Expire:
    """A list or watch is answered with 410, as if its revision had expired."""


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The request is carried out, then the connection is closed without a reply."""


@dataclass(frozen=True, slots=True)
class LoseRequest:
    """The connection is closed before the request is carried out; a client cannot tell it from `LoseReply`."""


@dataclass(frozen=True, slots=True)
class DropWatch:
    """A watch is closed at a random time between the two; an event due at that time is lost."""

    least_seconds: float
    most_seconds: float


Effect = Delay | Refuse | Expire | LoseReply | LoseRequest | DropWatch


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Which requests get which fault. Equal rules are counted separately.

    Attributes:
        verbs: As in RBAC, such as `create` and `watch`; empty: all that the fault applies to.
        resources: Plural names, with the subresource if there is one, such as `taskruns/status`; empty: all.
        namespaces: Empty: all.
        probability: 0 to 1, drawn for each request.
        limit: How often the rule applies at most; None: without limit.
    """

    effect: Effect
    verbs: Set[str] = _EVERYTHING
    resources: Set[str] = _EVERYTHING
    namespaces: Set[str] = _EVERYTHING
    probability: float = 1.0
    limit: int | None = None

    def concerns(self, asked: _Asked) -> bool:
        """Whether the rule applies to a request."""
        return (
            _in(asked.verb, self.verbs or _sensible(self.effect))
            and _in(asked.resource, self.resources)
            and _in(asked.namespace, self.namespaces)
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    verb: str
    resource: str
    namespace: str


def _in(value: str, chosen: Set[str]) -> bool:
    return not chosen or value in chosen


def _sensible(effect: Effect) -> Set[str]:
    match effect:
        case DropWatch():
            return frozenset({"watch"})
        case Expire():
            return frozenset({"list", "watch"})
        case _:
            return _EVERYTHING


class Faults:
    """Rules and a random generator; the rules may be changed at any time.

    Args:
        rules: Evaluated in this order; delays add up, and of the other faults the first that is drawn applies.
        seed: Equal seeds and requests give equal faults.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self.rules: list[Rule] = [*rules]
        self.seed = seed
        self.counts: Counter[Rule] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose

    def around(self, server: Handler) -> Handler:
        """Wrap a handler so that its requests get these faults."""
        return _Faulty(server, self)

    def draw(self, request: HttpRequest) -> Sequence[Effect]:
        """Draw the faults of a request, and count them."""
        asked = _asked(request)
        if asked is None:
            return ()
        hit = [rule for rule in self.rules if rule.concerns(asked) and self._happens(rule)]
        delays = [rule for rule in hit if isinstance(rule.effect, Delay)]
        others = [rule for rule in hit if not isinstance(rule.effect, Delay)][:1]
        self.counts.update(delays + others)
        return [rule.effect for rule in delays + others]

    def between(self, least: float, most: float) -> float:
        """Return a random number between the two."""
        return self._random.uniform(least, most)

    def _happens(self, rule: Rule) -> bool:
        if rule.limit is not None and self.counts[rule] >= rule.limit:
            return False
        return self._random.random() < rule.probability


def _asked(request: HttpRequest) -> _Asked | None:
    """Return verb and resource of a request; None for discovery, health and the like, which get no faults."""
    path = routes.parse(request.path)
    if path is None:
        return None
    verb = routes.verb(request.method, path, watch=Query(request.query).flag("watch"))
    resource = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
    return _Asked(verb or "", resource, path.namespace)


class _Faulty:
    """A handler with faults."""

    def __init__(self, server: Handler, faults: Faults) -> None:
        self._server = server
        self._faults = faults

    async def handle(self, request: HttpRequest, user: User = ADMINISTRATOR) -> HttpResponse:
        """Answer a request unless a fault prevents it.

        Raises:
            ConnectionLost: The client gets no answer.
        """
        for effect in self._faults.draw(request):
            match effect:
                case Delay(least, most):
                    await asyncio.sleep(self._faults.between(least, most))
                case Refuse() | Expire():
                    return _refusal(effect)
                case LoseRequest():
                    raise ConnectionLost
                case LoseReply():
                    await _discard(await self._server.handle(request, user))
                    raise ConnectionLost
                case DropWatch(least, most):
                    response = await self._server.handle(request, user)
                    return _cut(response, self._faults.between(least, most))
        return await self._server.handle(request, user)


def _refusal(effect: Refuse | Expire) -> HttpResponse:
    """Return the reply of a refused request."""
    if isinstance(effect, Expire):
        error, headers = errors.expired("a fault that was asked for: too old resource version"), {}
    else:
        reason, message = _REASONS.get(effect.status, ("", "a fault that was asked for"))
        wait = effect.retry_after_seconds
        details = {} if wait is None else {"retryAfterSeconds": wait}
        error = StatusError(effect.status, reason, message=message, details=details)
        headers = {} if wait is None else {"retry-after": str(wait)}
    return HttpResponse(error.code, {"content-type": JSON, **headers}, orjson.dumps(error.to_status()))


async def _discard(response: HttpResponse) -> None:
    if not isinstance(response.body, bytes):
        await response.body.aclose()


def _cut(response: HttpResponse, seconds: float) -> HttpResponse:
    if isinstance(response.body, bytes):
        return response
    return HttpResponse(response.status, response.headers, _CutStream(response.body, seconds))


class _CutStream:
    """A watch that is closed early."""

    def __init__(self, stream: Stream, seconds: float) -> None:
        self._stream = stream
        self._ends_at = asyncio.get_running_loop().time() + seconds

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await anext(self._stream)
        except TimeoutError:
            raise ConnectionLost from None

    async def aclose(self) -> None:
        await self._stream.aclose()
