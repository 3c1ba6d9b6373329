"""The walk over a Network's layers that makes a graph of operators."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError, WeightsError
from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.nodes.graph import Array, Graph, NeedsSizes, Scope
from keras_fcn.caffe.nodes.registry import Registry
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True)
class Walked:
    """A network's layers as nodes.

    Attributes:
        graph: nodes and constants.
        inputs: tensor -> the blob that it is; sizes that are free are None.
        outputs: tensor -> the blob that it is, those that nothing in the network reads.
        tops: layer -> the tensors of its tops.
    """

    graph: Graph
    inputs: Mapping[str, Blob]
    outputs: Mapping[str, Blob]
    tops: Mapping[str, Sequence[str]]


def walk(
    network: Network,
    layers: Sequence[Layer],
    weights: Mapping[str, Sequence[Array]],
    kinds: Registry,
    scope_type: type[Scope],
) -> Walked:
    """Write all layers as nodes.

    Args:
        network: the network.
        layers: its layers, of blobs with open shapes.
        weights: Caffe layer name -> blobs in Caffe's layout, fitted to it.
        kinds: what writes each of them.
        scope_type: the graph, as it adds to it.

    Raises:
        NeedsSizes: a layer needs sizes that are open.
        UnsupportedLayerError: a layer has no such form; the message names it.
        WeightsError: a layer has no weights.
    """
    declared = {
        blob.key: blob.shape or () for x in network.layers for blob in (*x.tops, *x.aliases)
    }
    training = network.state.phase == "TRAIN"
    graph = Graph()
    tensors: dict[Any, str] = {}
    inputs = {}
    batch: tuple[str, int | None] | None = None
    final = {blob.key for blob in network.blobs.values()}
    for layer in layers:
        if layer.is_source:
            for blob in layer.tops:
                tensors[blob.key] = graph.free_name(blob.name)
                inputs[tensors[blob.key]] = blob
                batch = batch or (tensors[blob.key], (*declared[blob.key], None)[0])
            continue
        if any(None in shape for shape in layer.weight_shapes or ()):
            raise NeedsSizes(f"{layer.place}: its weights are for inputs of one shape")
        scope = scope_type(
            graph,
            layer.name,
            _blobs(layer, weights, kinds.form),
            [declared[blob.key] for blob in layer.bottoms],
            training,
            batch,
        )
        tops = _written(layer, kinds, scope, [tensors[x.key] for x in layer.bottoms])
        for blob, made in zip(layer.tops, tops, strict=True):
            tensors[blob.key] = _named(graph, tensors, blob, made, final)
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            made = scope_type(graph, layer.name).like(
                tensors[layer.tops[0].key], tensors[old.key], new.shape or ()
            )
            tensors[new.key] = _named(graph, tensors, new, made, final)
    outputs = dict(_outputs(network, layers, graph, tensors, scope_type))
    of_layers = {x.name: [tensors[blob.key] for blob in x.tops] for x in layers}
    return Walked(graph, inputs, outputs, of_layers)


def _blobs(layer: Layer, weights: Mapping[str, Sequence[Array]], form: str) -> list[Array]:
    blobs = weights.get(layer.name, ())
    if layer.weight_shapes and not blobs:
        raise WeightsError(f"{layer.place}: has no weights; {form} files hold all of them")
    return [np.ascontiguousarray(blob, np.float32) for blob in blobs]


def _written(
    layer: Layer, kinds: Registry, scope: Scope, bottoms: Sequence[str]
) -> tuple[str, ...]:
    """The tensors of a layer's tops."""
    write = kinds.writer_of(layer)
    try:
        tops = write(layer, scope, *bottoms)
    except UnsupportedLayerError as error:
        raise type(error)(f"{layer.place}: {error}") from error
    return (tops,) if isinstance(tops, str) else tuple(tops)


def _named(
    graph: Graph, tensors: dict[Any, str], blob: Blob, made: str, final: Collection[Any]
) -> str:
    """Call a tensor as Caffe calls the blob, if it is the last of this name.

    One that several blobs are, as behind a Dropout, has the name of the first of them.
    """
    if blob.key not in final or blob.name in graph.names:
        return made
    has_name = any(name == made and key in final for key, name in tensors.items())
    if has_name or not graph.makes(made):
        return made
    name = graph.free_name(blob.name)
    graph.rename(made, name)
    tensors.update({key: name for key, old in tensors.items() if old == made})
    return name


def _outputs(
    network: Network,
    layers: Sequence[Layer],
    graph: Graph,
    tensors: Mapping[Any, str],
    scope_type: type[Scope],
) -> Iterator[tuple[str, Blob]]:
    """The outputs' tensors under Caffe's names."""
    opened = {blob.key: blob for x in layers for blob in (*x.tops, *x.aliases)}
    for blob in (*network.outputs, *network.unnamed):
        name = tensors[blob.key]
        if name != blob.name:  # an input, or what another blob is too
            made = scope_type(graph, blob.name).copied(name)
            graph.rename(made, name := graph.free_name(blob.name))
        yield name, opened[blob.key]
