from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.datasets import Augmentation
from keras_fcn.datasets.geometry import random_corner, resized, resized_mask, warp, window

STILL = {"scale": (1, 1), "flip": 0}
# Indices that are also the brightness of the image: the two can be compared after any change.
MASK = np.random.default_rng(0).integers(0, 200, (20, 30), np.uint8)


def pair(channels=3, dtype=np.uint8):
    pixels = np.repeat(MASK[..., np.newaxis], channels, axis=-1)
    return (pixels if dtype == np.uint8 else (pixels / np.float32(255)).astype(dtype)), MASK


def smooth_pair():
    """A slope, so that linear interpolation and the nearest pixel agree up to a step."""
    rows, columns = np.mgrid[:40, :60]
    values = (2 * rows + columns).astype(np.uint8)
    return np.repeat(values[..., np.newaxis], 3, axis=-1), values


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_nothing_to_do_changes_nothing(channels, dtype):
    image, mask = pair(channels, dtype)
    moved, moved_mask = Augmentation(**STILL)(image, mask)
    assert (moved.dtype, moved_mask.dtype) == (dtype, np.uint8)
    np.testing.assert_allclose(moved, image, atol=1e-6)
    np.testing.assert_array_equal(moved_mask, mask)


def test_flip():
    image, mask = Augmentation(scale=(1, 1), flip=1)(*pair())
    np.testing.assert_array_equal(mask, MASK[:, ::-1])
    np.testing.assert_array_equal(image[..., 1], mask)


