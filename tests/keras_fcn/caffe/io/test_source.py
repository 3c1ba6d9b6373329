"""Files are opened once, mapped, told apart and hashed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import random
import threading

import pytest

from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import source
from keras_fcn.caffe.io.source import SourceFile, map_file, opened

TWICE = gzip.compress(gzip.compress(b"\x0a\x01a", mtime=0), mtime=0)


def test_map(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x0a\x01a")
    assert bytes(map_file(path)) == b"\x0a\x01a"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; download or copy it again"),
        (b"<!DOCTYPE html>\n<html>", "is a web page, not a weights file"),
        (b"\n  <HTML lang='en'>", "is a web page, not a weights file"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "is a web page"),
        (b"\x1f\x8b\x08\x00", "is gzip, and damaged or cut short: Compressed file ended"),
        (TWICE, "is compressed with gzip; unpack it first"),
        (
            gzip.compress(b"\x89HDF\r\n\x1a\n", mtime=0),
            "is HDF5 compressed with gzip; unpack it first",
        ),
        (b"PK\x03\x04net.caffemodel", "is a zip archive; unpack it first"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, content, message):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        map_file(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read .*none: No such file or directory"):
        map_file(tmp_path / "none")
    with pytest.raises(WeightsError, match=r"cannot read .*: Is a directory"):
        map_file(tmp_path)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("size", [1, 4095, 4096, 3 * 4096, 3 * 4096 + 5])
def test_hashes(tmp_path, monkeypatch, size, ahead):
    monkeypatch.setattr(source, "HASH_BYTES", 4096)
    path = tmp_path / "file"
    data = random.Random(size).randbytes(size)
    path.write_bytes(data)
    with SourceFile(path) as file:
        if ahead:
            file.hash_ahead()
        assert file.stream().read(7) == data[:7]
        assert file.sha256() == hashlib.sha256(data).hexdigest()
        assert file.digests(["md5", "sha256"]) == {
            kind: hashlib.new(kind, data).hexdigest() for kind in ("md5", "sha256")
        }


def test_a_file_is_hashed_once(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"1")
    with SourceFile(path) as file:
        first = file.sha256()
        path.write_bytes(b"2")
        assert file.sha256() == first


def test_a_file_that_grows_shorter_is_hashed_as_it_is(tmp_path, monkeypatch):
    """It is read: a mapped file that is cut kills the process."""
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    with SourceFile(path) as file:
        path.write_bytes(b"ab")
        assert file.sha256() == hashlib.sha256(b"ab").hexdigest()


def test_closing_ends_what_nobody_waits_for(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "HASH_BYTES", 1)
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 22))
    with SourceFile(path) as file:
        file.hash_ahead()
    file._ahead.join(60)
    assert not file._ahead.is_alive()


def test_views_outlive_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with opened(path) as file:
        assert opened(file).__enter__() is file
        content = file.content()
    assert bytes(content) == b"abc"


def test_the_same_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with SourceFile(path) as file, path.open() as other:
        assert file.is_at(other.fileno())
        path.unlink()
        path.write_bytes(b"abc")
        with path.open() as another:
            assert not file.is_at(another.fileno())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
def test_a_pipe_is_read_to_its_end(tmp_path, monkeypatch):
    data = random.Random(0).randbytes(300_000)
    for content in (data, gzip.compress(data, mtime=0)):
        with SourceFile(piped(tmp_path, content)) as file:
            assert bytes(file.content()) == data
            assert file.sha256() == hashlib.sha256(content).hexdigest()
    with pytest.raises(WeightsError, match="is empty"):
        map_file(piped(tmp_path, b""))
    monkeypatch.setattr(source, "MAX_BYTES", 100)
    with pytest.raises(WeightsError, match="gives more than 100 bytes; give a file"):
        map_file(piped(tmp_path, data))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
def test_hdf5_in_a_pipe(tmp_path):
    with pytest.raises(WeightsError, match="is a pipe, which cannot hold HDF5"):
        WeightsFile(piped(tmp_path, b"\x89HDF\r\n\x1a\n" + bytes(100)))


def piped(folder, content):
    """The path of a pipe that gives some bytes."""
    path = folder / "pipe"
    path.unlink(missing_ok=True)
    os.mkfifo(path)

    def write():
        with contextlib.suppress(BrokenPipeError):
            path.write_bytes(content)

    threading.Thread(target=write, daemon=True).start()
    return path
