"""Results of a function of 0, 1, 2, ... in order, computed ahead by threads."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """A bounded queue of results; an error of the function reaches who asks for its result.

    Args:
        work: the function; called in threads.
        workers: threads.
        depth: results that are computed, or being computed, ahead of who asks.
    """

    def __init__(self, work: Callable[[int], T], workers: int, depth: int) -> None:
        self._work = work
        self._depth = depth
        self._numbers = itertools.count()
        self._queue: deque[Future[T]] = deque()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="caffe-data")
        self.waited = 0.0

    def next(self) -> T:
        """The next result; after an error the same error again."""
        self._fill()
        begun = time.perf_counter()
        try:
            result = self._queue[0].result()
        finally:
            self.waited += time.perf_counter() - begun
        self._queue.popleft()
        self._fill()
        return result

    def close(self) -> None:
        """Forget what is queued; what is being computed is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fill(self) -> None:
        while len(self._queue) < self._depth:
            self._queue.append(self._pool.submit(self._work, next(self._numbers)))
