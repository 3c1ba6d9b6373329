from __future__ import annotations

import itertools

import numpy as np
import pytest

from keras_fcn import CaffeNet
from keras_fcn.datasets import Augmentation, LabelMap, load_folders
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.datasets import pictures

PLAIN = Preprocessing(mean=None, channel_order="rgb")


@pytest.fixture
def dataset(tmp_path):
    return pictures.small_dataset(tmp_path)


def batches(pipeline, count=None):
    return [(x.numpy(), y.numpy()) for x, y in itertools.islice(pipeline, count)]


def assert_same(first, second):
    for (x, y), (other_x, other_y) in zip(first, second, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)


def which(dataset, batch):
    """The numbers of the pairs in a batch that was neither cropped nor changed."""
    masks = [pictures.mask(number) for number in range(len(dataset))]
    return [next(i for i, m in enumerate(masks) if (m == mask).all()) for mask in batch[1]]


def test_one_pass(dataset):
    preprocessing = Preprocessing()
    pipeline = dataset.to_tf(preprocessing, 2)
    result = batches(pipeline)
    assert [x.shape for x, _ in result] == [(2, 6, 8, 3), (2, 6, 8, 3), (1, 6, 8, 3)]
    assert {(x.dtype.name, y.dtype.name) for x, y in result} == {("float32", "int32")}
    images = np.concatenate([x for x, _ in result])
    masks = np.concatenate([y for _, y in result])
    for number in range(5):
        np.testing.assert_array_equal(images[number], preprocessing(pictures.image(number)))
        np.testing.assert_array_equal(masks[number], pictures.mask(number))
    assert_same(batches(pipeline), result)


