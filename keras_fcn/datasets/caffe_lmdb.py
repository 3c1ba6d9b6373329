"""LMDB databases of Caffe's `Datum` messages."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.caffe.blobs.datum import read_datum
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_files import to_rgb, whole_numbers
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, label_map
from keras_fcn.datasets.open_lmdb import content_of, keys_of
from keras_fcn.datasets.sources import Pair
from keras_fcn.preprocessing.images import load_image
from keras_fcn.preprocessing.reading import read_mask

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
