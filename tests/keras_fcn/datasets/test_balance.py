"""Examples drawn by class: rare classes are seen as often as common ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from keras_fcn.datasets import (
    Augmentation,
    LabelMap,
    SegmentationDataset,
    load_folder_classes,
    load_folders,
)
from keras_fcn.datasets.balance import Balance, corner_on_class
from keras_fcn.datasets.frames import Frame
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.tiles import Tiles
from tests.keras_fcn.datasets import pictures
from tests.keras_fcn.datasets.test_pipeline import assert_same, batches

PLAIN = Preprocessing(mean=None, channel_order="rgb")
LABELS = LabelMap(classes=("back", "rare", "never", "some"))
OPTIONS = {"shuffle": True, "repeat": True, "balance_classes": True}


@pytest.fixture
def dataset(tmp_path) -> SegmentationDataset:
    """Of five images two have class 3 in a stripe, and the last one class 1 in one pixel."""
    for number, name in enumerate(pictures.NAMES):
        mask = np.zeros((12, 16), np.uint8)
        mask[0] = 255
        if number in (0, 4):
            mask[4:6] = 3
        if number == 4:
            mask[11, 2] = 1
        pictures.save(tmp_path / "images" / f"{name}.png", pictures.image(number, mask.shape))
        pictures.save(tmp_path / "masks" / f"{name}.png", mask)
    return load_folders(tmp_path, labels=LABELS)


def masks(pipeline, count):
    return np.concatenate([mask for _, mask in batches(pipeline, count)])


def test_classes_and_then_pairs_are_alike_likely(dataset):
    balance, rng = Balance(dataset, "stop"), np.random.default_rng(0)
    drawn = [balance(rng) for _ in range(3000)]
    classes, counts = np.unique([chosen for chosen, _ in drawn], return_counts=True)
    assert classes.tolist() == [0, 1, 3]
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.03)
    for chosen, pairs in {0: range(5), 1: [4], 3: [0, 4]}.items():
        found, counts = np.unique([p for c, p in drawn if c == chosen], return_counts=True)
        assert found.tolist() == list(pairs)
        np.testing.assert_allclose(counts / counts.sum(), 1 / len(pairs), atol=0.06)


AUGMENTATIONS = {
    "none": None,
    "own": lambda image, mask: (image[::-1], mask[::-1]),
    "larger": Augmentation(scale=(1.0, 2.0), rotation=5),
    "with a crop": Augmentation(scale=(1.0, 1.0), crop_size=(3, 4)),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_crops_hold_rare_classes(dataset, augmentation):
    crop = None if augmentation == "with a crop" else (3, 4)
    options = {"augmentation": AUGMENTATIONS[augmentation], "crop_size": crop}
    found = masks(dataset.to_tf(PLAIN, 8, **OPTIONS, **options), 15)
    assert found.shape == (120, 3, 4)
    shares = [(found == index).any(axis=(1, 2)).mean() for index in (1, 3)]
    assert min(shares) > 0.22  # a third, but for chance and what a rotation loses
    plain = masks(dataset.to_tf(PLAIN, 8, shuffle=True, repeat=True, **options), 8)
    assert (plain == 1).any(axis=(1, 2)).mean() < 0.15


def corners(place, size, margin=0, mask=(9, 11), chosen=1):
    """All that are drawn for a class that is in one place."""
    rng, labels = np.random.default_rng(0), np.zeros(mask, np.uint8)
    labels[place] = 1
    return {corner_on_class(labels, chosen, size, margin, rng) for _ in range(300)}


def grid(rows, columns):
    return set(itertools.product(range(*rows), range(*columns)))


def test_a_crop_is_anywhere_around_its_pixel():
    assert corners((2, 6), (3, 4)) == grid((0, 3), (3, 7))
    assert corners((8, 10), (3, 4)) == {(6, 7)}  # within the image
    assert corners((4, 4), (5, 5), margin=2) == {(2, 2)}
    assert corners((4, 4), (6, 5), margin=2) == grid((1, 3), (2, 3))
    assert corners((4, 4), (10, 13)) == grid((-1, 1), (-2, 1))  # larger than the image
    assert corners((4, 4), (8, 10), chosen=3) == grid((0, 2), (0, 2))  # the class is gone


def test_margins_do_not_count(dataset, monkeypatch):
    """What a network with tiles reads around the crop has no labels."""
    monkeypatch.setattr(
        Frame, "of", classmethod(lambda cls, model: cls(None, Tiles((9, 10), 3, 1)))
    )
    from keras_fcn.datasets import pipeline

    monkeypatch.setattr(pipeline, "model_or_no_preprocessing", lambda dataset, model: PLAIN)
    found = batches(dataset.to_tf(object(), 8, crop_size=(3, 4), **OPTIONS), 20)
    labels = np.concatenate([y for _, y in found])
    assert found[0][0].shape == (8, 9, 10, 3)
    assert labels.shape == (160, 3, 4)
    assert (labels == 1).any(axis=(1, 2)).mean() > 0.25


@pytest.mark.parametrize("crop_size", [(3, 4), None])
def test_the_same_again_from_any_place_and_on_any_worker(dataset, crop_size):
    options = OPTIONS | {"augmentation": Augmentation(scale=(1.0, 1.0)), "crop_size": crop_size}
    whole = batches(dataset.to_tf(PLAIN, 2, **options, seed=3), 12)
    assert_same(batches(dataset.to_tf(PLAIN, 2, **options, seed=3, start=7), 5), whole[7:])
    part = dataset.to_tf(PLAIN, 2, **options, seed=3, shard=(1, 2))
    assert_same(batches(part, 6), whole[1::2])
    other = batches(dataset.to_tf(PLAIN, 2, **options, seed=4), 12)
    assert any((x != y).any() for (_, x), (_, y) in zip(whole, other, strict=True))


def test_images_with_one_label(tmp_path):
    """One of eight images is of the rare class."""
    names = {f"{'rare' if number == 5 else 'back'}/{number}.png": number for number in range(8)}
    for name, number in names.items():
        pictures.save(tmp_path / name, pictures.image(number))
    images = load_folder_classes(tmp_path)
    found = masks(images.to_tf(PLAIN, 8, **OPTIONS, crop_size=(3, 4)), 12)
    assert images.classes == ("back", "rare")
    assert 0.3 < np.mean(found == 1) < 0.7


def test_masks_that_cannot_be_read(dataset, tmp_path):
    (tmp_path / "masks" / "e.png").write_bytes(b"no picture")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^pair e: .*e\.png"):
            dataset.to_tf(PLAIN, **OPTIONS)
    found = masks(dataset.to_tf(PLAIN, 4, **OPTIONS, on_error="skip"), 10)
    assert not (found == 1).any()
    assert list(dataset.bad_pairs) == ["e"]


def test_what_cannot_be_drawn(dataset):
    with pytest.raises(ValueError, match="`balance_classes` needs `shuffle`"):
        dataset.to_tf(PLAIN, balance_classes=True)
    empty = SegmentationDataset(dataset.pairs, LabelMap(classes=("x",), void=(0, 1, 3)))
    with pytest.raises(ValueError, match="no mask has a pixel of a class"):
        empty.to_tf(PLAIN, **OPTIONS)
