"""`evaluate` counts what `segment` says, for every kind of network and size of image."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import datasets
from keras_fcn.datasets import shapes
from keras_fcn.training import SegmentationMetrics, TrainingConfig, evaluate
from keras_fcn.training.evaluation import Evaluator
from keras_fcn.training.progress import Display
from keras_fcn.training.runtime.choice import find_runtime
from tests.keras_fcn.training import nets_of_all_kinds as nets

SIZES = [(36, 41), (29, 37), (29, 37), (40, 48)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of sizes that no network's stride divides, and of one that all do."""
    folder, pairs = tmp_path_factory.mktemp("pictures"), []
    for index, size in enumerate(SIZES):
        shapes.write(folder / str(index), 1, 1, size, seed=index)
        data = datasets.load_folders(folder / str(index), "train")
        pairs += [dataclasses.replace(pair, name=f"{index}") for pair in data.pairs]
    return data.subset(pairs)


def said(model, pictures, **options):
    metrics = SegmentationMetrics(pictures.classes, pictures.ignore_index)
    for image, mask in pictures:
        metrics.update(mask, keras_fcn.segment(model, image, **options))
    return metrics.confusion


NETWORKS = {
    "coarse": nets.coarse,
    "labels": nets.labelling,
    "unpooling": nets.unpooling,
    "multiples of 4": nets.adding,
    "tiles": nets.tiled,
    "tiles of every pixel": lambda **options: nets.tiled(zoom=1, **options),
}


PREPARATIONS = {
    "own size": {},
    "resized": {"size": (32, 44)},
    "cropped": {"size": (30, 50), "crop": (26, 45)},
}
CASES = [
    pytest.param(
        make,
        preparation,
        id=f"{name}-{prepared}",
        marks=() if not preparation or name == "coarse" else pytest.mark.slow,
    )
    for name, make in NETWORKS.items()
    for prepared, preparation in PREPARATIONS.items()
]


@pytest.mark.sweep(4)
@pytest.mark.parametrize(("make", "preparation"), CASES)
def test_evaluate_counts_what_segment_says(make, preparation, pictures):
    keras.utils.set_random_seed(1)
    model = make(**preparation)
    expected = said(model, pictures)
    assert expected.sum() == sum(height * width for height, width in SIZES)
    assert (expected.sum(axis=0) > 0).sum() > 1  # classes differ from place to place
    np.testing.assert_array_equal(evaluate(model, pictures).confusion, expected)
    np.testing.assert_array_equal(evaluate(model, pictures, batch_size=4).confusion, expected)


def test_another_size_is_segments_too(pictures):
    model = nets.adding()
    own = dataclasses.replace(model.card.preprocessing, size=(22, 31))
    expected = said(model, pictures, preprocessing=own)
    np.testing.assert_array_equal(evaluate(model, pictures, size=(22, 31)).confusion, expected)


def test_tiles_are_what_the_whole_map_says(pictures):
    """A network without padding says the same of tiles as of the reflected image in one piece."""
    keras.utils.set_random_seed(0)
    model = nets.tiled(zoom=1)
    image, _ = pictures.read(1)
    prepared = model.card.preprocessing(image)
    margin = (nets.MARGIN, nets.MARGIN)
    whole = model.predict(np.pad(prepared, (margin, margin, (0, 0)), mode="reflect")[np.newaxis])
    np.testing.assert_array_equal(keras_fcn.segment(model, image), whole[0].argmax(axis=-1))


def test_padding_is_a_reflection_that_is_cut_off_again(pictures):
    model = nets.adding()
    image, _ = pictures.read(0)  # 36 x 41
    prepared = model.card.preprocessing(image)
    padded = np.pad(prepared, ((0, 0), (0, 3), (0, 0)), mode="reflect")
    whole = model.predict(padded[np.newaxis])[0, :, :41]
    np.testing.assert_array_equal(keras_fcn.predict(model, image), whole)
    np.testing.assert_array_equal(keras_fcn.segment(model, image), whole.argmax(axis=-1))


