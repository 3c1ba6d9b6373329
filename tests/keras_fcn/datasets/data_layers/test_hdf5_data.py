from __future__ import annotations

import h5py
import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source

TEXT = """type: "HDF5Data" top: "data" top: "label"
    hdf5_data_param { source: "list.txt" batch_size: 4 %s }"""
ROWS = (5, 4)


@pytest.fixture
def folder(tmp_path):
    first = 0
    for name, rows in zip("ab", ROWS, strict=True):
        numbers = np.arange(first, first + rows)
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = np.full((rows, 2, 3), numbers[:, None, None], np.float64)
            file["label"] = numbers.astype(np.int32)
        first += rows
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    return tmp_path


def labels(opened, count):
    return np.concatenate([batch["label"] for batch in batches(opened, count)]).tolist()


def test_rows_go_on_across_files_and_epochs(folder):
    with source(folder, TEXT % "") as opened:
        assert opened.shapes == {"data": (4, 2, 3), "label": (4,)}
        found = batches(opened, 5)
    assert [batch["label"].tolist() for batch in found] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 0, 1, 2],
        [3, 4, 5, 6],
        [7, 8, 0, 1],
    ]
    assert found[0]["data"].dtype == found[0]["label"].dtype == np.float32
    assert (found[1]["data"] == found[1]["label"][:, None, None]).all()


def test_shuffling_keeps_the_rows_of_a_file_together(folder):
    with source(folder, TEXT % "shuffle: true") as opened:
        rows = labels(opened, 9)
    epochs = [rows[start : start + 9] for start in range(0, 36, 9)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    for epoch in epochs:
        parts = {5: (epoch[:5], epoch[5:]), 4: (epoch[4:], epoch[:4])}[5 if epoch[0] < 5 else 4]
        assert sorted(parts[0]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("at", [0, 1, 3, 5])
def test_a_state_goes_on_within_an_epoch(folder, at):
    text = TEXT % "shuffle: true"
    with source(folder, text, seed=3) as opened, source(folder, text, seed=4) as other:
        batches(opened, at)
        state = opened.state()
        expected = batches(opened, 6)
        batches(other, 2)
        other.restore(state)
        assert same(batches(other, 6), expected)
        opened.restore(state)
        assert same(batches(opened, 6), expected)


def test_a_state_of_other_data_is_refused(folder):
    with source(folder, TEXT % "") as opened:
        state = opened.state()
    (folder / "list.txt").write_text("a.h5")
    with (
        source(folder, TEXT % "") as opened,
        pytest.raises(CaffeError, match="records is 9 in it and 5 here"),
    ):
        opened.restore(state)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("c.h5", "no HDF5 file 'c.h5' or"),
        ("", "list.txt"),
        ("list.txt", "not an HDF5 file"),
        ("other.h5", "other.h5 has no data set 'label', as the top is called; it has data"),
        ("a.h5 wide.h5", r"rows of 'data' are \(2, 3\) in .*a.h5 and \(2, 4\) in .*wide.h5"),
        ("uneven.h5", "has 2 rows of 'data' and 3 of 'label'"),
        ("text.h5", "must be numbers in rows"),
    ],
)
def test_bad_files(folder, listed, message):
    contents = {
        "other.h5": {"data": np.zeros((1, 2))},
        "wide.h5": {"data": np.zeros((1, 2, 4)), "label": np.zeros(1)},
        "uneven.h5": {"data": np.zeros((2, 2, 3)), "label": np.zeros(3)},
        "text.h5": {"data": np.zeros((1, 2, 3)), "label": np.array([b"x"])},
    }
    for name, sets in contents.items():
        with h5py.File(folder / name, "w") as file:
            for key, values in sets.items():
                file[key] = values
    (folder / "list.txt").write_text(listed)
    with pytest.raises(CaffeError, match=message):
        source(folder, TEXT % "")


def test_what_the_layer_may_not_say(folder):
    with pytest.raises(CaffeError, match="HDF5Data does not transform"):
        source(folder, TEXT % "" + " transform_param { scale: 2 }")
    with pytest.raises(CaffeError, match="needs a batch_size of 1 or more"):
        source(folder, TEXT.replace("batch_size: 4", "batch_size: 0") % "")
    with pytest.raises(CaffeError, match=r"no list of HDF5 files 'gone\.txt'"):
        source(folder, TEXT.replace("list.txt", "gone.txt") % "")


@pytest.mark.parametrize("rows", [3, 6])
def test_a_file_that_is_replaced_by_one_of_other_rows_is_told(folder, rows):
    with source(folder, TEXT % "") as opened:
        with h5py.File(folder / "b.h5", "w") as file:
            file["data"], file["label"] = np.zeros((rows, 2, 3)), np.zeros(rows)
        with pytest.raises(CaffeError, match=r"b.h5 was replaced while it was read: it had 4 rows"):
            batches(opened, 2)
