"""Images with what is true of them: the part that all data sets have."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from keras_fcn.datasets.labels import Colour, LabelMap
from keras_fcn.datasets.options import Options
from keras_fcn.datasets.pipeline import make_batches, make_pipeline
from keras_fcn.datasets.sources import PAIR_ERRORS, Kept, Pair
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.text_tables import html_table

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from keras_fcn.datasets.batches import Batches

__all__ = ["LabelledImages"]

_SHOWN = 6  # names of classes


@dataclass(frozen=True, eq=False, repr=False)
class LabelledImages:
    """Images with what is true of each: what every data set is and does.

    `dataset[i]` reads a pair, `len(dataset)` counts them, `dataset[10:20]` has some of them.

    Attributes:
        pairs: what there is to read.
        labels: the classes, and how files name them.
        name: what messages call it.
        preprocessing: what is done to the values of images that are ready for the network, as
            floats of HDF5 files are (`Pair.ready`); None for nothing.
        bad_pairs: name -> what is wrong, of the pairs that a pipeline of `to_tf` could not use so
            far; a pair counts once.
    """

    of_pixels: ClassVar[bool] = True
    """Whether each pixel has a class; else the whole image has one."""

    pairs: Sequence[Pair]
    labels: LabelMap
    name: str = "dataset"
    preprocessing: Preprocessing | None = None
    bad_pairs: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices."""
        return self.labels.classes

    @property
    def palette(self) -> Sequence[Colour]:
        """An RGB colour a class."""
        return self.labels.palette

    @property
    def ignore_index(self) -> int:
        """The index of pixels that belong to no class."""
        return self.labels.ignore_index

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self._facts()[1:])
        return f"<{type(self).__name__} {self.name}: {facts}>"

    def _repr_html_(self) -> str:
        return html_table(self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        names = [*self.classes[:_SHOWN], *(["..."] if len(self.classes) > _SHOWN else [])]
        return [
            ("name", self.name),
            ("pairs", str(len(self))),
            ("classes", f"{len(self.classes)} ({', '.join(names)})"),
            *self._own_facts(),
            *([("bad pairs", str(len(self.bad_pairs)))] if self.bad_pairs else []),
        ]

    def _own_facts(self) -> list[tuple[str, str]]:
        return []

    def __getitem__(self, place: Any) -> Any:
        """The image and its truth at an index, or a data set of the pairs of a slice."""
        if isinstance(place, slice):
            return self.subset(self.pairs[place])
        if not -len(self) <= place < len(self):
            raise IndexError(f"{self.name} has {len(self)} images. Received: {place}")
        return self.read(place)

    def __iter__(self) -> Iterator[tuple[np.ndarray, Any]]:
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> tuple[np.ndarray, Any]:
        """Reads a pair: the image, and what is true of it.

        Raises:
            OSError: a file is missing or cannot be read.
            ValueError: a file is damaged, or there is no such class.
            CaffeError: a database or list of Caffe is wrong.
        """
        raise NotImplementedError

    def truth(self, pair: Pair) -> np.ndarray:
        """The class indices of a pair, without its image; errors as of `read`."""
        return self.indices(pair.mask.read(), pair.mask.name)

    def indices(self, raw: np.ndarray, name: str) -> np.ndarray:
        """Class indices, of each pixel or one of the whole image, of what a file holds.

        Args:
            raw: of a pair's mask or label, as it was read.
            name: for messages.

        Raises:
            ValueError: there is no such class.
        """
        raise NotImplementedError

    def reject(self, index: int, error: Exception, on_error: str) -> None:
        """Take note of a pair that cannot be used.

        Raises:
            ValueError: with the pair's name, unless `on_error` is `"skip"` and others are left.
        """
        name = self.pairs[index].name
        self.bad_pairs[name] = message = f"pair {name}: {error}"
        if on_error == "stop":
            raise ValueError(message) from error
        if len(self.bad_pairs) == self._names:
            raise ValueError(f"no pair of {self.name} can be used: {message}") from error

    def class_counts(self, on_error: str = "stop") -> np.ndarray:
        """Pixels, or images, of each class in each pair, int64 `(pairs, classes)`.

        All masks are read, once each.

        Args:
            on_error: what is done about one that cannot be read: `"stop"`, or `"skip"`, with which
                it has no class.

        Raises:
            ValueError: a mask cannot be read.
        """
        for index, pair in enumerate(self.pairs):
            if index in self._counted:
                continue
            try:
                indices = self.truth(pair)
            except PAIR_ERRORS as error:
                self.reject(index, error, on_error)
                continue
            known = indices[indices != self.ignore_index]
            self._counted[index] = np.bincount(known, minlength=len(self.classes))
        none = np.zeros(len(self.classes), np.int64)
        return np.array([self._counted.get(index, none) for index in range(len(self))])

    @functools.cached_property
    def _counted(self) -> dict[int, np.ndarray]:
        """Index of a pair -> its row of `class_counts`."""
        return {}

    @functools.cached_property
    def _names(self) -> int:
        return len({pair.name for pair in self.pairs})

    def subset(self, pairs: Iterable[Pair]) -> Self:
        """The same classes with other pairs."""
        return dataclasses.replace(self, pairs=tuple(pairs), bad_pairs={})

    def in_memory(self) -> Self:
        """The same data, whose decoded images and masks stay in memory once they were read.

        So that training on a few hundred images does not decode each of them in every epoch.
        """
        kept = (
            dataclasses.replace(pair, image=Kept(pair.image), mask=Kept(pair.mask))
            for pair in self.pairs
        )
        return self.subset(kept)

    def split(self, share: float = 0.2, seed: int = 0) -> tuple[Self, Self]:
        """Two parts at random, for folders that have no split: the rest, and `share` of the pairs.

        Raises:
            ValueError: a part would be empty.
        """
        count = round(len(self) * share)
        if not 0 < count < len(self):
            raise ValueError(
                f"`share` must leave both parts with pairs. Received: {share} of {len(self)}"
            )
        order = np.random.default_rng(seed).permutation(len(self))
        parts = np.sort(order[count:]), np.sort(order[:count])
        rest, part = (self.subset(self.pairs[index] for index in indices) for indices in parts)
        return rest, part

    def to_tf(
        self,
        model: keras.Model | Preprocessing,
        batch_size: int = 1,
        *,
        augmentation: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None,
        shuffle: bool = False,
        seed: int = 0,
        size: tuple[int, int] | None = None,
        crop_size: tuple[int, int] | None = None,
        repeat: bool = False,
        start: int = 0,
        shard: tuple[int, int] = (0, 1),
        on_error: str = "stop",
        balance_classes: bool = False,
    ) -> tf.data.Dataset:
        """A prefetched pipeline of (images, masks), or (images, labels).

        It is the same each time it is run through.

        Order and chance depend on `seed`, the epoch and the place in the epoch alone, never on
        threads or on what was read before, so a stopped run goes on with `start`. A callable of
        one's own that takes no `rng` and holds chance itself is called in order, but cannot be
        wound on.

        Args:
            model: whose preprocessing the images get; or a `Preprocessing`. Floats of HDF5 files
                are fed as they are; of a `Preprocessing` they get the mean and the scales, but for
                a `raw_scale` of 255, the default.
            batch_size: images of a batch. Those of different sizes are filled up at the bottom and
                right, images with the mean and masks with `ignore_index`.
            augmentation: `(image, mask) -> (image, mask)` on what `read` gives, with the channels
                the network takes; `rng=`, a NumPy generator, is given to callables that name it.
                See `keras_fcn.datasets.Augmentation`. An image with one label comes with a mask
                that says it everywhere, and keeps it whatever becomes of the mask.
            shuffle: gives each epoch its own order, and crops at a random place instead of the
                centre.
            seed: of order, crops and augmentation.
            size: (height, width) that images (linear) and masks (nearest) are brought to first; by
                default that of the preprocessing, which may keep their own.
            crop_size: (height, width) of what is cut out after the augmentation, filled up like
                batches where the image is smaller; by default that of the preprocessing. Of a model
                with tiles its margin is not part of it.
            repeat: goes on without end, batches running over the ends of epochs as in Caffe's data
                layers; else one pass, with a smaller last batch where the number does not divide.
            start: batches to leave out at the beginning, without reading them.
            shard: (index, count) of this worker: it gets every `count`-th batch, from `index` on.
            on_error: `"stop"` ends the pipeline at a bad pair (run it under `naming_bad_pairs` for
                an error that names it); `"skip"` leaves it out. `bad_pairs` names them in both.
            balance_classes: with `shuffle`, draws for each example a class of those that the data
                has, a pair that holds it, and a crop with a pixel of it, instead of going through
                all pairs. All masks are read first.

        Returns:
            A `tf.data.Dataset` of float32 `(batch, height, width, channels)` and int32
            `(batch, height, width)`, or `(batch,)` where images have one label. Sizes that a model
            cannot take become the next that it can: images are reflected at the lower and right
            border, masks get `ignore_index`. The images of a model with tiles (DilatedNet) have
            its margin more on each side, in which they show what is around the crop, and are
            reflected beyond the image.

        Raises:
            ValueError: no pairs, an option out of its range, or a model without preprocessing.
            BackendError: TensorFlow is not installed.
        """
        options = Options(
            batch_size=batch_size,
            augmentation=augmentation,
            shuffle=shuffle,
            seed=seed,
            size=size,
            crop_size=crop_size,
            repeat=repeat,
            start=start,
            shard=shard,
            on_error=on_error,
            balance_classes=balance_classes,
        )
        return make_pipeline(self, model, options)

    def to_numpy(
        self, model: keras.Model | Preprocessing, batch_size: int = 1, **options: Any
    ) -> Batches:
        """The batches of `to_tf` as arrays, for other backends than TensorFlow.

        They are made in as many threads as there are processors. Model or preprocessing, options
        and errors are those of `to_tf`, and so are the batches, bit by bit; a bad pair stops them
        with its own error.

        Returns:
            An iterable of (images, masks), the same each time it is run through; `take` and `skip`
            give parts of it.
        """
        return make_batches(self, model, Options(batch_size=batch_size, **options))

    @contextlib.contextmanager
    def naming_bad_pairs(self) -> Iterator[None]:
        """Turns the error by which TensorFlow ends a pipeline into one that names the pair.

        Raises:
            ValueError: a pair could not be used.
        """
        try:
            yield
        except Exception as error:
            # TensorFlow gives a Python error only as text within its own.
            text = str(error)
            message = next((bad for bad in self.bad_pairs.values() if bad in text), None)
            if message is None:
                raise
            raise ValueError(message) from error
