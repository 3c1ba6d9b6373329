"""Images with a class for each whole image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from PIL import Image

from keras_fcn.datasets.labelled import LabelledImages
from keras_fcn.datasets.labels import LabelMap
from keras_fcn.preprocessing.images import as_uint8, match_channels, visible
from keras_fcn.preprocessing.labels import class_names
from keras_fcn.visualize.captions import titled

__all__ = ["ClassNames", "ClassificationDataset", "Told", "class_labels"]

ClassNames = Sequence[str] | int
"""Names of classes in the order of their labels, or how many there are."""

Told = Literal["names", "count", "labels"]

_NEVER = int(np.iinfo(np.int32).max)
_SHOWN_SIDE = 224


@dataclass(frozen=True, eq=False, repr=False)
class ClassificationDataset(LabelledImages):
    """Images with one class each.

    The functions `load_lmdb_classes`, `load_list_classes` and so on of `keras_fcn.datasets` make
    one. `dataset[i]` reads an image and its label; what is not said here says `LabelledImages`.

    Attributes:
        told: what tells the classes: `"names"`, a `"count"`, or the highest of the `"labels"`.
    """

    of_pixels: ClassVar[bool] = False

    told: Told = "names"

    def read(self, index: int) -> tuple[np.ndarray, int]:
        """Reads an image and its label.

        Returns:
            The image `(H, W, channels)`, uint8 0..255 or float32 0..1, RGB where it has three
            channels, whatever order a database of Caffe has them in; the label, an index into
            `classes`.

        Raises:
            OSError: a file is missing or cannot be read.
            ValueError: a file is damaged, or the label is no class.
            CaffeError: a database or list of Caffe is wrong.
        """
        pair = self.pairs[index]
        return pair.image.read(), int(self.truth(pair))

    def indices(self, raw: np.ndarray, name: str) -> np.ndarray:
        """The index of a label's class, an array without axes."""
        number = int(raw)
        lookup = self.labels.lookup
        known = range(len(self.classes)) if lookup is None else lookup
        if number not in known:
            raise ValueError(
                f"{name}: label {number} is none of the {len(known)} classes, "
                f"{min(known)}..{max(known)}"
            )
        return np.array(number if lookup is None else lookup[number], np.int32)

    def show(self, index: int = 0) -> Image.Image:
        """An image under the name of its class; small ones are enlarged, pixel by pixel."""
        image, label = self.read(index)
        picture = enlarged(visible(image))
        return Image.fromarray(titled(picture, f"{label}: {self.classes[label]}"))

    def with_classes(self, names: Sequence[str], *, told: Told = "names") -> Self:
        """The same images with their labels among other classes, such as a trained network's.

        Classes are found by their names. Those that have none, or none of these, go by number.

        Args:
            names: of the classes, in the order of the network's outputs.
            told: what tells these.

        Raises:
            ValueError: some of the names are known and others are not, a name that is to be found
                is there twice, or there are fewer names than classes.
        """
        own, names = self.classes, tuple(names)
        if own == names:
            return self
        common = set(own) & set(names)
        if self.told != "names" or (not common and len(own) == len(names)):
            if len(names) < len(own):
                raise ValueError(
                    f"{self.name} has labels up to {len(own) - 1}, and there are {len(names)} "
                    f"classes: {_some(names)}"
                )
            return dataclasses.replace(
                self, labels=class_labels(names, self.labels.lookup), told=told
            )
        unknown = [name for name in own if name not in common]
        if unknown or len(set(own)) < len(own) or len(set(names)) < len(names):
            raise ValueError(
                f"the classes of {self.name}, {_some(own)}, cannot be found by name among "
                f"{_some(names)}: {_some(unknown) if unknown else 'a name is there twice'}"
            )
        lookup = self.labels.lookup or dict(enumerate(range(len(own))))
        moved = {number: names.index(own[index]) for number, index in lookup.items()}
        return dataclasses.replace(self, labels=class_labels(names, moved))


def class_labels(classes: ClassNames, lookup: Mapping[int, int] | None = None) -> LabelMap:
    """Labels of whole images, none of which is ignored.

    Raises:
        ValueError: no classes.
    """
    names = class_names(None, classes) if isinstance(classes, int) else tuple(classes)
    return LabelMap(classes=names, ignore_index=_NEVER, lookup=lookup)


def enlarged(image: np.ndarray) -> np.ndarray:
    """Pixels `(H, W)` or `(H, W, 3)` as uint8 RGB, each as a square where the image is small."""
    shown = match_channels(as_uint8(image), 3)
    zoom = max(_SHOWN_SIDE // max(shown.shape[:2]), 1)
    return shown.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _some(names: Sequence[str]) -> str:
    return ", ".join([*map(repr, names[:4]), *(["..."] if len(names) > 4 else [])])
