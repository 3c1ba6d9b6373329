"""A Caffe network's weights -> the by-name HDF5 file."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from keras_fcn.caffe.blobs.caffemodel import CaffeModel, read_caffemodel
from keras_fcn.caffe.blobs.means import read_mean
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, NetworkError, WeightsError
from keras_fcn.caffe.io.source import SourceFile, opened
from keras_fcn.caffe.keras_hdf5 import writing as hdf5
from keras_fcn.caffe.keras_hdf5.dictionaries import write_npy, write_npz
from keras_fcn.caffe.layers import KerasWeight, UnknownLayer, layout
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.net.assembly import load_network, network_of
from keras_fcn.caffe.net.fitting import fit_weights, reads_unknown_map, shared_names, unknown_orders
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.text.card_line import with_card
from keras_fcn.caffe.words import either
from keras_fcn.text_tables import html_table, text_table
from keras_fcn.version import __version__

Array = npt.NDArray[Any]

_SHOWN = 5


@dataclass(frozen=True)
class LayerRow:
    """One converted layer, as the table shows it."""

    name: str
    keras_name: str
    type: str
    caffe_shapes: tuple[tuple[int, ...], ...]
    keras_shapes: tuple[tuple[int, ...], ...]

    @property
    def parameters(self) -> int:
        """Number of the layer's parameters."""
        return sum(math.prod(shape) for shape in self.caffe_shapes)


