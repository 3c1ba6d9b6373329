from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from keras_fcn.datasets import LabelMap, load_folders
from tests.keras_fcn.datasets import pictures
from tests.keras_fcn.datasets.pictures import LABELS


def names(dataset):
    return [pair.name for pair in dataset.pairs]


def test_all_pairs(tmp_path):
    dataset = load_folders(pictures.write_folders(tmp_path))
    assert names(dataset) == list(pictures.NAMES)
    assert (dataset.classes, dataset.ignore_index) == (LABELS.classes, 255)
    assert dataset.palette == LABELS.palette
    for number, (image, mask) in enumerate(dataset):
        np.testing.assert_array_equal(image, pictures.image(number))
        np.testing.assert_array_equal(mask, pictures.mask(number))


def test_split_files(tmp_path):
    pictures.write_folders(tmp_path)
    assert names(load_folders(tmp_path, "train")) == ["a", "b", "c"]
    assert names(load_folders(tmp_path, "val")) == ["d", "e"]
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "tiny.txt").write_text("b.png")
    assert names(load_folders(tmp_path, "tiny")) == ["b"]


@pytest.mark.parametrize("masks", ["masks", "labels", "annotations"])
def test_split_folders_of_other_formats(tmp_path, masks):
    for split in ("train", "val"):
        pictures.save(tmp_path / "images" / split / "x.png", pictures.image(0))
        pictures.save(tmp_path / masks / split / "deep" / "y.tif", pictures.mask(1))
        pictures.save(tmp_path / "images" / split / "deep" / "y.jpg", pictures.image(1))
        pictures.save(tmp_path / masks / split / "x.png", pictures.mask(0))
    dataset = load_folders(tmp_path, "train", LABELS.classes)
    assert names(dataset) == ["deep/y", "x"]
    np.testing.assert_array_equal(dataset[0][1], pictures.mask(1))
    assert names(load_folders(tmp_path, None, LABELS)) == [
        "train/deep/y",
        "train/x",
        "val/deep/y",
        "val/x",
    ]


def test_names_with_suffixes(tmp_path):
    pictures.save(tmp_path / "rgb" / "x_left.png", pictures.image(0))
    pictures.save(tmp_path / "gt" / "x_ids.png", pictures.mask(0))
    pictures.save(tmp_path / "gt" / "x_instances.png", pictures.mask(1))
    dataset = load_folders(
        tmp_path, None, LABELS, images="rgb", masks="gt", image_suffix="_left", mask_suffix="_ids"
    )
    assert names(dataset) == ["x"]
    np.testing.assert_array_equal(dataset[0][1], pictures.mask(0))


def test_missing_halves_are_pairs_that_cannot_be_read(tmp_path):
    pictures.write_folders(tmp_path)
    (tmp_path / "images" / "a.png").unlink()
    (tmp_path / "masks" / "b.png").unlink()
    dataset = load_folders(tmp_path)
    assert names(dataset) == list(pictures.NAMES)
    for index, half in enumerate(("images/a", "masks/b")):
        with pytest.raises(FileNotFoundError) as error:
            dataset.read(index)
        assert half in Path(error.value.filename).as_posix()


def test_sizes_that_differ(tmp_path):
    pictures.write_folders(tmp_path)
    pictures.save(tmp_path / "masks" / "c.png", pictures.mask(2, (8, 6)))
    with pytest.raises(ValueError, match=r"c\.png: the mask is \(8, 6\), its image .* is \(6, 8\)"):
        load_folders(tmp_path)[2]


def test_described_labels(tmp_path):
    pictures.write_folders(tmp_path)
    description = {
        "classes": ["one", "two"],
        "palette": [[1, 2, 3], [4, 5, 6]],
        "ignore_index": 9,
        "void": [7],
        "reduce_zero_label": True,
        "colours": [[0, 0, 0, 9], [1, 2, 3, 0]],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    labels = load_folders(tmp_path).labels
    assert labels == LabelMap(
        classes=("one", "two"),
        palette=[(1, 2, 3), (4, 5, 6)],
        ignore_index=9,
        void=(7,),
        reduce_zero_label=True,
        colours={(0, 0, 0): 9, (1, 2, 3): 0},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "dataset.json: Expecting"),
        ("[]", r"dataset\.json: an object with `classes`"),
        ('{"palette": []}', "an object with `classes`"),
        ('{"classes": ["a"], "clases": 1}', "Received: .*clases"),
        ('{"classes": []}', "0 classes"),
        ('{"classes": 3}', r"dataset\.json"),
        ('{"classes": ["a"], "colours": [[0, 0, 0]]}', r"dataset\.json"),
    ],
)
def test_bad_descriptions(tmp_path, text, message):
    pictures.write_folders(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_folders(tmp_path)


def test_folders_without_classes(tmp_path):
    pictures.write_folders(tmp_path)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(ValueError, match=r'give their names.*dataset\.json.*"classes"'):
        load_folders(tmp_path)


def test_bad_folders(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_folders(tmp_path, labels=LABELS)
    assert error.value.filename == str(tmp_path / "images")
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError):
        load_folders(tmp_path, labels=LABELS)
    (tmp_path / "masks").mkdir()
    with pytest.raises(ValueError, match="no images"):
        load_folders(tmp_path, labels=LABELS)
    with pytest.raises(ValueError, match=r"no split 'test'.*test\.txt"):
        load_folders(tmp_path, "test", LABELS)
    (tmp_path / "test.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"test\.txt: not a list in UTF-8"):
        load_folders(tmp_path, "test", LABELS)


def test_two_images_of_one_name(tmp_path):
    pictures.write_folders(tmp_path)
    pictures.save(tmp_path / "images" / "a.jpg", pictures.image(0))
    with pytest.raises(ValueError, match=r"two pictures of one name.*a\.jpg and .*a\.png"):
        load_folders(tmp_path)


def test_parts(tmp_path):
    dataset = pictures.small_dataset(tmp_path)
    assert names(dataset[1:3]) == ["b", "c"]
    rest, part = dataset.split(0.4, seed=1)
    assert (len(rest), len(part)) == (3, 2)
    assert sorted(names(rest) + names(part)) == list(pictures.NAMES)
    assert names(dataset.split(0.4, seed=1)[1]) == names(part)
    assert any(names(dataset.split(0.4, seed=seed)[1]) != names(part) for seed in range(5))
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match=f"Received: {share} of 5"):
            dataset.split(share)
