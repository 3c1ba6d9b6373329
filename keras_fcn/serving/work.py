"""A request's way: admitted, read, decoded, through the network, answered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.memory import shortage
from keras_fcn.inference.prediction import NoNumbersError
from keras_fcn.serving.batching import Batcher
from keras_fcn.serving.images import decoded
from keras_fcn.serving.limits import Limits, Refused
from keras_fcn.serving.metrics import Metrics
from keras_fcn.serving.network import Seen, ServedNetwork

__all__ = ["Work"]

_THREADS = 4
_BATCH_PIXELS = 4_000_000
"""Of the prepared images in one pass together."""
_JSON = "application/json"
_RAW = "application/octet-stream"

_Made = TypeVar("_Made")


class Work:
    """What requests share.

    Attributes:
        network: the network.
        limits: the bounds.
        metrics: the counts.
        admitted: requests that are worked on.
    """

    def __init__(self, network: ServedNetwork, limits: Limits, metrics: Metrics) -> None:
        self.network, self.limits, self.metrics = network, limits, metrics
        self.admitted = 0
        self._threads = ThreadPoolExecutor(_THREADS, "image")
        self._batcher = Batcher(
            network.infer,
            most=min(limits.batch, network.most or limits.batch),
            pixels=_BATCH_PIXELS,
            window=limits.window,
            seen=metrics.batch,
        )

    @property
    def waiting(self) -> int:
        """Images that wait for the network."""
        return len(self._batcher)

    def close(self) -> None:
        """Finish what is begun."""
        self._batcher.close()
        self._threads.shutdown()

    async def answer(self, request: Request, made: Callable[[Seen], _Made]) -> _Made:
        """What is made of a request's image.

        Raises:
            Refused: the request is not as it must be, or there is no time for it.
        """
        async with self._admitted():
            prepared = partial(self._prepared, await self._body(request))
            pixels, image = await self._thread(prepared)
            found = asyncio.wrap_future(self._batcher.submit(image))
            del prepared, image  # nothing of it is needed while it waits
            try:
                result = await asyncio.wait_for(found, self.limits.timeout)
            except TimeoutError as error:
                raise Refused(
                    504, "timeout", f"no answer within {self.limits.timeout:g} s"
                ) from error
            except Exception as error:
                raise _told(error) from error
            return await self._thread(lambda: made(Seen(result, pixels)))

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        if self.admitted >= self.limits.queue:
            raise Refused(429, "busy", f"{self.admitted} requests wait already; ask again later")
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    async def _thread(self, work: Callable[[], _Made]) -> _Made:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except Exception as error:
            raise _told(error) from error

    def _prepared(self, data: bytes) -> tuple[tuple[int, int], np.ndarray]:
        pixels = decoded(data, self.network.channels, self.limits.pixels)
        return pixels.shape[:2], self.network.prepare(pixels)

    async def _body(self, request: Request) -> bytes:
        """The image's file, as it is or in JSON's base64."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (_JSON, _RAW) and not kind.startswith("image/"):
            raise Refused(
                *(415, "content_type"),
                "send the image's file as the body, Content-Type image/* or "
                'application/octet-stream, or {"b64": "..."} as application/json; '
                f"received {kind or 'no Content-Type'}",
            )
        most = self.limits.max_bytes
        if kind == _JSON:
            most = most * 4 // 3 + 64
        try:
            data = await asyncio.wait_for(_read(request, most), self.limits.timeout)
        except TimeoutError as error:
            raise Refused(408, "slow_body", "the body did not come in time") from error
        except ClientDisconnect as error:
            raise Refused(400, "gone", "the client went away") from error
        if data and kind == _JSON:
            data = _from_json(data)
        if not data:
            raise Refused(422, "empty", "the body is empty; send an image's file")
        return data


async def _read(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    data = bytearray()
    if not length.isdecimal() or int(length) <= most:
        async for part in request.stream():
            data += part
            if len(data) > most:
                break
        else:
            return bytes(data)
    raise Refused(413, "too_many_bytes", f"the body has more than {most} bytes")


def _from_json(data: bytes) -> bytes:
    try:
        return base64.b64decode(json.loads(data)["b64"], validate=True)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise Refused(
            422, "not_base64", 'JSON holds the image\'s file in base64: {"b64": "..."}'
        ) from error


def _told(error: Exception) -> Exception:
    """An error as a client is told of it; what is the server's own stays as it is."""
    if isinstance(error, Refused):
        return error
    short = shortage(error)
    if short is not None:
        return Refused(413, "memory", short)
    if isinstance(error, NoNumbersError):
        return Refused(500, "no_numbers", error)
    if isinstance(error, CaffeError | ValueError):
        return Refused(422, "does_not_fit", error)
    return error