@dataclass(frozen=True)
class ConversionReport:
    """Report of a conversion.

    Attributes:
        source: the caffemodel.
        output: the HDF5 file, None where none was written.
        layers: the layers that have weights.
        notes: what a user should know, one line each.
    """

    source: str
    output: str | None
    layers: tuple[LayerRow, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return format_table(self.layers)

    def __repr__(self) -> str:
        written = f" -> {self.output}" if self.output else ""
        return f"<ConversionReport {self.source}{written}: {len(self.layers)} layers>"

    def _repr_html_(self) -> str:
        """A table of the layers, for notebooks."""
        titles, *rows = _cells(self.layers)
        return html_table(rows, titles, caption=repr(self)[1:-1])


def convert(
    prototxt: str | Path | None,
    caffemodel: str | Path | SourceFile,
    output: str | Path,
    *,
    mean: str | Path | None = None,
    card: str | None = None,
    fully_convolutional: bool = False,
    partial: bool = False,
    rename: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **net: Any,
) -> ConversionReport:
    """Convert a network's weights to HDF5 that Keras loads by layer name.

    An output that ends in `.npz` becomes an archive of arrays `layer/weights`,
    `layer/biases`, and one that ends in `.npy` a pickled dictionary of the same, see
    `keras_fcn.caffe.keras_hdf5.dictionaries`; `keras_fcn.load_weights` reads the former.

    Args:
        prototxt: the network's definition, or None to use the layers that the
            caffemodel carries.
        caffemodel: the trained weights; a file, or one that is open.
        output: the file to write; it appears whole or not at all.
        mean: a `.binaryproto` or `.npy` mean to store beside the weights.
        card: what the network is for, as `keras_fcn.core.stored_cards.card_text` gives it; None
            for what the prototxt says.
        fully_convolutional: store inner products as convolutions, under
            `<name>-conv` (net surgery).
        partial: convert what there is where the caffemodel lacks layers of the prototxt
            that have weights. The file does not load into the whole network then.
        rename: layer name in the caffemodel -> its name in the network.
        progress: called with (bytes written, bytes in all) as the work goes on.
        **net: `phase`, `level`, `stages`, `dialect`, `input_shapes` and `outputs`:
            how the prototxt is read, see `convert.load_network`.

    Returns:
        What was converted, with notes on what was left out.

    Raises:
        CaffeError: a file is damaged, the weights belong to another network or lack layers
            of it, or the output cannot be written.
    """
    with opened(caffemodel) as source:
        source.hash_ahead()
        model = read_caffemodel(source, rename)
        network = _network(prototxt, model, net)
        weights = fit_weights(network, model.in_own_numbers())
        if prototxt is not None and not partial:
            _refuse_missing(network, model, weights)
        stored_mean = None if mean is None else read_mean(mean, _channels(network))
        entries, rows = [], []
        for layer in network.layers:
            if layer.name not in weights:
                continue
            entry = _entry(layer, weights[layer.name], fully_convolutional, network)
            entries.append(entry)
            rows.append(_row(layer, weights[layer.name], entry))
        _refuse_same_file(output, prototxt, source.path, mean)
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
                "source": Path(source.path).name,
                "source_sha256": source.sha256(),
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
            warnings.warn(f"{source.path}: {name} holds NaN", CaffeWarning, stacklevel=2)
        notes = [*_notes(network, model, weights), *(f"{name} holds NaN" for name in with_nan)]
        if fully_convolutional:
            notes += _cast_notes(network, entries)
        return ConversionReport(source.path, str(output), tuple(rows), tuple(notes))


def _writer(output: str | Path) -> Callable[..., list[str]]:
    """What writes a file of this ending."""
    return {".npz": write_npz, ".npy": write_npy}.get(
        Path(output).suffix.lower(), hdf5.write_weights
    )


def list_layers(
    caffemodel: str | Path,
    prototxt: str | Path | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    **net: Any,
) -> ConversionReport:
    """The table of a caffemodel's layers, shapes and sizes; nothing is written.

    The arguments are those of `convert`.
    """
    model = read_caffemodel(caffemodel, rename)
    network = _network(prototxt, model, net)
    weights = fit_weights(network, model.in_own_numbers())
    rows = [
        _row(layer, weights[layer.name], _entry(layer, weights[layer.name], False, network))
        for layer in network.layers
        if layer.name in weights
    ]
    return ConversionReport(
        str(caffemodel), None, tuple(rows), tuple(_notes(network, model, weights))
    )


def _network(prototxt: str | Path | None, model: CaffeModel, options: Mapping[str, Any]) -> Network:
    if prototxt is None:
        others = sorted(options.keys() - {"dialect"})
        if others:
            raise ValueError(f"without a prototxt there is no {', '.join(others)} to choose")
        return network_of(model, **options)
    layers = model.layers.items()
    shapes = {name: [blob.shape for blob in layer.blobs] for name, layer in layers}
    # Nothing is made here but what the weights file holds.
    return load_network(prototxt, shapes=shapes, max_bytes=None, **options)


def _refuse_missing(network: Network, model: CaffeModel, weights: Mapping[str, Any]) -> None:
    missing = [x for x in network.layers if x.weight_shapes and x.name not in weights]
    if not missing:
        return
    shown = ", ".join(f"{layer.name!r} ({layer.type})" for layer in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    raise WeightsError(
        f"{model.path} has no weights for {len(missing)} of the layers of {network.path} that have "
        f"some: {shown}{more}; {either('partial=True', '--partial')} converts the others"
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


def _row(layer: Layer, blobs: Sequence[Array], entry: hdf5.LayerEntry) -> LayerRow:
    return LayerRow(
        layer.name,
        entry.name,
        layer.type,
        tuple(blob.shape for blob in blobs),
        tuple(weight.shape for weight in entry.weights),
    )


def _notes(network: Network, model: CaffeModel, weights: dict[str, list[Array]]) -> list[str]:
    names = {layer.name for layer in network.layers}
    notes = list(dict.fromkeys((*model.notes, *network.notes, *shared_names(network, weights))))
    notes += [
        f"layer {name!r} of the caffemodel is not in {network.path}: left out"
        for name in model
        if name not in names
    ]
    for layer in network.layers:
        if layer.weight_shapes and layer.name not in weights:
            notes.append(f"layer {layer.name!r} has no weights in {model.path}")
        elif layer.name in weights and isinstance(layer.params, UnknownLayer):
            notes.append(
                f"layer {layer.name!r}: type {layer.type!r} is not known, its weights are kept "
                "in Caffe's layout"
            )
    return [*notes, *unknown_orders(network, weights)]


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


def _refuse_same_file(output: str | Path, *sources: str | Path | None) -> None:
    for source in sources:
        if source is not None and Path(output).exists() and Path(output).samefile(source):
            raise CaffeError(f"cannot write {output}: it is a file to be read; name another one")


def format_table(rows: Sequence[LayerRow]) -> str:
    """The layers as a plain table, as one prints `net.params`."""
    return text_table(_cells(rows), right=[-1])


def _cells(rows: Sequence[LayerRow]) -> Sequence[tuple[str, ...]]:
    """The table's cells, from the titles to the total."""

    def shapes(values: Sequence[tuple[int, ...]]) -> str:
        return " ".join("x".join(map(str, shape)) or "scalar" for shape in values)

    cells = [("layer", "type", "Caffe blobs", "Keras weights", "parameters")]
    cells += [
        (
            row.keras_name,
            row.type,
            shapes(row.caffe_shapes),
            shapes(row.keras_shapes),
            f"{row.parameters:,}",
        )
        for row in rows
    ]
    cells.append(("total", "", "", "", f"{sum(row.parameters for row in rows):,}"))
    return cells
