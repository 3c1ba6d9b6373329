"""BatchNorm beyond the reference cases: weights files, several passes, fine-tuning."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import convert
import keras_fcn
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from keras_fcn.caffe.layers.normalization import BatchNorm as Params
from keras_fcn.layers import BatchNorm
from tests.golden import assert_close, layer_case, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    dynamic,
    model_of,
    normal,
    reloaded,
)

NET = """
name: "net"
layer {{
  name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 2 dim: 3 dim: 4 dim: 5 }} }}
}}
layer {{ name: "bn" type: "BatchNorm" bottom: "data" top: "bn" {extra} }}
"""


@pytest.fixture
def case():
    """Statistics with a factor of 999.98."""
    return layer_case("bn_scale_factor")


@pytest.fixture
def converted(case, tmp_path):
    convert.convert(case.prototxt, case.weights, tmp_path / "net.h5")
    return tmp_path / "net.h5"


def stock(case):
    """The layer that Keras has."""
    shape = to_channels_last(case.inputs["data"]).shape[1:]
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.BatchNormalization(
                center=False, scale=False, epsilon=Params().eps, name="layer"
            ),
        ]
    )


def from_text(tmp_path, extra, **state):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.format(extra=extra))
    return keras_fcn.from_caffe(path, **state)


def statistics(layer):
    return [weight.numpy() for weight in layer.weights]


def assert_stock(model, case):
    outputs = to_caffe_order(model(to_channels_last(case.inputs["data"])))
    assert_close(outputs, case.outputs["out"])


# Weights files


def test_stock_keras_loads_the_file_by_name(case, converted):
    model = stock(case)
    model.load_weights(converted, by_name=True)
    assert_stock(model, case)


def test_stock_keras_loads_the_file_into_our_layer_too(case, converted, tmp_path):
    model = keras_fcn.from_caffe(case.prototxt)
    model.load_weights(converted, by_name=True)
    assert_stock(model, case)
    layer = model.get_layer("layer")
    assert_close(layer.factor, [1000], 1e-4)
    assert len(layer.weights) == len(layer.get_weights()) == len(model.get_weights()) == 3
    again = reloaded(model, tmp_path).get_layer("layer")
    for weight, wanted in zip(statistics(again), statistics(layer), strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_stock_keras_loads_files_of_our_layer(case, tmp_path):
    """Keras' own HDF5 file of a model has no factor either."""
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    with h5py.File(tmp_path / "own.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    other = stock(case)
    other.load_weights(tmp_path / "own.h5", by_name=True)
    assert_stock(other, case)


@pytest.mark.parametrize("trainable", [True, False])
def test_models_count_the_factor_as_not_trained(case, trainable):
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    layer = model.get_layer("layer")
    layer.trainable = trainable
    assert any(weight is layer.factor for weight in model.non_trainable_variables)
    assert any(weight is layer.factor for weight in layer.non_trainable_variables)
    assert [weight.name for weight in layer.non_trainable_weights] == [
        "moving_mean",
        "moving_variance",
    ]


def test_our_loader_serves_the_stock_layer_too(case, converted):
    model = stock(case)
    assert keras_fcn.load_weights(model, converted).loaded == ("layer",)
    assert_stock(model, case)
    model = stock(case)
    keras_fcn.load_weights(model, case.weights)
    assert_stock(model, case)


def test_the_file_keeps_the_factor_where_keras_does_not_look(case, converted):
    mean, variance, factor = convert.load_weights(case.weights)["layer"]
    with WeightsFile(converted) as file:
        assert file.weight_names("layer") == ["moving_mean", "moving_variance"]
        assert_close(file["layer"][0], mean / factor)
        assert_close(file["layer"][1], variance / factor)
        np.testing.assert_array_equal(file.extra("layer"), [factor])
        assert file.extra("layer")[0] > 900
    with h5py.File(converted) as file:
        assert list(file["layer"].attrs["extra_names"]) == [b"factor"]


@pytest.mark.parametrize("source", ["caffemodel", "h5"])
def test_both_files_give_the_same_statistics(case, converted, source):
    path = converted if source == "h5" else case.weights
    model = keras_fcn.from_caffe(case.prototxt, path)
    params = convert.load_network(case.prototxt).layer("layer").params
    blobs = params.caffe_blobs(statistics(model.get_layer("layer")), None)
    for blob, expected in zip(blobs, convert.load_weights(case.weights)["layer"], strict=True):
        assert_close(blob, expected, 1e-6)


@pytest.mark.parametrize(("fraction", "factor"), [(0.999, 1000), (0.9, 10), (1.0, 1000)])
def test_a_file_without_factor_is_not_forgotten_at_once(tmp_path, fraction, factor):
    with h5py.File(tmp_path / "stock.h5", "w") as file:
        file.attrs["layer_names"] = [b"bn"]
        group = file.create_group("bn")
        group.attrs["weight_names"] = [b"moving_mean", b"moving_variance"]
        group["moving_mean"] = np.full(3, 2, "float32")
        group["moving_variance"] = np.full(3, 4, "float32")
    extra = f"batch_norm_param {{ moving_average_fraction: {fraction} }}"
    model = from_text(tmp_path, extra)
    keras_fcn.load_weights(model, tmp_path / "stock.h5")
    layer = model.get_layer("bn")
    assert_close(layer.factor, [factor], 1e-4)
    model(np.zeros((2, 4, 5, 3), "float32"), training=True)
    new = fraction * factor / (fraction * factor + 1)
    assert_close(layer.moving_mean, np.full(3, 2 * new))
    assert_close(layer.moving_variance, np.full(3, 4 * new))


@pytest.mark.parametrize("factor", [1.0, 0.25, 999.98, 3e4])
def test_layout_round_trip(factor):
    blobs = [normal(3), normal(3, seed=1) ** 2, np.array([factor], "float32")]
    weights = [weight.array() for weight in Params().keras_weights(blobs, None)]
    assert_close(weights[0], blobs[0] / factor, 1e-6)
    for again, blob in zip(Params().caffe_blobs(weights, None), blobs, strict=True):
        assert_close(again, blob, 1e-6)


def test_layout_of_an_untrained_layer_and_of_the_stock_one():
    blobs = [normal(3), normal(3), np.zeros(1, "float32")]
    weights = [weight.array() for weight in Params().keras_weights(blobs, None)]
    assert not np.any(weights[0])
    assert not np.any(weights[1])
    mean, variance, factor = Params().caffe_blobs(blobs[:2], None)
    np.testing.assert_array_equal(mean, blobs[0])
    np.testing.assert_array_equal(variance, blobs[1])
    np.testing.assert_array_equal(factor, [1])


def test_the_net_in_the_caffemodel_is_enough(case, tmp_path):
    report = convert.convert(None, case.weights, tmp_path / "alone.h5")
    assert report.layers[0].keras_shapes == ((3,), (3,), (1,))
    model = keras_fcn.from_caffe(case.prototxt, tmp_path / "alone.h5")
    assert_close(keras_fcn.blobs(model, case.inputs)["out"], case.outputs["out"])


# Passes


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (2, 4, 5, 3), (2, 2, 2, 4, 3), (1, 3)])
def test_passes_update_the_sums_as_caffe_does(shape):
    layer = BatchNorm(moving_average_fraction=0.7)
    layer.build((None, *shape[1:]))
    sums = [np.zeros(3), np.zeros(3), np.zeros(1)]
    count = np.prod(shape[:-1])
    for seed in range(3):
        x = normal(*shape, seed=seed) * 3 + 1
        outputs = layer(x, training=True)
        flat = x.reshape(-1, 3).astype("float64")
        new = flat.mean(0), flat.var(0) * count / max(count - 1, 1), np.ones(1)
        sums = [0.7 * old + value for old, value in zip(sums, new, strict=True)]
        assert_close(outputs, (x - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5))
    for blob, expected in zip(Params().caffe_blobs(statistics(layer), None), sums, strict=True):
        assert_close(blob, expected)


