"""The walk over a Network that makes its ONNX graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import field

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.input_shapes import Sizes
from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.nodes.graph import Array, Graph
from keras_fcn.caffe.nodes.heads import Detection, with_detection
from keras_fcn.caffe.nodes.opening import of_open_sizes
from keras_fcn.caffe.nodes.walk import walk
from keras_fcn.caffe.onnx.custom import require_last, write_custom
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx
from keras_fcn.caffe.records import dataclass

Size = int | str | None

_IMAGE_SIZES = ("height", "width")


@dataclass(frozen=True)
class OnnxNet:
    """A network as ONNX has it, before it is written.

    Attributes:
        name: the network's.
        graph: nodes and constants, of all layers.
        inputs: tensor -> its sizes, in Caffe's axis order; a free one has a name.
        outputs: tensor -> its sizes; None where one, or their number, is not known.
        tops: layer -> the tensors of its tops.
        dtypes: tensor that goes in -> its type, where that is not float32.
    """

    name: str
    graph: Graph
    inputs: Mapping[str, Sequence[Size]]
    outputs: Mapping[str, Sequence[Size] | None]
    tops: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)


def onnx_net(
    network: Network,
    weights: Mapping[str, Sequence[Array]],
    *,
    fixed: Mapping[str, Sizes] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    channels_last: bool = False,
    detection: Detection = "nodes",
    custom: bool = False,
) -> OnnxNet:
    """The ONNX form of a network.

    The batch is free, and so are height and width where the network allows it.

    Args:
        network: the network; sizes that it cannot leave open are those that it declares.
        weights: Caffe layer name -> blobs in Caffe's layout, fitted to it.
        fixed: input -> its sizes that are not free, as it declares them; where they begin
            with the batch, it is not free either.
        shapes: input -> its shape, None where a size has to be free; instead of `fixed`.
        channels_last: whether inputs and outputs of three axes or more are (N, ..., C), as
            in Keras.
        detection: whether DetectionOutput becomes nodes, or is left out, and what it reads
            are outputs: `keras_fcn.caffe.nodes.heads.undetected`.
        custom: whether layers that ONNX has no operators for become nodes of a domain of our
            own, which runtimes do not know: `keras_fcn.caffe.onnx.custom`.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        UnsupportedLayerError: a layer has no ONNX form; the message names it.
        WeightsError: a layer has no weights.
        ValueError: `detection` is none of these words.
    """
    network = with_detection(network, detection)
    kinds = to_onnx
    if custom:
        require_last(network)
        kinds = dataclasses.replace(to_onnx, others=write_custom)

    def write(layers: tuple[Layer, ...]) -> OnnxNet:
        walked = walk(network, layers, weights, kinds, LayerGraph)
        inputs = dict(zip(walked.inputs, _named_sizes([*walked.inputs.values()]), strict=True))
        free = "batch" if not any(layer.rows for layer in layers) else None
        outputs = {name: _sizes(blob, free) for name, blob in walked.outputs.items()}
        return OnnxNet(network.name or "caffe_net", walked.graph, inputs, outputs, walked.tops)

    net = of_open_sizes(network, write, fixed, shapes)
    return with_channels_last(net) if channels_last else net


def _sizes(blob: Blob, free: str | None) -> tuple[Size, ...]:
    """Sizes of an output; one that is not known is the batch where it comes first."""
    sizes: tuple[Size, ...] = blob.shape or ()
    return (free, *sizes[1:]) if sizes[:1] == (None,) else sizes


def _named_sizes(blobs: Sequence[Blob]) -> list[tuple[Size, ...]]:
    """Sizes of the inputs; free ones are called batch, height and width, where need be of whom."""
    named: list[tuple[Size, ...]] = []
    for number, blob in enumerate(blobs):
        prefix = "" if number == 0 else f"{blob.name}_"
        names = ["batch", "channels", *_IMAGE_SIZES] if len(blob.shape or ()) == 4 else ["batch"]
        shape = blob.shape or ()
        names += [f"size{axis}" for axis in range(len(names), len(shape))]
        named.append(
            tuple(
                f"{prefix}{name}" if size is None else size
                for name, size in zip(names, shape, strict=False)
            )
        )
    return named


def with_channels_last(net: OnnxNet) -> OnnxNet:
    """The network for images of (N, ..., C), and with maps of it."""
    graph = net.graph
    for name, sizes in net.inputs.items():
        if (rank := len(sizes)) > 2:
            graph.rename(name, inner := graph.free_name(f"{name}/channels_first"))
            order = [0, rank - 1, *range(1, rank - 1)]
            graph.rename(LayerGraph(graph, name).add("Transpose", name, perm=order), inner)
            graph.nodes.insert(0, graph.nodes.pop())
    for name, known in net.outputs.items():
        if (rank := len(known or ())) > 2:
            graph.rename(name, inner := graph.free_name(f"{name}/channels_first"))
            order = [0, *range(2, rank), 1]
            graph.rename(LayerGraph(graph, name).add("Transpose", inner, perm=order), name)
    return dataclasses.replace(
        net,
        inputs={name: _turned(sizes) for name, sizes in net.inputs.items()},
        outputs={name: sizes and _turned(sizes) for name, sizes in net.outputs.items()},
    )


def _turned(sizes: Sequence[Size]) -> Sequence[Size]:
    return sizes if len(sizes) < 3 else (sizes[0], *sizes[2:], sizes[1])
