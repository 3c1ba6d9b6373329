"""An HTTP server on loopback that misbehaves as told."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CUT = 300_000  # more than a block of the download, less than the file


@dataclass
class Behaviour:
    """What the server does with the file at one path.

    Attributes:
        body: the file.
        ranges: whether it knows ranges.
        drops: how many answers break off.
        cut: after how many bytes of them.
        silent: how many requests are dropped without an answer.
        status: what it answers instead.
        headers: more or other headers.
        length: whether it says how long the file is.
        chunked: whether it sends the file in chunks, without saying its length.
        redirect: where it sends the client.
        requests: the Range header of each request, None where there was none.
    """

    body: bytes = b""
    ranges: bool = True
    drops: int = 0
    cut: int = CUT
    silent: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: bool = True
    chunked: bool = False
    redirect: str = ""
    requests: list[str | None] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        behaviour: Behaviour = self.server.behaviours[self.path]
        asked = self.headers.get("Range")
        behaviour.requests.append(asked)
        if behaviour.silent:
            behaviour.silent -= 1
            self.close_connection = True
            return
        if behaviour.redirect:
            self.send_response(302)
            self.send_header("Location", behaviour.redirect)
            self.end_headers()
            return
        body, status = behaviour.body, behaviour.status
        headers = {"Content-Type": "application/octet-stream"}
        if asked and behaviour.ranges and status == 200:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        if behaviour.length and not behaviour.chunked:
            headers["Content-Length"] = str(len(body))
        if behaviour.chunked:
            self.protocol_version = "HTTP/1.1"
            headers["Transfer-Encoding"] = "chunked"
        self.send_response(status)
        for name, value in {**headers, **behaviour.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if behaviour.drops:
            behaviour.drops -= 1
            body = body[: behaviour.cut]
            self.close_connection = True
        if behaviour.chunked:
            body = b"".join((f"{len(body):x}\r\n".encode(), body, b"\r\n0\r\n\r\n"))
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _HTTPServer(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviours: dict[str, Behaviour] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have heard enough."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """The files it gives, and where."""

    def __init__(self, server: _HTTPServer) -> None:
        self._server = server
        self.address = "http://{}:{}".format(*server.server_address[:2])

    def give(self, path: str, body: bytes = b"", **behaviour: object) -> Behaviour:
        """Serve a file under a path."""
        self._server.behaviours[path] = made = Behaviour(body, **behaviour)
        return made

    def url(self, path: str) -> str:
        """The address of a path."""
        return self.address + path


@contextmanager
def running() -> Iterator[Server]:
    """A server in a thread, while the block runs."""
    server = _HTTPServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
