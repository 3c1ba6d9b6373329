"""Write views of Caffe blobs to a file in Keras' order, in blocks, on all cores.

A transposed kernel is never held as a whole: blocks of it are gathered in tiles
that fit the processor's cache and go to their places in the file. A tile is first read as it
lies, in runs, then turned: numbers one row of a kernel apart share few places of the cache.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.io.files import write_at
from keras_fcn.caffe.records import dataclass

_BLOCK_BYTES = 8 << 20
_PART = 1 << 20
_TILE = 128  # measured, fc6 of CaffeNet: 0.12 s; 0.2 s where tiles are not read first
_PITCH = 16  # numbers between the rows of a tile, so that they do not share places either


@dataclass(frozen=True)
class Placed:
    """A view of numbers and the byte offset where they go, as float32 in C order."""

    name: str
    source: npt.NDArray[Any]
    offset: int


@dataclass(frozen=True)
class _Block:
    """Positions `start:stop` of the middle axis of a three-dimensional view."""

    item: Placed
    source: npt.NDArray[Any]
    start: int
    stop: int


def write_all(
    handle: int, items: Sequence[Placed], progress: Callable[[int], None] | None = None
) -> list[str]:
    """Write every item to an open file.

    Args:
        handle: descriptor of a file opened for writing.
        items: what to write where.
        progress: called with the number of bytes written after each block.

    Returns:
        Names of the items that hold NaN.
    """
    blocks = [block for item in items for block in _blocks(item)]
    with_nan: set[str] = set()

    def work(block: _Block) -> int:
        written, has_nan = _write_block(handle, block)
        if has_nan:
            with_nan.add(block.item.name)
        return written

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for written in pool.map(work, blocks):
            if progress is not None:
                progress(written)
    return [item.name for item in items if item.name in with_nan]


def _blocks(item: Placed) -> Iterator[_Block]:
    source = item.source
    if source.flags.c_contiguous:
        source = source.reshape(1, -1, 1)
    elif source.ndim == 2:
        source = source[None]
    elif source.ndim != 3:
        source = source.reshape(1, -1, 1)  # a copy, unless the numbers are evenly spaced
    if source.size == 0:
        return
    row = source.itemsize * source.size // source.shape[1]
    step = max(1, _BLOCK_BYTES // row)
    for start in range(0, source.shape[1], step):
        yield _Block(item, source, start, min(start + step, source.shape[1]))


def _write_block(handle: int, block: _Block) -> tuple[int, bool]:
    """Write one block; returns its bytes, and whether it holds NaN."""
    part = block.source[:, block.start : block.stop]
    if not part.flags.c_contiguous or part.dtype != np.float32:
        part = _gather(part)
    _, rows, columns = block.source.shape
    for index, run in enumerate(part):
        offset = block.item.offset + (index * rows + block.start) * columns * 4
        write_at(handle, memoryview(run.data).cast("B"), offset)
    return part.nbytes, has_nan(part)


def has_nan(array: npt.NDArray[Any]) -> bool:
    """Whether floats have a NaN among them.

    One pass instead of isnan's two: squares cannot cancel, so only NaN gives NaN. Parts, as
    numbers of a file that lie between two words are copied for it.
    """
    flat = array.reshape(-1)
    parts = (flat[start : start + _PART] for start in range(0, flat.size, _PART))
    with np.errstate(over="ignore", invalid="ignore"):
        return any(math.isnan(np.dot(part, part)) for part in parts)


def _gather(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    depth, rows, columns = part.shape
    out = np.empty(part.shape, np.float32)
    length = depth * rows
    tiles = np.empty((min(_TILE, columns), length + _PITCH), np.float32)
    tiles = tiles[:, :length].reshape(-1, rows, depth)
    with np.errstate(over="ignore"):  # a double may be too large, for Caffe as well
        for start in range(0, columns, _TILE):
            lying = part[:, :, start : start + _TILE].transpose()
            tile = tiles[: len(lying)]
            tile[:] = lying
            out[:, :, start : start + _TILE] = tile.transpose()
    return out
