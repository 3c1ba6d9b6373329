"""Load weights into a Keras model by layer name, and say what was and was not loaded."""

from __future__ import annotations

import dataclasses
import functools
import math
import random
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.weights import OpenWeights, open_weights
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from keras_fcn.caffe.io.streaming import has_nan
from keras_fcn.caffe.net.assembly import network_of
from keras_fcn.caffe.net.fillers import fill_blobs
from keras_fcn.caffe.net.fitting import fit_weights, unknown_order_layers, unknown_orders
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.sharing import shared_places
from keras_fcn.core import stock_layers
from keras_fcn.core.card import card_of
from keras_fcn.core.leaves import leaves
from keras_fcn.core.loaded import note_loaded
from keras_fcn.core.stock_layers import Fit
from keras_fcn.core.weight_sources import Shapes, Source, caffe_source, keras_source, name_order
from keras_fcn.layers.tied import Tied
from keras_fcn.text_tables import html_table

_CAST = "-conv"


@dataclass(frozen=True)
class LoadReport:
    """Report of `load_weights`, layer by layer.

    Attributes:
        loaded: layers whose weights were set, be it as those of another that shares them.
        missing: layers of the model that have weights, which the file lacks.
        unexpected: layers of the file that the model lacks.
        mismatched: layers of both whose shapes differ: (name, in the file, in the
            model).
        notes: what a user should know of layers that were loaded, one line each.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shapes, Shapes], ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text("loaded")

    def text(self, done: str) -> str:
        """The report, one line a kind; of layers that fit it is said that they are `done`."""
        lines = [f"{_counted(self.loaded)} {done}: {', '.join(self.loaded) or 'none'}"]
        if self.missing:
            lines.append(f"missing in the file: {', '.join(self.missing)}")
        if self.unexpected:
            lines.append(f"unexpected in the file: {', '.join(self.unexpected)}")
        lines += [
            f"shapes of {name!r} differ: {stored} in the file, {wanted} in the model"
            for name, stored, wanted in self.mismatched
        ]
        lines += self.notes
        return "\n".join(lines)

    def __repr__(self) -> str:
        others = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "mismatched": self.mismatched,
            "notes": self.notes,
        }
        counts = [f"{len(names)} {what}" for what, names in others.items() if names]
        return f"<LoadReport: {', '.join([f'{_counted(self.loaded)} loaded', *counts])}>"

    def _repr_html_(self) -> str:
        rows = [
            *((name, "loaded") for name in self.loaded),
            *((name, "missing in the file") for name in self.missing),
            *((name, "unexpected in the file") for name in self.unexpected),
            *(
                (name, f"shapes differ: {stored} in the file, {wanted} in the model")
                for name, stored, wanted in self.mismatched
            ),
            *(("", note) for note in self.notes),
        ]
        return html_table(rows, ("layer", "weights"))


def _counted(layers: Collection[str]) -> str:
    return f"{len(layers)} layer{'' if len(layers) == 1 else 's'}"


def load_weights(
    model: keras.Model,
    path: str | Path | OpenWeights,
    *,
    strict: bool = True,
    new: Collection[str] = (),
    rename: Mapping[str, str] | None = None,
) -> LoadReport:
    """Set a model's weights from a file, by layer name.

    A layer `fc6` of the file also fits a layer `fc6-conv` of the model, and the
    other way round, where both kernels hold the same numbers (net surgery: the
    dense kernel is the convolution's, reshaped). Layers inside submodels are found.

    A `DepthwiseConv2D` takes the kernel of a convolution with as many groups as channels, a
    `PReLU` with or without shared axes Caffe's slopes, and one `BatchNormalization`,
    named after the BatchNorm or the Scale behind it, the weights of both; the report and a
    warning say where its epsilon is not Caffe's.

    Args:
        model: a built model.
        path: the converter's `.h5` (or another by-name Keras file), or a
            `.caffemodel`; or one that is open, see
            `keras_fcn.caffe.blobs.weights.open_weights`.
        strict: refuse a file that misses a layer, or whose shapes differ, before
            anything is set. With False such layers keep their values; use it for a
            network with a new head.
        new: names of layers that the file need not fit even when strict, such as a
            new head; one that does not fit keeps its values.
        rename: layer name in the file -> the layer of the model that it is for.

    Raises:
        WeightsError: the file cannot be read, or lacks a layer to rename; it fits no
            layer at all; or, when strict, not every layer of the model can be loaded.
    """
    with open_weights(path) as weights:
        if isinstance(weights, CaffeModel):
            source = _caffe_source(model, weights.renamed(rename) if rename else weights)
        else:
            source = keras_source(weights.path, weights, rename or {})
        report = _load(model, source, strict, new)
    note_loaded(_named(model, report.loaded), source.path)
    return report


def _caffe_source(model: keras.Model, stored: CaffeModel) -> Source:
    """The weights of a `.caffemodel`, laid out by the layers that it carries."""
    network = network_of(stored)
    blobs = fit_weights(network, stored)
    ranks = {x.name: len(x.weights[0].shape) for x in leaves(model) if x.weights}
    unknown = unknown_order_layers(network, blobs)
    # A convolution tells the map that its inner product read.
    dense = [x.name for x in unknown if ranks.get(_find(x.keras_name, ranks) or "", 4) != 4]
    for note in unknown_orders(network, dense):
        warnings.warn(
            f"{stored.path}: {note}; or convert it with its prototxt", CaffeWarning, stacklevel=3
        )
    source = caffe_source(stored.path, network, blobs)
    flat = frozenset(layer.keras_name for layer in unknown)
    return dataclasses.replace(source, flat=flat)


def load_caffemodel(
    model: keras.Model,
    network: Network,
    stored: CaffeModel | None,
    seed: int | None = None,
) -> LoadReport:
    """Set the weights of a model built from `network` as Caffe would.

    Layers that the file lacks are filled by their fillers, all of them where there is
    no file; layers of the file that the network lacks are passed over; shapes that
    differ are an error.

    Args:
        model: a model from `keras_fcn.builder.build_model`.
        network: the network it was built from.
        stored: the weights of a `.caffemodel`, or None.
        seed: makes the random fillers repeatable; None: whatever
            `keras.utils.set_random_seed` was given last.
    """
    if seed is None:
        seed = random.getrandbits(64)
    path = "fillers" if stored is None else stored.path
    fitted = {} if stored is None else fit_weights(network, _cast(network, stored))
    filled = fill_blobs(network, seed, fitted)
    if fitted and filled:
        warnings.warn(
            f"{path} has no weights for {', '.join(_lacking(network, filled, fitted))}; they keep "
            "what their fillers give",
            CaffeWarning,
            stacklevel=3,
        )
    blobs = filled | fitted
    if not blobs:
        return LoadReport((), (), (), ())
    source = caffe_source(path, network, blobs)
    report = _load(model, source, strict=False)
    if report.mismatched:
        raise WeightsError(f"{source.path} does not fit {network.path}.\n{report.text('fit')}")
    for layer in network.layers:
        is_in = any(top.name in card_of(model).blobs for top in layer.tops)
        if is_in and layer.name in fitted and layer.keras_name in report.unexpected:
            raise WeightsError(
                f"{source.path} has weights for layer {layer.name!r} ({layer.type}), but its "
                f"registered function makes no layer of this name; call its Keras layer "
                "layer.keras_name"
            )
    read = {layer.keras_name for layer in network.layers if layer.name in fitted}
    note_loaded(_named(model, read), path)
    return report


def _named(model: keras.Model, names: Collection[str]) -> Iterator[keras.layers.Layer]:
    return (layer for layer in leaves(model) if layer.name in names)


def _cast(network: Network, stored: CaffeModel) -> CaffeModel:
    """A file's weights; those of an inner product `fc6` for a convolution `fc6-conv`.

    That is for a layer that the file lacks, of as many numbers, and where the network has no
    `fc6`: a classifier that was cast.
    """
    own = {layer.name for layer in network.layers}
    cast = {}
    for layer in network.layers:
        other, shapes = layer.name.removesuffix(_CAST), layer.weight_shapes
        if layer.type != "Convolution" or not shapes or layer.name in stored:
            continue
        if other in own or other not in stored:
            continue
        held = [math.prod(blob.shape) for blob in stored.layers[other].blobs]
        if held == [math.prod(size or 0 for size in shape) for shape in shapes]:
            cast[other] = layer.name
    if not cast:
        return stored
    pairs = ", ".join(f"{new!r} those of {old!r}" for old, new in cast.items())
    warnings.warn(
        f"{stored.path}: convolutions take the weights of their other form, inner products: "
        f"{pairs}",
        CaffeWarning,
        stacklevel=4,
    )
    return stored.renamed(cast)


def _lacking(network: Network, filled: Collection[str], stored: Collection[str]) -> Iterator[str]:
    """The filled layers; of one that shares some blobs with a stored layer, which it lacks."""
    shared = shared_places(network)
    held = {owner for (name, _), owner in shared.items() if name in stored}
    for layer in network.layers:
        if layer.name in filled:
            count = range(len(layer.weight_shapes or ()))
            own = [index for index in count if shared.get((layer.name, index)) not in held]
            which = f" (blob {', '.join(map(str, own))})" if len(own) < len(count) else ""
            yield layer.name + which


def _load(
    model: keras.Model, source: Source, strict: bool, new: Collection[str] = ()
) -> LoadReport:
    targets = {layer.name: layer for layer in leaves(model) if layer.weights}
    pairs: list[tuple[Fit, keras.layers.Layer]] = []
    lacking, mismatched = [], []
    for name, layer in targets.items():
        key = _find(name, source.shapes)
        if key is None:
            lacking.append(layer)
            continue
        variables = layer.weights[: len(layer.weights) - len(_default_extra(layer))]
        order = name_order(source.names(key), [variable.path for variable in variables])
        stored = [source.shapes[key][index] for index in order]
        wanted = [tuple(variable.shape) for variable in variables]
        others = targets.keys() - {name}
        fit = stock_layers.fit(layer, key, source.shapes, source.named, source.caffe, others)
        by_shape = stock_layers.fits_by_shape(layer, key, source.caffe)
        if fit is None and by_shape and (_same(stored, wanted) or _castable(stored, wanted)):
            fit = Fit((key,), functools.partial(_plain_arrays, source, key, layer, order))
        if fit is not None:
            pairs.append((fit, layer))
        else:
            mismatched.append((name, stored, wanted))
    used: set[str | None] = {key for fit, _ in pairs for key in fit.keys}
    used |= {_find(name, source.shapes) for name, *_ in mismatched}
    known = {id(weight) for _, layer in pairs for weight in _used_weights(layer)}
    lent = [x.name for x in lacking if known.issuperset(map(id, _used_weights(x)))]
    missing = [layer.name for layer in lacking if layer.name not in lent]
    report = LoadReport(
        (*(layer.name for _, layer in pairs), *lent),
        tuple(missing),
        tuple(name for name in source.shapes if name not in used),
        tuple(mismatched),
        tuple(fit.note for fit, _ in pairs if fit.note),
    )
    if targets and not pairs:
        raise WeightsError(
            f"{source.path} fits no layer of model {model.name!r}.\n{report.text('fit')}\n"
            f"It holds: {', '.join(list(source.shapes)[:8])}"
        )
    unfit = {*missing, *(name for name, *_ in mismatched)}
    if strict and unfit - set(new):
        error = WeightsError(
            f"{source.path} does not fit model {model.name!r}; nothing was loaded.\n"
            f"{report.text('would fit')}"
        )
        # For Python alone: the command line has no such argument.
        error.add_note("load_weights(..., strict=False) loads what fits and keeps the rest")
        raise error
    if report.notes:
        warnings.warn(f"{source.path}: {'; '.join(report.notes)}", CaffeWarning, stacklevel=3)
    for fit, layer in pairs:
        # Shared parameters go to their owner: as in Caffe, the last copy in the file counts.
        for array, variable in zip(fit.arrays(), _used_weights(layer), strict=True):
            if has_nan(array):
                warnings.warn(
                    f"{source.path}: layer {fit.keys[0]!r} holds NaN", CaffeWarning, stacklevel=3
                )
            variable.assign(array.reshape(variable.shape))
    return report


def _plain_arrays(
    source: Source, key: str, layer: keras.layers.Layer, order: Sequence[int]
) -> list[np.ndarray]:
    arrays = source.arrays(key)
    arrays = [arrays[index] for index in order]
    if key in source.flat and len(layer.weights[0].shape) == 4:
        height, width, channels, outputs = layer.weights[0].shape
        kernel = arrays[0].reshape(channels, height, width, outputs)
        arrays = [kernel.transpose(1, 2, 0, 3), *arrays[1:]]
    return [*arrays, *_extra(source, key, layer)]


def _used_weights(layer: keras.layers.Layer) -> list[Any]:
    return layer.used_weights if isinstance(layer, Tied) else layer.weights


def _extra(source: Source, key: str, layer: keras.layers.Layer) -> list[np.ndarray]:
    """Arrays for the weights that only our layer has: the file's, else the layer's defaults."""
    defaults = _default_extra(layer)
    stored = source.extra(key) if defaults else []
    return stored if len(stored) == len(defaults) else defaults


def _default_extra(layer: keras.layers.Layer) -> list[np.ndarray]:
    """Values of a layer's last weights that Keras' own of the kind lacks; see BatchNorm."""
    layer = layer.layer if isinstance(layer, Tied) else layer
    return layer.default_extra() if hasattr(layer, "default_extra") else []


def _find(name: str, stored: Mapping[str, Any]) -> str | None:
    """The file's name for a layer: its own, or that of its cast form."""
    other = name.removesuffix(_CAST) if name.endswith(_CAST) else name + _CAST
    return next((key for key in (name, other) if key in stored), None)


def _same(stored: Shapes, wanted: Shapes) -> bool:
    return [tuple(shape) for shape in stored] == wanted


def _castable(stored: Shapes, wanted: Shapes) -> bool:
    """Whether the kernels are a dense one and the convolution that does the same."""
    return (
        len(stored) == len(wanted) > 0
        and {len(stored[0]), len(wanted[0])} == {2, 4}
        and stored[0][-1] == wanted[0][-1]
        and math.prod(stored[0]) == math.prod(wanted[0])
        and _same(stored[1:], wanted[1:])
    )
