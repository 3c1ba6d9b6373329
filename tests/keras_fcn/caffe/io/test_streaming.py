"""Views of blobs are written in blocks, each element to its place."""

from __future__ import annotations

import errno
import os
import time

import numpy as np
import pytest

from keras_fcn.caffe.io import streaming
from keras_fcn.caffe.io.streaming import Placed, write_all

RNG = np.random.default_rng(0)


def _normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def _unaligned(array: np.ndarray) -> np.ndarray:
    buffer = b"x" + array.tobytes()
    return np.frombuffer(buffer, np.float32, array.size, 1).reshape(array.shape)


def _strided(array: np.ndarray) -> np.ndarray:
    records = np.zeros(array.size, np.dtype([("tag", "V1"), ("value", "<f4")]))
    records["value"] = array.ravel()
    return records["value"]


VIEWS = {
    "vector": _normal(17),
    "matrix": _normal(7, 13),
    "transposed": _normal(7, 13).transpose(),
    "kernel": _normal(5, 3, 4).transpose(2, 1, 0),
    "tall": _normal(1, 29, 3).transpose(2, 1, 0),
    "one row": _normal(300, 1, 2).transpose(2, 1, 0),
    "wide": _normal(301, 6).transpose(),
    "four axes": _normal(2, 3, 4, 5).transpose(3, 1, 0, 2),
    "scalar": np.array(3, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "unaligned": _unaligned(_normal(11)),
    "unaligned kernel": _unaligned(_normal(4, 3, 2)).transpose(2, 1, 0),
    "un-packed": _strided(_normal(23)),
    "un-packed matrix": _strided(_normal(6, 4)).reshape(6, 4).transpose(),
    "reversed": _normal(9)[::-1],
    "doubles": _normal(31).astype(np.float64),
    "doubles of a kernel": _normal(5, 3, 4).astype(np.float64).transpose(2, 1, 0),
    "halves": _normal(7, 13).astype(np.float16),
    "halves of four axes": _normal(2, 3, 4, 5).astype(np.float16).transpose(3, 1, 0, 2),
    "whole numbers": np.arange(12, dtype=np.int32).reshape(3, 4),
}


@pytest.mark.parametrize("block_bytes", [1, 20, 60, 100, 1000, 1 << 20])
@pytest.mark.parametrize("tile", [1, 3, 128])
def test_every_element_goes_to_its_place(tmp_path, monkeypatch, block_bytes, tile):
    monkeypatch.setattr(streaming, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(streaming, "_TILE", tile)
    items, offset = [], 5
    for name, view in VIEWS.items():
        items.append(Placed(name, view, offset))
        offset += 4 * view.size + 3
    path = tmp_path / "file"
    path.write_bytes(b"\xee" * offset)
    progress = []
    with path.open("rb+") as file:
        assert write_all(file.fileno(), items, progress.append) == []
    data = path.read_bytes()
    assert len(data) == offset
    for item in items:
        stored = np.frombuffer(data, np.float32, item.source.size, item.offset)
        np.testing.assert_array_equal(stored, item.source.ravel().astype(np.float32))
        end = item.offset + 4 * item.source.size
        assert data[end : end + 3] == b"\xee" * 3, f"wrote past the end of {item.name}"
    assert sum(progress) == sum(4 * item.source.size for item in items)
    if block_bytes == 1:
        assert len(progress) > 100


@pytest.mark.parametrize("name", [n for n, v in VIEWS.items() if v.size and v.dtype.kind == "f"])
@pytest.mark.parametrize("place", [0, -1])
def test_nan_is_found_anywhere(tmp_path, monkeypatch, name, place):
    monkeypatch.setattr(streaming, "_BLOCK_BYTES", 40)
    view = VIEWS[name].copy()
    view[np.unravel_index(place % view.size, view.shape)] = np.nan
    items = [Placed("sound", _normal(40), 0), Placed(name, view, 160)]
    with (tmp_path / "file").open("wb") as file:
        assert write_all(file.fileno(), items) == [name]


def test_large_and_infinite_numbers_are_not_nan(tmp_path):
    values = np.array([3e38, -3e38, np.inf, -np.inf, 1e-40, 0] * 100, np.float32)
    with (tmp_path / "file").open("wb") as file:
        assert write_all(file.fileno(), [Placed("large", values, 0)]) == []


def test_doubles_too_large_for_a_float_become_infinite(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        assert write_all(file.fileno(), [Placed("a", np.array([1e300, -1e300, 1.0]), 0)]) == []
    assert np.fromfile(tmp_path / "file", np.float32).tolist() == [np.inf, -np.inf, 1]


def test_error_of_one_block_stops_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK_BYTES", 40)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    written = []

    def full(handle, data):
        written.append(len(data))
        time.sleep(0.001)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="No space left"):
        write_all(file.fileno(), [Placed("a", _normal(20_000), 0)])
    assert len(written) < 1500
