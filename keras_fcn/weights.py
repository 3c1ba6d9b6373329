"""Load weights into a Keras model by layer name, and say what was and was not loaded."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from convert.assembly import network_of
from convert.caffemodel import read_caffemodel
from convert.errors import CaffeWarning, WeightsError
from convert.fillers import fill_blobs
from convert.fitting import fit_weights, unknown_orders
from convert.hdf5 import WeightsFile, is_weights_file
from convert.names import renamed
from convert.network import Network
from convert.sharing import shared_places
from keras_fcn.layers.tied import Tied

_CAST = "-conv"

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load_weights` did, layer by layer.

    Attributes:
        loaded: layers whose weights were set, be it as those of another that shares them.
        missing: layers of the model that have weights, which the file lacks.
        unexpected: layers of the file that the model lacks.
        mismatched: layers of both whose shapes differ: (name, in the file, in the
            model).
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shapes, Shapes], ...]

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} layers loaded: {', '.join(self.loaded) or 'none'}"]
        if self.missing:
            lines.append(f"missing in the file: {', '.join(self.missing)}")
        if self.unexpected:
            lines.append(f"unexpected in the file: {', '.join(self.unexpected)}")
        lines += [
            f"shapes of {name!r} differ: {stored} in the file, {wanted} in the model"
            for name, stored, wanted in self.mismatched
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Source:
    """A weights file as Keras layers: their shapes, and their arrays on demand.

    ``extra`` gives the arrays of weights that Keras' own layer of the kind lacks.
    """

    path: str
    shapes: Mapping[str, Shapes]
    arrays: Callable[[str], list[np.ndarray]]
    extra: Callable[[str], list[np.ndarray]]


def load_weights(
    model: keras.Model,
    path: str | Path,
    *,
    strict: bool = True,
    new: Collection[str] = (),
    rename: Mapping[str, str] | None = None,
) -> LoadReport:
    """Set a model's weights from a file, by layer name.

    A layer ``fc6`` of the file also fits a layer ``fc6-conv`` of the model, and the
    other way round, where both kernels hold the same numbers (net surgery: the
    dense kernel is the convolution's, reshaped). Layers inside submodels are found.

    Args:
        model: a built model.
        path: the converter's ``.h5`` (or another by-name Keras file), or a
            ``.caffemodel``.
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
    path = Path(path)
    if is_weights_file(path):
        with WeightsFile(path) as file:
            return _load(model, _keras_source(str(path), file, rename or {}), strict, new)
    stored = read_caffemodel(path, rename)
    network = network_of(stored)
    blobs = fit_weights(network, stored)
    for note in unknown_orders(network, blobs):
        warnings.warn(
            f"{path}: {note}; or convert it with its prototxt", CaffeWarning, stacklevel=2
        )
    return _load(model, _caffe_source(str(path), network, blobs), strict, new)


def load_caffemodel(
    model: keras.Model,
    network: Network,
    path: str | Path | None,
    seed: int | None = None,
    rename: Mapping[str, str] | None = None,
) -> LoadReport:
    """Set the weights of a model built from ``network`` as Caffe would.

    Layers that the file lacks are filled by their fillers, all of them where there is
    no file; layers of the file that the network lacks are passed over; shapes that
    differ are an error.

    Args:
        model: a model from :func:`keras_fcn.builder.build_model`.
        network: the network it was built from.
        path: the ``.caffemodel``, or None.
        seed: makes the random fillers repeatable.
        rename: layer name in the file -> its name in the network.
    """
    stored = {} if path is None else fit_weights(network, read_caffemodel(path, rename))
    filled = fill_blobs(network, seed, stored)
    if stored and filled:
        warnings.warn(
            f"{path} has no weights for {', '.join(_lacking(network, filled, stored))}; they keep "
            "what their fillers give",
            CaffeWarning,
            stacklevel=3,
        )
    blobs = filled | stored
    if not blobs:
        return LoadReport((), (), (), ())
    source = _caffe_source(str(path or "fillers"), network, blobs)
    report = _load(model, source, strict=False)
    if report.mismatched:
        raise WeightsError(f"{source.path} does not fit {network.path}.\n{report}")
    return report


def _lacking(network: Network, filled: Collection[str], stored: Collection[str]) -> Iterator[str]:
    """The filled layers; of one that shares some blobs with a stored layer, which it lacks."""
    shared = shared_places(network.layers)
    held = {owner for (name, _), owner in shared.items() if name in stored}
    for layer in network.layers:
        if layer.name in filled:
            count = range(len(layer.weight_shapes or ()))
            own = [index for index in count if shared.get((layer.name, index)) not in held]
            which = f" (blob {', '.join(map(str, own))})" if len(own) < len(count) else ""
            yield layer.name + which


def _keras_source(path: str, file: WeightsFile, rename: Mapping[str, str]) -> _Source:
    try:
        old = {new: name for name, new in renamed(file, rename).items()}
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    return _Source(
        path,
        {name: file.shapes(old[name]) for name in old},
        lambda name: file[old[name]],
        lambda name: file.extra(old[name]),
    )


def _caffe_source(path: str, network: Network, blobs: Mapping[str, list[np.ndarray]]) -> _Source:
    layers = {layer.keras_name: layer for layer in network.layers if layer.name in blobs}
    weights = {name: layer.keras_weights(blobs[layer.name]) for name, layer in layers.items()}
    return _Source(
        path,
        {
            name: [weight.shape for weight in group if weight.listed]
            for name, group in weights.items()
        },
        lambda name: [weight.array() for weight in weights[name] if weight.listed],
        lambda name: [weight.array() for weight in weights[name] if not weight.listed],
    )


def _load(
    model: keras.Model, source: _Source, strict: bool, new: Collection[str] = ()
) -> LoadReport:
    targets = {layer.name: layer for layer in _layers(model) if layer.weights}
    pairs, lacking, mismatched = [], [], []
    for name, layer in targets.items():
        key = _find(name, source.shapes)
        if key is None:
            lacking.append(layer)
            continue
        stored = source.shapes[key]
        variables = layer.weights[: len(layer.weights) - len(_default_extra(layer))]
        wanted = [tuple(variable.shape) for variable in variables]
        if _same(stored, wanted) or _castable(stored, wanted):
            pairs.append((key, layer))
        else:
            mismatched.append((name, stored, wanted))
    used = {key for key, _ in pairs} | {_find(name, source.shapes) for name, *_ in mismatched}
    known = {id(weight) for _, layer in pairs for weight in _used_weights(layer)}
    lent = [x.name for x in lacking if known.issuperset(map(id, _used_weights(x)))]
    missing = [layer.name for layer in lacking if layer.name not in lent]
    report = LoadReport(
        (*(layer.name for _, layer in pairs), *lent),
        tuple(missing),
        tuple(name for name in source.shapes if name not in used),
        tuple(mismatched),
    )
    if targets and not pairs:
        raise WeightsError(
            f"{source.path} fits no layer of model {model.name!r}.\n{report}\n"
            f"It holds: {', '.join(list(source.shapes)[:8])}"
        )
    unfit = {*missing, *(name for name, *_ in mismatched)}
    if strict and unfit - set(new):
        raise WeightsError(
            f"{source.path} does not fit model {model.name!r}; nothing was loaded. To load what "
            f"fits and keep the rest, use load_weights(..., strict=False).\n{report}"
        )
    for key, layer in pairs:
        arrays = [*source.arrays(key), *_extra(source, key, layer)]
        # Shared parameters go to their owner: as in Caffe, the last copy in the file counts.
        for array, variable in zip(arrays, _used_weights(layer), strict=True):
            if np.isnan(np.dot(array.ravel(), array.ravel())):
                warnings.warn(f"{source.path}: layer {key!r} holds NaN", CaffeWarning, stacklevel=3)
            variable.assign(array.reshape(variable.shape))
    return report


def _used_weights(layer: keras.layers.Layer) -> list[Any]:
    return layer.used_weights if isinstance(layer, Tied) else layer.weights


def _extra(source: _Source, key: str, layer: keras.layers.Layer) -> list[np.ndarray]:
    """Arrays for the weights that only our layer has: the file's, else the layer's defaults."""
    defaults = _default_extra(layer)
    stored = source.extra(key) if defaults else []
    return stored if len(stored) == len(defaults) else defaults


def _default_extra(layer: keras.layers.Layer) -> list[np.ndarray]:
    """Values of a layer's last weights that Keras' own of the kind lacks; see BatchNorm."""
    layer = layer.layer if isinstance(layer, Tied) else layer
    return layer.default_extra() if hasattr(layer, "default_extra") else []


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The leaves of a model, those of submodels included."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


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
