"""Pictures through a network, one after the other: read ahead, and answered behind, in threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.io.memory import shortage
from keras_fcn.errors import UnfitSizeError
from keras_fcn.inference.batching import Batches
from keras_fcn.inference.ordered import in_order
from keras_fcn.inference.pictures import Picture, is_one, pictures, told
from keras_fcn.preprocessing.videos import Frame

__all__ = ["Job", "Result", "answers", "results"]

_READ_AHEAD = 4
_ANSWERED_BEHIND = 2
_MOST_THREADS = 8
_BAD = (CaffeError, OSError, ValueError)


@dataclass(frozen=True)
class Job:
    """Three steps from a picture to what a network says of it.

    Attributes:
        channels: how many the network takes.
        prepare: pixels -> what the network is given; runs in threads.
        infer: that -> what the network gives; runs in the caller's thread.
        answer: that, and the pixels -> the answer; runs in threads.
        infer_many: several of one shape -> what the network gives for each; None where it takes
            one at a time.
        is_map: whether it says something of each pixel, also of those without data.
    """

    channels: int
    prepare: Callable[[np.ndarray], Any]
    infer: Callable[[Any], Any]
    answer: Callable[[Any, np.ndarray], Any]
    infer_many: Callable[[np.ndarray], Sequence[Any]] | None = None
    is_map: bool = False


class Result(NamedTuple):
    """Result of a job for one picture.

    Attributes:
        name: the picture's.
        pixels: (H, W, channels); None where it cannot be read.
        answer: the job's; None where there is none.
        error: why there is none; None where there is one.
        frame: which frame of a video the picture is; None for others.
        done: whether it was left out, as it is done.
    """

    name: str
    pixels: Any = None
    answer: Any = None
    error: Exception | None = None
    frame: Frame | None = None
    done: bool = False


def results(
    job: Job,
    images: Any,
    then: Callable[[Result], Any] = lambda result: result,
    *,
    batch: int = 1,
    is_done: Callable[[Picture], bool] = lambda picture: False,
) -> Iterator[Any]:
    """Results of a job for pictures of any form, in their order; see `pictures`.

    A picture that cannot be read, or that the network cannot take, has a result with an error.

    Args:
        job: what is done.
        images: the pictures.
        then: what is made of each result, in threads.
        batch: how many neighbours of one size, once prepared, go through the network together.
        is_done: whether a picture is to be left out; asked in threads.
    """
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    ahead = max(_READ_AHEAD, threads) + 2 * (batch - 1)
    given = map(told, pictures(images)) if job.is_map else pictures(images)
    read = in_order(lambda picture: _read(job, picture, is_done), given, ahead)
    inferred = _inferred(job, read, batch)
    behind = max(_ANSWERED_BEHIND, threads) + batch - 1
    return in_order(lambda result: then(_answered(job, result)), inferred, behind)


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


def _read(job: Job, picture: Picture, is_done: Callable[[Picture], bool]) -> Result:
    result = Result(picture.name, frame=picture.frame)
    if is_done(picture):
        return result._replace(done=True)
    try:
        pixels = picture.read(job.channels)
    except Exception as error:
        return result._replace(error=_bad(error, f"{picture.name}: "))
    return _step(result._replace(pixels=pixels, answer=pixels), job.prepare)


def _inferred(job: Job, read: Iterable[Result], batch: int) -> Iterator[Result]:
    if batch == 1 or job.infer_many is None:
        yield from (_step(result, job.infer) for result in read)
        return
    batches = Batches(job.infer, job.infer_many, batch, _BAD)
    for group in batches.groups(read, lambda result: result.answer):
        given = [result.answer for result in group if result.answer is not None]
        outputs = iter(batches.outputs(given))
        for result in group:
            if result.answer is None:
                yield result
            else:
                yield _step(result._replace(answer=next(outputs)), lambda output: output())


def _answered(job: Job, result: Result) -> Result:
    return _step(result, lambda found: job.answer(found, result.pixels))


def _step(result: Result, step: Callable[[Any], Any]) -> Result:
    """The result with what a step makes of its answer."""
    if result.error is not None or result.done:
        return result
    try:
        return result._replace(answer=step(result.answer))
    except Exception as error:
        bad = _bad(error)
    kind = UnfitSizeError if isinstance(bad, UnfitSizeError) else ValueError
    named = kind(f"{result.name}: {bad}") if result.name else bad
    named.__cause__ = bad.__cause__
    return result._replace(answer=None, error=named)


def _bad(error: Exception, where: str = "") -> Exception:
    """An error that concerns one picture; others are raised."""
    if isinstance(error, _BAD):
        return error
    short = shortage(error)
    if short is None:
        raise error
    told = ValueError(f"{where}{short}")
    told.__cause__ = error
    return told
