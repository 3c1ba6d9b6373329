"""The by-name HDF5 weights file.

Its layout is Keras' legacy one, so that stock ``model.load_weights(path,
by_name=True)`` reads it: root attribute ``layer_names``, a group a layer with
attribute ``weight_names`` and one dataset a weight. Beside that stand, in names
that Keras ignores, where everything came from, and under ``extra_names`` weights
that Keras' own layers lack.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from convert.caffe_hdf5 import is_caffe_hdf5
from convert.errors import WeightsError
from convert.files import WriteLog, atomic_write, is_hdf5
from convert.layers.base import KerasWeight
from convert.streaming import Placed, write_all

FORMAT = 1
_ROOT = "_"  # begins the names beside the layers': no Keras-safe name begins like this
_ATTRIBUTE_BYTES = 60_000  # HDF5 keeps an attribute in 64 KiB, header included


def is_weights_file(path: str | Path) -> bool:
    """Whether a file is HDF5 in another layout than Caffe's: taken to be by name."""
    return is_hdf5(path) and not is_caffe_hdf5(path)


@dataclass(frozen=True)
class LayerEntry:
    """One layer of the file.

    Attributes:
        name: Keras layer name, which is the group's name.
        weights: the Keras weights in the order Keras assigns them.
        attributes: what else is known, e.g. ``caffe_name``.
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
        path: the file; must not end in ``.weights.h5``, which Keras reserves.
        layers: the layers, in order.
        attributes: called last, gives the root attributes.
        texts: root datasets of text, e.g. the prototxt.
        mean: the mean image (H, W, C) or pixel (C,).
        progress: called with the number of bytes written after each block.

    Returns:
        ``"layer/weight"`` names of the weights that hold NaN.
    """
    if str(path).endswith(".weights.h5"):
        raise WeightsError(
            f"cannot write {path}: Keras reads *.weights.h5 in another format and refuses to "
            "load it by name; use a name such as net.h5"
        )
    _refuse_twice([layer.name for layer in layers])
    structure = WriteLog()
    with atomic_write(path) as output:
        with h5py.File(structure, "w", libver="earliest") as file:
            items = [item for layer in layers for item in _create_layer(file, layer)]
            _set_names(file.attrs, "layer_names", [layer.name for layer in layers])
            for name, text in texts.items():
                file.create_dataset(_ROOT + name, data=text, dtype=h5py.string_dtype())
            if mean is not None:
                file.create_dataset(_ROOT + "mean", data=np.asarray(mean, np.float32))
            file.flush()
            structure.store(output.fileno())
            with_nan = write_all(output.fileno(), items, progress)
            file.attrs.update(attributes())
        structure.store(output.fileno())
    return with_nan


def _refuse_twice(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise WeightsError(f"two layers would be stored as {twice[0]!r}; rename one of them")


def _create_layer(file: h5py.File, layer: LayerEntry) -> Iterator[Placed]:
    group = file.create_group(layer.name)
    for key, listed in (("weight_names", True), ("extra_names", False)):
        names = [weight.name for weight in layer.weights if weight.listed is listed]
        if names or listed:
            _set_names(group.attrs, key, names)
    group.attrs.update(layer.attributes)
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


def _set_names(attributes: Any, key: str, names: Sequence[str]) -> None:
    """Store a list of names as Keras does: in pieces ``key0``, ``key1`` when large."""
    data = np.array([name.encode() for name in names] or np.empty(0, "S1"))
    if data.nbytes <= _ATTRIBUTE_BYTES:
        attributes[key] = data
        return
    pieces = -(-data.nbytes // _ATTRIBUTE_BYTES)
    for index, piece in enumerate(np.array_split(data, pieces)):
        attributes[f"{key}{index}"] = piece


def _get_names(attributes: Any, key: str) -> list[str] | None:
    if key in attributes:
        pieces = [attributes[key]]
    else:
        pieces = []
        while f"{key}{len(pieces)}" in attributes:
            pieces.append(attributes[f"{key}{len(pieces)}"])
        if not pieces:
            return None
    return [n.decode() if isinstance(n, bytes) else str(n) for piece in pieces for n in piece]


class WeightsFile(Mapping[str, "list[npt.NDArray[Any]]"]):
    """A by-name HDF5 weights file: Keras layer name -> arrays, read when asked for.

    Reads this converter's files and any legacy Keras file (also one that holds a
    whole model). The arrays are those that stock Keras sees; :meth:`extra` gives the
    others. Use it as a context manager, or close it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise WeightsError(f"cannot read {path} as HDF5: {error}") from error
        self._root = self._file
        names = _get_names(self._file.attrs, "layer_names")
        if names is None and "model_weights" in self._file:
            self._root = self._file["model_weights"]
            names = _get_names(self._root.attrs, "layer_names")
        if names is None:
            self._file.close()
            raise WeightsError(
                f"{path} has no 'layer_names': it is not a by-name weights file. Make one with "
                "python -m convert net.prototxt net.caffemodel -o net.h5"
            )
        self._names = [name for name in names if self.weight_names(name)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> list[npt.NDArray[Any]]:
        return [dataset[()] for dataset in self._datasets(name, "weight_names")]

    def extra(self, name: str) -> list[npt.NDArray[Any]]:
        """The layer's weights that Keras' own layer lacks; empty where there are none."""
        return [dataset[()] for dataset in self._datasets(name, "extra_names")]

    def weight_names(self, name: str) -> list[str]:
        """Names of a layer's weights, in order."""
        group = self._root.get(name)
        if not isinstance(group, h5py.Group):
            raise WeightsError(f"{self.path}: layer {name!r} is listed but not stored")
        return _get_names(group.attrs, "weight_names") or []

    def shapes(self, name: str) -> list[tuple[int, ...]]:
        """Shapes of a layer's weights, without reading them."""
        return [dataset.shape for dataset in self._datasets(name, "weight_names")]

    def _datasets(self, name: str, key: str) -> list[h5py.Dataset]:
        if name not in self._names:
            raise KeyError(name)
        group = self._root[name]
        datasets = []
        for weight in _get_names(group.attrs, key) or []:
            dataset = group.get(weight)
            if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
                raise WeightsError(f"{self.path}: {name}/{weight} is not stored in the file")
            datasets.append(dataset)
        return datasets

    def attributes(self, name: str | None = None) -> dict[str, Any]:
        """Attributes of a layer, or of the file."""
        return dict(self._root[name].attrs if name else self._file.attrs)

    def mean(self) -> npt.NDArray[Any] | None:
        """The stored mean, (H, W, C) or (C,), or None."""
        dataset = self._file.get(_ROOT + "mean")
        return dataset[()] if isinstance(dataset, h5py.Dataset) else None

    def text(self, name: str) -> str | None:
        """A stored text such as ``"prototxt"``, or None."""
        dataset = self._file.get(_ROOT + name)
        return dataset.asstr()[()] if isinstance(dataset, h5py.Dataset) else None

    def caffe_shapes(self, name: str) -> list[tuple[int, ...]] | None:
        """Shapes of the layer's blobs in Caffe, where the file tells."""
        text = self.attributes(name).get("caffe_blob_shapes")
        return None if text is None else [tuple(shape) for shape in json.loads(text)]
