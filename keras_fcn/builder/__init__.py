"""Network -> ``keras.Model``: one walk, one function a layer type.

A new type is one ``@builds`` function in the module of its family.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from convert.assembly import load_network
from convert.fitting import stored_shapes
from convert.hdf5 import is_weights_file
from keras_fcn.builder import (  # noqa: F401  each registers its types
    activation,
    concat,
    convolution,
    crop,
    dummy_data,
    eltwise,
    inner_product,
    loss,
    normalization,
    parameter,
    pooling,
    recurrent,
    reduction,
    reshape,
    scale,
    selection,
)
from keras_fcn.builder.graph import build_model
from keras_fcn.builder.registry import BUILDERS, builds, register
from keras_fcn.device import describe_device
from keras_fcn.weights import load_caffemodel, load_weights

__all__ = ["BUILDERS", "build_model", "builds", "from_caffe", "register"]


def from_caffe(
    prototxt: str | Path,
    caffemodel: str | Path | None = None,
    *,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    dialect: str | None = None,
    seed: int | None = None,
) -> keras.Model:
    """A Caffe network as a trainable, functional Keras model.

    Images are (batch, height, width, channels). Height and width are free where
    the network allows it, that is, where no layer needs a fixed size.

    Args:
        prototxt: the network's definition.
        caffemodel: its weights: a ``.caffemodel``, or the converter's ``.h5``;
            None leaves Caffe's fillers.
        phase: ``"TEST"`` or ``"TRAIN"``: which layers are in.
        level: the net state's level.
        stages: the net state's stages.
        dialect: the fork of Caffe that the network is for, where it is not told by the
            parameters and blobs of its layers; see :func:`convert.load_network`.
        seed: makes random fillers repeatable.

    Returns:
        A model with one input for each input blob, named after it; its outputs
        are the blobs that no layer consumes. A network without inputs has one of
        shape (batch,), which nothing reads; :func:`keras_fcn.blobs` feeds it by itself.

    Raises:
        CaffeError: a file is wrong, or the network cannot be built; the message
            names file, line, layer and value.
    """
    shapes = None if caffemodel is None else stored_shapes(caffemodel)
    network = load_network(prototxt, phase, level, stages, dialect=dialect, shapes=shapes)
    model = build_model(network)
    if caffemodel is not None and is_weights_file(caffemodel):
        load_weights(model, caffemodel)
    else:
        load_caffemodel(model, network, caffemodel, seed)
    describe_device()
    return model