@pytest.mark.parametrize(
    ("stats", "training", "trainable", "by_batch"),
    [
        (None, True, True, True),
        (None, False, True, False),
        (None, None, True, False),
        (None, True, False, False),
        (True, True, True, False),
        (False, False, True, True),
    ],
)
def test_which_statistics_are_used(stats, training, trainable, by_batch):
    layer = BatchNorm(use_global_stats=stats, trainable=trainable)
    layer.build((None, 3))
    layer.set_weights([np.ones(3), np.full(3, 4), np.full(1, 10)])
    x = normal(6, 3)
    outputs = np.asarray(layer(x, training=training))
    if by_batch:
        assert_close(outputs.mean(0) + 1, np.ones(3))
        assert_close(layer.factor, [10 * 0.999 + 1])
    else:
        assert_close(outputs, (x - 1) / np.sqrt(4 + 1e-5))
        assert_close(layer.factor, [10])


@pytest.mark.parametrize(
    ("extra", "phase", "stats"),
    [
        ("", "TEST", None),
        ("", "TRAIN", None),
        ("phase: TEST", "TRAIN", True),
        ("phase: TRAIN", "TEST", False),
        ("phase: TRAIN batch_norm_param { use_global_stats: true }", "TEST", True),
    ],
)
def test_phases(tmp_path, extra, phase, stats):
    model = from_text(tmp_path, extra, phase=phase)
    assert model.get_layer("bn").use_global_stats is stats
    assert model.caffe.phase == phase


