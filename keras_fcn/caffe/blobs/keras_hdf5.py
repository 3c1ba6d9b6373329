"""Reading the by-name HDF5 weights file, and Keras' own like it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from keras_fcn.caffe.blobs.opened import Array, Weights
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import hdf5_input
from keras_fcn.caffe.io.hdf5_input import Hdf5File
from keras_fcn.caffe.io.source import SourceFile, opened

ROOT = "_"
"""Begins the names beside the layers': no Keras-safe name begins like this."""

_Datasets = dict[str, dict[str, h5py.Dataset]]
"""Layer name -> weight name -> dataset."""


class WeightsFile(Weights):
    """A by-name HDF5 weights file: Keras layer name -> arrays, read when asked for.

    Reads this converter's files and any legacy Keras file (also one that holds a
    whole model). The arrays are those that stock Keras sees; `extra` gives the
    others. Use it as a context manager, or close it.

    Args:
        path: the file; an open HDF5 file is closed with this.

    Raises:
        WeightsError: the file is damaged, is another kind of HDF5, or declares what
            it does not hold. Later reads may raise it as well.
    """

    def __init__(self, path: str | Path | SourceFile | Hdf5File) -> None:
        with contextlib.ExitStack() as stack:
            if isinstance(path, Hdf5File):
                self._file = stack.enter_context(path)
            else:
                source = stack.enter_context(opened(path))
                self._file = stack.enter_context(Hdf5File(source))
            self.path = self._file.path
            self.source = self._file.source
            with hdf5_input.reading(self.path):
                self._root, names = self._listed()
                self._groups = {name: self._group(name) for name in names}
                if len(self._groups) < len(names):
                    raise WeightsError(f"{self.path} lists a layer twice")
                self._weights = self._datasets("weight_names")
                self._extra = self._datasets("extra_names")
                self._check_sizes()
            self._names = dict.fromkeys(name for name in names if self._weights[name])
            self._texts: dict[str, str | None] = {}
            self._open = stack.pop_all()

    def close(self) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> list[Array]:
        return self._arrays(self._weights, name)

    def extra(self, name: str) -> list[Array]:
        """The layer's weights that Keras' own layer lacks; empty where there are none."""
        return self._arrays(self._extra, name)

    def weight_names(self, name: str) -> list[str]:
        """Names of a layer's weights, in order."""
        return list(self._weights[name])

    def shapes(self, name: str) -> list[tuple[int, ...]]:
        """Shapes of a layer's weights, without reading them."""
        self._expect(name)
        return [dataset.shape for dataset in self._weights[name].values()]

    def attributes(self, name: str | None = None) -> dict[str, Any]:
        """Attributes of a layer, or of the file."""
        with hdf5_input.reading(self.path):
            return self._file.attributes(None if name is None else self._groups[name])

    def mean(self) -> Array | None:
        with hdf5_input.reading(self.path):
            dataset = self._file.member(ROOT + "mean")
            return hdf5_input.numbers(dataset) if isinstance(dataset, h5py.Dataset) else None

    def text(self, name: str) -> str | None:
        """A stored text such as `"prototxt"`, or None; read once."""
        if name not in self._texts:
            with hdf5_input.reading(self.path):
                dataset = self._file.member(ROOT + name)
                found = self._file.text(dataset) if isinstance(dataset, h5py.Dataset) else None
            self._texts[name] = found
        return self._texts[name]

    def caffe_name(self, name: str) -> str | None:
        """The layer's name in Caffe, where the file tells."""
        found = self._attribute(name, "caffe_name")
        return None if found is None else str(found)

    def caffe_shapes(self, name: str) -> list[tuple[int, ...]] | None:
        """Shapes of the layer's blobs in Caffe, where the file tells."""
        text = self._attribute(name, "caffe_blob_shapes")
        if text is None:
            return None
        with hdf5_input.reading(self.path):
            shapes = [tuple(shape) for shape in json.loads(text)]
            if not all(type(size) is int for shape in shapes for size in shape):
                raise WeightsError(f"{self.path}: layer {name!r}: caffe_blob_shapes are no shapes")
            return shapes

    def blob_shapes(self) -> dict[str, list[tuple[int, ...]]]:
        found = ((self.caffe_name(name), self.caffe_shapes(name)) for name in self)
        return {name: shapes for name, shapes in found if name is not None and shapes is not None}

    def keras_names(self) -> list[str]:
        return list(self)

    def _attribute(self, name: str, key: str) -> Any:
        with hdf5_input.reading(self.path):
            return self._file.attribute(self._groups[name], key)

    def _listed(self) -> tuple[h5py.Group, list[str]]:
        """The group that holds the layers, and their names."""
        for root in (self._file.root, self._file.member("model_weights")):
            if isinstance(root, h5py.Group):
                names = self._file.names(root, "layer_names")
                if names is not None:
                    return root, names
        if isinstance(self._file.member("layers"), h5py.Group):
            raise WeightsError(
                f"{self.path} has no 'layer_names': it is a weights file of Keras 3, which the "
                "load_weights of the model itself reads, and no by-name weights file"
            )
        raise WeightsError(
            f"{self.path} has no 'layer_names': it is not a by-name weights file. Make one with "
            "keras-fcn convert net.prototxt net.caffemodel -o net.h5"
        )

    def _group(self, name: str) -> h5py.Group:
        group = hdf5_input.member(self._root, name)
        if not isinstance(group, h5py.Group):
            raise WeightsError(f"{self.path}: layer {name!r} is listed but not stored")
        return group

    def _datasets(self, key: str) -> _Datasets:
        found: _Datasets = {}
        for name, group in self._groups.items():
            weights = found[name] = {}
            for weight in self._file.names(group, key) or []:
                dataset = hdf5_input.member(group, weight)
                if not isinstance(dataset, h5py.Dataset):
                    raise WeightsError(f"{self.path}: {name}/{weight} is not stored in the file")
                if weight in weights:
                    raise WeightsError(f"{self.path}: {name}/{weight} is listed twice")
                weights[weight] = dataset
        return found

    def _check_sizes(self) -> None:
        """One small dataset may stand under many names: together they must not grow large."""
        groups = (*self._weights.values(), *self._extra.values())
        sizes = [hdf5_input.stored_bytes(d) for group in groups for d in group.values()]
        hdf5_input.check_total(self._file.root, sum(sizes))

    def _expect(self, name: str) -> None:
        if name not in self._names:
            raise KeyError(name)

    def _arrays(self, datasets: _Datasets, name: str) -> list[Array]:
        self._expect(name)
        with hdf5_input.reading(self.path):
            return [hdf5_input.values(dataset) for dataset in datasets[name].values()]
