"""Who may talk to the live page: the browser that opened the one-time address, from the page itself alone."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kubechain.pages.assets import LIVE_POLICY

TOKEN_BYTES = 32

OPEN_PATH = "/open"
"""Where the one-time token is exchanged for a cookie."""

_HEADERS = {
    "content-security-policy": LIVE_POLICY,
    "referrer-policy": "same-origin",  # with no-referrer a browser sends no Origin with a form
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Sent with every answer."""


class Guard:
    """Checks host, origin and cookie of every request, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        """Make the secrets of this process.

        Args:
            port: On which the page is served.
        """
        self._app, self._port = app, port
        self._token: str | None = secrets.token_urlsafe(TOKEN_BYTES)
        self._session = secrets.token_urlsafe(TOKEN_BYTES)
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")

    @property
    def address(self) -> str:
        """The address that opens the page, once."""
        return f"http://{self._hosts[0]}{OPEN_PATH}?token={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on what may pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        answer = self._answer(scope)
        await (self._app if answer is None else answer)(scope, receive, secured)

    def _answer(self, scope: Scope) -> Response | None:
        """What is answered in place of the page; None for a request that may pass."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts or not self._is_from_here(scope["method"], headers):
            return PlainTextResponse("This page answers its own origin only.", 403)
        if scope["path"] == OPEN_PATH:
            return self._opened(scope)
        if not self._has_session(headers):
            return PlainTextResponse("Not opened by the address that `kubechain ui` printed: start it again.", 403)
        return None

    def _is_from_here(self, method: str, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin != f"http://{headers['host']}":
            return False
        if method not in ("GET", "HEAD"):
            return origin is not None and site in (None, "same-origin")
        return site in (None, "none", "same-origin")

    def _opened(self, scope: Scope) -> Response:
        given = scope["query_string"].decode("ascii", "replace").removeprefix("token=")
        if self._token is None or not secrets.compare_digest(given.encode(), self._token.encode()):
            return PlainTextResponse("This address opens the page once: start `kubechain ui` again.", 403)
        self._token = None
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        return answer

    @property
    def _cookie(self) -> str:
        return f"kubechain-ui-{self._port}"  # browsers do not tell ports apart

    def _has_session(self, headers: Headers) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return morsel is not None and secrets.compare_digest(morsel.value.encode(), self._session.encode())
