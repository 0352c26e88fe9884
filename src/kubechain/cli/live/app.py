"""The pages, their events, and the form that decides."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import RequestContent
from kubechain.cli import wallclock
from kubechain.cli.clusters import Place
from kubechain.cli.deciding import Draft, decide
from kubechain.cli.gathering import gather
from kubechain.cli.live import sources
from kubechain.cli.live.feeds import Feed
from kubechain.cli.terminal import Failure
from kubechain.humans.page import MAX_FIELDS, BadForm, answer_of
from kubechain.pages import assets, listing
from kubechain.pages.rendering import Page, live, notice
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.views.telling import story_of

BODY_BYTES = 256 * 1024
"""Of a form; an answer may have 64 Ki characters."""


class Site:
    """What the routes answer."""

    def __init__(self, places: Sequence[Place], own_namespace: str) -> None:
        """Serve what a user may see.

        Args:
            places: Whose runs are listed: one for all namespaces, or some namespaces.
            own_namespace: Of the kubeconfig, where the user may not list all namespaces.
        """
        self._place, self._csrf = places[0], secrets.token_urlsafe(32)
        self._list = Feed(sources.of_list(places, own_namespace))
        self._runs: dict[tuple[str, str], Feed] = {}

    def app(self) -> Starlette:
        """The routes."""
        routes = [
            Route("/", self.runs),
            Route("/events", self.list_events),
            Route("/runs/{namespace}/{name}", self.run),
            Route("/events/{namespace}/{name}", self.run_events),
            Route("/decide/{namespace}/{name}", self.decide, methods=["POST"]),
            Route("/page.css", _file(assets.STYLE, "text/css")),
            Route("/search.js", _file(assets.SEARCH, "text/javascript")),
            Route("/live.js", _file(assets.LIVE, "text/javascript")),
        ]
        return Starlette(routes=routes)

    async def runs(self, request: Request) -> Response:
        """The list, empty: its rows are events."""
        return HTMLResponse(listing.page())

    async def list_events(self, request: Request) -> Response:
        """The rows of the list."""
        return _events(self._list)

    async def run(self, request: Request) -> Response:
        """A run as it is now."""
        place, name = self._within(request), request.path_params["name"]
        try:
            story = story_of(await gather(place, name))
        except (ApiError, TransportError) as error:
            return HTMLResponse(notice("The run cannot be shown", str(error)), 404)
        return HTMLResponse(live(Page(story, wallclock.now(), self._csrf)))

    async def run_events(self, request: Request) -> Response:
        """What changes in a run."""
        place, name = self._within(request), request.path_params["name"]
        self._runs = {key: feed for key, feed in self._runs.items() if not feed.is_idle}
        key = (place.namespace or "", name)
        feed = self._runs.setdefault(key, Feed(sources.of_run(place, name, self._csrf)))
        return _events(feed)

    async def decide(self, request: Request) -> Response:
        """Write a decision, as `kubechain approve`, `reject` and `answer` do."""
        place, name = self._within(request), request.path_params["name"]
        body = await _body(request)
        sent = {key: values[-1] for key, values in parse_qs(body.decode(errors="replace")).items()}
        if not secrets.compare_digest(sent.get("csrf", "").encode(), self._csrf.encode()):
            raise HTTPException(403, "the form is not of this page: load it again")
        try:
            user = await place.user()
            comment = sent.get("comment", "").strip() or None
            await decide(place, name, _drafter(sent, body), user=user, comment=comment)
        except (ApiError, TransportError, Failure) as error:
            return HTMLResponse(notice("Not decided", str(error)), 409)
        return RedirectResponse(f"/runs/{place.namespace}/{sent.get('back', '')}", 303)

    def _within(self, request: Request) -> Place:
        return replace(self._place, namespace=request.path_params["namespace"])


def _drafter(sent: dict[str, str], body: bytes) -> Callable[[str, RequestContent], Draft]:
    """What a form means for the request that it was shown for."""

    def draft(name: str, asked: RequestContent) -> Draft:
        if sent.get("digest") != asked.digest:
            raise Failure("the request is not the one that was shown: load the page again")
        try:
            choice = DecisionChoice(sent.get("choice", ""))
            _, answer = answer_of(asked, choice, body)
        except (ValueError, BadForm) as error:
            raise Failure(str(error)) from error
        return Draft(choice, answer=answer)

    return draft


async def _body(request: Request) -> bytes:
    found = b""
    async for part in request.stream():
        found += part
        if len(found) > BODY_BYTES or found.count(b"&") > MAX_FIELDS:
            raise HTTPException(413, "the form is too large")
    return found


def _events(feed: Feed) -> Response:
    return StreamingResponse(feed.lines(), media_type="text/event-stream")


def _file(text: str, media_type: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return Response(text, media_type=media_type)

    return answer
