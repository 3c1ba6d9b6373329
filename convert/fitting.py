"""A weights file's blobs, checked against a network."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from convert.caffemodel import CaffeModel, StoredBlob, read_caffemodel
from convert.errors import CaffeWarning, WeightsError
from convert.hdf5 import WeightsFile, is_weights_file
from convert.layers import Shape
from convert.layers.base import Array
from convert.network import Layer, Network


def fit_weights(network: Network, model: Mapping[str, list[Array]]) -> dict[str, list[Array]]:
    """The blobs of a weights file, checked against a network and in its shapes.

    Args:
        network: the network the weights are for.
        model: Caffe layer name -> blobs, e.g. a CaffeModel.

    Returns:
        Layer name -> blobs, for the layers that both have.

    Raises:
        WeightsError: the file belongs to another network; the first layer that
            does not fit is named with both shapes.
    """
    fitted = {}
    source = getattr(model, "path", "the weights")
    for layer in network.layers:
        if layer.name not in model:
            continue
        shapes = _stored_shapes(model, layer.name)
        wanted = layer.weight_shapes
        if wanted is None:
            wanted = _open_shapes(shapes, layer.params.weight_ranks)
        where = f"{source}: layer {layer.name!r} ({layer.type})"
        if len(shapes) != len(wanted):
            raise WeightsError(
                f"{where} holds {len(shapes)} blobs, the network needs {len(wanted)} "
                f"(shapes {shapes}, needed {list(wanted)}); {_advice(layer, len(shapes))}"
            )
        for index, (shape, want) in enumerate(zip(shapes, wanted, strict=True)):
            if not _fits(shape, want):
                raise WeightsError(
                    f"{where} holds blob {index} of shape {shape}, the network needs {want}; "
                    "the weights belong to another network"
                )
        fitted[layer.name] = [
            blob.reshape(blob.shape[blob.ndim - len(want) :])
            for blob, want in zip(model[layer.name], wanted, strict=True)
        ]
    for note in (*getattr(model, "notes", ()), *shared_names(network, fitted)):
        warnings.warn(f"{source}: {note}", CaffeWarning, stacklevel=2)
    with_weights = [layer.name for layer in network.layers if layer.weight_shapes]
    if with_weights and not fitted:
        raise WeightsError(
            f"{source}: none of its layers ({', '.join(list(model)[:5])}, ...) is a layer with "
            f"weights of {network.path} ({', '.join(with_weights[:5])}, ...)"
        )
    return fitted


def shared_names(network: Network, fitted: Collection[str]) -> list[str]:
    """What to say of layers with weights that have one name, one line a name."""
    counts = Counter(layer.name for layer in network.layers if layer.name in fitted)
    return [
        f"{count} layers are named {name!r} and get the same weights, those that come last in the "
        "file; in Caffe only the first of them does"
        for name, count in counts.items()
        if count > 1
    ]


def unknown_orders(network: Network, fitted: Collection[str]) -> list[str]:
    """What to say of layers that may read a map, of which nothing is known, one line each."""
    return [
        f"layer {layer.name!r}: its inputs are taken as a plain vector, because the shape "
        "of its bottom is not known; check the order of its inputs"
        for layer in network.layers
        if layer.name in fitted and layer.params.flattens and reads_unknown_map(layer)
    ]


def reads_unknown_map(layer: Layer) -> bool:
    """Whether the order of the inputs is not known: neither a plain vector nor its channels."""
    shape = layer.bottoms[0].shape if layer.bottoms else None
    return layer.flattened_channels is None and (shape is None or len(shape) > 2)


def _advice(layer: Layer, count: int) -> str:
    """What may be wrong where a layer has another number of blobs than its weights."""
    biased = getattr(layer.params, "bias_term", None)
    if biased is not None and count == (1 if biased else 2):
        return f"if the network was trained so, set bias_term: {str(not biased).lower()}"
    return "the weights belong to another network"


def _stored_shapes(model: Mapping[str, list[Array]], name: str) -> list[tuple[int, ...]]:
    if isinstance(model, CaffeModel):
        blobs: Sequence[StoredBlob | Array] = model.layers[name].blobs
    else:
        blobs = model[name]
    return [tuple(blob.shape) for blob in blobs]


def _open_shapes(
    shapes: Sequence[tuple[int, ...]], ranks: Sequence[int | None]
) -> tuple[Shape, ...]:
    """Shapes to fit into where only the number of axes is known, or not even that (None)."""
    ranks = (*ranks, *(None,) * (len(shapes) - len(ranks)))
    return tuple(
        (None,) * (len(shape) if rank is None else rank)
        for shape, rank in zip(shapes, ranks, strict=False)
    )


def _fits(shape: tuple[int, ...], want: Shape) -> bool:
    """Whether a stored shape is the wanted one; legacy shapes lead with ones."""
    extra = len(shape) - len(want)
    if extra < 0:
        return False
    return all(size == 1 for size in shape[:extra]) and all(
        w is None or size == w for size, w in zip(shape[extra:], want, strict=True)
    )


def stored_shapes(
    path: str | Path, rename: Mapping[str, str] | None = None
) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of the blobs in a weights file: Caffe layer name -> shapes.

    Args:
        path: a ``.caffemodel`` or the converter's ``.h5``. Of another Keras file nothing
            is known.
        rename: layer name in a ``.caffemodel`` -> the name to give it.

    Raises:
        WeightsError: the file cannot be read.
    """
    if not is_weights_file(path):
        layers = read_caffemodel(path, rename).layers.items()
        return {name: [blob.shape for blob in layer.blobs] for name, layer in layers}
    with WeightsFile(path) as file:
        names = {name: file.attributes(name).get("caffe_name") for name in file}
        shapes = {name: file.caffe_shapes(name) for name in file}
    return {
        str(names[name]): known
        for name, known in shapes.items()
        if names[name] is not None and known is not None
    }
