"""A weights file's blobs, checked against a network."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from keras_fcn.caffe.layers import Shape, Shapes
from keras_fcn.caffe.layers.base import Array, product
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.net.sharing import Place, shared_places
from keras_fcn.caffe.words import argument


def fit_weights(network: Network, model: Mapping[str, list[Array]]) -> dict[str, list[Array]]:
    """The blobs of a weights file, checked against a network and in its shapes.

    What layers share is one memory, as in Caffe: each of them gets what the file holds
    for any of them, and where it holds several the last one counts.

    Args:
        network: the network the weights are for.
        model: Caffe layer name -> blobs, e.g. a CaffeModel, in the file's order.

    Returns:
        Layer name -> blobs, for the layers of which all blobs are in the file.

    Raises:
        WeightsError: the file belongs to another network; the first layer that
            does not fit is named with both shapes.
    """
    source = getattr(model, "path", "the weights")
    shared = shared_places(network)
    wanted: dict[str, Shapes] = {}
    for layer in network.layers:
        if layer.name in model:
            try:
                wanted[layer.name] = _checked(
                    layer, _stored_shapes(model, layer.name), shared, source
                )
            except WeightsError as error:
                if not network.given:
                    raise
                names = ", ".join(map(repr, network.given))
                raise WeightsError(
                    f"{error}, or {argument('input_shapes')} of {names} do not suit it"
                ) from error
        elif layer.weight_shapes and any(spec.name for spec in layer.param_specs):
            wanted[layer.name] = layer.weight_shapes
    memory: dict[Place, Array] = {}
    lent = _lent(network, model, shared, source)
    for name in model:
        memory.update(lent.get(name, {}))
        if name not in wanted:
            continue
        present = (shape is not None for shape in _stored_shapes(model, name))
        blobs = zip(model[name], wanted[name], present, strict=False)
        for index, (blob, want, held) in enumerate(blobs):
            if held:
                shape = blob.shape[blob.ndim - len(want) :]
                memory[shared.get((name, index), (name, index))] = blob.reshape(shape)
    fitted = {}
    for name, shapes in wanted.items():
        places = [shared.get((name, index), (name, index)) for index in range(len(shapes))]
        whole = [memory[place] for place in places if place in memory]
        if len(whole) == len(places):
            fitted[name] = [_shaped(*pair) for pair in zip(whole, shapes, strict=True)]
        elif name in model:
            raise WeightsError(
                f"{source}: layer {name!r} lacks a blob that it shares, and no other layer of the "
                "file has it"
            )
    for note in (*getattr(model, "notes", ()), *shared_names(network, fitted)):
        warnings.warn(f"{source}: {note}", CaffeWarning, stacklevel=2)
    with_weights = [layer.name for layer in network.layers if layer.weight_shapes]
    if with_weights and not fitted:
        raise WeightsError(
            f"{source}: none of its layers ({', '.join(list(model)[:5])}, ...) is a layer with "
            f"weights of {network.path} ({', '.join(with_weights[:5])}, ...)"
        )
    return fitted


def _lent(
    network: Network, model: Mapping[str, list[Array]], shared: Mapping[Place, Place], source: str
) -> dict[str, dict[Place, Array]]:
    """Shared blobs held by layers that the asked outputs do not need: name -> memory.

    Raises:
        WeightsError: it has not as many elements as the other layer needs.
    """
    lent: dict[str, dict[Place, Array]] = {name: {} for name in network.cut_sharers}
    borrowed = {
        shared[layer.name, index]: (layer, shape)
        for layer in network.layers
        for index, shape in enumerate(layer.weight_shapes or ())
        if (layer.name, index) in shared
    }
    for name in lent.keys() & set(model):
        shapes = _stored_shapes(model, name)
        for index, (blob, shape) in enumerate(zip(model[name], shapes, strict=True)):
            owner = shared.get((name, index))
            if shape is None or owner not in borrowed:
                continue
            layer, want = borrowed[owner]
            if product(want) not in (None, blob.size):
                raise WeightsError(
                    f"{source}: layer {name!r} holds blob {index} of shape {shape}, which layer "
                    f"{layer.name!r} shares and needs as {want}; the weights belong to another "
                    "network"
                )
            while blob.ndim > len(want) and blob.shape[0] == 1:  # a legacy shape
                blob = blob[0]
            lent[name][owner] = blob
    return lent


def _checked(
    layer: Layer, shapes: Sequence[Shape | None], shared: Mapping[Place, Place], source: str
) -> Shapes:
    """The shapes that a layer wants, where the stored ones fit; None stands for an absent blob.

    Raises:
        WeightsError: a blob does not fit, or is absent though the layer owns it.
    """
    wanted = layer.weight_shapes
    if wanted is None:
        wanted = _open_shapes(shapes, layer.params.weight_ranks)
    where = f"{source}: layer {layer.name!r} ({layer.type})"
    absent = [index for index, shape in enumerate(shapes) if shape is None]
    absent += range(len(shapes), len(wanted))
    owned = [i for i in absent if shared.get((layer.name, i), (layer.name, i))[0] == layer.name]
    if len(shapes) > len(wanted) or any(index >= len(shapes) for index in owned):
        raise WeightsError(
            f"{where} holds {len(shapes)} blobs, the network needs {len(wanted)} "
            f"(shapes {list(shapes)}, needed {list(wanted)}); {_advice(layer, len(shapes))}"
        )
    if owned:
        raise WeightsError(
            f"{where} lacks blob {owned[0]}, which it shares with no layer before it"
        )
    for index, (shape, want) in enumerate(zip(shapes, wanted, strict=False)):
        if shape is not None and not (_fits(shape, want) or _casts(layer, shape, want)):
            raise WeightsError(
                f"{where} holds blob {index} of shape {shape}, the network needs {want}; "
                "the weights belong to another network"
            )
    return wanted


def _shaped(blob: Array, shape: Shape) -> Array:
    """Memory that may belong to another layer, in a layer's own shape where it is known."""
    return blob if None in shape else blob.reshape([size or 0 for size in shape])


