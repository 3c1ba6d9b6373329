"""Caffe's fillers: what a parameter blob holds when no weights are loaded.

Source: `include/caffe/filler.hpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Array, Filler
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.sharing import Place, shared_places

Blob = npt.NDArray[np.float32]
_Shape = tuple[int, ...]
_Fill: TypeAlias = "Callable[[Filler, _Shape, np.random.Generator], npt.NDArray[np.floating]]"


def fill_blobs(
    network: Network,
    seed: int | None = None,
    stored: Mapping[str, Sequence[Array]] | None = None,
) -> dict[str, list[Array]]:
    """Filled parameter blobs of a network's layers, as Caffe makes them.

    A blob that is shared is filled once, by its owner's filler, and not at all where a
    stored layer has it.

    Args:
        network: the network.
        seed: makes the random fillers repeatable.
        stored: layer name -> blobs of the layers to leave out.

    Raises:
        NetworkError: a filler is not known, or does not fit; the layer is named.
    """
    stored = stored or {}
    layers = [x for x in network.layers if x.weight_shapes and x.name not in stored]
    if not layers:
        return {}
    rng = np.random.default_rng(seed)
    shared = shared_places(network)
    cut = network.cut_sharers
    memory: dict[Place, Array] = {
        shared[name, index]: blob
        for name, blobs in stored.items()
        for index, blob in enumerate(blobs)
        if (name, index) in shared
    }
    filled: dict[str, list[Array]] = {}
    for layer in layers:
        shapes = [tuple(size or 0 for size in shape) for shape in layer.weight_shapes or ()]
        blobs: list[Array] = []
        for filler, shape in zip(layer.params.fillers(), shapes, strict=False):
            place = (layer.name, len(blobs))
            owner = shared.get(place, place)
            if owner not in memory:
                if owner[0] in cut:
                    filler = (*cut[owner[0]].fillers[owner[1] :], filler)[0]
                try:
                    memory[owner] = fill(filler, shape, rng)
                except NetworkError as error:
                    raise NetworkError(f"{network.place(layer)}: {error}") from error
            blobs.append(memory[owner].reshape(shape))
        if blobs:
            filled[layer.name] = blobs
    return filled


def fill(filler: Filler, shape: _Shape, rng: np.random.Generator) -> Blob:
    """A blob of Caffe's shape, filled.

    Raises:
        NetworkError: the filler's type is not known, or does not fit the shape.
    """
    if filler.type not in _FILLS:
        raise NetworkError(f"filler type {filler.type!r} is not one of {', '.join(_FILLS)}")
    try:
        return _FILLS[filler.type](filler, shape, rng).astype(np.float32)
    except ValueError as error:  # numpy's, about the range or the deviation
        raise NetworkError(f"filler type {filler.type!r}: {error}") from error


def _constant(filler: Filler, shape: _Shape, rng: np.random.Generator) -> Blob:
    return np.full(shape, filler.value, np.float32)


def _uniform(filler: Filler, shape: _Shape, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    return rng.uniform(filler.min, filler.max, shape)


def _gaussian(filler: Filler, shape: _Shape, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    values: npt.NDArray[np.floating] = rng.normal(filler.mean, filler.std, shape)
    if filler.sparse >= 0:  # so many inputs of each output are not zero, on average
        values *= rng.random(shape) < filler.sparse / shape[0]
    return values


def _positive_unitball(
    filler: Filler, shape: _Shape, rng: np.random.Generator
) -> npt.NDArray[np.floating]:
    values: npt.NDArray[np.floating] = rng.random(shape)
    values /= values.sum(axis=tuple(range(1, len(shape))), keepdims=True)
    return values


def _xavier(filler: Filler, shape: _Shape, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    limit = math.sqrt(3 / _fan(filler, shape))
    return rng.uniform(-limit, limit, shape)


def _msra(filler: Filler, shape: _Shape, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    return rng.normal(0, math.sqrt(2 / _fan(filler, shape)), shape)


def _fan(filler: Filler, shape: _Shape) -> float:
    fan_in = math.prod(shape[1:])
    fan_out = math.prod((*shape[:1], *shape[2:]))
    fans = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}
    return fans[filler.variance_norm] or 1.0  # of an empty blob


def _bilinear(filler: Filler, shape: _Shape, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    if len(shape) != 4 or shape[2] != shape[3]:
        raise NetworkError(f"filler type 'bilinear' needs a square kernel, got blob shape {shape}")
    return np.broadcast_to(bilinear_kernel(shape[3]), shape)


def bilinear_kernel(side: int) -> npt.NDArray[np.floating]:
    """The plane of Caffe's `bilinear` filler."""
    factor = math.ceil(side / 2)
    centre = (side - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(side) / factor - centre)
    return np.outer(line, line)


_FILLS: dict[str, _Fill] = {
    "bilinear": _bilinear,
    "constant": _constant,
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}
