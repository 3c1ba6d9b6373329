"""A server for as long as it is wanted."""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any

import uvicorn

from keras_fcn.caffe.words import quoted
from keras_fcn.serving.app import application
from keras_fcn.serving.guarding import is_loopback
from keras_fcn.serving.limits import Limits
from keras_fcn.serving.network import ServedNetwork

__all__ = ["run"]

_KEEP_ALIVE = 5
_MOST_PORT = 65535


def run(network: ServedNetwork, host: str, port: int, limits: Limits) -> None:
    """Serve a network until SIGTERM or Ctrl-C; what is being answered is finished.

    Args:
        network: the network.
        host: the address to listen at; one of loopback is for this machine alone.
        port: 0 for any that is free.
        limits: what clients may ask for.

    Raises:
        ValueError: there is no such port.
        OSError: the address is none of this machine's, or is taken.
    """
    if not 0 <= port <= _MOST_PORT:
        raise ValueError(f"{quoted('port')} must be 0 to {_MOST_PORT}. Received: {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=limits.queue * 2)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot listen there: {error.strerror}", f"{host}:{port}"
        ) from error
    local = is_loopback(host)
    if not local:
        print(
            f"warning: {host} is open to other machines, and nobody is asked for a password",
            file=sys.stderr,
        )
    config = uvicorn.Config(
        application(network, limits, local=local),
        log_config=None,  # warnings go to stderr, as of all packages
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(limits.timeout) + 1,
        ws="none",
    )
    # uvicorn stops at a signal, and then raises it again for whoever handled it before.
    before = signal.signal(signal.SIGTERM, _nothing)
    try:
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        print(
            f"serving {network.name} at http://{shown}:{listening.getsockname()[1]}/",
            flush=True,
        )
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)
        listening.close()


def _nothing(*_: Any) -> None:
    """An ordinary end."""
