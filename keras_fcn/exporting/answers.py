"""What endpoints for images give beside a network's own outputs, in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf  # compiled, into a SavedModel

from keras_fcn.caffe.net.fields import Positions
from keras_fcn.graph.ends import output_names
from keras_fcn.inference.structure import calls_of, ends_in_labels, positions_of
from keras_fcn.inference.tasks import find_task, scorer
from keras_fcn.preprocessing import Preprocessing

__all__ = ["answers"]

Answers = Callable[[Mapping[str, tf.Tensor], tf.Tensor], dict[str, tf.Tensor]]
_TOP = 5


def answers(model: keras.Model, own: Preprocessing) -> Answers:
    """A function of a network's outputs and of the (height, width) of the images.

    It gives the outputs by their names, and of a network that scores classes `probabilities`
    (the scores, through a softmax where the network has none), `top_k` (the best classes, of a
    map those that score highest anywhere, int32 (N, k)), `top_k_scores`, and of a map `labels`
    (the class of each pixel, (N, height, width), int32). An output that has one of these names
    itself stays as it is.

    Args:
        model: the network.
        own: how its images are prepared.
    """
    kind = find_task(model).kind
    if kind not in ("classes", "map") or len(model.outputs) != 1:
        return lambda outputs, _: dict(outputs)
    (name,) = output_names(model)
    gives_labels = ends_in_labels(model)
    softmax = gives_labels or _has_softmax(model)
    positions = positions_of(model) if kind == "map" else None

    def made(outputs: Mapping[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
        scores, found = outputs[name], {}
        is_map = kind == "map" and len(scores.shape) == 4
        if is_map:
            places = _places(own, positions, size, tf.shape(scores)[1:3])
            found["labels"] = _nearest(scores, places) if gives_labels else _best(scores, places)
        if not gives_labels:
            probabilities = scores if softmax else tf.nn.softmax(scores)
            flat = tf.reshape(probabilities, (tf.shape(scores)[0], -1, scores.shape[-1]))
            best = tf.math.top_k(tf.reduce_max(flat, axis=1), min(_TOP, scores.shape[-1]))
            found |= {"probabilities": probabilities, "top_k": best.indices}
            found["top_k_scores"] = best.values
        return found | dict(outputs)

    return made


def _has_softmax(model: keras.Model) -> bool:
    """Whether a network's last layers make its scores probabilities."""
    try:
        made = {id(x): call for call in calls_of(model) for x in call.outputs}
    except ValueError:
        return False
    return scorer(made.get(id(model.outputs[0])), made)[1]


def _places(
    own: Preprocessing, positions: Positions | None, size: tf.Tensor, cells: tf.Tensor
) -> list[tf.Tensor]:
    """Positions of the pixels' rows and columns on the map, as `ScoreMap.places` has them."""
    exact = tf.float64
    whole = size if own.size is None else tf.constant(own.size)
    part = whole if own.crop is None else tf.constant(own.crop)
    ends = list(zip(tf.unstack(size), tf.unstack(whole), tf.unstack(part), strict=True))
    evens = [
        tf.cast(left, exact) / tf.cast(count, exact)
        for (_, _, left), count in zip(ends, tf.unstack(cells), strict=True)
    ]
    found = []
    for axis, ((pixels, resized, left), even) in enumerate(zip(ends, evens, strict=True)):
        scale = tf.cast(resized, exact) / tf.cast(pixels, exact)
        centres = (tf.cast(tf.range(pixels), exact) + 0.5) * scale - 0.5
        centres -= tf.cast((resized - left) // 2, exact)
        offset, stride = even / 2 - 0.5, even
        if positions is not None:
            offset = tf.where(even <= 1, offset, tf.constant(positions.offset[axis], exact))
            stride = tf.where(even <= 1, stride, tf.constant(positions.stride[axis], exact))
        last = tf.cast(cells[axis] - 1, exact)
        found.append(tf.clip_by_value((centres - offset) / stride, 0, last))
    return found


def _best(scores: tf.Tensor, places: list[tf.Tensor]) -> tf.Tensor:
    """The best class at positions of a map, bilinear; see `inference.score_maps.best_at`."""
    for axis, positions in zip((1, 2), places, strict=True):
        below = tf.cast(positions, tf.int32)
        share = tf.cast(positions - tf.cast(below, tf.float64), scores.dtype)
        shape = (-1, 1, 1) if axis == 1 else (-1, 1)
        low = tf.gather(scores, below, axis=axis)
        high = tf.gather(scores, tf.minimum(below + 1, tf.shape(scores)[axis] - 1), axis=axis)
        scores = low + (high - low) * tf.reshape(share, shape)
    return tf.argmax(scores, axis=-1, output_type=tf.int32)


def _nearest(labels: tf.Tensor, places: list[tf.Tensor]) -> tf.Tensor:
    """Labels of the network itself at the nearest positions."""
    for axis, positions in zip((1, 2), places, strict=True):
        labels = tf.gather(labels, tf.cast(tf.round(positions), tf.int32), axis=axis)
    return tf.cast(labels[..., 0], tf.int32)
