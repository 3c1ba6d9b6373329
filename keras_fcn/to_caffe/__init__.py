"""Keras models -> Caffe networks, the way back.

A new layer is one `@writes` function in the module of its family. A model that
`keras_fcn.from_caffe` built, and whose layers are as they were, is written by the
definition that it carries; every other one call by call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.names import net_files
from keras_fcn.caffe.surgery import TrainedNet
from keras_fcn.caffe.surgery.splitting import split_batch_norm
from keras_fcn.core.card import card_of
from keras_fcn.core.stored_cards import card_text
from keras_fcn.graph.calls import is_graph
from keras_fcn.to_caffe import (  # noqa: F401  each registers its layers
    activation,
    caffe_layers,
    convolution,
    elementwise_operations,
    joining,
    normalization,
    operators,
    pooling,
    shape,
    shape_operations,
)
from keras_fcn.to_caffe.definition import from_definition
from keras_fcn.to_caffe.graph import from_graph
from keras_fcn.to_caffe.registry import WRITERS, writes

__all__ = ["WRITERS", "to_caffe", "write_caffe", "writes"]


def to_caffe(
    model: keras.Model,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    rounds_down: bool = False,
) -> TrainedNet:
    """A Keras model as a Caffe network with its weights.

    Args:
        model: a functional or sequential model of layers that Caffe has.
        input_shapes: input name -> shape in Caffe's axis order (N, C, H, W), for
            inputs whose size the model leaves open; a batch of 1 by default.
        rounds_down: let poolings say that they round down, with a field that Caffe 1.0 lacks,
            where else what they do not read is cut off: the net then holds for other sizes.

    Returns:
        The net; `net.save(prototxt, caffemodel)` writes it.

    Raises:
        UnsupportedLayerError: a layer, or a setting of it, has no Caffe equivalent.
        ValueError: a size is open, and not given.
    """
    if not is_graph(model):
        own = type(model).__name__
        raise UnsupportedLayerError(
            f"model {model.name!r} ({own}) has a call of its own, or is not built, so its layers "
            "cannot be seen; make it functional, keras.Model(inputs, outputs), or a Sequential "
            "with an Input"
        )
    net = from_definition(model, input_shapes)
    return from_graph(model, input_shapes, rounds_down) if net is None else split_batch_norm(net)


def write_caffe(
    model: keras.Model, path: Path, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write `path` with the endings `.prototxt` and `.caffemodel`.

    The first line of the prototxt, a comment, holds what the model knows of its use;
    `keras_fcn.from_caffe` reads it, and the converter takes it along.

    Args:
        model: see `to_caffe`.
        path: either file, or both without their endings.
        input_shapes: see `to_caffe`.
    """
    net = to_caffe(model, input_shapes)
    net.save(*net_files(path), card=card_text(card_of(model)))
