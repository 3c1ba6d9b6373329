"""A Network's ncnn graph, and what its tensors are of the blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.layers.parameter import Parameter
from keras_fcn.caffe.layers.prior_box import Priors
from keras_fcn.caffe.layers.ssd import DetectionOutput
from keras_fcn.caffe.ncnn.graph import LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.input_shapes import Sizes
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.nodes.graph import Array, Graph
from keras_fcn.caffe.nodes.heads import Detection, with_detection
from keras_fcn.caffe.nodes.opening import of_open_sizes
from keras_fcn.caffe.nodes.walk import walk
from keras_fcn.caffe.records import dataclass

OF_IMAGE, OF_ALL, DETECTIONS = "image", "all", "detections"
"""What an output is: of each image, the same for all of them, or rows of detections."""


@dataclass(frozen=True)
class Output:
    """A tensor that the network gives.

    Attributes:
        shape: its blob's, in Caffe's axis order; None where a size is not known.
        holds: `OF_IMAGE`, `OF_ALL` or `DETECTIONS`.
    """

    shape: Shape
    holds: str = OF_IMAGE


@dataclass(frozen=True)
class NcnnNet:
    """A network as ncnn has it, before it is written.

    Attributes:
        name: the network's.
        graph: ncnn's layers; a tensor may have any number of readers, see `writing`.
        inputs: tensor -> its blob's shape, in Caffe's axis order; the batch and what else is
            free are None.
        outputs: tensor -> what it is.
        tops: layer -> the tensors of its tops.
    """

    name: str
    graph: Graph
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Output]
    tops: Mapping[str, Sequence[str]] = field(default_factory=dict)


def ncnn_net(
    network: Network,
    weights: Mapping[str, Sequence[Array]],
    *,
    fixed: Mapping[str, Sizes] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    detection: Detection = "nodes",
) -> NcnnNet:
    """The ncnn form of a network.

    Images go through it one by one; height and width are free where the network allows it.

    Args:
        network: the network; sizes that it cannot leave open are those that it declares.
        weights: Caffe layer name -> blobs in Caffe's layout, fitted to it.
        fixed: input -> its sizes that are not free, as it declares them.
        shapes: input -> its shape, None where a size has to be free; instead of `fixed`.
        detection: whether DetectionOutput is written, or is left out, and what it reads are
            outputs: `keras_fcn.caffe.nodes.heads.undetected`.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        UnsupportedLayerError: a layer has no ncnn form; the message names it.
        WeightsError: a layer has no weights.
        ValueError: `detection` is none of these words.
    """
    network = with_detection(network, detection)

    def write(layers: tuple[Layer, ...]) -> NcnnNet:
        holds = _held(layers)
        walked = walk(network, layers, weights, to_ncnn, LayerGraph)
        return NcnnNet(
            network.name or "caffe_net",
            walked.graph,
            {name: blob.shape or () for name, blob in walked.inputs.items()},
            {
                name: Output(blob.shape or (), holds[blob.key])
                for name, blob in walked.outputs.items()
            },
            walked.tops,
        )

    return of_open_sizes(network, write, fixed, shapes)


def _held(layers: Sequence[Layer]) -> dict[Any, str]:
    """What each blob holds: that of its layer's kind, or of what it reads."""
    held: dict[Any, str] = {}
    for layer in layers:
        if isinstance(layer.params, Priors | Parameter | DummyData):
            holds = OF_ALL
        elif isinstance(layer.params, DetectionOutput):
            holds = DETECTIONS
        else:
            read = {held[blob.key] for blob in layer.bottoms} or {OF_IMAGE}
            holds = read.pop() if len(read) == 1 else OF_IMAGE
        held.update((blob.key, holds) for blob in (*layer.tops, *layer.aliases))
    return held
