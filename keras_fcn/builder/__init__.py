"""Network -> `keras.Model`: one walk, one function a layer type.

A new type is one `@builds` function in the module of its family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.builder import (  # noqa: F401  each registers its types
    activation,
    concat,
    convolution,
    crop,
    ctc,
    detectnet,
    dummy_data,
    eltwise,
    flow,
    inner_product,
    loss,
    mobile,
    normalization,
    parameter,
    pooling,
    rcnn,
    recurrent,
    reduction,
    reshape,
    reverse,
    scale,
    segmentation,
    selection,
    ssd,
    volumetric,
    yolo,
)
from keras_fcn.builder.graph import Built, build_model, built
from keras_fcn.builder.registry import BUILDERS, builds, register
from keras_fcn.builder.sources import with_made_shapes
from keras_fcn.builder.unknown import without_unknown_end
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.weights import OpenWeights
from keras_fcn.caffe.limits import MAX_BYTES
from keras_fcn.caffe.net.assembly import carried_network, load_network
from keras_fcn.caffe.net.network import Network
from keras_fcn.core.stored_cards import recall
from keras_fcn.core.weights import load_caffemodel, load_weights
from keras_fcn.device import describe_device
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.published.cache import opened_weights, published_name
from keras_fcn.published.identification import hash_ahead
from keras_fcn.published.provenance import note_source
from keras_fcn.surgery.cards import tell

__all__ = [
    "BUILDERS",
    "Built",
    "build_model",
    "builds",
    "built",
    "from_caffe",
    "read_network",
    "register",
]


def from_caffe(
    prototxt: str | Path | None,
    caffemodel: str | Path | OpenWeights | None = None,
    *,
    phase: str | None = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    dialect: str | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    seed: int | None = None,
    max_bytes: int | None = MAX_BYTES,
    preprocessing: Preprocessing | None = None,
    classes: int | str | Sequence[str] | Classes | None = None,
    palette: Any = None,
) -> keras.Model:
    """A Caffe network as a trainable, functional Keras model.

    Images are (batch, height, width, channels). Height and width are free where
    the network allows it, that is, where no layer needs a fixed size.

    Args:
        prototxt: the network's definition; None for the one that the weights file carries:
            the layers of a `.caffemodel`, the prototxt in a `.h5`.
        caffemodel: its weights: a `.caffemodel`, the converter's `.h5`, or the name
            of a published model; or one that is open, see
            `keras_fcn.caffe.blobs.weights.open_weights`; None leaves Caffe's fillers.
        phase: `"TEST"` or `"TRAIN"`: which layers are in; None, without a prototxt, for
            all that the weights file carries.
        level: the net state's level.
        stages: the net state's stages.
        dialect: the fork of Caffe that the network is for, where it is not told by the
            parameters and blobs of its layers; see `convert.load_network`.
        input_shapes: input blob -> its sizes in Caffe's axis order without the batch, such
            as `{"data": (3, 227, 227), "label": (1,)}`, where only the data tell them, or
            to give an Input other ones; see `convert.load_network`.
        outputs: blobs to be the outputs, in this order; layers that they do not need are
            left out, and may be of unknown types. Without it, the outputs are the blobs
            that no layer reads.
        rename: layer name in the weights file -> its name in the network.
        seed: makes random fillers repeatable, and so does `keras.utils.set_random_seed` without
            it.
        max_bytes: refuse a network whose weights and blobs for one image would take more
            memory, as float32; None: none is refused.
        preprocessing: how images are prepared; None for what the weights file tells.
        classes: what the outputs stand for: names, a `Classes`, the name of a data set, or
            how many there are; see `keras_fcn.with_card`.
        palette: colours of the classes, whole numbers 0..255, (classes, 3), RGB.

    Returns:
        A model with one input for each input blob, named after it; its outputs are
        `outputs`, or the blobs that no layer consumes. A network without inputs has one of
        shape (batch,), which nothing reads; `keras_fcn.blobs` feeds it by itself.

    Raises:
        CaffeError: a file is wrong, or the network cannot be built; the message
            names file, line, layer and value.
        ValueError: neither a prototxt nor weights; or the preprocessing, the classes or the
            palette do not fit the network.
    """
    options: dict[str, Any] = {
        "dialect": dialect,
        "input_shapes": input_shapes,
        "outputs": outputs,
        "max_bytes": max_bytes,
    }
    with opened_weights(caffemodel) as weights:
        hash_ahead(weights)
        if rename and isinstance(weights, CaffeModel):
            weights, rename = weights.renamed(rename), None
        network = read_network(prototxt, weights, phase, level, stages, **options)
        card = network.card
        network = without_unknown_end(network)
        model = build_model(network)
        if isinstance(weights, WeightsFile):
            load_weights(model, weights, rename=rename)
        else:
            load_caffemodel(model, network, weights, seed)
        if card:
            recall(model, card, f"the first line of {prototxt}")
        note_source(model, weights, published=(published_name(caffemodel),))
    tell(model, preprocessing=preprocessing, classes=classes, palette=palette)
    describe_device()
    return model


def read_network(
    prototxt: str | Path | None,
    weights: OpenWeights | None,
    phase: str | None = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    **options: Any,
) -> Network:
    """The network that `from_caffe` builds, of a prototxt or of the weights that carry one."""
    if prototxt is not None:
        shapes = None if weights is None else weights.blob_shapes()
        network = load_network(prototxt, phase or "TEST", level, stages, shapes=shapes, **options)
    elif weights is not None:
        network = carried_network(weights, phase, level, stages, **options)
    else:
        raise ValueError("a prototxt, or weights that carry their network, must be given")
    return with_made_shapes(network, options.get("input_shapes") or ())
