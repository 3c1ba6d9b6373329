"""Reading `.npz` archives of weights by layer, without pickle."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.opened import Array
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.hdf5_input import MAX_EXPANSION, SPARE_BYTES
from keras_fcn.caffe.io.npy import DAMAGE, declared, read_array
from keras_fcn.caffe.io.source import SourceFile

FACTS = "_facts"
"""Array that holds, as JSON in UTF-8, what else the converter knows."""
MEAN = "_mean"

_ENDING = ".npy"
_EXTRA = frozenset({"factor"})  # what Keras' own layers lack
_NAMES = {"kernel": "weights", "bias": "biases"}
_KERAS = {name: keras for keras, name in _NAMES.items()}


def dictionary_name(name: str, others: Collection[str]) -> str:
    """`weights` for a kernel, `biases` for its bias; other weights keep Keras' names."""
    return _NAMES[name] if name in _NAMES and "kernel" in others else name


class _Member(NamedTuple):
    """One array of the archive."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]


class ArraysFile(WeightsFile):
    """An `.npz` of arrays `layer/weights`, `layer/biases`: like a by-name weights file.

    Files of the converter hold more; of other archives the arrays alone count. Nothing is
    unpickled.

    Args:
        source: the open file, which is closed with this.

    Raises:
        WeightsError: the file is damaged, holds other than arrays of numbers by layer, or
            declares what it does not hold. Later reads may raise it as well.
    """

    def __init__(self, source: SourceFile) -> None:
        self.path = source.path
        self.source = source
        with contextlib.ExitStack() as stack, self._reading():
            file = stack.enter_context(Path(self.path).open("rb"))
            if not source.is_at(file.fileno()):
                raise WeightsError(f"{self.path} was replaced while it was opened; read it again")
            self._archive = stack.enter_context(zipfile.ZipFile(file))
            self._roots, self._layers = self._listed_arrays()
            facts = self._root_array(FACTS)
            known = {} if facts is None else _mapping(json.loads(facts.astype(np.uint8).tobytes()))
            self._known = {
                key: _mapping(known.get(key)) for key in ("attributes", "texts", "layers")
            }
            self._open = stack.pop_all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __contains__(self, name: object) -> bool:
        return name in self._layers

    def __getitem__(self, name: str) -> list[Array]:
        return [self._array(member) for member in self._own(name, extra=False).values()]

    def extra(self, name: str) -> list[Array]:
        return [self._array(member) for member in self._own(name, extra=True).values()]

    def weight_names(self, name: str) -> list[str]:
        return list(self._own(name, extra=False))

    def shapes(self, name: str) -> list[tuple[int, ...]]:
        return [member.shape for member in self._own(name, extra=False).values()]

    def attributes(self, name: str | None = None) -> dict[str, Any]:
        return (
            self._known["attributes"] if name is None else _mapping(self._known["layers"].get(name))
        )

    def mean(self) -> Array | None:
        return self._root_array(MEAN)

    def text(self, name: str) -> str | None:
        found = self._known["texts"].get(name)
        return found if isinstance(found, str) else None

    def _attribute(self, name: str, key: str) -> Any:
        return self.attributes(name).get(key)

    def _own(self, name: str, *, extra: bool) -> dict[str, _Member]:
        members = self._layers[name]
        return {key: member for key, member in members.items() if (key in _EXTRA) is extra}

    def _listed_arrays(self) -> tuple[dict[str, _Member], dict[str, dict[str, _Member]]]:
        """The arrays beside the layers, and those of each layer by Keras' names."""
        infos = self._archive.infolist()
        limit = MAX_EXPANSION * Path(self.path).stat().st_size + SPARE_BYTES
        if sum(info.file_size for info in infos) > limit:
            raise WeightsError(f"{self.path} declares more than the {limit} bytes that it may have")
        roots: dict[str, _Member] = {}
        layers: dict[str, dict[str, _Member]] = {}
        for info in infos:
            layer, slash, key = info.filename.removesuffix(_ENDING).rpartition("/")
            if not info.filename.endswith(_ENDING) or not (slash or key in (FACTS, MEAN)):
                raise WeightsError(
                    f"{self.path} holds {info.filename!r}; a weights archive holds arrays "
                    "layer/weights and layer/biases"
                )
            held = layers.setdefault(layer, {}) if slash else roots
            name = _KERAS.get(key, key) if slash else key
            if name in held:
                raise WeightsError(f"{self.path} holds {info.filename!r} twice")
            held[name] = self._member(info)
        for name, own in layers.items():  # Keras has the kernel first
            layers[name] = dict(sorted(own.items(), key=lambda pair: pair[0] != "kernel"))
        return roots, layers

    def _member(self, info: zipfile.ZipInfo) -> _Member:
        with self._archive.open(info) as file:
            return _Member(info, declared(file, info.filename, info.file_size).shape)

    def _array(self, member: _Member) -> Array:
        info = member.info
        with self._reading(), self._archive.open(info) as file:
            return read_array(file, info.filename, info.file_size)

    def _root_array(self, name: str) -> Array | None:
        return self._array(self._roots[name]) if name in self._roots else None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WeightsError(f"cannot read {self.path}: {error.strerror or error}") from error
        except DAMAGE as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"cannot read {self.path} as .npz: {error}") from error


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
