"""Images of a size that the network takes, with the margin that it reads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from keras_fcn import datasets
from keras_fcn.datasets import shapes
from tests.keras_fcn.training import nets_of_all_kinds as nets

VOID = 255


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures of 22 x 27 pixels."""
    folder = tmp_path_factory.mktemp("shapes")
    shapes.write(folder, 3, 1, (22, 27))
    return datasets.load_folders(folder, "train")


def batch(data, model, **options):
    images, masks = next(iter(data.to_tf(model, **options)))
    return images.numpy(), masks.numpy()


def reflected(pixels, rows, columns):
    return np.pad(pixels, (rows, columns, *[(0, 0)] * (pixels.ndim - 2)), mode="reflect")


def test_sizes_that_the_network_cannot_take_are_filled_up(data):
    model = nets.adding()
    (image,), (mask,) = batch(data, model)
    own, labels = data.read(0)
    np.testing.assert_array_equal(image, reflected(model.card.preprocessing(own), (0, 2), (0, 1)))
    assert mask.shape == (24, 28)
    np.testing.assert_array_equal(mask[:22, :27], labels)
    assert (mask[22:] == VOID).all()
    assert (mask[:, 27:] == VOID).all()


@pytest.mark.parametrize("shuffle", [False, True])
def test_crops_are_filled_up(shuffle, data):
    pipeline = data.to_tf(nets.adding(), 2, crop_size=(10, 8), shuffle=shuffle)
    images, masks = (spec.shape for spec in pipeline.element_spec)
    assert (tuple(images)[1:], tuple(masks)[1:]) == ((12, 8, 3), (12, 8))
    _, masks = next(iter(pipeline))
    assert (masks[:, 10:] == VOID).numpy().all()
    assert not (masks[:, :10] == VOID).numpy().any()


def test_a_size_that_fits_stays(data):
    model = nets.coarse()
    (image,), (mask,) = batch(data, model)
    own, labels = data.read(0)
    np.testing.assert_array_equal(image, model.card.preprocessing(own))
    np.testing.assert_array_equal(mask, labels)


def test_a_preparation_alone_fills_nothing_up(data):
    images, masks = batch(data, nets.adding().card.preprocessing)
    assert (images.shape, masks.shape) == ((1, 22, 27, 3), (1, 22, 27))


def test_an_image_is_reflected_into_the_margin_of_tiles(data):
    model = nets.tiled()
    (image,), (mask,) = batch(data, model)
    own, labels = data.read(0)
    margin = nets.MARGIN
    whole = reflected(model.card.preprocessing(own), (margin, margin), (margin, margin))
    np.testing.assert_array_equal(image, reflected(whole, (0, 2), (0, 1)))
    np.testing.assert_array_equal(mask[:22, :27], labels)
    assert mask.shape == (24, 28)
    assert model(image[np.newaxis]).shape[1:3] == (6, 7)


@pytest.mark.parametrize("augmentation", [None, datasets.Augmentation(scale=(1.0, 1.0), flip=0.0)])
def test_the_margin_of_a_crop_shows_what_is_around_it(augmentation, data):
    model = nets.tiled()
    margin = nets.MARGIN
    images, masks = batch(
        data, model, batch_size=3, crop_size=(8, 12), shuffle=True, augmentation=augmentation
    )
    assert images.shape[1:3] == (8 + 2 * margin, 12 + 2 * margin)
    assert masks.shape[1:] == (8, 12)
    found = [_where(data, model, *pair) for pair in zip(images, masks, strict=True)]
    assert sorted(index for index, _, _ in found) == [0, 1, 2]
    assert len({place for _, *place in found for place in [tuple(place)]}) > 1


def _where(data, model, image, mask):
    """The picture, and the place in it, that a crop with its margin is of."""
    margin = nets.MARGIN
    for index, (own, labels) in enumerate(data):
        whole = reflected(model.card.preprocessing(own), (margin, margin), (margin, margin))
        windows = np.lib.stride_tricks.sliding_window_view(whole, image.shape)[..., 0, :, :, :]
        for row, column in np.argwhere(np.abs(windows - image).max((2, 3, 4)) < 1e-5):
            part = labels[row:, column:][: mask.shape[0], : mask.shape[1]]
            np.testing.assert_array_equal(part, mask)
            return index, row, column
    raise AssertionError("the crop is of no picture")


def test_a_crop_larger_than_the_image_is_reflected(data):
    images, masks = batch(data, nets.tiled(), crop_size=(32, 40))
    assert images.shape[1:3] == (38, 46)
    assert (masks[:, 22:] == VOID).all()
    assert (images[:, 30:] != 0).mean() > 0.9


def test_bad_pairs_of_a_model_with_tiles_are_left_out(data):
    bad = dataclasses.replace(data.pairs[0], name="bad", mask=data.pairs[0].image)
    mixed = data.subset([bad, *data.pairs[1:]])
    images, _ = batch(mixed, nets.tiled(), batch_size=3, crop_size=(8, 8), on_error="skip")
    assert images.shape == (2, 14, 14, 3)
