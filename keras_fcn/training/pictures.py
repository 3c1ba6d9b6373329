"""Pictures of what a model says, beside what is right."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from PIL import Image

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets import ClassificationDataset, LabelledImages
from keras_fcn.datasets.classification import enlarged
from keras_fcn.datasets.whole import whole_pictures
from keras_fcn.inference.classification import classify
from keras_fcn.inference.prediction import NoNumbersError
from keras_fcn.inference.segmentation import segment
from keras_fcn.preprocessing.images import visible
from keras_fcn.visualize import comparison_picture, save_png
from keras_fcn.visualize.captions import titled

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Board", "pictures", "save_samples"]


def pictures(
    model: keras.Model,
    dataset: LabelledImages,
    count: int,
    size: tuple[int, int] | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Images, their labels and what the model says side by side, with titles and a legend.

    Of images with one label each the image, under its label and the best class.

    Args:
        model: a network that gives class scores and knows its preprocessing.
        dataset: whose first images are taken, or, where images have one label, some of all over
            it; those that cannot be read are left out.
        count: how many.
        size: (height, width) images are brought to; None for the preprocessing's.

    Yields:
        The pair's name, and uint8 RGB.
    """
    # A network that has diverged shows nothing; the run tells it with its next loss.
    with contextlib.suppress(NoNumbersError):
        if isinstance(dataset, ClassificationDataset):
            yield from _labelled(model, dataset, count, size)
        else:
            yield from _segmented(model, dataset, count, size)


def _segmented(
    model: keras.Model, dataset: LabelledImages, count: int, size: tuple[int, int] | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Images beside their true and predicted classes."""
    read = whole_pictures(dataset, model, size=size, on_error="skip")
    for pair, image, mask, preprocessing, _ in itertools.islice(read, count):
        said = segment(model, image, preprocessing=preprocessing)
        shown = visible(_stretched(image) if pair.ready else image)
        palette = np.array(dataset.palette)
        yield (
            pair.name,
            comparison_picture(
                shown, mask, said, dataset.classes, palette, ignore=dataset.ignore_index
            ),
        )


def _labelled(
    model: keras.Model, dataset: ClassificationDataset, count: int, size: tuple[int, int] | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Images under their label and the best class, from all over a data set."""
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset)), dtype=int)
    chosen = dataset.subset(dataset.pairs[place] for place in places)
    names = dataset.classes
    for pair, image, label, preprocessing, _ in whole_pictures(
        chosen, model, size=size, on_error="skip"
    ):
        (best,) = classify(model, image, 1, classes=names, preprocessing=preprocessing)
        shown = enlarged(visible(_stretched(image) if pair.ready else image))
        said = titled(shown, f"prediction: {best['label']} ({best['score']:.2f})")
        yield pair.name, titled(said, f"truth: {names[int(label)]}")


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values that are no picture from black, the lowest, to white."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(high - low, np.finfo(np.float32).tiny))


def save_samples(folder: Path, named: Iterable[tuple[str, np.ndarray]]) -> None:
    """Writes pictures as `0_name.png`, `1_name.png` and so on, in place of older ones.

    Raises:
        CaffeError: the folder cannot be made, or a file not written.
    """
    try:
        folder.mkdir(exist_ok=True)
        for old in folder.glob("[0-9]*_*.png"):
            old.unlink()
    except OSError as error:
        raise CaffeError(f"cannot make {folder}: {error.strerror}") from error
    for index, (name, picture) in enumerate(named):
        plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(name).stem)
        save_png(folder / f"{index}_{plain}.png", picture)


class Board:
    """TensorBoard's files, in a form that needs no TensorBoard to write.

    Args:
        folder: where; None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writer: tf.summary.SummaryWriter | None = None

    def write(
        self,
        step: int,
        scalars: Mapping[str, float],
        named: Iterable[tuple[str, np.ndarray]] = (),
    ) -> None:
        """Writes numbers, and pictures, of a step."""
        if self._folder is None:
            return
        import tensorflow as tf  # its writer of TensorBoard's files

        if self._writer is None:  # which makes the folder
            self._writer = tf.summary.create_file_writer(str(self._folder))
        summary = tf.compat.v1.Summary()
        for name, value in scalars.items():
            summary.value.add(tag=name, simple_value=value)
        for name, picture in named:
            height, width, _ = picture.shape
            image = tf.compat.v1.Summary.Image(
                height=height, width=width, colorspace=3, encoded_image_string=_png(picture)
            )
            summary.value.add(tag=name, image=image)
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)
            self._writer.flush()


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()
