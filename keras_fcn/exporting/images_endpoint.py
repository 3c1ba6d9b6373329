"""An endpoint of a SavedModel that prepares images itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf  # compiled, into a SavedModel

from keras_fcn.exporting.answers import answers
from keras_fcn.exporting.preparation import WHITE, inner_preprocessing
from keras_fcn.inference.tasks import find_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.images import LUMA_PARTS
from keras_fcn.preprocessing.means import mean_array

__all__ = ["BYTES", "ENDPOINT", "image_endpoints", "images_endpoint"]

ENDPOINT = "images"
"""Name of the signature, of its one input, and of no output."""

BYTES = "image_bytes"
"""Name of the signature that takes files, and of its one input."""

_COLOURS = 3
Endpoint = tuple[Callable[[tf.Tensor], Mapping[str, tf.Tensor]], tf.TensorSpec]


def image_endpoints(
    model: keras.Model, serve: Callable[..., Mapping[str, tf.Tensor]]
) -> dict[str, Endpoint]:
    """The signatures that take images: name -> a function, and what it takes.

    `images` takes pixels, see `images_endpoint`. `image_bytes` takes the content of PNG, JPEG, BMP,
    GIF and WebP files, strings (N,): of any sizes where the network classifies and its images are
    resized, else of one. A camera's turn (EXIF) is not looked at. Both give what
    `keras_fcn.exporting.answers.answers` says.

    Raises:
        ValueError: see `keras_fcn.exporting.preparation.inner_preprocessing`.
    """
    own = inner_preprocessing(model)
    answer = answers(model, own)
    pixels, spec = images_endpoint(model, serve)

    def images(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return answer(pixels(images), tf.shape(images)[1:3])

    def image_bytes(image_bytes: tf.Tensor) -> Mapping[str, tf.Tensor]:
        def one(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = _decoded(data, own.channels)
            return _prepared(image[tf.newaxis], own)[0], tf.shape(image)[:2]

        shape = (*((own.crop or own.size) or (None, None)), own.channels)
        forms = (tf.TensorSpec(shape, tf.float32), tf.TensorSpec((2,), tf.int32))
        prepared, sizes = tf.map_fn(one, image_bytes, fn_output_signature=forms)
        checks = []
        if _is_map(model):
            rule = "images of one batch must have one size, for their labels"
            checks = [tf.debugging.assert_equal(sizes, sizes[:1], rule)]
        with tf.control_dependencies(checks):
            return answer(serve(tf.identity(prepared)), sizes[0])

    found: dict[str, Endpoint] = {ENDPOINT: (images, spec)}
    if own.channels in (1, 3):
        found[BYTES] = image_bytes, tf.TensorSpec((None,), tf.string, name=BYTES)
    return found


def _is_map(model: keras.Model) -> bool:
    return find_task(model).kind == "map"


def _decoded(data: tf.Tensor, channels: int) -> tf.Tensor:
    """A file's pixels (height, width, channels), as Pillow's within a step of 255."""

    # Colours in any case: decoders have grey of some files only, and round it otherwise.
    def jpeg() -> tf.Tensor:
        return tf.io.decode_jpeg(data, _COLOURS, dct_method="INTEGER_ACCURATE")

    def other() -> tf.Tensor:
        return tf.io.decode_image(data, _COLOURS, expand_animations=False)

    pixels = tf.cond(tf.io.is_jpeg(data), jpeg, other)
    pixels = tf.ensure_shape(pixels, (None, None, _COLOURS))
    if channels == _COLOURS:
        return pixels
    luma = tf.reduce_sum(tf.cast(pixels, tf.int32) * LUMA_PARTS, axis=-1, keepdims=True)
    return tf.cast(tf.bitwise.right_shift(luma + (1 << 15), 16), tf.uint8)


def images_endpoint(
    model: keras.Model, serve: Callable[..., Mapping[str, tf.Tensor]]
) -> tuple[Callable[[tf.Tensor], Mapping[str, tf.Tensor]], tf.TensorSpec]:
    """A function that takes images as they are in files, and what it takes.

    The images of a batch have one size, any that the network takes after it is prepared; they
    are uint8 (N, height, width, channels), RGB where there are three.

    Args:
        model: a network that takes one batch of images, and knows how they are prepared.
        serve: from prepared images to named outputs.

    Raises:
        ValueError: see `keras_fcn.exporting.preparation.inner_preprocessing`.
    """
    preprocessing = inner_preprocessing(model)

    def images(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return serve(_prepared(images, preprocessing))

    shape = (None, None, None, preprocessing.channels)
    return images, tf.TensorSpec(shape, tf.uint8, name=ENDPOINT)


def _prepared(images: tf.Tensor, own: Preprocessing) -> tf.Tensor:
    """The steps of `Preprocessing.__call__`, in TensorFlow."""
    values = tf.cast(images, tf.float32)
    if own.size is not None:
        values = _resized(values, own)
    if own.crop is not None:
        values = _centre(values, own.crop, "the image must hold the crop")
        values = tf.ensure_shape(values, (None, *own.crop, own.channels))
    if own.channels == 3 and own.channel_order == "bgr":
        values = values[..., ::-1]
    values *= np.float32(own.raw_scale / WHITE)
    if own.mean is not None:
        mean = mean_array(own.mean, own.channels, own.channel_order)
        if mean.ndim == 3:
            mean = _centre(mean, tf.shape(values)[1:3], "the mean image must hold the input")
        values -= mean
    return values * np.float32(own.input_scale)


def _resized(values: tf.Tensor, own: Preprocessing) -> tf.Tensor:
    """Bilinear, without antialiasing, as `keras_fcn.preprocessing.resampling.resize` does it."""
    corners = own.interpolation == "bilinear_corners"
    return tf.raw_ops.ResizeBilinear(
        images=values, size=own.size, align_corners=corners, half_pixel_centers=not corners
    )


def _centre(values: Any, size: Any, rule: str) -> tf.Tensor:
    """The middle of (..., height, width, channels), as `resampling.center_crop` takes it."""
    values = tf.convert_to_tensor(values)
    spare = tf.shape(values)[-3:-1] - size
    with tf.control_dependencies([tf.debugging.assert_non_negative(spare, rule)]):
        top, left = tf.unstack(spare // 2)
    height, width = tf.unstack(tf.convert_to_tensor(size))
    return values[..., top : top + height, left : left + width, :]
