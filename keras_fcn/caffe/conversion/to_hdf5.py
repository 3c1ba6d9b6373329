"""A Caffe network's weights -> the by-name HDF5 file."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from keras_fcn.caffe.blobs.means import read_mean
from keras_fcn.caffe.conversion.report import ConversionReport, LayerRow
from keras_fcn.caffe.conversion.sources import Source
from keras_fcn.caffe.errors import CaffeWarning, NetworkError
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.keras_hdf5 import writing as hdf5
from keras_fcn.caffe.keras_hdf5.dictionaries import write_npy, write_npz
from keras_fcn.caffe.layers import KerasWeight, layout
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.net.fitting import reads_unknown_map
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.text.card_line import with_card
from keras_fcn.version import __version__

Array = npt.NDArray[Any]


def to_hdf5(
    source: Source,
    file: SourceFile,
    output: str | Path,
    *,
    mean: str | Path | None = None,
    card: str | None = None,
    fully_convolutional: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ConversionReport:
    """Write the weights of a network in Keras' layout; the arguments are those of `convert`."""
    network, weights = source.network, source.weights
    stored_mean = None if mean is None else read_mean(mean, _channels(network))
    entries, rows = [], []
    for layer in network.layers:
        if layer.name not in weights:
            continue
        entry = _entry(layer, weights[layer.name], fully_convolutional, network)
        entries.append(entry)
        rows.append(_row(layer, weights[layer.name], entry))
    total = sum(4 * weight.source.size for entry in entries for weight in entry.weights)
    done = 0

    def count(written: int) -> None:
        nonlocal done
        done += written
        if progress is not None:
            progress(done, total)

    def attributes() -> dict[str, Any]:
        return {
            "keras_fcn_format": hdf5.FORMAT,
            "converter_version": __version__,
            "source": Path(file.path).name,
            "source_sha256": file.sha256(),
            "network": network.name,
        }

    with_nan = _writer(output)(
        output,
        entries,
        attributes=attributes,
        texts={"prototxt": with_card(network.text, network.card if card is None else card)},
        mean=stored_mean,
        progress=count,
    )
    for name in with_nan:
        warnings.warn(f"{file.path}: {name} holds NaN", CaffeWarning, stacklevel=3)
    notes = [*source.notes(), *(f"{name} holds NaN" for name in with_nan)]
    if fully_convolutional:
        notes += _cast_notes(network, entries)
    return ConversionReport(file.path, str(output), tuple(rows), tuple(notes))


def layer_rows(source: Source) -> list[LayerRow]:
    """The layers that have weights, as the table shows them."""
    network, weights = source.network, source.weights
    return [
        _row(layer, weights[layer.name], _entry(layer, weights[layer.name], False, network))
        for layer in network.layers
        if layer.name in weights
    ]


def _writer(output: str | Path) -> Callable[..., list[str]]:
    """What writes a file of this ending."""
    return {".npz": write_npz, ".npy": write_npy}.get(
        Path(output).suffix.lower(), hdf5.write_weights
    )


def _channels(network: Network) -> int | None:
    """Number of channels of a network's images; None where it is not known."""
    images = [blob.shape for blob in network.inputs if blob.shape is not None]
    return next((shape[1] for shape in images if len(shape) == 4), None)


def _entry(
    layer: Layer, blobs: Sequence[Array], fully_convolutional: bool, network: Network
) -> hdf5.LayerEntry:
    weights = layer.keras_weights(blobs)
    name = layer.keras_name
    if fully_convolutional and isinstance(layer.params, InnerProduct):
        name = f"{name}-conv"
        weights = _cast(layer, weights, network)
    attributes: dict[str, Any] = {
        "caffe_name": layer.name,
        "caffe_type": layer.type,
        "caffe_blob_shapes": json.dumps([blob.shape for blob in blobs]),
    }
    if layer.flattened_channels is not None:
        attributes["flattened_channels"] = layer.flattened_channels
    return hdf5.LayerEntry(name, tuple(weights), attributes)


def _row(layer: Layer, blobs: Sequence[Array], entry: hdf5.LayerEntry) -> LayerRow:
    return LayerRow(
        layer.name,
        entry.name,
        layer.type,
        tuple(blob.shape for blob in blobs),
        tuple(weight.shape for weight in entry.weights),
    )


def _cast(layer: Layer, weights: Sequence[KerasWeight], network: Network) -> list[KerasWeight]:
    """An inner product's weights as those of the convolution that replaces it."""
    inputs = weights[0].shape[0]
    try:
        channels, *spatial = _window(layer, inputs)
        return [layout.cast_kernel(weights[0], channels, tuple(spatial)), *weights[1:]]
    except ValueError as error:
        raise NetworkError(
            f"{network.path}: layer {layer.name!r} cannot become a convolution: {error}; give a "
            "prototxt with the input's size"
        ) from error


def _window(layer: Layer, inputs: int) -> tuple[int, ...]:
    """Channels and sizes of the map that an inner product reads; 1 x 1 for a plain vector.

    Raises:
        ValueError: they are not known, and not those of a square map.
    """
    if reads_unknown_map(layer) or not layer.params.flattens:
        raise ValueError(f"its {inputs} inputs are not one map of known channels")
    if layer.flattened is None:
        return inputs, 1, 1
    sizes = tuple(size for size in layer.flattened[1:] if size is not None)
    if len(sizes) == len(layer.flattened) - 1:
        return sizes
    side = math.isqrt(inputs // sizes[0])
    return sizes[0], side, side


def _cast_notes(network: Network, entries: Sequence[hdf5.LayerEntry]) -> list[str]:
    kernels = {entry.attributes["caffe_name"]: entry.weights[0].shape for entry in entries}
    return [
        f"layer {layer.name!r}: the map it reads is taken for a square of {shape[0]} x {shape[1]}; "
        "a prototxt with the input's size tells"
        for layer in network.layers
        if layer.flattened is not None and None in layer.flattened[2:]
        for shape in [kernels.get(layer.name, ())]
        if isinstance(layer.params, InnerProduct) and len(shape) == 4
    ]
