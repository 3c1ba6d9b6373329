"""The walk over a Network that makes its ONNX graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import NetworkError, UnsupportedLayerError, WeightsError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.shape import Reshape
from keras_fcn.caffe.net.input_shapes import Sizes
from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.caffe.net.learning import OpenInputs
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.reading import any_size
from keras_fcn.caffe.net.shapes import shaped
from keras_fcn.caffe.onnx.graph import Graph, LayerGraph, NeedsSizes
from keras_fcn.caffe.onnx.heads import undetected
from keras_fcn.caffe.onnx.registry import writer_of

Array = npt.NDArray[Any]
Size = int | str | None
Detection = Literal["nodes", "none"]

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
    """

    name: str
    graph: Graph
    inputs: Mapping[str, Sequence[Size]]
    outputs: Mapping[str, Sequence[Size] | None]
    tops: Mapping[str, Sequence[str]] = field(default_factory=dict)


def onnx_net(
    network: Network,
    weights: Mapping[str, Sequence[Array]],
    *,
    fixed: Mapping[str, Sizes] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    channels_last: bool = False,
    detection: Detection = "nodes",
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
            are outputs: `heads.undetected`.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
        UnsupportedLayerError: a layer has no ONNX form; the message names it.
        WeightsError: a layer has no weights.
        ValueError: `detection` is none of these words.
    """
    if detection not in ("nodes", "none"):
        raise ValueError(f"detection must be 'nodes' or 'none'. Received: {detection!r}")
    if detection == "none":
        network = undetected(network)
    asked = [shapes] if shapes is not None else _open_shapes(network, fixed or {})
    for opened in asked:
        try:
            net = _net(network, _open_layers(network, opened, must=shapes is not None), weights)
        except NeedsSizes:
            if opened is asked[-1]:
                raise
            continue
        break
    return with_channels_last(net) if channels_last else net


def _open_shapes(network: Network, fixed: Mapping[str, Sizes]) -> list[dict[str, Shape]]:
    """The inputs' shapes in the order in which they are tried, the most open ones first."""

    def opened(name: str, shape: Shape, sizes: bool) -> Shape:
        given = len(fixed.get(name, ()))
        if not shape or given == len(shape):
            return shape
        return any_size(shape) if sizes and not given else (None, *shape[1:])

    declared = network.input_shapes
    # What a network makes of itself has a size that images have to have, too.
    makes = any(len(blob.shape or ()) > 2 for x in _sourceless(network) for blob in x.tops)
    ways = (True, False) if network.resizable and not makes else (False,)
    shapes = [{x: opened(x, shape, sizes) for x, shape in declared.items()} for sizes in ways]
    return [*shapes, declared]


def _sourceless(network: Network) -> list[Layer]:
    """The layers that neither read anything nor are inputs."""
    return [layer for layer in network.layers if not layer.is_source and not layer.bottoms]


def _net(
    network: Network, layers: Sequence[Layer], weights: Mapping[str, Sequence[Array]]
) -> OnnxNet:
    declared = {
        blob.key: blob.shape or () for x in network.layers for blob in (*x.tops, *x.aliases)
    }
    training = network.state.phase == "TRAIN"
    graph = Graph()
    tensors: dict[Any, str] = {}
    free = _named_sizes([blob for layer in layers if layer.is_source for blob in layer.tops])
    inputs = {}
    batch: tuple[str, int | None] | None = None
    final = {blob.key for blob in network.blobs.values()}
    for layer in layers:
        if layer.is_source:
            for blob in layer.tops:
                tensors[blob.key] = graph.free_name(blob.name)
                inputs[tensors[blob.key]] = free[blob]
                batch = batch or (tensors[blob.key], (*declared[blob.key], None)[0])
            continue
        if any(None in shape for shape in layer.weight_shapes or ()):
            raise NeedsSizes(f"{layer.place}: its weights are for inputs of one shape")
        scope = LayerGraph(
            graph,
            layer.name,
            _blobs(layer, weights),
            [declared[blob.key] for blob in layer.bottoms],
            training,
            batch,
        )
        tops = _written(layer, scope, [tensors[x.key] for x in layer.bottoms])
        for blob, made in zip(layer.tops, tops, strict=True):
            tensors[blob.key] = _named(graph, tensors, blob, made, final)
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            scope = LayerGraph(graph, layer.name)
            shape = scope.add("Shape", tensors[old.key])
            made = scope.add("Reshape", tensors[layer.tops[0].key], shape)
            tensors[new.key] = _named(graph, tensors, new, made, final)
    outputs = dict(_outputs(network, layers, graph, tensors))
    of_layers = {x.name: [tensors[blob.key] for blob in x.tops] for x in layers}
    return OnnxNet(network.name or "caffe_net", graph, inputs, outputs, of_layers)


def _open_layers(network: Network, shapes: Mapping[str, Shape], must: bool) -> tuple[Layer, ...]:
    """The layers for inputs of open shapes.

    Sizes that only repeat the batch become free with it; a network that holds for one batch
    alone keeps all it declares.

    Raises:
        NeedsSizes: the network does not hold for such shapes, and they must be.
    """
    try:
        return shaped(tuple(map(_any_batch, network.layers)), OpenInputs(shapes))
    except NetworkError as error:
        if must:
            raise NeedsSizes(str(error)) from error
        return network.layers


def _any_batch(layer: Layer) -> Layer:
    params = layer.params
    if isinstance(params, Reshape) and layer.bottoms[0].shape is not None:
        return dataclasses.replace(
            layer, params=dataclasses.replace(params, shape=params.sizes(layer.bottoms[0].shape))
        )
    return layer


def _named_sizes(blobs: Sequence[Blob]) -> dict[Blob, tuple[Size, ...]]:
    """Sizes of the inputs; free ones are called batch, height and width, where need be of whom."""
    named: dict[Blob, tuple[Size, ...]] = {}
    for number, blob in enumerate(blobs):
        prefix = "" if number == 0 else f"{blob.name}_"
        names = ["batch", "channels", *_IMAGE_SIZES] if len(blob.shape or ()) == 4 else ["batch"]
        shape = blob.shape or ()
        names += [f"size{axis}" for axis in range(len(names), len(shape))]
        named[blob] = tuple(
            f"{prefix}{name}" if size is None else size
            for name, size in zip(names, shape, strict=False)
        )
    return named


def _blobs(layer: Layer, weights: Mapping[str, Sequence[Array]]) -> list[Array]:
    blobs = weights.get(layer.name, ())
    if layer.weight_shapes and not blobs:
        raise WeightsError(f"{layer.place}: has no weights; an ONNX file holds all of them")
    return [np.ascontiguousarray(blob, np.float32) for blob in blobs]


def _written(layer: Layer, graph: LayerGraph, bottoms: Sequence[str]) -> tuple[str, ...]:
    """The tensors of a layer's tops."""
    write = writer_of(layer)
    try:
        tops = write(layer, graph, *bottoms)
    except UnsupportedLayerError as error:
        raise type(error)(f"{layer.place}: {error}") from error
    return (tops,) if isinstance(tops, str) else tuple(tops)


def _named(
    graph: Graph, tensors: dict[Any, str], blob: Blob, made: str, final: Collection[Any]
) -> str:
    """Call a tensor as Caffe calls the blob, if it is the last of this name.

    One that several blobs are, as behind a Dropout, has the name of the first of them.
    """
    has_name = any(name == made and key in final for key, name in tensors.items())
    if blob.key not in final or has_name or blob.name in graph.names or not graph.makes(made):
        return made
    name = graph.free_name(blob.name)
    graph.rename(made, name)
    tensors.update({key: name for key, old in tensors.items() if old == made})
    return name


def _outputs(
    network: Network, layers: Sequence[Layer], graph: Graph, tensors: Mapping[Any, str]
) -> Iterator[tuple[str, tuple[Size, ...]]]:
    """The outputs' tensors under Caffe's names, and their sizes."""
    shapes = {blob.key: blob.shape for x in layers for blob in (*x.tops, *x.aliases)}
    free = "batch" if not any(layer.rows for layer in layers) else None
    for blob in (*network.outputs, *network.unnamed):
        name = tensors[blob.key]
        if name != blob.name:  # an input, or what another blob is too
            made = LayerGraph(graph, blob.name).add("Identity", name)
            graph.rename(made, name := graph.free_name(blob.name))
        shape: Shape = shapes[blob.key] or ()
        yield (
            name,
            tuple(free if size is None and axis == 0 else size for axis, size in enumerate(shape)),
        )


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
