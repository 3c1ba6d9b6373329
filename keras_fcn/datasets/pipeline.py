"""A data set as batches: order, augmentation, crop, preprocessing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.datasets.example import Example
from keras_fcn.datasets.frames import Frame
from keras_fcn.datasets.options import Options
from keras_fcn.datasets.ready import model_or_no_preprocessing, ready_preprocessing
from keras_fcn.errors import BackendError
from keras_fcn.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from keras_fcn.datasets.batches import Batches
    from keras_fcn.datasets.labelled import LabelledImages

__all__ = ["make_batches", "make_pipeline"]


def make_pipeline(
    dataset: LabelledImages, model: keras.Model | Preprocessing, options: Options
) -> tf.data.Dataset:
    """The pipeline; see `LabelledImages.to_tf`."""
    if find_spec("tensorflow") is None:
        raise BackendError(
            "to_tf makes a tf.data.Dataset, which needs TensorFlow (pip install tensorflow); "
            "to_numpy makes the same batches as arrays"
        )
    import tensorflow as tf

    example = _example(dataset, model, options)

    def load(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        types = (tf.float32, tf.int32, tf.bool)
        image, mask, good = tf.numpy_function(example, [position], types)
        image.set_shape((*example.image_size, example.channels))
        mask.set_shape(example.truth_size)
        good.set_shape(())
        return image, mask, good

    parallel = tf.data.AUTOTUNE if example.reproducible else None
    examples = _positions(len(dataset), options).map(load, num_parallel_calls=parallel)
    if options.on_error == "skip":
        examples = examples.filter(lambda image, mask, good: good)
    return (
        examples.map(lambda image, mask, good: (image, mask))
        .padded_batch(options.batch_size, padding_values=(0.0, np.int32(dataset.ignore_index)))
        .prefetch(tf.data.AUTOTUNE)
    )


def make_batches(
    dataset: LabelledImages, model: keras.Model | Preprocessing, options: Options
) -> Batches:
    """The same as arrays; see `LabelledImages.to_numpy`."""
    from keras_fcn.datasets.batches import Batches

    example = _example(dataset, model, options)
    return Batches(example, len(dataset), options, dataset.ignore_index)


def _positions(count: int, options: Options) -> tf.data.Dataset:
    """The positions in the endless sequence of epochs that this worker reads."""
    import tensorflow as tf

    index, workers = options.shard
    start = options.start * options.batch_size * workers
    stop = np.iinfo(np.int64).max if options.repeat else count
    positions = tf.data.Dataset.range(min(start, stop), stop)
    if workers == 1:
        return positions
    return positions.batch(options.batch_size).shard(workers, index).unbatch()


def _example(
    dataset: LabelledImages, model: keras.Model | Preprocessing, options: Options
) -> Example:
    if not len(dataset):
        raise ValueError(f"The data set must have pairs. Received: {dataset.name}, which is empty")
    if isinstance(model, Preprocessing):
        preprocessing, frame = model, Frame()
    else:
        preprocessing, frame = model_or_no_preprocessing(dataset, model), Frame.of(model)
    ready = ready_preprocessing(dataset, model, preprocessing.channels)
    return Example(dataset, preprocessing, ready, frame, options)
