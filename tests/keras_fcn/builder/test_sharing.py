"""Shared parameters stay one: when trained, saved and reloaded."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from tests.golden import layer_case


def siamese(model, x):
    return keras.ops.convert_to_numpy(model(x)[0]), keras.ops.convert_to_numpy(model(x)[1])


@pytest.mark.parametrize("reloaded", [False, True])
def test_training_keeps_both_branches_alike(reloaded, tmp_path):
    case = layer_case("params_shared")
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    if reloaded:
        model.save(tmp_path / "net.keras")
        model = keras.models.load_model(tmp_path / "net.keras")
    x = [np.random.default_rng(0).random((2, 6, 6, 3), np.float32)] * 2
    first, second = siamese(model, x)
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert len(model.trainable_weights) == 2
    model.compile("sgd", ["mse", "mse"])
    model.fit(x, [np.zeros_like(first), np.ones_like(first)], epochs=2, verbose=0)
    after, also = siamese(model, x)
    assert np.abs(after - first).max() > 1e-3
    np.testing.assert_allclose(after, also, atol=1e-6)


def test_frozen_weights_stay_frozen_when_reloaded(tmp_path):
    text = layer_case("conv_k3").prototxt.read_text()
    specs = "param { lr_mult: 1 } param { lr_mult: 0 }"
    frozen = text.replace("convolution_param", f"{specs} convolution_param")
    (tmp_path / "net.prototxt").write_text(frozen)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", layer_case("conv_k3").weights)
    model.save(tmp_path / "net.keras")
    for net in (model, keras.models.load_model(tmp_path / "net.keras")):
        assert [v.name for v in net.trainable_weights] == ["kernel"]


STATISTICS = 'input: "a" input_shape { dim: 2 dim: 3 }' + "".join(
    f"""
layer {{ name: "{name}" type: "BatchNorm" bottom: "{bottom}" top: "{name}"
        param {{ name: "m" lr_mult: 0 }} param {{ name: "v" lr_mult: 0 }}
        param {{ name: "f" lr_mult: 0 }} }}
"""
    for bottom, name in (("a", "one"), ("one", "two"))
)


def test_shared_statistics_are_updated(tmp_path):
    (tmp_path / "net.prototxt").write_text(STATISTICS)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", phase="TRAIN")
    model(np.ones((4, 3), np.float32), training=True)
    factor = model.get_layer("one").weights[2]
    assert float(np.asarray(factor).squeeze()) == pytest.approx(1.999)


def test_stock_keras_loads_shared_statistics_by_name(tmp_path):
    net, stored = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(STATISTICS)
    blobs = [np.arange(3, dtype="float32"), np.full(3, 4, "float32"), np.ones(1, "float32")]
    convert.write_caffemodel(stored, net, {"one": blobs, "two": blobs})
    convert.convert(net, stored, tmp_path / "net.h5")
    model = keras_fcn.from_caffe(net)
    model.load_weights(tmp_path / "net.h5", by_name=True)
    x = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(model(x), keras_fcn.from_caffe(net, stored)(x), rtol=1e-6)
