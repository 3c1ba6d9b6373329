"""Gzipped weights: read as the plain file, within limits, and nothing left behind."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile

import numpy as np
import pytest

import convert
from keras_fcn.caffe.blobs.binaryproto import read_binaryproto
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import compressed
from keras_fcn.caffe.io.source import map_file
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import Files


def zipped(small: Files, name: str = "net.caffemodel.gz") -> Files:
    path = small.caffemodel.with_name(name)
    path.write_bytes(gzip.compress(small.caffemodel.read_bytes()))
    return Files(small.prototxt, path, small.weights)


@pytest.mark.parametrize("name", ["net.caffemodel.gz", "again.caffemodel"])
def test_same_weights(small, name):
    files = zipped(small, name)
    model = convert.load_weights(files.caffemodel)
    for layer, blobs in small.weights.items():
        for blob, wanted in zip(model[layer], blobs, strict=True):
            np.testing.assert_array_equal(blob, wanted)
    report = convert.convert(files.prototxt, files.caffemodel, files.output)
    assert report.notes == ()
    with WeightsFile(files.output) as file:
        root = file.attributes()
    assert root["source"] == name
    assert root["source_sha256"] == hashlib.sha256(files.caffemodel.read_bytes()).hexdigest()


def test_mean(tmp_path):
    path = tmp_path / "mean.binaryproto.gz"
    path.write_bytes(gzip.compress(writer.blob(np.arange(3.0))))
    np.testing.assert_array_equal(read_binaryproto(path), np.arange(3.0))


def test_members_are_joined(tmp_path):
    path = tmp_path / "two.gz"
    path.write_bytes(gzip.compress(b"\x0a\x02a") + gzip.compress(b"b"))
    assert bytes(map_file(path)) == b"\x0a\x02ab"


def test_nothing_is_left_behind(small, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    model = convert.load_weights(zipped(small).caffemodel)
    assert list(folder.iterdir()) == []
    np.testing.assert_array_equal(model["ip2"][0], small.weights["ip2"][0])


def test_file_cut_at_many_places(small):
    files = zipped(small)
    data = files.caffemodel.read_bytes()
    for size in range(2, len(data), 29):
        files.caffemodel.write_bytes(data[:size])
        with pytest.raises(WeightsError, match="is gzip, and damaged or cut short") as caught:
            convert.load_weights(files.caffemodel)
        assert str(files.caffemodel) in str(caught.value)


def test_wrong_checksum(small):
    files = zipped(small)
    data = bytearray(files.caffemodel.read_bytes())
    data[-8] ^= 1
    files.caffemodel.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged or cut short: CRC check failed"):
        convert.load_weights(files.caffemodel)


def test_nothing_inside(tmp_path):
    path = tmp_path / "empty.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(WeightsError, match=f"^{path} is empty"):
        map_file(path)


@pytest.mark.parametrize(("name", "value"), [("MAX_BYTES", 5 << 20), ("SPARE_BYTES", 3 << 20)])
def test_bombs_are_refused(tmp_path, monkeypatch, name, value):
    """A thousandfold expansion ends at the limit, in bytes written as well."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(12 << 20)))
    assert map_file(path)[:1] == b"\0"
    monkeypatch.setattr(compressed, name, value)
    limit = value + (compressed.MAX_RATIO * path.stat().st_size if name == "SPARE_BYTES" else 0)
    written: list[int] = []
    monkeypatch.setattr(_Counter, "write", lambda _, data: written.append(len(data)))
    monkeypatch.setattr(tempfile, "TemporaryFile", _Counter)
    with pytest.raises(WeightsError, match=f"^{path} unpacks to more than {limit} bytes, which"):
        map_file(path)
    assert limit - (1 << 20) <= sum(written) <= limit


class _Counter(io.BytesIO):
    """A file that holds nothing: its ``write`` is set by the test."""


def test_full_disk(small, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    path = zipped(small).caffemodel
    with pytest.raises(WeightsError, match=f"^cannot unpack {path}: No space left on device$"):
        convert.load_weights(path)