@pytest.mark.parametrize("crop_size", [(7, 9), (33, 8), (50, 61)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_crop_is_exact_and_beyond_the_border_nothing_mixes(crop_size, dtype):
    augmentation = Augmentation(**STILL, crop_size=crop_size, fill=(0.2, 0.4, 1.0))
    fill = np.array([51, 102, 255]) / (1 if dtype == np.uint8 else 255)
    for seed in range(5):
        image, mask = augmentation(*pair(dtype=dtype), rng=np.random.default_rng(seed))
        assert mask.shape == image.shape[:2] == crop_size
        beyond = mask == 255
        covered = min(crop_size[0], 20) * min(crop_size[1], 30)
        assert np.sum(~beyond) == covered
        white = 1 if dtype == np.uint8 else 255
        np.testing.assert_allclose(image[~beyond][:, 0] * white, mask[~beyond], atol=1e-4)
        np.testing.assert_allclose(image[beyond], np.tile(fill, (beyond.sum(), 1)), atol=1e-6)


def test_crop_goes_everywhere():
    augmentation = Augmentation(**STILL, crop_size=(19, 29))
    rng = np.random.default_rng(0)
    corners = {augmentation(*pair(), rng=rng)[1][0, 0] for _ in range(60)}
    assert corners == {*MASK[:2, :2].ravel()}


@pytest.mark.parametrize("options", [{"scale": (0.5, 2)}, {"rotation": 25}, {"flip": 0.5}])
def test_image_and_mask_stay_in_step(options):
    augmentation = Augmentation(**STILL | options, crop_size=(32, 48), fill=(1, 1, 1))
    image, mask = smooth_pair()
    seen = set()
    for seed in range(10):
        moved, moved_mask = augmentation(image, mask, rng=np.random.default_rng(seed))
        inside = moved_mask != 255
        assert inside.mean() > 0.2
        difference = np.abs(moved[..., 0].astype(int) - moved_mask)[inside]
        assert difference.max() <= 4, seed  # a pixel is up to 1.5 steps from the nearest
        assert (moved[~inside] == 255).all()
        seen.add(moved_mask.tobytes())
    assert len(seen) > 2


def test_scale_without_a_crop_gives_the_scaled_size():
    sizes = set()
    for seed in range(20):
        image, mask = Augmentation(scale=(0.5, 2))(*pair(), rng=np.random.default_rng(seed))
        assert image.shape[:2] == mask.shape
        assert (mask != 255).all()
        sizes.add(mask.shape)
    assert min(sizes) < (14, 0)
    assert max(sizes) > (28, 0)
    assert all((10, 15) <= size <= (40, 60) for size in sizes)


def test_padding_is_the_mean_of_the_image_by_default():
    image, mask = Augmentation(**STILL, crop_size=(40, 40))(*pair(5))
    np.testing.assert_array_equal(image[mask == 255], round(pair()[0].mean()))


def test_another_ignore_index():
    labels = MASK.astype(np.int32) + 1000
    augmentation = Augmentation(**STILL, crop_size=(40, 40), ignore_index=65535)
    image, mask = augmentation(pair()[0], labels)
    assert mask.dtype == np.int32
    assert np.sum(mask == 65535) == 40 * 40 - 20 * 30
    assert image[mask == 65535].max() < 255


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("option", ["brightness", "contrast", "saturation"])
def test_colour(option, channels, dtype):
    image = np.random.default_rng(1).integers(60, 190, (20, 30, channels)).astype(np.uint8)
    image = image if dtype == np.uint8 else (image / np.float32(255)).astype(dtype)
    white = 255 if dtype == np.uint8 else 1
    augmentation = Augmentation(**STILL, **{option: 0.2})
    changed, mask = augmentation(image, MASK, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(mask, MASK)
    assert changed.dtype == dtype
    before, after = image.astype(float) / white, changed.astype(float) / white
    difference = after - before
    if option == "saturation" and channels != 3:
        assert not difference.any()
        return
    assert np.abs(difference).max() > 0.01
    step = 0.005 if dtype == np.uint8 else 1e-5
    luma = np.array([0.299, 0.587, 0.114])
    if option == "brightness":
        assert np.ptp(difference) <= 2 * step
    elif option == "contrast":
        assert after.mean() == pytest.approx(before.mean(), abs=step)
        factor = after.std() / before.std()
        mean = before.mean()
        np.testing.assert_allclose(after, mean + factor * (before - mean), atol=2 * step)
    else:
        np.testing.assert_allclose(after @ luma, before @ luma, atol=2 * step)


def test_brightness_stops_at_black_and_white():
    image = np.array([[[0, 128, 255]]], np.uint8).repeat(4, 0).repeat(4, 1)
    for seed in range(6):
        augmentation = Augmentation(**STILL, brightness=1)
        changed, _ = augmentation(image, np.zeros((4, 4), np.uint8), np.random.default_rng(seed))
        assert changed[0, 0, 0] <= changed[0, 0, 1] <= changed[0, 0, 2]


def test_colour_leaves_the_padding():
    augmentation = Augmentation(**STILL, brightness=0.5, crop_size=(40, 40), fill=(0.4, 0.4, 0.4))
    image, mask = augmentation(*pair(), rng=np.random.default_rng(0))
    assert (image[mask == 255] == 102).all()


def test_seeded():
    augmentation = Augmentation(rotation=30, brightness=0.3, contrast=0.3, saturation=0.3)
    first, second, other = (
        augmentation(*pair(), rng=np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert first[0].shape != other[0].shape or (first[0] != other[0]).any()


@pytest.mark.parametrize(
    "options",
    [
        {"scale": (2, 1)},
        {"scale": (0, 1)},
        {"scale": 1},
        {"flip": 1.5},
        {"rotation": -1},
        {"brightness": 2},
        {"contrast": 1},
        {"saturation": -0.1},
    ],
)
def test_bad_options(options):
    (name, value), *_ = options.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: ") as error:
        Augmentation(**options)
    assert str(error.value).endswith(repr(value))


def test_rotation_by_a_quarter():
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    moved = warp(MASK, (30, 20), turn, np.array([0.0, 30.0]), 255, nearest=True)
    np.testing.assert_array_equal(moved, np.rot90(MASK))


def test_window_beyond_the_image():
    numbers = np.arange(6).reshape(2, 3)
    assert window(numbers, (-1, 1), (3, 3), np.array(9)).tolist() == [
        [9, 9, 9],
        [1, 2, 9],
        [4, 5, 9],
    ]
    assert (window(numbers, (-1, -1), (9, 9), np.array(9)) < 9).sum() == 6


def test_random_corners_cover_all_places():
    rng = np.random.default_rng(0)
    corners = {random_corner((5, 3), (4, 4), rng) for _ in range(50)}
    assert corners == {(0, -1), (0, 0), (1, -1), (1, 0)}


def test_resizing():
    image, mask = pair()
    assert resized(image, (10, 15), "bilinear").dtype == np.uint8
    np.testing.assert_array_equal(resized(image, (20, 30), "bilinear"), image)
    np.testing.assert_array_equal(resized_mask(mask, (60, 90))[1::3, 1::3], mask)
    np.testing.assert_array_equal(resized_mask(mask, (10, 15)), mask[1::2, 1::2])
