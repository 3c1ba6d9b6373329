from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeSequential
from keras_fcn.datasets import Augmentation, load, load_hdf5, load_list
from keras_fcn.preprocessing import Preprocessing
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


# Floats of HDF5 files are what the network takes.


def values_and_file(folder, low=0.0, high=1.0):
    values = np.random.default_rng(0).uniform(low, high, (2, 3, 6, 8)).astype(np.float32)
    return values, write_hdf5(folder / "x.h5", data=values)


def fed(dataset, model, **options):
    images = [image for image, _ in dataset.to_tf(model, 2, **options)]
    return np.concatenate(images).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("reach", [1, 200])
@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_floats_are_fed_as_they_are(tmp_path, reach, order):
    values, file = values_and_file(tmp_path, -reach, reach)
    own = Preprocessing(channel_order=order, input_scale=0.5)
    model = CaffeSequential([keras.layers.Input((None, None, 3)), keras.layers.ReLU()])
    dataset = load_hdf5(file, labels=LABELS)
    np.testing.assert_array_equal(fed(dataset, model), values)
    model.card = Card("net", preprocessing=own)
    np.testing.assert_array_equal(fed(dataset, model), values)
    np.testing.assert_array_equal(fed(dataset, Preprocessing(mean=None)), values)


def test_floats_get_what_is_asked_for(tmp_path):
    values, file = values_and_file(tmp_path)
    pixel = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)
    dataset = load_hdf5(file, labels=LABELS)
    asked = Preprocessing(mean=(1, 2, 3), input_scale=0.5)
    np.testing.assert_allclose(fed(dataset, asked), (values - pixel) / 2, rtol=1e-6)
    twice = Preprocessing(raw_scale=2, mean=None)
    np.testing.assert_allclose(fed(dataset, twice), values * 2, rtol=1e-6)
    white = Preprocessing(raw_scale=255, mean=None)
    dataset = load_hdf5(file, labels=LABELS, preprocessing=white)
    np.testing.assert_allclose(fed(dataset, Preprocessing()), values * 255, rtol=1e-6)


def test_bytes_of_hdf5_files_are_pictures(tmp_path):
    dataset = load_hdf5(write_hdf5(tmp_path / "x.h5"), labels=LABELS)
    images = np.stack([pictures.image(i) for i in range(2)]).transpose(0, 3, 1, 2)
    pixel = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)
    np.testing.assert_array_equal(
        fed(dataset, Preprocessing(mean=(1, 2, 3))), images[:, ::-1] - pixel
    )


def test_floats_beyond_the_image_are_0(tmp_path):
    values, file = values_and_file(tmp_path, 100, 200)
    dataset = load_hdf5(file, labels=LABELS)
    larger = fed(dataset, Preprocessing(mean=None), crop_size=(8, 10))
    np.testing.assert_array_equal(larger[:, :, 1:-1, 1:-1], values)
    assert not larger[:, :, 0].any()
    moved = fed(dataset, Preprocessing(mean=None), augmentation=Augmentation(scale=(0.5, 0.5)))
    assert moved.min() >= 100


def test_floats_have_the_networks_channels_and_no_colour(tmp_path):
    dataset = load_hdf5(values_and_file(tmp_path)[1], labels=LABELS)
    for options, message in (
        ({"model": Preprocessing(channels=1, mean=None)}, "network's 1 channels. Received: 3"),
        (
            {"model": Preprocessing(mean=None), "augmentation": Augmentation(brightness=0.5)},
            "brightness, contrast and saturation are of pictures",
        ),
    ):
        with pytest.raises(ValueError, match=message), dataset.naming_bad_pairs():
            fed(dataset, **options)


# Lists as people write them.


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfimages/a.png masks/a.png\nimages/b c.png masks/b c.png",
        b"images/a.png masks/a.png\r\nimages/b c.png masks/b c.png\r\n",
        b"images/a.png\tmasks/a.png  \n\n  images/b c.png\t masks/b c.png\t\n",
        b'images/a.png   masks/a.png\n"images/b c.png" "masks/b c.png"\n',
        b"'images/a.png' masks/a.png\n'images/b c.png' 'masks/b c.png'",
    ],
    ids=["bom", "crlf", "tabs", "quotes", "single quotes"],
)
def test_lists_in_many_hands(tmp_path, content):
    for number, name in enumerate(("a.png", "b c.png")):
        pictures.save(tmp_path / "images" / name, pictures.image(number))
        pictures.save(tmp_path / "masks" / name, pictures.mask(number))
    (tmp_path / "LIST.TXT").write_bytes(content)
    dataset = load(tmp_path / "LIST.TXT", labels=LABELS)
    assert [pair.name for pair in dataset.pairs] == ["images/a.png", "images/b c.png"]
    for number, (image, mask) in enumerate(dataset):
        np.testing.assert_array_equal(image, pictures.image(number))
        np.testing.assert_array_equal(mask, pictures.mask(number))


def test_names_that_want_a_root_folder(tmp_path):
    (tmp_path / "list.txt").write_text("/images/0.png /masks/0.png\n")
    with pytest.raises(CaffeError, match=r"give it as root_folder\. .*'/images/0.png'"):
        load_list(tmp_path / "list.txt", labels=LABELS)


def test_root_folder_of_any_layout(tmp_path):
    pictures.write_folders(tmp_path / "data")
    (tmp_path / "list.txt").write_text("/images/a.png /masks/a.png")
    dataset = load(tmp_path / "list.txt", labels=LABELS, root_folder=tmp_path / "data")
    np.testing.assert_array_equal(dataset[0][1], pictures.mask(0))
    with pytest.raises(ValueError, match=r"root_folder: for the layout 'list' or.*'folders'"):
        load(tmp_path / "data", labels=LABELS, root_folder=tmp_path)
