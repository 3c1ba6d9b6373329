"""Limits on what a file may ask for: bounds that no real network comes near, and Caffe's own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_fcn.caffe.errors import NetworkError

MAX_BYTES = 16 << 30
"""A network's weights, and its blobs for one image, may take so much memory together."""
MAX_LAYERS = 20_000
MAX_TOPS = 200_000
"""Most blobs of all layers together, with the other names of memory that they share."""
MAX_LEARNT = 200
"""Times that a reader or the weights may tell more of an input's shape."""
MAX_BLOBS = 100_000
"""Parameter blobs in a weights file."""
MAX_HEAD_BYTES = 8 << 20
"""Most bytes of a binary weights file beside its blobs."""
MAX_TEXT_BYTES = 16 << 20
"""Most bytes of a prototxt."""

# Source: kMaxBlobAxes and Blob::Reshape in include/caffe/blob.hpp and src/caffe/blob.cpp.
MAX_AXES = 32
MAX_COUNT = (1 << 31) - 1

MAX_SIZES = 200
"""Sizes, scales or aspect ratios of the boxes that a layer makes."""

NUMBER_BYTES = 4
"""Bytes of a float32."""


def check_blob(shape: Sequence[int | None]) -> None:
    """Refuse a blob that Caffe cannot hold either.

    Raises:
        NetworkError: it has more than MAX_AXES axes or MAX_COUNT elements.
    """
    if len(shape) > MAX_AXES:
        raise NetworkError(f"a blob has {len(shape)} axes; Caffe allows {MAX_AXES}")
    count = math.prod(1 if size is None else size for size in shape)
    if count > MAX_COUNT:
        raise NetworkError(
            f"a blob of shape {tuple(shape)} has {count} elements; Caffe allows {MAX_COUNT}"
        )


def check_tops(count: int) -> None:
    """Refuse layers that make blobs without end.

    Raises:
        NetworkError: there are more than MAX_TOPS.
    """
    if count > MAX_TOPS:
        raise NetworkError(f"the layers up to here make more than {MAX_TOPS} tops")


def check_kernel(name: str, shape: Sequence[int]) -> None:
    """Refuse a layer whose kernel alone would take more than half of MAX_BYTES.

    Raises:
        NetworkError: it would; the amount is told.
    """
    size = NUMBER_BYTES * math.prod(shape)
    if size > MAX_BYTES // 2:
        raise NetworkError(
            f"layer {name!r} needs {shown(size)} for a kernel of {' x '.join(map(str, shape))}; "
            f"at most {shown(MAX_BYTES // 2)} are allowed. Take fewer classes, or a network that "
            "upsamples less at once"
        )


def shown(size: int) -> str:
    """An amount of memory as messages tell it."""
    return f"{size / (1 << 30):.3g} GiB ({size} bytes)"


def check_sizes(field: str, values: Sequence[float], fewest: int = 0) -> None:
    """Refuse a list whose numbers, combined with others, would give boxes without end.

    Raises:
        NetworkError: a number is not finite and above 0, or there are more than MAX_SIZES,
            or too few.
    """
    if len(values) > MAX_SIZES:
        raise NetworkError(f"{field}: {len(values)} numbers; at most {MAX_SIZES} are allowed")
    if len(values) < fewest or not all(0 < value < math.inf for value in values):
        raise NetworkError(f"{field}: {tuple(values)} must hold numbers above 0")