def shared_names(network: Network, fitted: Collection[str]) -> list[str]:
    """Messages on layers with weights that have one name, one line a name."""
    counts = Counter(layer.name for layer in network.layers if layer.name in fitted)
    return [
        f"{count} layers are named {name!r} and get the same weights, those that come last in the "
        "file; in Caffe only the first of them does"
        for name, count in counts.items()
        if count > 1
    ]


def unknown_orders(network: Network, fitted: Collection[str]) -> list[str]:
    """Messages on layers that may read a map of unknown shape, one line each."""
    return [
        f"layer {layer.name!r}: its inputs are taken as a plain vector, because the shape "
        "of its bottom is not known; check the order of its inputs"
        for layer in unknown_order_layers(network, fitted)
    ]


def unknown_order_layers(network: Network, fitted: Collection[str]) -> list[Layer]:
    """The layers that may read a map, of which nothing is known."""
    return [
        layer
        for layer in network.layers
        if layer.name in fitted and layer.params.flattens and reads_unknown_map(layer)
    ]


def reads_unknown_map(layer: Layer) -> bool:
    """Whether the order of the inputs is not known: neither a plain vector nor its channels."""
    shape = layer.bottoms[0].shape if layer.bottoms else None
    return layer.flattened_channels is None and (shape is None or len(shape) > 2)


def _advice(layer: Layer, count: int) -> str:
    """Advice for a layer that has another number of blobs than its weights."""
    biased = getattr(layer.params, "bias_term", None)
    if biased is not None and count == (1 if biased else 2):
        return f"if the network was trained so, set bias_term: {str(not biased).lower()}"
    return "the weights belong to another network"


def _stored_shapes(model: Mapping[str, list[Array]], name: str) -> list[Shape | None]:
    if isinstance(model, CaffeModel):
        return [None if blob.absent else blob.shape for blob in model.layers[name].blobs]
    return [tuple(blob.shape) for blob in model[name]]


def _open_shapes(shapes: Sequence[Shape | None], ranks: Sequence[int | None]) -> tuple[Shape, ...]:
    """Shapes to fit into where only the number of axes is known, or not even that (None)."""
    ranks = (*ranks, *(None,) * (len(shapes) - len(ranks)))
    return tuple(
        (None,) * (len(shape or ()) if rank is None else rank)
        for shape, rank in zip(shapes, ranks, strict=False)
    )


def _fits(shape: Shape, want: Shape) -> bool:
    """Whether a stored shape is the wanted one; legacy shapes lead with ones."""
    extra = len(shape) - len(want)
    if extra < 0:
        return False
    return all(size == 1 for size in shape[:extra]) and all(
        w is None or size == w for size, w in zip(shape[extra:], want, strict=True)
    )


def _casts(layer: Layer, shape: Shape, want: Shape) -> bool:
    """Whether a blob is the kernel of the inner product that a convolution was cast from.

    Both hold the same numbers in the same order: outputs, channels, rows, columns.
    """
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if layer.type != "Convolution" or len(shape) != 2 or len(want) < 3 or None in want:
        return False
    return shape == (want[0], math.prod(size or 0 for size in want[1:]))


def stored_shapes(
    path: str | Path, rename: Mapping[str, str] | None = None
) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of the blobs in a weights file: Caffe layer name -> shapes.

    Args:
        path: a `.caffemodel` or the converter's `.h5`. Of another Keras file nothing
            is known.
        rename: layer name in a `.caffemodel` -> the name to give it.

    Raises:
        WeightsError: the file cannot be read.
    """
    with open_weights(path) as weights:
        if rename and isinstance(weights, CaffeModel):
            weights = weights.renamed(rename)
        return weights.blob_shapes()
