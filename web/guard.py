"""Middleware for every request: security headers, and limits on the rate and on the size."""

from __future__ import annotations

from limits import parse_many
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limit import Window
from .problems import TooManyRequests, too_large

# Nothing inline, nothing from elsewhere, and no way to turn a string into markup.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


_RAW = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_ASK_AGAIN = (b"cache-control", b"no-cache")  # and get a 304 where nothing changed


class SecurityHeaders:
    """Adds the headers to every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        """Around ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                has_own = any(name == _ASK_AGAIN[0] for name, _ in given)
                message["headers"] = [*given, *_RAW, *([] if has_own else [_ASK_AGAIN])]
            await send(message)

        await self._app(scope, receive, with_headers)


class RateLimit:
    """At most so many requests to ``/api`` from one address."""

    def __init__(self, app: ASGIApp, rate: str) -> None:
        """Around ``app``; ``rate`` as the library writes it, "30/second;900/minute"."""
        self._app = app
        self._windows = [Window(one) for one in parse_many(rate)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            client = (scope.get("client") or ("",))[0]
            if any(window.take({client: 1}) is not None for window in self._windows):
                problem = TooManyRequests("Too many requests at once. Wait a second.")
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


class SizeLimit:
    """At most so many bytes of a request that says its length; the routes count the bytes of the others."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        """Around ``app``."""
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it before its body is there."""
        if scope["type"] == "http":
            length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
            if int(length) > self._most:  # uvicorn refuses what is no number
                await too_large(self._most).response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
