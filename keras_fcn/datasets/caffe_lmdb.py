"""LMDB databases of Caffe's `Datum` messages."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from convert import schema
from convert.errors import CaffeError
from keras_fcn.datasets.caffe_files import to_rgb, whole_numbers
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, label_map
from keras_fcn.datasets.reading import read_mask
from keras_fcn.datasets.sources import Pair
from keras_fcn.images import load_image

__all__ = ["DatumSource", "decode_datum", "load_lmdb"]


@dataclass(frozen=True)
class DatumSource:
    """An image or a mask under a key of a database."""

    path: Path
    key: bytes
    is_mask: bool

    @property
    def name(self) -> str:
        return f"{self.path}:{self.key.decode(errors='backslashreplace')}"

    def read(self) -> np.ndarray:
        with _transaction(self.path) as transaction:
            content = transaction.get(self.key)
        if content is None:
            raise CaffeError(f"{self.path}: no such key. Received: {self.key!r}")
        return decode_datum(content, self.is_mask, self.name)


def load_lmdb(
    images: str | Path, masks: str | Path, labels: Labels | None = None
) -> SegmentationDataset:
    """Two databases, of images and of masks, that share their keys; needs the package lmdb.

    A datum is raw, `(channels, H, W)` of bytes or floats, or an encoded PNG or JPEG. Raw images of
    three channels are BGR, as `convert_imageset` and OpenCV write them, and become RGB; floats
    count 0..255, as in Caffe. A mask is a raw datum of one channel or an encoded index image.

    Args:
        images: the folder, or file, of one database.
        masks: that of the other.
        labels: as for `load_folders`; `dataset.json` is looked for beside the first database.

    Raises:
        OSError: a database is missing.
        ValueError: there are no classes.
        CaffeError: a database cannot be read or is empty, or lmdb is not installed.
    """
    images, masks = Path(images), Path(masks)
    labels = label_map(images.parent, labels)
    keys = sorted({*_keys(images), *_keys(masks)})
    if not keys:
        raise CaffeError(f"{images} and {masks} are empty")
    pairs = tuple(
        Pair(
            key.decode(errors="backslashreplace"),
            DatumSource(images, key, False),
            DatumSource(masks, key, True),
        )
        for key in keys
    )
    return SegmentationDataset(pairs, labels, str(images))


def decode_datum(content: bytes, is_mask: bool, name: str) -> np.ndarray:
    """The pixels of a serialized `Datum`.

    Returns:
        An image `(H, W, channels)`, uint8 or float32 0..1, or a mask as its datum has it.

    Raises:
        CaffeError: it is not a datum, or has not as many values as its shape says.
        ValueError: it is encoded, and not an image.
    """
    datum = schema.new("Datum")
    try:
        datum.ParseFromString(content)
    except DecodeError as error:
        raise CaffeError(f"{name}: not a Datum message: {error}") from error
    if datum.encoded:
        file = io.BytesIO(datum.data)
        file.name = name
        return read_mask(file) if is_mask else load_image(file)
    values = _values(datum, name)
    if is_mask:
        return whole_numbers(values[0] if len(values) == 1 else values, name)
    image = to_rgb(values)
    return image if image.dtype == np.uint8 else image / np.float32(255)


def _values(datum: Any, name: str) -> np.ndarray:
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        values = np.frombuffer(datum.data, np.uint8)
    else:
        values = np.array(datum.float_data, np.float32)
    if min(shape) < 1 or values.size != shape[0] * shape[1] * shape[2]:
        raise CaffeError(
            f"{name}: a datum has channels x height x width values. Received: {values.size} values "
            f"for {shape[0]} x {shape[1]} x {shape[2]}"
        )
    if not np.isfinite(values).all():
        raise CaffeError(f"{name}: the datum has values that are NaN or infinite")
    return values.reshape(shape)


def _keys(path: Path) -> list[bytes]:
    with _transaction(path) as transaction:
        return list(transaction.cursor().iternext(keys=True, values=False))


@contextlib.contextmanager
def _transaction(path: Path) -> Iterator[Any]:
    lmdb = _lmdb(path)
    try:
        with _environment(str(path.resolve())).begin() as transaction:
            yield transaction
    except lmdb.Error as error:
        raise CaffeError(f"{path}: not an LMDB database that can be read: {error}") from error


@functools.cache
def _environment(path: str) -> Any:
    """An open database; a process may open each but once."""
    if not Path(path).exists():
        raise FileNotFoundError(2, "no such database", path)
    folder = Path(path).is_dir()
    environment = _lmdb(path).open(path, subdir=folder, readonly=True, lock=False, readahead=False)
    # A page beyond the end of a file that was cut short would kill the process.
    size = (Path(path) / "data.mdb" if folder else Path(path)).stat().st_size
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:
        environment.close()
        raise CaffeError(f"{path}: cut short; it has {size} of {needed} bytes")
    return environment


def _lmdb(path: object) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise CaffeError(
            f"{path} is read with the package lmdb: pip install 'keras-fcn[lmdb]'"
        ) from error
    return lmdb
