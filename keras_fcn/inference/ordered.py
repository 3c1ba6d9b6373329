"""Work in threads, whose results come in the order of what was given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat, takewhile
from threading import get_ident
from typing import Any, TypeVar

__all__ = ["in_order", "taken_ahead"]

_READ_AHEAD = 4

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def in_order(
    work: Callable[[_Item], _Made],
    items: Iterable[_Item],
    ahead: int = _READ_AHEAD,
    threads: int | None = None,
) -> Iterator[_Made]:
    """What a function makes of items, in their order, up to `ahead` of them before their turn.

    Args:
        work: the function.
        items: what it is given.
        ahead: how many.
        threads: in how many threads; None for one each.
    """
    items = iter(items)
    own: set[int] = set()
    pool = ThreadPoolExecutor(threads or ahead, initializer=lambda: own.add(get_ident()))
    try:
        waiting = deque(pool.submit(work, item) for item in islice(items, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(items, 1))
    finally:
        # Left half-way, this may be collected in any thread, and none can wait for itself.
        pool.shutdown(wait=get_ident() not in own, cancel_futures=True)


def taken_ahead(items: Iterable[_Item], ahead: int = _READ_AHEAD) -> Iterator[_Item]:
    """Items, up to `ahead` of them taken before their turn, in one thread."""
    items, end = iter(items), object()
    taken = in_order(lambda _: next(items, end), repeat(None), ahead, threads=1)
    found: Iterator[Any] = takewhile(lambda item: item is not end, taken)
    return found
