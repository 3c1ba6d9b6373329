"""Images of several requests through a network together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

__all__ = ["Batcher"]


@dataclass(eq=False)
class _Waiting:
    prepared: np.ndarray
    found: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """One thread that runs a network, on batches of images that have one size.

    The oldest image goes first, with those of its size that have come by then.

    Args:
        run: from images (H, W, channels) of one size to what gives the result of each, or
            raises its error.
        most: images in a batch.
        pixels: of a batch together, where it has more than one image.
        window: seconds that the oldest image waits for others.
        seen: told the number of images of each batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[np.ndarray]], Sequence[Callable[[], Any]]],
        *,
        most: int,
        pixels: int,
        window: float,
        seen: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._run, self._most, self._pixels = run, most, pixels
        self._window, self._seen = window, seen
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Images that wait."""
        return len(self._waiting)

    def submit(self, prepared: np.ndarray) -> Future[Any]:
        """The result of an image (H, W, channels), later; cancelled, it is not computed.

        Raises:
            RuntimeError: the batcher is closed.
        """
        item = _Waiting(prepared)
        with self._changed:
            if not self._open:
                raise RuntimeError("the server is stopping")
            self._waiting.append(item)
            self._changed.notify()
        return item.found

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            batch = [item for item in batch if item.found.set_running_or_notify_cancel()]
            if not batch:
                continue
            self._seen(len(batch))
            try:
                given = self._run([item.prepared for item in batch])
            except Exception as error:  # goes to those who asked, as all errors here
                given = [partial(_raise, error)] * len(batch)
            for item, result in zip(batch, given, strict=True):
                try:
                    item.found.set_result(result())
                except Exception as error:
                    item.found.set_exception(error)

    def _next(self) -> list[_Waiting]:
        """The next batch; none where the batcher is closed and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            if not self._waiting:
                return []
            ready = self._waiting[0].since + self._window
            while self._open and len(self._alike()) < self._room():
                left = ready - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            batch = self._alike()[: self._room()]
            chosen = set(map(id, batch))
            self._waiting = [item for item in self._waiting if id(item) not in chosen]
            return batch

    def _alike(self) -> list[_Waiting]:
        shape = self._waiting[0].prepared.shape
        return [item for item in self._waiting if item.prepared.shape == shape]

    def _room(self) -> int:
        height, width = map(int, self._waiting[0].prepared.shape[:2])
        return max(1, min(self._most, self._pixels // (height * width)))


def _raise(error: Exception) -> Any:
    raise error
