"""Shared parameters stay one: when trained, saved and reloaded."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe import surgery
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, WeightsError
from tests.golden import layer_case


def siamese(model, x):
    return keras.ops.convert_to_numpy(model(x)[0]), keras.ops.convert_to_numpy(model(x)[1])


@pytest.mark.slow
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


# Weights files that hold a shared parameter once


TWINS = """
layer {{ name: "l" type: "Input" top: "l" top: "r" input_param {{ shape {{ dim: 1 dim: 2 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "l" top: "ip" param {{ name: "w" }} {bias}
  inner_product_param {{ num_output: 2 weight_filler {{ value: 3 }} bias_filler {{ value: 1 }} }} }}
layer {{ name: "ip_p" type: "InnerProduct" bottom: "r" top: "ip_p" param {{ name: "w" }} {bias}
  inner_product_param {{ num_output: 2 bias_filler {{ value: 7 }} }} }}
"""
ONES = {"l": np.ones((1, 2), "f4"), "r": np.ones((1, 2), "f4")}
W, B = np.array([[1, 2], [3, 4]], "f4"), np.array([10, 20], "f4")


@pytest.fixture
def twins(tmp_path):
    def write(bias='param { name: "b" }', rest=""):
        path = tmp_path / "net.prototxt"
        path.write_text(TWINS.format(bias=bias) + rest)
        return path

    return write


def stored(path, blobs, net):
    """A file of some layers only."""
    head, *layers = net.read_text().split("\nlayer")
    kept = [text for text in layers if any(f'name: "{name}"' in text for name in ("l", *blobs))]
    part = path.with_suffix(".part.prototxt")
    part.write_text("\nlayer".join([head, *kept]))
    convert.write_caffemodel(path, part, blobs)
    return path


def numbers(model):
    found = keras_fcn.blobs(model, ONES)
    return found["ip"][0].tolist(), found["ip_p"][0].tolist()


def test_without_weights_the_owner_is_filled(twins):
    assert numbers(keras_fcn.from_caffe(twins())) == ([7, 7], [7, 7])
    assert numbers(keras_fcn.from_caffe(twins(""))) == ([7, 7], [13, 13])


@pytest.mark.parametrize("layer", ["ip", "ip_p"])
def test_one_stored_layer_serves_both(twins, layer, tmp_path):
    net = twins()
    weights = stored(tmp_path / "net.caffemodel", {layer: [W, B]}, net)
    assert numbers(keras_fcn.from_caffe(net, weights)) == ([13, 27], [13, 27])
    model = keras_fcn.from_caffe(net)
    report = keras_fcn.load_weights(model, weights)
    assert sorted(report.loaded) == ["ip", "ip_p"]
    assert numbers(model) == ([13, 27], [13, 27])


def test_what_is_filled_is_said(twins, tmp_path):
    net = twins(bias="")
    weights = stored(tmp_path / "net.caffemodel", {"ip": [W, B]}, net)
    with pytest.warns(CaffeWarning, match=r"no weights for ip_p \(blob 1\); they keep"):
        model = keras_fcn.from_caffe(net, weights)
    assert numbers(model) == ([13, 27], [10, 14])
    with pytest.raises(WeightsError, match="missing in the file: ip_p"):
        keras_fcn.load_weights(model, weights)


def test_by_name_files(twins, tmp_path):
    net = twins()
    weights = stored(tmp_path / "net.caffemodel", {"ip": [W, B]}, net)
    convert.convert(net, weights, tmp_path / "both.h5")
    convert.convert(None, weights, tmp_path / "owner.h5")
    for name in ("both.h5", "owner.h5"):
        assert numbers(keras_fcn.from_caffe(net, tmp_path / name)) == ([13, 27], [13, 27])
        opened = surgery.open_net(net, tmp_path / name)
        assert opened.params["ip_p"][0].tolist() == W.tolist()


def test_exported_weights_are_shared(twins, tmp_path):
    net = twins()
    model = keras_fcn.from_caffe(net, stored(tmp_path / "net.caffemodel", {"ip": [W, B]}, net))
    keras_fcn.export(model, tmp_path / "out.prototxt", "caffe")
    again = keras_fcn.from_caffe(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    assert numbers(again) == ([13, 27], [13, 27])


def test_an_owner_that_only_a_silence_reads(twins, tmp_path):
    silence = 'layer { name: "s" type: "Silence" bottom: "ip" }'
    model = keras_fcn.from_caffe(twins(rest=silence))
    assert keras_fcn.blobs(model, ONES)["ip_p"].tolist() == [[7, 7]]
    assert len(model.trainable_weights) == 2


def test_one_layer_cannot_share_with_itself(tmp_path):
    text = """layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 2 } } }
        layer { name: "s" type: "Scale" bottom: "d" top: "s" param { name: "w" }
          param { name: "w" } scale_param { bias_term: true } }"""
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(CaffeError, match=r"layer 's' .* of one layer share the name 'w'"):
        keras_fcn.from_caffe(tmp_path / "net.prototxt")


COPIES = {
    "h5": lambda model, folder: _reloaded(model, folder / "net.h5"),
    "keras": lambda model, folder: _reloaded(model, folder / "net.keras"),
    "clone": lambda model, folder: keras.models.clone_model(model),
    "cast": lambda model, folder: keras_fcn.to_fully_convolutional(model),
}


def _reloaded(model, path):
    model.save(path)
    return keras.models.load_model(path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("way", COPIES)
def test_copies_share_weights_among_their_own_layers(way, tmp_path):
    layer = (
        'layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s" param { name: "w" } '
        "convolution_param { num_output: 2 kernel_size: 3 pad: 1 bias_term: false "
        'weight_filler { type: "xavier" } } }'
    )
    text = (
        'input: "data" input_shape { dim: 1 dim: 2 dim: 5 dim: 5 }'
        + layer % ("a", "data", "a")
        + layer % ("b", "a", "b")
        + 'layer { name: "ip" type: "InnerProduct" bottom: "b" top: "ip" '
        'inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }'
    )
    (tmp_path / "net.prototxt").write_text(text)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=1)
    copy = COPIES[way](model, tmp_path)
    copy.set_weights(
        [w.reshape(v.shape) for w, v in zip(model.get_weights(), copy.weights, strict=True)]
    )
    x = np.random.default_rng(0).random((1, 5, 5, 2), np.float32)
    expected = np.asarray(model(x)).ravel()
    np.testing.assert_allclose(np.asarray(copy(x)).ravel(), expected, atol=1e-6)
    copy.get_layer("a").set_weights([np.zeros((3, 3, 2, 2))])
    assert np.ptp(np.asarray(copy(x)) - np.asarray(copy(0 * x))) == 0
