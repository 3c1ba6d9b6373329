"""A Network and its weights -> an ONNX file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError, NetworkError, UnsupportedLayerError, WeightsError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.shape import Reshape
from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.caffe.net.learning import AnySizes, InputShapes, OpenBatch
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.shapes import shaped
from keras_fcn.caffe.onnx import messages
from keras_fcn.caffe.onnx.graph import Graph, LayerGraph, NeedsSizes, graph_message
from keras_fcn.caffe.onnx.registry import writer_of
from keras_fcn.version import __version__

Array = npt.NDArray[Any]
Size = int | str | None

OPSETS = range(13, 18)
"""Those whose operators are the ones that are written."""
_IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8}
_IMAGE_SIZES = ("height", "width")


@dataclass(frozen=True)
class OnnxNet:
    """A network as ONNX has it, before it is written.

    Attributes:
        name: the network's.
        graph: nodes and constants.
        inputs: tensor -> its sizes, in Caffe's axis order; a free one has a name.
        outputs: tensor -> its sizes; None where one is not known.
    """

    name: str
    graph: Graph
    inputs: Mapping[str, Sequence[Size]]
    outputs: Mapping[str, Sequence[Size]]


def onnx_net(network: Network, weights: Mapping[str, Sequence[Array]]) -> OnnxNet:
    """The ONNX form of a network.

    The batch is free, and so are height and width where the network allows it.

    Args:
        network: the network; sizes that it cannot leave open are those that it declares.
        weights: Caffe layer name -> blobs in Caffe's layout, fitted to it.

    Raises:
        UnsupportedLayerError: a layer has no ONNX form; the message names it.
        WeightsError: a layer has no weights.
    """
    try:
        return _net(network, _open_layers(network, sizes=network.resizable), weights)
    except NeedsSizes:
        if not network.resizable:
            raise
        return _net(network, _open_layers(network, sizes=False), weights)


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
            tensors[blob.key] = _named(graph, blob, made, final)
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            scope = LayerGraph(graph, layer.name)
            shape = scope.add("Shape", tensors[old.key])
            made = scope.add("Reshape", tensors[layer.tops[0].key], shape)
            tensors[new.key] = _named(graph, new, made, final)
    outputs = dict(_outputs(network, layers, graph, tensors))
    read = graph.without_unread(list(outputs))
    return OnnxNet(network.name or "caffe_net", read, inputs, outputs)


def _open_layers(network: Network, *, sizes: bool) -> tuple[Layer, ...]:
    """The layers with open batch, and open sizes if so.

    Sizes that only repeat the batch become free with it; a network that holds for one batch
    alone keeps all it declares.
    """
    layers = tuple(map(_any_batch, network.layers))
    learnt = network.input_shapes
    inputs: InputShapes = AnySizes(learnt=learnt) if sizes else OpenBatch(learnt=learnt)
    try:
        return shaped(layers, inputs)
    except NetworkError:
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


def _named(graph: Graph, blob: Blob, made: str, final: set[Any]) -> str:
    """Call a tensor as Caffe calls the blob, if it is the last of this name."""
    if blob.key not in final or blob.name in graph.names or not graph.makes(made):
        return made
    graph.rename(made, graph.free_name(blob.name))
    return blob.name


def _outputs(
    network: Network, layers: Sequence[Layer], graph: Graph, tensors: Mapping[Any, str]
) -> Iterator[tuple[str, tuple[Size, ...]]]:
    shapes = {blob.key: blob.shape for x in layers for blob in (*x.tops, *x.aliases)}
    for blob in (*network.outputs, *network.unnamed):
        name = tensors[blob.key]
        if name != blob.name:  # an input, or what another blob is too
            name = LayerGraph(graph, blob.name).add("Identity", name)
            new = graph.free_name(blob.name)
            graph.rename(name, new)
            name = new
        shape: Shape = shapes[blob.key] or ()
        sizes: tuple[Size, ...] = tuple(shape)
        if shape and shape[0] is None and not layers_gather(layers, blob):
            sizes = ("batch", *shape[1:])
        yield name, sizes


def layers_gather(layers: Sequence[Layer], blob: Blob) -> bool:
    """Whether the rows of a blob may be others than the images of the batch."""
    return any(layer.rows for layer in layers)


def chunks(net: OnnxNet, opset: int, metadata: Mapping[str, str]) -> messages.Chunks:
    """The bytes of a network's file.

    Raises:
        ValueError: the opset is not one of `OPSETS`.
    """
    if opset not in OPSETS:
        raise ValueError(f"opset must be one of {OPSETS[0]} to {OPSETS[-1]}. Received: {opset}")
    graph = graph_message(net.name, net.graph, net.inputs, net.outputs)
    return messages.model(graph, opset, _IR_VERSIONS[opset], "keras_fcn", metadata, __version__)


def write_onnx(
    path: str | Path,
    network: Network,
    weights: Mapping[str, Sequence[Array]],
    *,
    opset: int = OPSETS[0],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as ONNX; see `onnx_net`.

    Args:
        path: the file; it appears whole or not at all.
        network: the network.
        weights: its weights.
        opset: version of ONNX' operators, 13 to 17.
        metadata: what the file tells beside.

    Raises:
        CaffeError: it has no ONNX form, or the file cannot be written.
        ValueError: the opset is another one.
    """
    parts = chunks(onnx_net(network, weights), opset, metadata or {})
    if messages.size(parts) >= 1 << 31:
        raise CaffeError(f"cannot write {path}: an ONNX file holds less than 2 GiB")
    with atomic_write(path) as file:
        file.writelines(parts)
