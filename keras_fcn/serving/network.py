"""A model as a server uses it: prepared images in, answers for JSON and PNGs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cards.card import card_of
from keras_fcn.inference.batching import Batches
from keras_fcn.inference.classification import classifying, names_of
from keras_fcn.inference.decoding import decode_predictions
from keras_fcn.inference.prediction import (
    model_preprocessing,
    model_size,
    require_numbers,
    require_one_image,
)
from keras_fcn.inference.score_maps import ScoreMap
from keras_fcn.inference.segmentation import label_classes, segmenting, shares
from keras_fcn.inference.tasks import classifies_at, find_task, function_of
from keras_fcn.preprocessing.labels import find_class
from keras_fcn.preprocessing.resampling import resample
from keras_fcn.serving.limits import Refused
from keras_fcn.visualize import heat_map, voc_palette
from keras_fcn.visualize.files import labels_png, png_bytes

if TYPE_CHECKING:
    import keras

__all__ = ["ServedNetwork"]


_MOST = 1 << 10


@dataclass(frozen=True)
class Seen:
    """An image that went through the network.

    Attributes:
        found: the scores of a classifier, or the map.
        pixels: (height, width) of the image.
    """

    found: Any
    pixels: tuple[int, int]


class ServedNetwork:
    """A classifier, or a network that labels pixels, behind a server.

    Attributes:
        task: `"classes"` or `"map"`.
        names: a name for each class.
        palette: their colours, uint8 RGB (classes, 3).
        most: images that one pass takes; None for any number.

    Raises:
        ValueError: the network is for something else, or does not know how images are prepared.
    """

    def __init__(self, model: keras.Model) -> None:
        require_one_image(model)
        task = find_task(model)
        if task.kind not in ("classes", "map"):
            raise ValueError(
                f"serve is for networks that classify or label pixels; {task.why}, and "
                f"{function_of(task)} is for it. Received: {model.name!r}"
            )
        size = model_size(model)
        whole = task.kind == "classes" or (size is not None and classifies_at(model, size))
        self.task = "classes" if whole else "map"
        self._model, self._preprocessing = model, model_preprocessing(model)
        self.channels = self._preprocessing.channels
        self.most: int | None = model.inputs[0].shape[0]
        self.names = names_of(model, model.outputs[0].shape[-1], None, str)
        own = card_of(model).classes
        palette = None if own is None or len(own) < len(self.names) else own.palette
        self.palette: np.ndarray = voc_palette(len(self.names)) if palette is None else palette
        self._job = (classifying if whole else segmenting)(model, self._preprocessing)
        together = self._job.infer_many
        self._batches = Batches(
            self._job.infer,
            together or list,
            _MOST if together else 1,  # the batcher has its own limit
            (CaffeError, ValueError),
        )

    @property
    def name(self) -> str:
        """The model's."""
        return str(self._model.name)

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """What the network is given for an image."""
        return np.asarray(self._job.prepare(pixels))

    def infer(self, images: Sequence[np.ndarray]) -> list[Callable[[], Any]]:
        """For each of some prepared images of one size what gives its output, or its error."""
        return self._batches.outputs(images)

    def classes(self, seen: Seen, top: int) -> list[Any]:
        """The best classes; of a map those that score highest anywhere, and where."""
        if self.task == "classes":
            job = classifying(self._model, self._preprocessing, top=top)
            return list(job.answer(seen.found, np.empty(seen.pixels)))
        scores = seen.found.cut()
        require_numbers(self._model, scores)
        if scores.shape[-1] != len(self.names):  # labels that the network gives itself
            return []
        (best,) = decode_predictions(scores[np.newaxis], top, self.names)
        return [{"label": x.name, "index": x.class_index, "score": x.score} for x in best]

    def labels(self, seen: Seen) -> np.ndarray:
        """The best class of each pixel, as `keras_fcn.segment`."""
        return np.asarray(self._job.answer(seen.found, np.empty(seen.pixels)))

    def shares(self, labels: np.ndarray) -> list[Any]:
        """Which classes labels have, each with its share of the pixels and its colour."""
        names = label_classes(self._model, labels)
        return [
            {"label": names[index], "index": index, "share": share, "colour": self._colour(index)}
            for index, share in shares(labels)
        ]

    def labels_png(self, labels: np.ndarray, colours: bool = False) -> bytes:
        """A PNG whose pixels are the labels, with a palette or 16-bit grey; or their colours."""
        if colours:
            return png_bytes(self._colours(int(labels.max()) + 1)[labels])
        if labels.max() > 255:
            return png_bytes(labels.astype(np.uint16))
        return labels_png(labels, self._colours(int(labels.max()) + 1), ignore=None)

    def heat_png(self, seen: Seen, wanted: str) -> tuple[bytes, tuple[float, float]]:
        """A PNG of the image's size of where a class scores, and the scores at the scale's ends.

        Raises:
            Refused: no class has this name or number, or the network gives labels alone.
        """
        found: ScoreMap = seen.found
        require_numbers(self._model, found.scores)
        if found.scores.shape[-1] != len(self.names) or len(self.names) == 1:
            raise Refused(422, "no_scores", "this network gives labels, and no scores of classes")
        index = self.find(wanted)
        places = found.places(seen.pixels, self._preprocessing)
        scores = resample(found.scores[..., index : index + 1], *places)[..., 0]
        limits = float(scores.min()), float(scores.max())
        return png_bytes(heat_map(scores, limits=limits)), limits

    def find(self, wanted: str) -> int:
        """The index of the class of a name or number.

        Raises:
            Refused: there is none.
        """
        try:
            return find_class(wanted, self.names)
        except ValueError as error:
            raise Refused(422, "no_such_class", error) from error

    def described(self) -> dict[str, Any]:
        """What clients are told of the network."""
        return {
            "name": self.name,
            "task": self.task,
            "engine": str(getattr(self._model, "engine", "keras")),
            "classes": [
                {"label": name, "index": index, "colour": self._colour(index)}
                for index, name in enumerate(self.names)
            ],
        }

    def _colours(self, count: int) -> np.ndarray:
        return self.palette if count <= len(self.palette) else voc_palette(count)

    def _colour(self, index: int) -> str:
        return "#{:02x}{:02x}{:02x}".format(*self._colours(index + 1)[index])