def test_shuffled_and_without_end(dataset):
    pipeline = dataset.to_tf(PLAIN, 2, shuffle=True, repeat=True, seed=3)
    result = batches(pipeline, 25)
    assert {len(x) for x, _ in result} == {2}
    order = [number for batch in result for number in which(dataset, batch)]
    epochs = [tuple(order[start : start + 5]) for start in range(0, 50, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len(set(epochs)) > 5
    assert_same(batches(pipeline, 25), result)
    other = dataset.to_tf(PLAIN, 2, shuffle=True, repeat=True, seed=4)
    assert [which(dataset, batch) for batch in batches(other, 25)] != [
        which(dataset, batch) for batch in result
    ]


AUGMENTATION = Augmentation(rotation=10, brightness=0.2, contrast=0.2, saturation=0.2)


def own_augmentation(image, mask, rng):
    if rng.random() < 0.5:
        image, mask = image[::-1], mask[::-1]
    return image, mask


@pytest.mark.parametrize("augmentation", [None, AUGMENTATION, own_augmentation])
def test_a_stopped_run_goes_on(dataset, augmentation):
    options = {
        "augmentation": augmentation,
        "shuffle": True,
        "repeat": True,
        "crop_size": (5, 7),
        "seed": 1,
    }
    whole = batches(dataset.to_tf(PLAIN, 2, **options), 12)
    assert_same(batches(dataset.to_tf(PLAIN, 2, **options, start=7), 5), whole[7:])
    assert any((whole[0][0] != x).any() for x, _ in whole[1:])


@pytest.mark.slow
def test_workers_share_the_batches(dataset):
    options = {"shuffle": True, "repeat": True, "augmentation": AUGMENTATION, "crop_size": (5, 7)}
    whole = batches(dataset.to_tf(PLAIN, 2, **options), 12)
    for worker in range(2):
        part = dataset.to_tf(PLAIN, 2, **options, shard=(worker, 2))
        assert_same(batches(part, 6), whole[worker::2])
        part = dataset.to_tf(PLAIN, 2, **options, shard=(worker, 2), start=2)
        assert_same(batches(part, 4), whole[worker::2][2:])


def test_model_tells_the_preprocessing(dataset):
    model = CaffeNet(include_top=False)
    ((images, masks),) = batches(dataset.to_tf(model, 5))
    assert images.shape == (5, 227, 227, 3)
    assert masks.shape == (5, 227, 227)
    expected = Preprocessing(size=(256, 256), crop=(227, 227))(pictures.image(0))
    # 8-bit images are rounded after the resize.
    np.testing.assert_allclose(images[0], expected, atol=0.51)
    rows = (np.arange(14, 241) + 0.5) * 6 / 256
    columns = (np.arange(14, 241) + 0.5) * 8 / 256
    np.testing.assert_array_equal(
        masks[0], pictures.mask(0)[np.ix_(rows.astype(int), columns.astype(int))]
    )


def test_padding_is_the_mean_and_ignored(dataset):
    preprocessing = Preprocessing(input_scale=0.5)
    ((images, masks),) = batches(dataset.to_tf(preprocessing, 5, crop_size=(10, 8)))
    assert (masks[:, :2] == 255).all()
    assert (masks[:, -2:] == 255).all()
    np.testing.assert_array_equal(masks[:, 2:-2], [pictures.mask(i) for i in range(5)])
    assert np.abs(images[masks == 255]).max() <= 0.25  # the mean, rounded to 8 bits
    np.testing.assert_array_equal(images[0, 2:-2], preprocessing(pictures.image(0)))


def test_augmentation_pads_with_the_mean_too(dataset):
    options = {"augmentation": Augmentation(scale=(0.5, 0.6)), "crop_size": (20, 20)}
    ((images, masks),) = batches(dataset.to_tf(Preprocessing(), 5, **options))
    assert (masks == 255).mean() > 0.9
    assert np.abs(images[masks == 255]).max() <= 0.5
    assert np.abs(images[masks != 255]).max() > 20


def test_images_of_several_sizes_fill_a_batch(tmp_path):
    dataset = pictures.small_dataset(tmp_path)
    pictures.save(tmp_path / "images" / "b.png", pictures.image(1, (4, 10)))
    pictures.save(tmp_path / "masks" / "b.png", pictures.mask(1, (4, 10)))
    ((images, masks),) = batches(dataset[:2].to_tf(Preprocessing(), 2))
    assert masks.shape == (2, 6, 10)
    np.testing.assert_array_equal(masks[1, :4], pictures.mask(1, (4, 10)))
    assert (masks[1, 4:] == 255).all()
    assert (masks[0, :, 8:] == 255).all()
    assert not images[masks == 255].any()


def test_crops_are_in_the_centre_unless_shuffled(dataset):
    ((_, masks),) = batches(dataset.to_tf(PLAIN, 5, crop_size=(4, 4)))
    np.testing.assert_array_equal(masks[2], pictures.mask(2)[1:5, 2:6])
    shuffled = batches(dataset.to_tf(PLAIN, 5, crop_size=(4, 4), shuffle=True, repeat=True), 4)
    crops = {mask.tobytes() for _, masks in shuffled for mask in masks}
    assert len(crops) > 10


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_deep_images(tmp_path, channels):
    wide = np.random.default_rng(0).integers(0, 65536, (6, 8)).astype(np.uint16)
    pictures.save(tmp_path / "images" / "x.png", wide)
    pictures.save(tmp_path / "masks" / "x.png", pictures.mask(0))
    dataset = load_folders(tmp_path, labels=pictures.LABELS)
    preprocessing = Preprocessing(channels=channels, mean=100)
    ((images, _),) = batches(dataset.to_tf(preprocessing, crop_size=(8, 8)))
    expected = np.repeat(wide[..., np.newaxis] / 65535 * 255 - 100, channels, axis=-1)
    np.testing.assert_allclose(images[0, 1:-1], expected, atol=1e-3)
    np.testing.assert_allclose(images[0, 0], 0, atol=1e-4)


def test_five_bands(tmp_path):
    bands = pictures.image(0, channels=5)
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "x.npy", bands)
    pictures.save(tmp_path / "masks" / "x.png", pictures.mask(0))
    dataset = load_folders(tmp_path, labels=pictures.LABELS)
    preprocessing = Preprocessing(channels=5, mean=(1, 2, 3, 4, 5))
    options = {"augmentation": Augmentation(scale=(1, 1), flip=1), "crop_size": (6, 8)}
    ((images, masks),) = batches(dataset.to_tf(preprocessing, **options))
    np.testing.assert_array_equal(images[0], bands[:, ::-1] - np.arange(1.0, 6))
    np.testing.assert_array_equal(masks[0], pictures.mask(0)[:, ::-1])
    with (
        pytest.raises(ValueError, match=r"pair x: .*must hold 3 channel.*\(6, 8, 5\)"),
        dataset.naming_bad_pairs(),
    ):
        batches(dataset.to_tf(PLAIN))


def test_mean_images(dataset):
    mean = np.random.default_rng(0).uniform(0, 255, (6, 6, 3)).astype(np.float32)
    preprocessing = Preprocessing(mean=mean)
    ((images, _),) = batches(dataset.to_tf(preprocessing, 5, crop_size=(4, 4)))
    np.testing.assert_array_equal(images[0], preprocessing(pictures.image(0)[1:5, 2:6]))
    ((images, _),) = batches(dataset.to_tf(preprocessing, 5))
    pixel = Preprocessing(mean=mean.mean(axis=(0, 1)))
    np.testing.assert_allclose(images[0], pixel(pictures.image(0)), atol=1e-4)


def test_callable_with_its_own_chance_is_called_in_order(dataset):
    chance = np.random.default_rng(0)
    drawn = []

    def augmentation(image, mask):
        drawn.append(chance.random())
        return (image[:, ::-1], mask[:, ::-1]) if drawn[-1] < 0.5 else (image, mask)

    ((_, masks),) = batches(dataset.to_tf(PLAIN, 5, augmentation=augmentation))
    assert drawn == np.random.default_rng(0).random(5).tolist()
    for number, value in enumerate(drawn):
        step = -1 if value < 0.5 else 1
        np.testing.assert_array_equal(masks[number], pictures.mask(number)[:, ::step])


@pytest.fixture
def damaged(tmp_path):
    dataset = pictures.small_dataset(tmp_path)
    (tmp_path / "images" / "b.png").write_bytes(b"not a picture")
    pictures.save(tmp_path / "masks" / "d.png", pictures.mask(3) + 7)
    return dataset


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (slice(0, 3), r"^pair b: .*b\.png: not an image"),
        (slice(2, 5), r"^pair d: .*d\.png: labels 7\.\.9 in 48 pixels"),
    ],
)
def test_bad_pair_stops_with_its_name(damaged, part, message):
    dataset = damaged[part]
    for _ in range(2):
        with pytest.raises(ValueError, match=message), dataset.naming_bad_pairs():
            batches(dataset.to_tf(PLAIN, 2))


