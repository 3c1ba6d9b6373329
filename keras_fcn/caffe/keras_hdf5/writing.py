"""The by-name HDF5 weights file.

Its layout is Keras' legacy one, so that stock `model.load_weights(path,
by_name=True)` reads it: root attribute `layer_names`, a group a layer with
attribute `weight_names` and one dataset a weight. Beside that stand, in names
that Keras ignores, where everything came from, and under `extra_names` weights
that Keras' own layers lack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs.keras_hdf5 import ROOT, WeightsFile
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.files import WriteLog, atomic_write
from keras_fcn.caffe.io.streaming import Placed, write_all
from keras_fcn.caffe.layers.base import KerasWeight
from keras_fcn.caffe.records import dataclass

__all__ = ["FORMAT", "LayerEntry", "WeightsFile", "write_weights"]

FORMAT = 1
_ATTRIBUTE_BYTES = 60_000  # HDF5 keeps an attribute in 64 KiB, header included


@dataclass(frozen=True)
class LayerEntry:
    """One layer of the file.

    Attributes:
        name: Keras layer name, which is the group's name.
        weights: the Keras weights in the order Keras assigns them.
        attributes: what else is known, e.g. `caffe_name`.
    """

    name: str
    weights: tuple[KerasWeight, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def write_weights(
    path: str | Path,
    layers: Sequence[LayerEntry],
    *,
    attributes: Callable[[], Mapping[str, Any]],
    texts: Mapping[str, str],
    mean: npt.NDArray[Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Write a weights file; it appears whole or not at all.

    Args:
        path: the file; must not end in `.weights.h5`, which Keras reserves.
        layers: the layers, in order.
        attributes: called last, gives the root attributes.
        texts: root datasets of text, e.g. the prototxt.
        mean: the mean image (H, W, C) or pixel (C,).
        progress: called with the number of bytes written after each block.

    Returns:
        `"layer/weight"` names of the weights that hold NaN.
    """
    if str(path).endswith(".weights.h5"):
        raise WeightsError(
            f"cannot write {path}: Keras reads *.weights.h5 in another format and refuses to "
            "load it by name; use a name such as net.h5"
        )
    refuse_twice([layer.name for layer in layers])
    structure = WriteLog()
    with atomic_write(path) as output:
        with h5py.File(structure, "w", libver="earliest") as file:
            items = [item for layer in layers for item in _create_layer(file, layer)]
            _set_names(file.attrs, "layer_names", [layer.name for layer in layers])
            for name, text in texts.items():
                file.create_dataset(ROOT + name, data=_fixed(text))
            if mean is not None:
                file.create_dataset(ROOT + "mean", data=np.asarray(mean, np.float32))
            file.flush()
            structure.store(output.fileno())
            with_nan = write_all(output.fileno(), items, progress)
            _set_attributes(file.attrs, attributes())
        structure.store(output.fileno())
    return with_nan


def refuse_twice(names: Sequence[str]) -> None:
    """Raise WeightsError for a name that two layers would be stored under."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise WeightsError(f"two layers would be stored as {twice[0]!r}; rename one of them")


def _create_layer(file: h5py.File, layer: LayerEntry) -> Iterator[Placed]:
    group = file.create_group(layer.name)
    for key, listed in (("weight_names", True), ("extra_names", False)):
        names = [weight.name for weight in layer.weights if weight.listed is listed]
        if names or listed:
            _set_names(group.attrs, key, names)
    _set_attributes(group.attrs, layer.attributes)
    for weight in layer.weights:
        offset = _reserve(group, weight)
        if offset is not None:
            yield Placed(f"{layer.name}/{weight.name}", weight.source, offset)


def _reserve(group: h5py.Group, weight: KerasWeight) -> int | None:
    """Create a float32 dataset whose bytes are written later; give their place."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.CONTIGUOUS)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(weight.shape)
    name = weight.name.encode()
    dataset = h5py.h5d.create(group.id, name, h5py.h5t.IEEE_F32LE, space, plist)
    offset: int | None = dataset.get_offset()
    return offset


def _set_attributes(attributes: Any, values: Mapping[str, Any]) -> None:
    """Store numbers, and texts of fixed length: those of any length fill a heap of 4 KiB each."""
    for key, value in values.items():
        short = isinstance(value, str) and len(value.encode()) <= _ATTRIBUTE_BYTES
        attributes[key] = _fixed(value) if short else value


def _fixed(text: str) -> npt.NDArray[Any]:
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", len(data) or 1))


def _set_names(attributes: Any, key: str, names: Sequence[str]) -> None:
    """Store a list of names as Keras does: in pieces `key0`, `key1` when large."""
    data = np.array([name.encode() for name in names] or np.empty(0, "S1"))
    if data.nbytes <= _ATTRIBUTE_BYTES:
        attributes[key] = data
        return
    pieces = -(-data.nbytes // _ATTRIBUTE_BYTES)
    for index, piece in enumerate(np.array_split(data, pieces)):
        attributes[f"{key}{index}"] = piece