def test_blobs_of_a_training_net_are_a_training_pass(tmp_path):
    model = reloaded(from_text(tmp_path, "", phase="TRAIN"), tmp_path)
    x = normal(2, 3, 4, 5) + 5
    blobs = keras_fcn.blobs(model, x)
    assert_close(blobs["bn"].mean((0, 2, 3)) + 1, np.ones(3))
    assert_close(model.get_layer("bn").factor, [1])
    assert_close(model.get_layer("bn").moving_mean, x.mean((0, 2, 3)))


@pytest.mark.slow
def test_fit_trains_what_follows_and_evolves_the_statistics(case):
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    head = keras.layers.Dense(1, name="head")(model.output)
    tuned = keras.Model(model.input, head)
    tuned.compile(keras.optimizers.SGD(0.01), "mse")
    before = statistics(model.get_layer("layer"))
    tuned.fit(normal(8, 4, 5, 3) + 3, np.zeros((8, 4, 5, 1)), batch_size=4, verbose=0)
    after = statistics(model.get_layer("layer"))
    assert_close(after[2], (before[2] * 0.999 + 1) * 0.999 + 1)
    assert np.all(after[0] > before[0])
    assert np.max(after[0] - before[0]) < 0.05  # two passes of about a thousand
    assert not model.get_layer("layer").trainable_weights


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_float32(policy):
    layer = BatchNorm(dtype=policy)
    x = (normal(4, 6, 6, 3) * 10 + 300).astype("float16")
    outputs = layer(x, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    assert layer.moving_mean.dtype == "float32"
    x = np.asarray(keras.ops.cast(keras.ops.cast(x, layer.compute_dtype), "float32"))
    assert_close(layer.moving_mean, x.mean((0, 1, 2)))
    expected = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))
    assert_close(keras.ops.cast(outputs, "float32"), expected, 5e-3)


def test_any_size_and_config():
    layer = BatchNorm(use_global_stats=True, eps=0.1, name="bn")
    assert_config_round_trip(layer)
    assert dynamic(layer, 3).structured_outputs.shape.as_list() == [None, None, None, 3]


@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(BatchNorm(), (None, None, 3))
    model.layers[-1].set_weights([normal(3), normal(3) ** 2, np.ones(1)])
    x = normal(2, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x))
