"""A file that is filled block by block appears when it is whole, and goes on where it was left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.rasters.unfinished import Unfinished

VALUES = np.random.default_rng(0).integers(0, 256, (8, 10, 2), np.uint8)
BLOCKS = [
    (slice(0, 4), slice(0, 10)),
    (slice(4, 8), slice(0, 3)),
    (slice(4, 8), slice(3, 10)),
]


def opened(path, resume=True, **run):
    return Unfinished(path, VALUES.shape, VALUES.dtype, {"tile": (4, 4), **run}, resume)


def fill(file, stop=None):
    for rows, columns in BLOCKS[file.done : stop]:
        file.write(rows, columns, VALUES[rows, columns])


def test_it_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(b"before")
    with opened(path) as file:
        fill(file)
        np.testing.assert_array_equal(file.read(slice(0, 8), slice(0, 10)), VALUES)
        assert path.read_bytes() == b"before"
        file.rename()
    np.testing.assert_array_equal(np.load(path), VALUES)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_goes_on(tmp_path, count):
    path = tmp_path / "x.npy"
    with opened(path) as file:
        fill(file, count)
    assert not path.exists()
    with opened(path) as file:
        assert file.done == count
        fill(file)
        file.rename()
    np.testing.assert_array_equal(np.load(path), VALUES)
    assert list(tmp_path.iterdir()) == [path]


def test_a_journal_that_is_cut(tmp_path):
    with opened(tmp_path / "x.npy") as file:
        fill(file, 2)
    journal = tmp_path / ".x.npy.part.jsonl"
    journal.write_bytes(journal.read_bytes()[:-3])
    with opened(tmp_path / "x.npy") as file:
        assert file.done == 1
        fill(file)
        np.testing.assert_array_equal(file.read(slice(0, 8), slice(0, 10)), VALUES)


def test_another_run_is_refused_or_begun_anew(tmp_path):
    with opened(tmp_path / "x.npy", model="a", bands=None) as file:
        fill(file, 2)
    with pytest.raises(ValueError, match="differs in bands, model; resume=False begins anew"):
        opened(tmp_path / "x.npy", model="b", bands=[1])
    with opened(tmp_path / "x.npy", model="a", bands=None) as file:
        assert file.done == 2
    with opened(tmp_path / "x.npy", resume=False, model="b") as file:
        assert file.done == 0
    assert list(tmp_path.iterdir()) == []  # nothing was done


@pytest.mark.parametrize("damage", [b"", b"nothing", b"[]\n", b"{}\n", b'{"run": 1}\n'])
def test_damaged_journals_are_not_believed(tmp_path, damage):
    with opened(tmp_path / "x.npy") as file:
        fill(file, 2)
    (tmp_path / ".x.npy.part.jsonl").write_bytes(damage)
    if damage.startswith(b'{"run'):
        with pytest.raises(ValueError, match="differs in tile"):
            opened(tmp_path / "x.npy")
        return
    with opened(tmp_path / "x.npy") as file:
        assert file.done == 0


def test_data_of_another_shape_are_not_believed(tmp_path):
    with opened(tmp_path / "x.npy") as file:
        fill(file, 2)
    np.save(tmp_path / "y.npy", VALUES[:-1])
    (tmp_path / "y.npy").replace(tmp_path / ".x.npy.part")
    with opened(tmp_path / "x.npy") as file:
        assert file.done == 0


def test_one_process_at_a_time(tmp_path):
    with opened(tmp_path / "x.npy"), pytest.raises(CaffeError, match="another process"):
        opened(tmp_path / "x.npy")


def test_where_it_cannot_be_written(tmp_path):
    for path in (tmp_path / "none" / "x.npy", tmp_path):
        with pytest.raises(CaffeError, match="cannot write"):
            opened(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no such folder")
def test_a_folder_where_nothing_is_made_is_told():
    with pytest.raises(CaffeError, match=r"cannot write /proc/x\.npy: (No such file|Permission)"):
        opened(Path("/proc/x.npy"))
