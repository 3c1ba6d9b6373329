"""Blobs that a user's own Caffe has written: an `.npz`, or a folder of `.npy`."""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.io.hdf5_input import MAX_EXPANSION, SPARE_BYTES
from keras_fcn.caffe.io.npy import DAMAGE, NotNumbersError, declared, read_array
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.names import keras_name
from keras_fcn.verifying.references.base import NotComparedError, Reference, Subject
from keras_fcn.verifying.references.matching import fed_blobs
from keras_fcn.verifying.report import Array

INPUTS, BLOBS, PARAMS, FACTS = "in/", "out/", "param/", "_facts"
"""How the script that users run names what it writes."""
_ENDING = ".npy"
_UTF8 = 0x800  # a flag of a name in an archive
_FACTS_BYTES = 1 << 20


class Dump(Reference):
    """Arrays in a file or a folder, each read when it is asked for.

    Args:
        path: an `.npz`, or a folder of `.npy` files or with one `.npz`. Arrays are called as
            the script calls them, `in/data`, `out/conv1`, `param/conv1/0`, or simply as blobs.
        subject: the network.

    Raises:
        NotComparedError: the file is damaged or unsafe, or has no blob of the network but
            its inputs.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        self._source = _opened(path)
        self.description = f"the blobs in {path}"
        with _reading(path):
            self._shapes, left_out = _shapes(self._source)
            facts = self._facts()
        network = subject.network
        called = {keras_name(name): name for name in (*network.blobs, *network.input_shapes)}
        self._keys = _by_name(path, list(self._shapes), BLOBS, called)
        fed = _by_name(path, list(self._shapes), INPUTS, called)
        given = {**{x: self._keys[x] for x in network.input_shapes if x in self._keys}, **fed}
        made = network.blobs.keys() - fed_blobs(network)
        if not made & self._keys.keys():
            raise _of_another(path, self._keys, [x for x in network.blobs if x in made], left_out)
        self.shapes = {name: self._shapes[key] for name, key in self._keys.items()}
        self.versions = {str(x): str(y) for x, y in (facts.get("versions") or {}).items()}
        if network.input_shapes.keys() <= given.keys():
            for name, key in given.items():
                self._check_input(name, key, network.input_shapes.get(name))
            self.inputs = {name: self._array(key) for name, key in given.items()}
        elif network.input_shapes:
            self.unknown = tuple(x for x in network.input_shapes if x not in given)
            absent = ", ".join(map(repr, self.unknown))
            self.notes = (
                f"{path} does not hold the input {absent}, so it must have been fed the same",
            )
        self.notes += left_out
        held = {
            f"{PARAMS}{layer.name}/{i}": math.prod(x or 1 for x in shape)
            for layer in network.layers
            for i, shape in enumerate(layer.weight_shapes or ())
        }
        fits = [x for x, y in self._shapes.items() if math.prod(y) == held.get(x)]
        self.parameters = _Parameters(self._array, fits)

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._keys)

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        for name in names:
            yield name, self._array(self._keys[name])

    def _check_input(self, name: str, key: str, takes: Shape | None) -> None:
        """Require an input that the network may take, before it is read."""
        shape = self._shapes[key]
        size, limit = 4 * math.prod(shape), MAX_EXPANSION * self._source.size + SPARE_BYTES
        if size > limit:
            raise NotComparedError(
                f"{self._source.path}: input {name!r} would take {size} bytes; at most {limit} are "
                "read of a file of this size"
            )
        if takes is None or len(shape) != len(takes) or _channels(shape, takes):
            what = "no such input" if takes is None else f"it as {tuple(takes)}"
            raise NotComparedError(
                f"{self._source.path} is of another network: its input {name!r} is {shape}, and "
                f"this one has {what}"
            )

    def _array(self, key: str) -> Array:
        with _reading(self._source.path):
            return self._source.read(key)

    def _facts(self) -> Mapping[str, Any]:
        if self._shapes.get(FACTS, (_FACTS_BYTES + 1,)) > (_FACTS_BYTES,):
            return {}
        found = json.loads(self._source.read(FACTS).astype(np.uint8).tobytes())
        return found if isinstance(found, dict) else {}


class _Parameters(Mapping[tuple[str, int], Array]):
    """Parameter blobs, read when they are asked for."""

    def __init__(self, read: Callable[[str], Array], keys: Iterable[str]) -> None:
        self._read = read
        self._keys = {}
        for key in keys:
            layer, _, index = key.removeprefix(PARAMS).rpartition("/")
            self._keys[layer, int(index)] = key

    def __getitem__(self, place: tuple[str, int]) -> Array:
        return self._read(self._keys[place])

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _Archive:
    """The arrays of an `.npz`."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size
        with _reading(path):
            self._zip = zipfile.ZipFile(path)
            infos = [x for x in self._zip.infolist() if x.filename.endswith(_ENDING)]
        self._infos = {_filename(x).removesuffix(_ENDING): x for x in infos}
        if len(self._infos) < len(infos):
            names = [x.filename for x in infos]
            twice = next(name for name in names if names.count(name) > 1)
            raise NotComparedError(f"{path} holds {twice.removesuffix(_ENDING)!r} twice")
        self.keys = tuple(self._infos)

    def shape(self, key: str) -> tuple[int, ...]:
        with self._zip.open(self._infos[key]) as file:
            return declared(file, repr(key), self._infos[key].file_size).shape

    def read(self, key: str) -> Array:
        with self._zip.open(self._infos[key]) as file:
            return read_array(file, repr(key), self._infos[key].file_size)


