"""Pictures through a network, one after the other: read ahead, and answered behind, in threads."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.inference.pictures import Picture, is_one, pictures
from keras_fcn.preprocessing.videos import Frame

__all__ = ["Job", "Result", "answers", "in_order", "results"]

_READ_AHEAD = 4
_ANSWERED_BEHIND = 2
_BAD = (CaffeError, OSError, ValueError)

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Job:
    """Three steps from a picture to what a network says of it.

    Attributes:
        channels: how many the network takes.
        prepare: pixels -> what the network is given; runs in threads.
        infer: that -> what the network gives; runs in the caller's thread.
        answer: that, and the pixels -> the answer; runs in threads.
    """

    channels: int
    prepare: Callable[[np.ndarray], Any]
    infer: Callable[[Any], Any]
    answer: Callable[[Any, np.ndarray], Any]


class Result(NamedTuple):
    """Result of a job for one picture.

    Attributes:
        name: the picture's.
        pixels: (H, W, channels); None where it cannot be read.
        answer: the job's; None where there is none.
        error: why there is none; None where there is one.
        frame: which frame of a video the picture is; None for others.
    """

    name: str
    pixels: Any = None
    answer: Any = None
    error: Exception | None = None
    frame: Frame | None = None


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
    with ThreadPoolExecutor(threads or ahead) as pool:
        waiting = deque(pool.submit(work, item) for item in islice(items, ahead))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(items, 1))
        finally:
            for future in waiting:
                future.cancel()


def results(
    job: Job, images: Any, then: Callable[[Result], Any] = lambda result: result
) -> Iterator[Any]:
    """Results of a job for pictures of any form, in their order; see `pictures`.

    A picture that cannot be read, or that the network cannot take, has a result with an error.

    Args:
        job: what is done.
        images: the pictures.
        then: what is made of each result, in threads.
    """
    read = in_order(lambda picture: _read(job, picture), pictures(images))
    inferred = (_step(result, job.infer) for result in read)
    return in_order(lambda result: then(_answered(job, result)), inferred, _ANSWERED_BEHIND)


def answers(job: Job, images: Any, skip_bad: bool = False) -> Any:
    """The answer for one picture, or a list of those for several.

    Args:
        job: what is done.
        images: see `pictures`.
        skip_bad: None stands in the place of a picture of several that cannot be read, or that
            the network cannot take, and a warning names it.

    Raises:
        CaffeError, OSError, ValueError: such a picture, unless `skip_bad`.
    """
    found: list[Any] = []
    for result in results(job, images):
        if result.error is not None:
            if not skip_bad or is_one(images):
                raise result.error
            warnings.warn(f"skipped: {result.error}", CaffeWarning, stacklevel=3)
        found.append(result.answer)
    return found[0] if is_one(images) else found


def _read(job: Job, picture: Picture) -> Result:
    try:
        pixels = picture.read(job.channels)
    except _BAD as error:
        return Result(picture.name, error=error, frame=picture.frame)
    return _step(Result(picture.name, pixels, pixels, frame=picture.frame), job.prepare)


def _answered(job: Job, result: Result) -> Result:
    return _step(result, lambda found: job.answer(found, result.pixels))


def _step(result: Result, step: Callable[[Any], Any]) -> Result:
    """The result with what a step makes of its answer."""
    if result.error is not None:
        return result
    try:
        return result._replace(answer=step(result.answer))
    except _BAD as error:
        named = ValueError(f"{result.name}: {error}") if result.name else error
        named.__cause__ = error.__cause__
        return result._replace(answer=None, error=named)
