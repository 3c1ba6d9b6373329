"""Data that can be used: every pair is read once, before anything else is done with it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from keras_fcn.datasets.checking import described
from keras_fcn.datasets.known_pairs import KnownPairs
from keras_fcn.datasets.labelled import LabelledImages
from keras_fcn.datasets.ready import fit_ready
from keras_fcn.datasets.sources import PAIR_ERRORS, ImageFile, MaskFile, Pair, Source
from keras_fcn.preprocessing.images import fit_channels

__all__ = ["find_bad_pairs", "left_out", "require_usable"]

Progress = Callable[[int, int], None]

_SHOWN = 20
_WORTH_KEEPING = 5.0
"""Seconds of reading from which on it is kept on the disk which pairs were good."""


def require_usable(
    datasets: Mapping[str, LabelledImages],
    on_bad_pair: str = "stop",
    *,
    channels: int | None = None,
    progress: Progress | None = None,
    skip: str = 'on_bad_pair="skip"',
) -> None:
    """Read all pairs, and name all that cannot be used.

    With `on_bad_pair="skip"` they are noted in `bad_pairs` of the data sets.

    Args:
        datasets: what messages call it -> the data set.
        on_bad_pair: `"stop"` or `"skip"`.
        channels: how many the network takes; None where that is not known yet.
        progress: called with the number of pairs read and that of all to read.
        skip: what the message says that leaves them out.

    Raises:
        ValueError: there are bad pairs, which are not to be left out; or nothing else.
    """
    problems: list[str] = []
    pairs = 0
    for what, dataset in datasets.items():
        bad = find_bad_pairs(dataset, channels, progress=progress)
        pairs += len(dataset)
        if len({pair.name for pair in dataset.pairs} - bad.keys()) == 0:
            raise ValueError(
                f"no pair of the {what} data, {dataset.name}, can be used: {_listed(bad.values())}"
            )
        if on_bad_pair == "skip":
            dataset.bad_pairs.update(bad)
        problems += bad.values()
    if problems and on_bad_pair != "skip":
        names = " and ".join(dict.fromkeys(dataset.name for dataset in datasets.values()))
        raise ValueError(
            f"{len(problems)} of {pairs} pairs of {names} cannot be used; mend them, or leave them "
            f"out with {skip}:\n{_listed(problems)}"
        )


def left_out(what: str, dataset: LabelledImages) -> str | None:
    """The pairs of a data set that were left out, by name; None where there are none."""
    bad = dataset.bad_pairs
    if not bad:
        return None
    return f"left out {len(bad)} of {len(dataset)} {what} pairs:\n{_listed(bad.values())}"


def find_bad_pairs(
    dataset: LabelledImages,
    channels: int | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Read every pair: files, sizes, and the classes in the masks.

    Headers are read first: an image that is missing, or of another size than its mask, is not
    decoded. Pairs of files that were good before, and are as they were, are not read again; where
    reading takes seconds, that is kept in the folder of `keras_fcn.published.cache.home`.

    Args:
        dataset: what to read.
        channels: how many the network takes, to which images must fit; None where that is not
            known yet.
        progress: called with the number of pairs read and that of all to read.

    Returns:
        Pair's name -> what is wrong, in the order of the pairs.
    """
    known = KnownPairs(dataset)
    places = [i for i in range(len(dataset)) if channels is not None or known[i] is None]
    bad: dict[str, str] = {}
    started = time.monotonic()

    def problem(index: int) -> str | None:
        pair = dataset.pairs[index]
        try:
            have = known[index]
            if have is None:
                _compare_headers(pair.image, pair.mask)
                have = dataset.read(index)[0].shape[-1]
                known[index] = have
            if channels is not None:
                _compare_channels(pair, have, channels)
        except PAIR_ERRORS as error:
            return described(error)
        return None

    pool = ThreadPoolExecutor(_workers(dataset))
    try:
        found = zip(places, pool.map(problem, places), strict=True)
        for done, (index, wrong) in enumerate(found, 1):
            if wrong is not None:
                name = dataset.pairs[index].name
                bad[name] = f"pair {name}: {wrong}"
            if progress is not None:
                progress(done, len(places))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C none is begun any more
    if time.monotonic() - started > _WORTH_KEEPING:
        known.keep()
    return bad


def _workers(dataset: LabelledImages) -> int:
    """Threads: databases of Caffe are read by one."""
    files = all(isinstance(pair.image, ImageFile) for pair in dataset.pairs)
    return min(os.cpu_count() or 1, 8) if files else 1


def _compare_headers(image: Source, mask: Source) -> None:
    """Compare sizes, where the headers of two pictures tell them.

    Raises:
        OSError: one of them is not there.
        ValueError: the sizes differ.
    """
    sizes = [_header_size(source) for source in (image, mask)]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            f"{mask.name}: the mask is {sizes[1]}, its image {image.name} is {sizes[0]} "
            "(height, width)"
        )


def _header_size(source: Source) -> tuple[int, int] | None:
    """(height, width) by a picture's header; None where only decoding tells.

    A camera's orientation turns images, not masks: those it has are decoded.
    """
    if not isinstance(source, ImageFile | MaskFile):  # labels have no size
        return None
    try:
        with Image.open(source.path) as picture:
            turned = isinstance(source, ImageFile) and picture.getexif().get(0x0112, 1) != 1
            return None if turned else (picture.height, picture.width)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # other forms, or damaged ones: reading it says what is wrong


def _compare_channels(pair: Pair, have: int, wanted: int) -> None:
    """Raise ValueError where an image cannot be brought to a network's channels."""
    fit = fit_ready if pair.ready else fit_channels
    try:
        fit(np.empty((1, 1, have), np.float32), wanted)
    except ValueError as error:
        raise ValueError(
            f"{pair.image.name} has {have} channels, the network takes {wanted}"
        ) from error


def _listed(problems: Iterable[str]) -> str:
    lines: Sequence[str] = list(problems)
    more = len(lines) - _SHOWN
    return "\n".join([*lines[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
