"""LMDB databases of Caffe's `Datum` messages."""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.blobs.datum import read_datum
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_files import to_rgb, whole_numbers
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, label_map
from keras_fcn.datasets.sources import Pair
from keras_fcn.preprocessing.images import load_image
from keras_fcn.preprocessing.reading import read_mask

__all__ = [
    "DatumSource",
    "FileMark",
    "content_of",
    "data_file",
    "decode_datum",
    "is_leveldb",
    "keys_of",
    "load_lmdb",
    "opened",
]


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
        return decode_datum(content_of(self.path, self.key), self.is_mask, self.name)


def load_lmdb(
    images: str | Path, masks: str | Path, labels: Labels | None = None
) -> SegmentationDataset:
    """Two databases, of images and of masks; needs the package lmdb.

    Pairs are of one key. Where the keys differ, as those of `convert_imageset` do, which hold file
    names, pairs are of one number at the beginning of the key, or of one name less its suffix;
    where no key has any of these in both, they are paired in order, as Caffe's two layers do.

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
        CaffeError: a database cannot be read or is empty, keys that cannot be paired, or lmdb is
            not installed.
    """
    images, masks = Path(images), Path(masks)
    labels = label_map(images.parent, labels)
    keys = keys_of(images), keys_of(masks)
    if not any(keys):
        raise CaffeError(f"{images} and {masks} are empty")
    pairs = paired_keys(*keys)
    if pairs is None:
        raise CaffeError(
            f"{images} and {masks} have no key in common, and not as many images as masks to pair "
            f"in order. Received: {len(keys[0])} keys such as {keys[0][:1]}, {len(keys[1])} such "
            f"as {keys[1][:1]}"
        )
    return SegmentationDataset(
        tuple(
            Pair(
                image.decode(errors="backslashreplace"),
                DatumSource(images, image, False),
                DatumSource(masks, mask, True),
            )
            for image, mask in pairs
        ),
        labels,
        str(images),
    )


def paired_keys(
    images: Sequence[bytes], masks: Sequence[bytes]
) -> list[tuple[bytes, bytes]] | None:
    """Keys of images with those of their masks; None where nothing pairs them.

    A key without its like in the other database is paired with itself: it cannot be read there.
    """
    ways = []
    for name_of in (bytes, _number, _stem):
        first, second = ({name_of(key): key for key in keys} for keys in (images, masks))
        whole = len(first) == len(images) and len(second) == len(masks)
        if whole and None not in {*first, *second}:
            ways.append((first, second))
    common = [len(first.keys() & second.keys()) for first, second in ways]
    if not max(common):
        equal = len(images) == len(masks)
        return list(zip(images, masks, strict=True)) if equal else None
    first, second = ways[common.index(max(common))]
    merged = {**second, **first}
    return [
        (first.get(name, key), second.get(name, key))
        for name, key in sorted(merged.items(), key=lambda item: item[1])
    ]


def _number(key: bytes) -> int | None:
    """The number that `convert_imageset` puts before the name of a file."""
    found = re.match(rb"(\d+)(?:_|$)", key)
    return None if found is None else int(found[1])


def _stem(key: bytes) -> bytes:
    return key.rpartition(b".")[0] or key


def decode_datum(content: bytes, is_mask: bool, name: str) -> np.ndarray:
    """The pixels of a serialized `Datum`.

    Returns:
        An image `(H, W, channels)`, uint8 or float32 0..1, or a mask as its datum has it.

    Raises:
        CaffeError: it is not a datum, or has not as many values as its shape says.
        ValueError: it is encoded, and not an image.
    """
    try:
        datum = read_datum(content)
        values = None if datum.encoded else datum.values()
    except CaffeError as error:
        raise CaffeError(f"{name}: {error}") from error
    if values is None:
        file = io.BytesIO(datum.data)
        file.name = name
        return read_mask(file) if is_mask else load_image(file)
    if is_mask:
        return whole_numbers(values[0] if len(values) == 1 else values, name)
    image = to_rgb(values)
    return image if image.dtype == np.uint8 else image / np.float32(255)


def content_of(path: Path, key: bytes) -> bytes:
    """What a database holds under a key.

    Raises:
        CaffeError: nothing; or it cannot be read.
    """
    with opened(path) as transaction:
        content: bytes | None = transaction.get(key)
    if content is None:
        raise CaffeError(f"{path}: no such key. Received: {key!r}")
    return content