def test_other_errors_pass(damaged):
    batches(damaged.to_tf(PLAIN, on_error="skip"))
    with pytest.raises(KeyError, match="other"), damaged.naming_bad_pairs():
        raise KeyError("other")


def test_bad_pairs_are_skipped_and_counted(damaged):
    pipeline = damaged.to_tf(PLAIN, 2, on_error="skip")
    result = batches(pipeline)
    assert [which(damaged, batch) for batch in result] == [[0, 2], [4]]
    assert sorted(damaged.bad_pairs) == ["b", "d"]
    assert "b.png" in damaged.bad_pairs["b"]
    assert_same(batches(pipeline), result)
    assert len(damaged.bad_pairs) == 2


def test_only_bad_pairs_do_not_run_for_ever(damaged):
    bad = damaged[1:2]
    pipeline = bad.to_tf(PLAIN, 2, on_error="skip", repeat=True)
    with pytest.raises(ValueError, match="pair b: "), bad.naming_bad_pairs():
        batches(pipeline, 1)


def test_augmentation_that_loses_the_mask_names_the_pair(dataset):
    with (
        pytest.raises(ValueError, match="pair a: `augmentation` must keep"),
        dataset.naming_bad_pairs(),
    ):
        batches(dataset.to_tf(PLAIN, augmentation=lambda image, mask: (image, mask[1:])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"start": -1}, "start=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"shard": (2, 2)}, r"shard=\(2, 2\)"),
        ({"crop_size": (0, 5)}, r"`crop_size` is .*Received: \(0, 5\)"),
        ({"size": (5,)}, r"`size` is .*Received: \(5,\)"),
        ({"on_error": "ignore"}, "Received: 'ignore'"),
    ],
)
def test_bad_options(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        dataset.to_tf(PLAIN, **options)


def test_data_sets_without_pairs(dataset):
    with pytest.raises(ValueError, match="must have pairs"):
        dataset[:0].to_tf(PLAIN)


def test_another_ignore_index_fills_up(tmp_path):
    pictures.write_folders(tmp_path)
    labels = LabelMap(classes=("a", "b", "c"), ignore_index=3)
    ((_, masks),) = batches(load_folders(tmp_path, labels=labels).to_tf(PLAIN, 5, crop_size=(9, 9)))
    assert np.sum(masks == 3) == 5 * (81 - 48)
