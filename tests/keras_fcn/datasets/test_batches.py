"""Batches of arrays are those of `tf.data`, bit by bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from keras_fcn.datasets import Augmentation
from keras_fcn.errors import BackendError
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.datasets import pictures

PLAIN = Preprocessing(mean=None, channel_order="rgb")
RANDOM = {
    "augmentation": Augmentation(rotation=10, brightness=0.2, contrast=0.2, saturation=0.2),
    "shuffle": True,
    "repeat": True,
    "crop_size": (5, 7),
    "seed": 1,
}


@pytest.fixture
def dataset(tmp_path):
    return pictures.small_dataset(tmp_path)


def assert_same(arrays, expected, count=None):
    arrays, expected = (list(itertools.islice(x, count)) for x in (arrays, expected))
    assert len(arrays) == len(expected) > 0
    for pair, other in zip(arrays, expected, strict=True):
        for one, tensor in zip(pair, other, strict=True):
            assert isinstance(one, np.ndarray)
            assert one.dtype == np.asarray(tensor).dtype
            np.testing.assert_array_equal(one, tensor)


@pytest.mark.parametrize(
    "options",
    [
        {},
        RANDOM,
        {**RANDOM, "start": 3},
        {**RANDOM, "shard": (1, 2), "start": 1},
        {**RANDOM, "balance_classes": True, "size": (9, 12)},
    ],
    ids=["one pass", "random", "gone on", "of a worker", "balanced"],
)
def test_the_same_as_of_tensorflow(dataset, options):
    assert_same(dataset.to_numpy(PLAIN, 2, **options), dataset.to_tf(PLAIN, 2, **options), 8)


def test_the_same_each_time_and_in_parts(dataset):
    batches = dataset.to_numpy(PLAIN, 2, **RANDOM)
    whole = list(batches.take(6))
    assert len(whole) == 6
    assert_same(batches, whole, 6)
    assert_same(batches.skip(2).take(3), whole[2:5])
    assert_same(batches.take(5).skip(2), whole[2:5])


def test_images_of_several_sizes_fill_a_batch(dataset, tmp_path):
    pictures.save(tmp_path / "images" / "b.png", pictures.image(1, (4, 10)))
    pictures.save(tmp_path / "masks" / "b.png", pictures.mask(1, (4, 10)))
    part = dataset[:2]
    assert_same(part.to_numpy(Preprocessing(), 2), part.to_tf(Preprocessing(), 2))


def test_a_bad_pair_is_named_or_left_out(dataset, tmp_path):
    (tmp_path / "images" / "b.png").write_bytes(b"no image")
    with (
        pytest.raises(ValueError, match=r"pair b.*images/b\.png"),
        dataset.naming_bad_pairs(),
    ):
        list(dataset.to_numpy(PLAIN, 2))
    skipping = {"on_error": "skip", "shuffle": True, "repeat": True}
    assert_same(dataset.to_numpy(PLAIN, 2, **skipping), dataset.to_tf(PLAIN, 2, **skipping), 8)
    assert list(dataset.bad_pairs) == ["b"]


def test_an_augmentation_that_holds_chance_is_called_in_order(dataset):
    seen = []

    def numbering(image, mask):
        seen.append(int(image[0, 0, 0]))
        return image, mask

    list(dataset.to_numpy(PLAIN, 2, augmentation=numbering))
    assert seen == [int(image[0, 0, 0]) for image, _ in dataset]


def test_files_are_read_once_where_images_stay_in_memory(dataset, tmp_path):
    kept, expected = dataset.in_memory(), list(dataset.to_numpy(PLAIN, 2, **RANDOM).take(6))
    list(kept)
    for file in (tmp_path / "images").iterdir():
        file.unlink()
    assert_same(kept.to_numpy(PLAIN, 2, **RANDOM), expected, 6)
    image, _ = kept[0]
    with pytest.raises(ValueError, match="read-only"):
        image[:] = 0


def test_where_tensorflow_is_absent_arrays_are_named(dataset, monkeypatch):
    monkeypatch.setattr("keras_fcn.datasets.pipeline.find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"pip install tensorflow.*to_numpy"):
        dataset.to_tf(PLAIN)
