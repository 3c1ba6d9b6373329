"""Shared parameters stay one: when trained, saved and reloaded."""

from __future__ import annotations

import keras
import numpy as np
import pytest

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


def test_shared_statistics_are_updated(tmp_path):
    layer = """
layer { name: "%s" type: "BatchNorm" bottom: "%s" top: "%s_out"
        param { name: "m" lr_mult: 0 } param { name: "v" lr_mult: 0 }
        param { name: "f" lr_mult: 0 } }
"""
    head = 'input: "a" input_shape { dim: 2 dim: 3 } '
    text = head + layer % ("one", "a", "one") + layer % ("two", "one_out", "two")
    (tmp_path / "net.prototxt").write_text(text)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", phase="TRAIN")
    model(np.ones((4, 3), np.float32), training=True)
    factor = model.get_layer("one").weights[2]
    assert float(np.asarray(factor).squeeze()) == pytest.approx(1.999)
