from __future__ import annotations

import h5py
import numpy as np
import pytest

from convert.errors import CaffeError
from keras_fcn.datasets import load, load_hdf5, load_list
from tests.keras_fcn.datasets import pictures
from tests.keras_fcn.datasets.pictures import LABELS


def test_list(tmp_path):
    pictures.write_folders(tmp_path)
    lines = "images/a.png masks/a.png\n\nimages/with space.png   masks/b.png\n"
    pictures.save(tmp_path / "images" / "with space.png", pictures.image(1))
    (tmp_path / "list.txt").write_text(lines)
    dataset = load_list(tmp_path / "list.txt")
    assert [pair.name for pair in dataset.pairs] == ["images/a.png", "images/with space.png"]
    for number, (image, mask) in enumerate(dataset):
        np.testing.assert_array_equal(image, pictures.image(number))
        np.testing.assert_array_equal(mask, pictures.mask(number))
    assert load(tmp_path / "list.txt").pairs == dataset.pairs


def test_list_with_a_root_folder(tmp_path):
    pictures.write_folders(tmp_path / "data")
    (tmp_path / "list.txt").write_text("/images/a.png /masks/a.png")
    dataset = load_list(tmp_path / "list.txt", labels=LABELS, root_folder=tmp_path / "data")
    np.testing.assert_array_equal(dataset[0][1], pictures.mask(0))


@pytest.mark.parametrize("line", ["cat.jpg 281", "cat.jpg", "cat.jpg -1"])
def test_lists_without_masks(tmp_path, line):
    (tmp_path / "list.txt").write_text(f"a.png b.png\n{line}\n")
    with pytest.raises(CaffeError, match=rf"list\.txt.*image and its mask.*'{line}'"):
        load_list(tmp_path / "list.txt", labels=LABELS)


def test_files_have_no_splits(tmp_path):
    (tmp_path / "list.txt").write_text("a.png b.png")
    for loader in (load_list, load_hdf5):
        with pytest.raises(ValueError, match="Received: 'train'"):
            loader(tmp_path / "list.txt", "train", LABELS)


def write_hdf5(path, first=0, **changes):
    images = np.stack([pictures.image(first + i) for i in range(2)])
    masks = np.stack([pictures.mask(first + i) for i in range(2)])
    stored = {
        "data": images[..., ::-1].transpose(0, 3, 1, 2),
        "label": masks[:, np.newaxis].astype(np.float32),
    }
    with h5py.File(path, "w") as file:
        for name, values in (stored | changes).items():
            if values is not None:
                file[name] = values
    return path


def test_hdf5(tmp_path):
    dataset = load(write_hdf5(tmp_path / "x.h5"), labels=LABELS)
    assert len(dataset) == 2
    for number, (image, mask) in enumerate(dataset):
        np.testing.assert_array_equal(image, pictures.image(number))
        np.testing.assert_array_equal(mask, pictures.mask(number))
    assert mask.dtype == np.uint8


def test_list_of_hdf5_files_of_floats_in_five_channels(tmp_path):
    values = np.random.default_rng(0).normal(0, 50, (2, 5, 6, 8))
    masks = np.stack([pictures.mask(i) for i in range(2)])
    for name in ("x.h5", "y.h5"):
        write_hdf5(tmp_path / name, data=values, label=masks)
    (tmp_path / "train.txt").write_text("x.h5\ny.h5\n")
    dataset = load_hdf5(tmp_path / "train.txt", labels=LABELS)
    assert len(dataset) == 4
    image, mask = dataset[3]
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, values[1].transpose(1, 2, 0), rtol=1e-6)
    np.testing.assert_array_equal(mask, pictures.mask(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, r"no dataset 'data' of 4 axes. Received: label \(2, 1, 6, 8\)"),
        ({"label": np.zeros(2)}, "no dataset 'label' of 3 or 4 axes"),
        ({"label": np.zeros((3, 6, 8))}, "2 images in data, 3 masks in label"),
    ],
)
def test_hdf5_files_that_do_not_fit(tmp_path, changes, message):
    with pytest.raises(CaffeError, match=rf"x\.h5: {message}"):
        load_hdf5(write_hdf5(tmp_path / "x.h5", **changes), labels=LABELS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": np.full((2, 6, 8), 0.5)}, r"label\[0\]: a mask holds whole numbers"),
        ({"label": np.full((2, 6, 8), np.nan)}, "whole numbers"),
        ({"label": np.zeros((2, 2, 6, 8))}, r"one channel. Received: float64 \(2, 6, 8\)"),
        ({"data": np.zeros((2, 3, 6, 8), int)}, r"data\[0\]: images are uint8 or floats"),
        ({"data": np.full((2, 3, 6, 8), np.inf)}, "NaN or infinite"),
    ],
)
def test_hdf5_rows_that_are_wrong(tmp_path, changes, message):
    dataset = load_hdf5(write_hdf5(tmp_path / "x.h5", **changes), labels=LABELS)
    with pytest.raises(CaffeError, match=message):
        dataset.read(0)


def test_files_that_are_not_hdf5(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(CaffeError, match=r"x\.h5: not an HDF5 file"):
        load_hdf5(tmp_path / "x.h5", labels=LABELS)
    with pytest.raises(FileNotFoundError):
        load_hdf5(tmp_path / "y.h5", labels=LABELS)