def keys_of(path: Path) -> list[bytes]:
    """The keys of a database, in their order.

    Raises:
        CaffeError: it cannot be read.
    """
    with opened(path) as transaction:
        return list(transaction.cursor().iternext(keys=True, values=False))


@contextlib.contextmanager
def opened(path: Path, *, buffers: bool = False) -> Iterator[Any]:
    """A transaction that reads a database; of one that was replaced, the one that is there now.

    Args:
        path: the folder, or file, of the database.
        buffers: whether values are views of the file, good until the transaction ends.

    Raises:
        OSError: it is missing.
        CaffeError: it cannot be read.
    """
    lmdb = _lmdb(path)
    try:
        with (
            _reading(path.resolve()) as environment,
            environment.begin(buffers=buffers) as transaction,
        ):
            yield transaction
    except lmdb.Error as error:
        raise CaffeError(f"{path}: not an LMDB database that can be read: {error}") from error


@dataclass(frozen=True)
class FileMark:
    """What tells a file from another one that has taken its place.

    Attributes:
        number: of its device, and its own.
        content: its size in bytes, and when it was written last, in nanoseconds.
    """

    number: tuple[int, int]
    content: tuple[int, int]

    @classmethod
    def of(cls, file: Path) -> FileMark | None:
        """That of a file; None where it is missing."""
        try:
            found = file.stat()
        except OSError:
            return None
        return cls((found.st_dev, found.st_ino), (found.st_size, found.st_mtime_ns))


def data_file(path: Path) -> Path:
    """The file of a database, which may be named by its folder."""
    return path / "data.mdb" if path.is_dir() else path


@dataclass
class _Open:
    """An open database.

    Attributes:
        mark: of its file, when it was opened.
        environment: lmdb's.
        readers: transactions that are under way.
    """

    mark: FileMark | None
    environment: Any
    readers: int = 0


# A process may open each database but once. What leaves here is closed behind its last reader.
_known: dict[Path, _Open] = {}
_lock = threading.Lock()
_MOST_OPEN = 16


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """The open database of a path."""
    with _lock:
        mark = FileMark.of(data_file(path))
        if path in _known and _is_another(mark, _known[path]):
            _forget(path)
        entry = _known.pop(path, None) or _Open(mark, _environment(path))
        _known[path] = entry  # the last one
        for least in list(_known)[:-_MOST_OPEN]:
            _forget(least)
        entry.readers += 1
    try:
        yield entry.environment
    finally:
        with _lock:
            entry.readers -= 1
            if not entry.readers and _known.get(path) is not entry:
                entry.environment.close()


def _forget(path: Path) -> None:
    """Close a database, now or behind its last reader."""
    entry = _known.pop(path)
    if not entry.readers:
        entry.environment.close()


def _is_another(mark: FileMark | None, known: _Open) -> bool:
    """Whether a database is no longer the one that was opened.

    One that is missing is read on from memory. To one that is being written into while it is read,
    its transactions see.
    """
    if mark is None or mark == known.mark:
        return False
    return known.mark is None or mark.number != known.mark.number or not known.readers


def _environment(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "no such database", str(path))
    if is_leveldb(path):
        raise CaffeError(
            f"{path} is a LevelDB database, which is not read; make an LMDB of it, as Caffe's "
            "tools do with --backend=lmdb"
        )
    lmdb = _lmdb(path)
    options = {"subdir": path.is_dir(), "readonly": True, "lock": False, "readahead": False}
    try:
        environment = lmdb.open(str(path), **options)
    except lmdb.Error:  # perhaps its file has the number of one that was deleted, and is held open
        for known in list(_known):
            _forget(known)
        environment = lmdb.open(str(path), **options)
    # A page beyond the end of a file that was cut short would kill the process.
    size = data_file(path).stat().st_size
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:
        environment.close()
        raise CaffeError(f"{path}: cut short; it has {size} of {needed} bytes")
    return environment


def is_leveldb(path: Path) -> bool:
    """Whether a folder holds the other kind of database that Caffe has."""
    return (path / "CURRENT").is_file() and not (path / "data.mdb").exists()


def _lmdb(path: object) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise CaffeError(
            f"{path} is read with the package lmdb: pip install 'keras-fcn[lmdb]'"
        ) from error
    return lmdb
