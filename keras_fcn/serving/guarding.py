"""What holds for every request: who may ask, headers, counts, and one form of errors."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from keras_fcn.serving.limits import Refused
from keras_fcn.serving.metrics import Metrics

__all__ = ["Guard", "error_response", "is_loopback"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_WRONG_HOST = Refused(403, "wrong_host", "ask for this server by localhost or 127.0.0.1")
_SLOW = 408
_DRAINED = 4
"""Times the most bytes of a body that are read and dropped, so that a client hears the answer."""
_DRAIN_SECONDS = 5.0


class Guard:
    """The outermost layer of the application.

    Args:
        app: the application.
        metrics: where requests are counted.
        max_bytes: of a body.
        local: whether only requests to an address of this machine's own are answered: a page of
            another site may point its name here, and would read the answers.
    """

    def __init__(self, app: App, metrics: Metrics, max_bytes: int, local: bool) -> None:
        self._app, self._metrics = app, metrics
        self._most, self._local = _DRAINED * max_bytes, local

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 0
        whole = False

        async def receiving() -> Message:
            nonlocal whole
            message = await receive()
            whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if status >= 400 and status != _SLOW and not whole:
                    await self._drain(scope, receiving, lambda: whole)
            await send(message)

        headers = Headers(scope=scope)
        try:
            app = self._app
            if self._local and not is_loopback(_host(headers.get("host", ""))):
                app = error_response(_WRONG_HOST)
            await app(scope, receiving, sending)
        except Exception as error:
            _log(error)
            if not status:
                refused = Refused(500, "internal", "the server failed on this request")
                await error_response(refused)(scope, receiving, sending)
        route = getattr(scope.get("route"), "path", "")
        self._metrics.request(route or "other", status, time.monotonic() - start)

    async def _drain(self, scope: Message, receive: Receive, whole: Callable[[], bool]) -> None:
        """Read what is left of a body that is not wanted; a client reads answers after it."""
        if "expect" in Headers(scope=scope):  # it waits for a word before it sends
            return
        left = self._most
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while left > 0 and not whole():
                    left -= len((await receive()).get("body", b""))


def error_response(error: Refused) -> JSONResponse:
    """The answer of an error."""
    return JSONResponse(error.body(), error.status, error.headers)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(header: str) -> str:
    """`Host` without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _log(error: Exception) -> None:
    """Tell whoever runs the server; clients are told nothing of it."""
    print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
