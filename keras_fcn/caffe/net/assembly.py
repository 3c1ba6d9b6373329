"""Prototxt files and caffemodels -> a Network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from keras_fcn.caffe import limits
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.weights import OpenWeights
from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import dialects
from keras_fcn.caffe.layers.dialects import StoredShapes
from keras_fcn.caffe.net.input_shapes import check_input_shapes
from keras_fcn.caffe.net.memory import check_memory
from keras_fcn.caffe.net.network import NetState, Network
from keras_fcn.caffe.net.pruning import check_outputs
from keras_fcn.caffe.net.reading import LENIENT, Reading
from keras_fcn.caffe.text import prototxt


def load_network(
    path: str | Path,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    *,
    dialect: str | None = None,
    shapes: Mapping[str, StoredShapes] | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    max_bytes: int | None = limits.MAX_BYTES,
) -> Network:
    """Read a prototxt as the network Caffe would build in a state.

    Args:
        path: a prototxt file, current or V1 form.
        phase: `"TEST"` or `"TRAIN"`.
        level: the state's level.
        stages: the state's stages.
        dialect: the fork of Caffe that the network is for, such as `"segnet"`. Without
            it, types that forks define differently are told apart by their parameters
            and blobs; `Network.notes` says how they were taken.
        shapes: layer name -> shapes of its blobs in the weights file, see
            `fitting.stored_shapes`; they help to tell forks apart, and tell
            the channels of data layers' blobs.
        input_shapes: input blob -> its sizes in Caffe's axis order without the batch, such
            as `{"data": (3, 227, 227), "label": (1,)}`; None for a size that stays open.
            For the tops of data layers, whose shapes only their data tell, and to give an
            Input another shape than it declares. Sizes that begin with the batch are
            understood where the number of axes is known.
        outputs: blobs to be the outputs, in this order; what they do not need is left out.
            Without it, they are the blobs that no layer reads, or else those that only
            Silence layers read.
        max_bytes: refuse a network whose weights and blobs for one image would take more
            memory, as float32; None: none is refused.

    Raises:
        CaffeError: the file or the network is wrong; the message names the file,
            line, layer and field.
        ValueError: no such dialect or phase; `input_shapes` or `outputs` of another form.
    """
    dialects.check(dialect)
    state = NetState(phase, level, tuple(stages))
    given, asked = check_input_shapes(input_shapes), check_outputs(outputs)
    parsed = prototxt.read_net(path, state.keeps)
    reading = Reading(state, dialect, shapes, given, outputs=asked)
    network = Network.of(parsed.definition, reading, path=parsed.path)
    check_memory(network, max_bytes)
    return replace(network, notes=(*parsed.notes, *network.notes), card=parsed.card)


def carried_network(
    weights: OpenWeights,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    *,
    dialect: str | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    max_bytes: int | None = limits.MAX_BYTES,
) -> Network:
    """Read the network that a weights file carries, to run it; see `load_network`.

    Args:
        weights: an open `.caffemodel`, whose layers are those of the network that wrote it,
            often of training; or a file of the converter, which holds the prototxt.
        phase: `"TEST"` or `"TRAIN"`; None for all layers that there are.
        level: the state's level.
        stages: the state's stages.
        dialect: see `load_network`.
        input_shapes: see `load_network`.
        outputs: see `load_network`.
        max_bytes: see `load_network`.

    Raises:
        CaffeError: the file holds weights only, or the network is wrong.
    """
    dialects.check(dialect)
    state = NetState(phase, level, tuple(stages))
    given, asked = check_input_shapes(input_shapes), check_outputs(outputs)
    path, definition = _carried(weights)
    reading = Reading(state, dialect, weights.blob_shapes(), given, outputs=asked)
    network = Network.of(definition, reading, path=path)
    check_memory(network, max_bytes)
    return network


def _carried(weights: OpenWeights) -> tuple[str, NetDefinition]:
    """The network that stands in a weights file, and what messages call it."""
    if isinstance(weights, CaffeModel):
        path, definition = weights.path, weights.definition
    else:
        text = weights.text("prototxt")
        path = f"prototxt in {weights.path}"
        definition = prototxt.parse_net(text or 'name: ""', path).definition
    if not definition.layers:
        raise NetworkError(f"{weights.path} holds weights only; give the prototxt as well")
    return path, definition


def network_of(model: CaffeModel, dialect: str | None = None) -> Network:
    """The network that a `.caffemodel` carries beside its weights.

    It serves to lay out the weights, not to run: the layers are often those of
    training, and some writers leave out their parameters, so what the blobs tell is
    believed, and sizes of images stay open.

    Raises:
        NetworkError: the file holds weights only.
    """
    definition = model.definition
    if not definition.layers:
        raise NetworkError(f"{model.path} holds weights only; give the prototxt as well")
    dialects.check(dialect)
    shapes = {name: [blob.shape for blob in layer.blobs] for name, layer in model.layers.items()}
    reading = Reading(NetState(phase=None), dialect, shapes, policy=LENIENT)
    network = Network.of(definition, reading, path=model.path)
    return replace(network, notes=(*model.notes, *network.notes))