def _filename(info: zipfile.ZipInfo) -> str:
    """A file's name; that of Python 2 is UTF-8 which is not said to be."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


class _Folder:
    """The `.npy` files of a folder; the rest of a path is the name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        files = {
            file.relative_to(path).as_posix().removesuffix(_ENDING): file
            for file in sorted(path.rglob(f"*{_ENDING}"))
            if file.is_file()
        }
        self._files = files
        self.size = sum(file.stat().st_size for file in files.values())
        self.keys = tuple(files)

    def shape(self, key: str) -> tuple[int, ...]:
        with self._files[key].open("rb") as file:
            return declared(file, repr(key), self._files[key].stat().st_size).shape

    def read(self, key: str) -> Array:
        with self._files[key].open("rb") as file:
            return read_array(file, repr(key), self._files[key].stat().st_size)


def _channels(shape: Sequence[int], takes: Shape) -> bool:
    """Whether the channels of an image are not as many as the network takes."""
    return len(shape) > 1 and takes[1] is not None and shape[1] != takes[1]


def _opened(path: Path) -> _Archive | _Folder:
    archive = path
    if path.is_dir():
        archives = sorted(path.glob("*.npz"))
        if len(archives) > 1:
            raise NotComparedError(
                f"{path} holds {len(archives)} dumps; name one, such as {archives[0]}"
            )
        archive = archives[0] if archives else path
    source = _Folder(path) if archive.is_dir() else _Archive(archive)
    if not source.keys:
        raise NotComparedError(f"{path} holds no arrays")
    return source


def _shapes(source: _Archive | _Folder) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """The shapes of the arrays of numbers, and a line for each that holds something else."""
    shapes, left_out = {}, []
    for key in source.keys:
        try:
            shapes[key] = source.shape(key)
        except NotNumbersError as error:
            left_out.append(f"{source.path}: {error}, and is left out")
    return shapes, tuple(left_out)


def _by_name(
    path: Path, keys: Sequence[str], prefix: str, called: Mapping[str, str]
) -> dict[str, str]:
    """Blob -> key of its array.

    Where no key has the prefix of blobs, all names are those of blobs. A file's name that
    stands for one, as `inception_3a_1x1`, is that of the blob.
    """
    marked = any(key.startswith(BLOBS) for key in keys)
    if marked or prefix != BLOBS:
        keys = [key for key in keys if key.startswith(prefix)]
    else:
        keys = [key for key in keys if not key.startswith((INPUTS, PARAMS)) and key != FACTS]
    own = set(called.values())
    found: dict[str, str] = {}
    for key in keys:
        name = key.removeprefix(prefix)
        name = name if name in own else called.get(keras_name(name), name)
        if name in found:
            raise NotComparedError(f"{path} holds blob {name!r} twice: {found[name]!r} and {key!r}")
        found[name] = key
    return found


def _of_another(
    path: Path, keys: Mapping[str, str], blobs: Iterable[str], left_out: Sequence[str]
) -> NotComparedError:
    theirs, ours = (", ".join(map(repr, list(names)[:4])) for names in (keys, blobs))
    return NotComparedError(
        f"{path} is of another network, or its blobs have other names: it holds "
        f"{theirs or 'no blobs'}, and but for inputs this one has {ours}"
        + "".join(f"; {note}" for note in left_out)
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotComparedError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGE as error:
        raise NotComparedError(f"cannot read {path}: {error}") from error
