"""A written ONNX file, run by onnxruntime and compared with the network that it is of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.onnx.running import opened
from keras_fcn.caffe.onnx.writing import beside
from keras_fcn.exporting.comparing import (
    BATCH,
    Array,
    Shapes,
    compared,
    made_up,
    removed_where_wrong,
)
from keras_fcn.exporting.onnx_evaluator import custom_session
from keras_fcn.inference.inspection import to_caffe_order, to_channels_last
from keras_fcn.preprocessing import Preprocessing


def check_onnx(
    path: str | Path,
    model: keras.Model,
    shapes: Shapes,
    *,
    channels_last: bool = False,
    preprocessing: Preprocessing | None = None,
    custom: bool = False,
    seed: int = 0,
) -> dict[str, float]:
    """Run an ONNX file on made-up inputs, and compare its outputs with a model's blobs.

    Args:
        path: the file.
        model: the network in Keras.
        shapes: its inputs.
        channels_last: whether the file's images and maps are (N, ..., C).
        preprocessing: what the file does with the images that it takes; None: nothing.
        custom: whether layers may be nodes of our own domain, which onnxruntime does not know.
        seed: of the inputs.

    Returns:
        Output -> largest difference, as a share of its largest value.

    Raises:
        CaffeError: onnxruntime does not run the file, or the numbers differ; output, position
            and both values are told.
    """
    try:
        session = custom_session(path) or opened(path) if custom else opened(path)
        inputs = session.get_inputs()
        any_batch = [x.name for x in inputs if x.shape and not isinstance(x.shape[0], int)]
        if preprocessing is None:
            fed = made_up({x.name: shapes[x.name] for x in inputs}, any_batch, seed)
            turned = {x: to_channels_last(y) if channels_last else y for x, y in fed.items()}
        else:
            ((name, shape),) = shapes.items()
            images = _images(preprocessing, shape, bool(any_batch), seed)
            fed, turned = {name: to_caffe_order(preprocessing(images))}, {inputs[0].name: images}
        found = session.run(None, turned)
    except Exception as error:  # of many kinds, all of onnxruntime's own
        raise CaffeError(f"{path}: onnxruntime does not run it: {error}") from error
    outputs = {
        output.name: to_caffe_order(array) if channels_last else array
        for output, array in zip(session.get_outputs(), found, strict=True)
    }
    return compared(path, "onnxruntime", model, fed, outputs)


def check_written(
    path: str | Path,
    model: keras.Model,
    shapes: Shapes,
    *,
    channels_last: bool = False,
    preprocessing: Preprocessing | None = None,
    custom: bool = False,
) -> None:
    """As `check_onnx`, of a file that is to be no more where it is wrong.

    Args:
        path: the file.
        model: the network in Keras.
        shapes: its inputs.
        channels_last: whether the file's images and maps are (N, ..., C).
        preprocessing: what the file does with the images that it takes; None: nothing.
        custom: whether layers may be nodes of our own domain.

    Raises:
        CaffeError: the file does not run, or not as it should; it is removed, and so is the
            one with its weights.
    """
    with removed_where_wrong(Path(path), beside(path)):
        check_onnx(
            *(path, model, shapes),
            channels_last=channels_last,
            preprocessing=preprocessing,
            custom=custom,
        )


def _images(
    own: Preprocessing, shape: Sequence[int | None], of_any_batch: bool, seed: int
) -> Array:
    """Images that come to a shape of the network's input, which may begin larger."""
    sizes = own.size or own.crop or tuple(size or 1 for size in shape[2:])
    larger = 1 if own.size is None and own.crop is None else 2
    if larger == 1 and np.ndim(own.mean) == 3:
        sizes = tuple(map(min, sizes, np.shape(own.mean)))
    count = BATCH if of_any_batch else shape[0] or 1
    height, width = (larger * size - larger + 1 for size in sizes)
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, own.channels))
    return images.astype(np.uint8)
