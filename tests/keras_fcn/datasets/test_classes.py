"""Images with one label each: LMDB, lists, folders by class, HDF5."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets import (
    Augmentation,
    ClassificationDataset,
    check,
    class_lmdb,
    load,
    load_folder_classes,
    load_hdf5_classes,
    load_list_classes,
    load_lmdb_classes,
    splits,
)
from keras_fcn.datasets.usable import find_bad_pairs
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.training import median_frequency_weights
from tests.keras_fcn.datasets import pictures
from tests.keras_fcn.datasets.test_caffe_lmdb import bgr, datum, write_lmdb

GREY = np.arange(28 * 28, dtype=np.uint8).reshape(1, 28, 28)


@pytest.fixture
def database(tmp_path):
    """Of each form of datum one: raw grey, raw BGR, encoded, floats of two channels."""
    floats = np.random.default_rng(0).uniform(-9, 255, (2, 4, 5)).astype(np.float32)
    contents = {
        "0_a": datum(GREY, label=3),
        "1_b": datum(bgr(pictures.image(1)), label=0),
        "2_c": datum(pictures.image(2), encoded=True, label=1),
        "3_d": datum(floats, label=3),
    }
    return write_lmdb(tmp_path / "db", contents), floats


def test_a_database(database):
    path, floats = database
    dataset = load_lmdb_classes(path)
    assert isinstance(dataset, ClassificationDataset)
    assert dataset.classes == ("class 0", "class 1", "class 2", "class 3")
    assert [label for _, label in dataset] == [3, 0, 1, 3]
    images = [image for image, _ in dataset]
    np.testing.assert_array_equal(images[0], GREY[0, :, :, np.newaxis])
    np.testing.assert_array_equal(images[1], pictures.image(1))  # RGB, as of all data sets
    np.testing.assert_array_equal(images[2], pictures.image(2))
    np.testing.assert_allclose(images[3], floats.transpose(1, 2, 0) / 255, rtol=1e-6)
    assert repr(dataset) == (
        f"<ClassificationDataset {path}: pairs 4, classes 4 (class 0, class 1, class 2, class 3)>"
    )
    assert "<th>pairs</th><td>4</td>" in dataset._repr_html_()
    assert len(dataset[1:3]) == 2
    assert dataset[1:3][0][1] == 0


def test_names_of_a_database(database):
    path, _ = database
    assert load_lmdb_classes(path, classes=list("wxyz")).classes == tuple("wxyz")
    assert load_lmdb_classes(path, classes=6).classes[-1] == "class 5"
    (path.parent / "dataset.json").write_text(json.dumps({"classes": list("abcd")}))
    assert load_lmdb_classes(path).classes == tuple("abcd")


def test_nothing_but_labels_is_read_ahead(database, monkeypatch):
    path, _ = database

    def never(*arguments):
        raise AssertionError("a datum was read")

    monkeypatch.setattr(class_lmdb, "read_datum", never)
    monkeypatch.setattr("keras_fcn.datasets.caffe_lmdb.read_datum", never)
    assert len(load_lmdb_classes(path).classes) == 4
    monkeypatch.setattr(class_lmdb, "read_label", never)
    assert len(load_lmdb_classes(path, classes=9)) == 4


def test_an_image_that_is_not_there(database):
    data = load_lmdb_classes(database[0])
    with pytest.raises(IndexError, match=rf"has {len(data)} images\. Received: {len(data)}"):
        data[len(data)]


def test_one_is_shown(database):
    path, _ = database
    picture = load_lmdb_classes(path, classes=list("wxyz")).show(0)
    pixels = np.asarray(picture)
    assert pixels.shape[1] == 224
    enlarged = GREY[0].repeat(8, axis=0).repeat(8, axis=1)
    np.testing.assert_array_equal(pixels[-224:, :, 1], enlarged)
    assert pixels[:-224].min() < 64  # the title


def test_pipelines_give_labels(database):
    path, _ = database
    dataset = load_lmdb_classes(path, classes=4)[:3]
    lenet = Preprocessing(channels=1, mean=None, input_scale=1 / 256, size=(28, 28))
    images, labels = next(iter(dataset.to_tf(lenet, 3)))
    assert (images.shape, labels.shape, labels.dtype.name) == ((3, 28, 28, 1), (3,), "int32")
    assert labels.numpy().tolist() == [3, 0, 1]
    np.testing.assert_allclose(images[0, ..., 0], GREY[0] / np.float32(256))
    for image, label in dataset:
        assert image.dtype == np.uint8
        assert isinstance(label, int)
    # Whatever is cut away or filled in, the label stays.
    moved = Augmentation(scale=(0.5, 2), rotation=90)
    changed = dataset.to_tf(
        lenet, 3, augmentation=moved, crop_size=(20, 20), shuffle=True, repeat=True
    )
    images, labels = next(iter(changed))
    assert images.shape == (3, 20, 20, 1)
    assert sorted(labels.numpy().tolist()) == [0, 1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (datum(GREY, label=4), r"db:k: label 4 is none of the 4 classes, 0\.\.3"),
        (datum(GREY, label=-1), r"db:k: label -1 is none of"),
        (datum(GREY), "db:k: the datum has no label"),
        (datum(GREY, label=1, height=7), "db:k: .*784 values for 1 x 7 x 28"),
        (datum(GREY[0], True, label=1, data=b"no"), "db:k"),
        (b"\xff\xff\xff", "db:k: not a Datum message"),
        (b"", "db:k: "),
    ],
)
def test_bad_data_are_named(tmp_path, content, message):
    path = write_lmdb(tmp_path / "db", {"good": datum(GREY, label=3), "k": content})
    dataset = load_lmdb_classes(path, classes=4)
    with pytest.raises((CaffeError, ValueError), match=message):
        _ = dataset[1]
    bad = find_bad_pairs(dataset, 1)
    assert list(bad) == ["k"]
    pipeline = dataset.to_tf(Preprocessing(channels=1, mean=None), on_error="skip")
    assert [label.tolist() for _, label in pipeline.as_numpy_iterator()] == [[3]]


def test_databases_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_lmdb_classes(tmp_path / "none")
    with pytest.raises(CaffeError, match="empty"):
        load_lmdb_classes(write_lmdb(tmp_path / "empty", {}))
    (tmp_path / "level").mkdir()
    (tmp_path / "level" / "CURRENT").write_text("MANIFEST-000001\n")
    for read in (load_lmdb_classes, load):
        with pytest.raises(CaffeError, match="level is a LevelDB database, which is not read"):
            read(tmp_path / "level")
    with pytest.raises(ValueError, match="one split"):
        load_lmdb_classes(tmp_path / "none", "train")
    high = write_lmdb(tmp_path / "high", {"k": datum(GREY, label=2**31 - 1)})
    with pytest.raises(ValueError, match=r"high:k: label 2147483647 .*give `classes`"):
        load_lmdb_classes(high)
    none = write_lmdb(tmp_path / "masks", {"k": datum(GREY)})
    with pytest.raises(ValueError, match=r"masks: no image has a label.*masks are in"):
        load_lmdb_classes(none)


def test_lists(tmp_path):
    for number in range(3):
        pictures.save(tmp_path / "in" / f"my {number}.png", pictures.image(number))
    (tmp_path / "train.txt").write_text("/my 0.png 2\n/my 1.png\t0\n\n/my 2.png 2\n")
    with pytest.raises(CaffeError, match="root_folder"):
        load_list_classes(tmp_path / "train.txt")
    dataset = load(tmp_path / "train.txt", root_folder=tmp_path / "in")
    assert isinstance(dataset, ClassificationDataset)
    assert [label for _, label in dataset] == [2, 0, 2]
    np.testing.assert_array_equal(dataset[1][0], pictures.image(1))
    (tmp_path / "bad.txt").write_text("a.png 1\nb.png one\n")
    with pytest.raises(CaffeError, match=r"bad.txt: a line names an image and its.*'b.png one"):
        load_list_classes(tmp_path / "bad.txt")
    (tmp_path / "bad.txt").write_text("a.png -1\nb.png 1\n")
    dataset = load_list_classes(tmp_path / "bad.txt")
    with pytest.raises(ValueError, match=r"bad.txt: a.png: label -1 is none of the 2 classes"):
        dataset.truth(dataset.pairs[0])


def write_class_folders(folder, names, each=2):
    for number, name in enumerate(names):
        for index in range(each):
            pictures.save(folder / name / "deep" / f"{index}.png", pictures.image(number))
    return folder


def test_folders(tmp_path):
    for split in ("train", "val"):
        write_class_folders(tmp_path / split, ("dog", "cat"))
    assert splits(tmp_path) == ("train", "val")
    dataset = load(tmp_path, "train")
    assert dataset.classes == ("cat", "dog")
    assert [label for _, label in dataset] == [0, 0, 1, 1]
    assert dataset.pairs[2].name == "dog/deep/0.png"
    np.testing.assert_array_equal(dataset[2][0], pictures.image(0))
    more = load_folder_classes(tmp_path, "val", ["dog", "owl", "cat"])
    assert [label for _, label in more] == [2, 2, 0, 0]
    with pytest.raises(ValueError, match="dog: the folder's name must be one of the classes cat"):
        load_folder_classes(tmp_path, "val", ["cat"])
    with pytest.raises(ValueError, match="no folders with pictures"):
        load_folder_classes(tmp_path / "val" / "cat" / "deep")


def test_folders_that_are_numbers_are_in_their_order(tmp_path):
    write_class_folders(tmp_path, [str(number) for number in range(11)], 1)
    assert load(tmp_path).classes[9:] == ("9", "10")


def test_folders_of_masks_are_no_classes(tmp_path):
    pictures.write_folders(tmp_path)
    assert load(tmp_path).of_pixels
    (tmp_path / "images").rename(tmp_path / "rgb")
    (tmp_path / "masks").rename(tmp_path / "gt")
    assert load(tmp_path, images="rgb", masks="gt").of_pixels


def test_hdf5(tmp_path):
    values = np.random.default_rng(0).normal(0, 400, (3, 3, 4, 5)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values
        file["label"] = np.array([[1.0], [0.0], [2.0]])
    (tmp_path / "train.txt").write_text("a.h5\n")
    for path in ("a.h5", "train.txt"):
        dataset = load(tmp_path / path)
        assert [label for _, label in dataset] == [1, 0, 2]
        images, _ = next(iter(dataset.to_tf(Preprocessing(raw_scale=1, mean=None), 3)))
        np.testing.assert_allclose(images, values.transpose(0, 2, 3, 1))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["half"] = np.array([1, 0.5, 2])
        file["few"] = np.array([1, 2])
    for label, message in (
        ("half", "whole numbers"),
        ("few", "3 images in"),
        ("x", "no data"),
    ):
        with pytest.raises(CaffeError, match=message):
            load_hdf5_classes(tmp_path / "a.h5", label=label)


def test_labels_among_other_classes(tmp_path):
    dataset = load_folder_classes(write_class_folders(tmp_path, ("b", "c"), 1))
    assert [label for _, label in dataset.with_classes(("a", "c", "b"))] == [2, 1]
    again = dataset.with_classes(("a", "c", "b")).with_classes(("b", "a", "c"))
    assert [label for _, label in again] == [0, 2]
    assert dataset.with_classes(("b", "c")) is dataset
    assert [label for _, label in dataset.with_classes(("left", "right"))] == [0, 1]  # by number
    with pytest.raises(ValueError, match=r"cannot be found by name among .*: 'c'"):
        dataset.with_classes(("b", "x"))
    with pytest.raises(ValueError, match="cannot be found by name"):
        dataset.with_classes(("x", "y", "z"))
    with pytest.raises(ValueError, match="twice"):
        dataset.with_classes(("c", "b", "b"))
    (tmp_path / "list.txt").write_text("b/deep/0.png 1\n")
    listed = load_list_classes(tmp_path / "list.txt")
    assert listed.with_classes(("x", "y", "z"))[0][1] == 1
    with pytest.raises(ValueError, match="labels up to 1, and there are 1"):
        listed.with_classes(("x",))


def test_checks_count_labels(database):
    path, _ = database
    report = check(load_lmdb_classes(path, classes=2))
    assert len(report.problems) == 2
    assert "db:0_a: label 3 is none of the 2 classes" in report.problems[0]
    assert report.pixels.tolist() == [1, 1]
    assert "labels" in str(report)
    weights = median_frequency_weights(load_lmdb_classes(path))
    assert weights.tolist() == [1, 1, 1, 0.5]


def test_a_folder_without_pictures_is_no_class(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        if name != "b":
            pictures.save(tmp_path / name / "x.png", pictures.image(0))
    with pytest.raises(ValueError, match=r"b: no pictures of this class"):
        load_folder_classes(tmp_path)
    assert load_folder_classes(tmp_path, classes=["a", "b", "c"])[1][1] == 2