def test_nothing_is_added_where_the_size_fits(pictures):
    model = nets.adding()
    image, _ = pictures.read(3)  # 40 x 48
    prepared = model.card.preprocessing(image)
    scores = model.predict(prepared[np.newaxis])[0]
    np.testing.assert_array_equal(keras_fcn.predict(model, image), scores)


def test_a_coarse_map_is_cut_too():
    x = inputs = keras.Input((None, None, 3))
    x = keras.layers.AveragePooling2D(2)(x)
    down = keras.layers.UpSampling2D(2)(keras.layers.AveragePooling2D(2)(x))
    x = keras.layers.Conv2D(2, 1)(keras.layers.Add()([x, down]))
    model = keras_fcn.with_card(
        keras.Model(inputs, x), preprocessing=keras_fcn.preprocessing.Preprocessing(mean=None)
    )
    image = np.random.default_rng(0).integers(0, 255, (17, 22, 3), np.uint8)
    assert keras_fcn.predict(model, image).shape == (9, 11, 2)
    assert keras_fcn.segment(model, image).shape == (17, 22)


def loss_of(model, data, **options):
    config = TrainingConfig(batch_size=1, **options)
    return Evaluator(model, data, config, find_runtime())(Display(False))[1]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("make", [nets.coarse, nets.tiled, nets.adding])
def test_the_loss_is_that_of_the_scores_at_each_pixel(make, pictures):
    model = make()
    logits = keras.Model(model.inputs, model.get_layer("score").output)
    logits = keras_fcn.with_card(logits, preprocessing=model.card.preprocessing)
    logits.card = dataclasses.replace(logits.card, tiles=model.card.tiles)
    total = count = 0
    for image, mask in pictures:
        scores = keras_fcn.predict(logits, image)
        if scores.shape[:2] != mask.shape:
            continue
        scores -= scores.max(axis=-1, keepdims=True)
        log = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        total -= np.take_along_axis(log, mask[..., np.newaxis].astype(int), axis=-1).sum()
        count += mask.size
    if make is not nets.coarse:
        assert loss_of(model, pictures, loss_on="pixels") == pytest.approx(total / count, rel=1e-5)
    assert loss_of(model, pictures, loss_on="map") > 0


def test_the_loss_on_a_map_of_tiles_is_at_every_zoomth_pixel(pictures):
    model = nets.tiled()
    logits = keras.Model(model.inputs, model.get_layer("score").output)
    image, mask = pictures.read(3)
    own = model.card.tiles
    margin = (nets.MARGIN, nets.MARGIN)
    prepared = np.pad(model.card.preprocessing(image), (margin, margin, (0, 0)), mode="reflect")
    scores = logits.predict(prepared[np.newaxis])[0]
    labels = mask[:: own.zoom, :: own.zoom].astype(int)
    assert scores.shape[:2] == labels.shape
    log = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    expected = -np.take_along_axis(log, labels[..., np.newaxis], axis=-1).mean()
    one = pictures.subset(pictures.pairs[3:])
    assert loss_of(model, one) == pytest.approx(expected, rel=1e-5)


def test_a_bad_pair_is_named_or_left_out(pictures, tmp_path):
    bad = dataclasses.replace(pictures.pairs[0], name="bad", mask=pictures.pairs[1].mask)
    data = pictures.subset([bad, *pictures.pairs[1:]])
    model = nets.coarse()
    with pytest.raises(ValueError, match=r"pair bad: .*the mask is"):
        evaluate(model, data)
    rest = evaluate(model, data, on_bad_pair="skip")
    assert [*data.bad_pairs] == ["bad"]
    np.testing.assert_array_equal(
        rest.confusion, evaluate(model, pictures.subset(pictures.pairs[1:])).confusion
    )
    with pytest.raises(ValueError, match="no pair of"):
        evaluate(model, pictures.subset([bad]), on_bad_pair="skip")
