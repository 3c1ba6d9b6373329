"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import random
import stat

import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io import files
from keras_fcn.caffe.io.files import WriteLog, atomic_path, atomic_write, write_at


def test_written_file_appears_under_its_name_with_the_usual_mode(tmp_path):
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        with atomic_write(path) as file:
            file.write(b"new")
            assert not path.exists()
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_large_data_is_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PIECE", 1000)
    parts = [random.Random(size).randbytes(size) for size in (3, 1, 100_001, 7, 20_000)]
    with atomic_write(tmp_path / "file") as file:
        file.writelines([memoryview(part) for part in parts])
        file.flush()
        write_at(file.fileno(), memoryview(bytes(5000)), 50)
    expected = b"".join(parts)
    assert (tmp_path / "file").read_bytes() == expected[:50] + bytes(5000) + expected[5050:]


def test_whoever_reads_the_old_file_goes_on_reading_it(tmp_path):
    """The new file takes the name; nothing is written into the old one."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        with atomic_write(path) as file:
            file.write(b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    message = rf"^cannot write {path}: No space left on device$"
    with pytest.raises(CaffeError, match=message), atomic_write(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    for path, problem in {
        tmp_path: "it is a folder; name a file",
        tmp_path / "none" / "file": "No such file or directory",
        tmp_path / "file" / "file": "Not a directory",
        "/proc/file": "No such file or directory",
        tmp_path / ("x" * 300): "File name too long",
    }.items():
        message = rf"^cannot write {path}: {problem}"
        with pytest.raises(CaffeError, match=message), atomic_path(path):
            pytest.fail("must not begin")


def test_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null", "/dev/full"):
        with pytest.raises(CaffeError, match="it is not a plain file"), atomic_path(path):
            pytest.fail("must not begin")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_write_log_is_a_file(tmp_path):
    """The log and a real file, after the same random operations."""
    rng = random.Random(1)
    log, path = WriteLog(), tmp_path / "file"
    with path.open("wb+") as real, (tmp_path / "stored").open("wb+") as stored:
        for step in range(400):
            offset, size = rng.randrange(3000), rng.randrange(1, 200)
            for file in (real, log):
                file.seek(offset)
            if step % 4 == 3:
                length = max(0, min(size, real.seek(0, os.SEEK_END) - offset))
                real.seek(offset)
                assert log.read(size)[:length] == real.read(length)
            else:
                data = rng.randbytes(size)
                assert log.write(memoryview(data)) == real.write(data)
            assert log.tell() in (offset, offset + size) or step % 4 == 3
            if step % 100 == 50:
                log.store(stored.fileno())
        assert log.seek(0, os.SEEK_END) == real.seek(0, os.SEEK_END)
        log.truncate(5000)
        real.truncate(5000)
        log.store(stored.fileno())
    assert (tmp_path / "stored").read_bytes() == path.read_bytes()


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    with (tmp_path / "file").open("wb") as file:
        write_at(file.fileno(), memoryview(b"0123456789"), 2)
    assert (tmp_path / "file").read_bytes() == b"\0\x000123456789"
