"""All that is wrong with a data set, at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_fcn.datasets.labelled import LabelledImages
from keras_fcn.datasets.sources import PAIR_ERRORS, Pair
from keras_fcn.text_tables import html_table, text_table

__all__ = ["Report", "check", "described"]

Size = tuple[int, int]

_SHOWN = 10


@dataclass(frozen=True)
class Report:
    """Findings of `check`; its text lists all of them.

    Attributes:
        name: the data set's.
        classes: its classes.
        pairs: how many pairs there are.
        problems: what is wrong, one line each; a pair can have several.
        pixels: how often each class occurs in the masks that could be read; or how many images
            have its label.
        images: how many of those masks, or labels, each class occurs in.
        ignored: how many pixels belong to no class.
        sizes: (height, width) of images -> how many there are.
        channels: channels of images -> how many there are.
        of_pixels: whether each pixel has a class; else each image has one.
    """

    name: str
    classes: Sequence[str]
    pairs: int
    problems: Sequence[str]
    pixels: np.ndarray
    images: np.ndarray
    ignored: int
    sizes: Counter[Size]
    channels: Counter[int]
    of_pixels: bool = True

    def __repr__(self) -> str:
        return f"<Report {self._summary()}>"

    def _summary(self) -> str:
        return f"{self.name}: {self.pairs} pairs, {len(self.problems)} problems"

    def _rows(self) -> Sequence[tuple[str, ...]]:
        """Titles, and a row a class."""
        total = max(int(self.pixels.sum()) + self.ignored, 1)
        names = [*self.classes, "ignored"]
        counts = [*self.pixels.tolist(), self.ignored]
        unit = "pixels" if self.of_pixels else "labels"
        return [("index", "class", unit, "share", "images")] + [
            (
                str(index) if index < len(self.classes) else "",
                name,
                f"{count:,}",
                f"{count / total:.1%}",
                f"{self.images[index]:,}" if index < len(self.classes) else "",
            )
            for index, (name, count) in enumerate(zip(names, counts, strict=True))
        ]

    def _repr_html_(self) -> str:
        """A table of the classes, for notebooks."""
        titles, *rows = self._rows()
        return html_table(rows, titles, caption=self._summary())

    def __str__(self) -> str:
        sizes = [f"{height}x{width}: {n}" for (height, width), n in self.sizes.most_common()]
        channels = [f"{channels}: {n}" for channels, n in self.channels.most_common()]
        shown = [*sizes[:_SHOWN], *(["..."] if len(sizes) > _SHOWN else [])]
        return "\n".join(
            [
                self._summary(),
                *(f"  {problem}" for problem in self.problems),
                f"images by size (height x width): {', '.join(shown) or 'none'}",
                f"images by channels: {', '.join(channels) or 'none'}",
                text_table(self._rows(), right=[0, 2, 3, 4]),
            ]
        )


def check(dataset: LabelledImages, *, progress: Callable[[int, int], None] | None = None) -> Report:
    """Reads every pair and lists what is missing, unreadable or mismatched, and counts classes.

    Args:
        dataset: what to read.
        progress: called with the number of pairs done and that of all.
    """
    count = len(dataset.classes)
    pixels, images, ignored = np.zeros(count, np.int64), np.zeros(count, np.int64), 0
    problems: list[str] = []
    sizes: Counter[Size] = Counter()
    channels: Counter[int] = Counter()
    for done, pair in enumerate(dataset.pairs, 1):
        image, mask, wrong = _read(dataset, pair)
        problems += wrong
        if image is not None:
            sizes[image.shape[:2]] += 1
            channels[image.shape[2]] += 1
        if mask is not None:
            found = np.bincount(mask[mask != dataset.ignore_index], minlength=count)
            pixels += found
            images += found > 0
            ignored += mask.size - int(found.sum())
        if progress is not None:
            progress(done, len(dataset))
    return Report(
        dataset.name,
        dataset.classes,
        len(dataset),
        [*_repeated(dataset.pairs), *problems],
        pixels,
        images,
        ignored,
        sizes,
        channels,
        dataset.of_pixels,
    )


def _read(
    dataset: LabelledImages, pair: Pair
) -> tuple[np.ndarray | None, np.ndarray | None, list[str]]:
    """The image and the mask, or label, where they can be read, and what is wrong."""
    wrong = []
    image = raw = mask = None
    try:
        image = pair.image.read()
    except PAIR_ERRORS as error:
        wrong.append(described(error))
    try:
        raw = pair.mask.read()
        mask = dataset.indices(raw, pair.mask.name)
    except PAIR_ERRORS as error:
        wrong.append(described(error))
    if not dataset.of_pixels or image is None or raw is None:
        return image, mask, wrong
    if image.shape[:2] != raw.shape[:2]:
        wrong.append(
            f"{pair.mask.name}: the mask is {raw.shape[:2]}, its image {image.shape[:2]} "
            f"(height, width)"
        )
    return image, mask, wrong


def _repeated(pairs: Iterable[Pair]) -> list[str]:
    counts = Counter(pair.name for pair in pairs)
    return [f"{name}: listed {count} times" for name, count in counts.items() if count > 1]


def described(error: Exception) -> str:
    """What is wrong with a file, in one line that names it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
