"""Loading by name, and the report."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.core.loaded import origin
from tests.golden import layer_case

NET = "legacy_v1_caffemodel"


@pytest.fixture
def net():
    """Convolution, pooling and inner product: prototxt, weights."""
    case = layer_case(NET)
    return case.prototxt, case.weights


def write_h5(path, layers):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [key.encode() for key in weights]
            for key, value in weights.items():
                group[key] = value


def dense_weights(inputs, outputs, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "kernel": rng.random((inputs, outputs), np.float32),
        "bias": rng.random(outputs, np.float32),
    }


def small_model(*names, units=3):
    layers = [keras.layers.Dense(units, name=name) for name in names]
    return keras.Sequential([keras.Input((3,)), *layers], name="small")


def test_report_and_values(tmp_path):
    stored = {"a": dense_weights(3, 3), "other": dense_weights(2, 2)}
    write_h5(tmp_path / "w.h5", stored)
    model = small_model("a", "b")
    before = model.get_layer("b").get_weights()
    report = keras_fcn.load_weights(model, tmp_path / "w.h5", strict=False)
    assert report.loaded == ("a",)
    assert report.missing == ("b",)
    assert report.unexpected == ("other",)
    assert report.mismatched == ()
    np.testing.assert_array_equal(model.get_layer("a").kernel, stored["a"]["kernel"])
    np.testing.assert_array_equal(model.get_layer("b").kernel, before[0])
    assert str(report).startswith("1 layer loaded: a\nmissing in the file: b\n")
    assert [origin(model.get_layer(name)) for name in "ab"] == [str(tmp_path / "w.h5"), ""]


def test_strict_refuses_and_changes_nothing(tmp_path):
    write_h5(tmp_path / "w.h5", {"a": dense_weights(3, 3), "b": dense_weights(3, 2)})
    model = small_model("a", "b")
    before = model.get_weights()
    with pytest.raises(convert.WeightsError, match=r"'b'.*\(3, 2\).*\(3, 3\)") as error:
        keras_fcn.load_weights(model, tmp_path / "w.h5")
    assert "nothing was loaded.\n1 layer would fit: a\n" in str(error.value)
    assert "strict=False" not in str(error.value)  # which the command line does not have
    assert "strict=False" in error.value.__notes__[0]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_strict_allows_new_layers(tmp_path):
    write_h5(tmp_path / "w.h5", {"a": dense_weights(3, 3)})
    report = keras_fcn.load_weights(small_model("a", "b"), tmp_path / "w.h5", new=("b",))
    assert (report.loaded, report.missing) == (("a",), ("b",))


def test_a_file_that_fits_nothing_is_an_error_even_when_loose(tmp_path):
    write_h5(tmp_path / "w.h5", {"x": dense_weights(3, 3)})
    with pytest.raises(convert.WeightsError, match="fits no layer"):
        keras_fcn.load_weights(small_model("a"), tmp_path / "w.h5", strict=False)


def test_layers_in_submodels_are_found(tmp_path):
    write_h5(tmp_path / "w.h5", {"a": dense_weights(3, 3)})
    inner = small_model("a")
    outer = keras.Sequential([keras.Input((3,)), inner])
    assert keras_fcn.load_weights(outer, tmp_path / "w.h5").loaded == ("a",)
    np.testing.assert_array_equal(inner.get_layer("a").kernel, dense_weights(3, 3)["kernel"])


def test_dense_and_convolution_forms_load_into_each_other(tmp_path):
    rng = np.random.default_rng(3)
    kernel = rng.random((4, 4, 5, 7), np.float32)
    bias = rng.random(7, np.float32)
    write_h5(tmp_path / "conv.h5", {"fc-conv": {"kernel": kernel, "bias": bias}})
    write_h5(tmp_path / "dense.h5", {"fc": {"kernel": kernel.reshape(80, 7), "bias": bias}})
    conv = keras.Sequential([keras.Input((4, 4, 5)), keras.layers.Conv2D(7, 4, name="fc-conv")])
    dense = keras.Sequential([keras.Input((80,)), keras.layers.Dense(7, name="fc")])
    for path in ("conv.h5", "dense.h5"):
        for model, layer in ((conv, "fc-conv"), (dense, "fc")):
            model.set_weights([np.zeros_like(w) for w in model.get_weights()])
            keras_fcn.load_weights(model, tmp_path / path)
            loaded = np.asarray(model.get_layer(layer).kernel)
            np.testing.assert_array_equal(loaded.reshape(kernel.shape), kernel)


def test_a_cast_that_does_not_fit_is_refused(tmp_path):
    write_h5(tmp_path / "w.h5", {"ip1": dense_weights(800, 500)})
    model = keras.Sequential(
        [keras.Input((None, None, 50)), keras.layers.Conv2D(500, 1, name="ip1-conv")]
    )
    with pytest.raises(convert.WeightsError, match=r"\(800, 500\).*\(1, 1, 50, 500\)"):
        keras_fcn.load_weights(model, tmp_path / "w.h5")


def test_batch_normalization_frozen_or_not(tmp_path):
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    stored = {name: np.full(3, i + 1.0, np.float32) for i, name in enumerate(names)}
    write_h5(tmp_path / "w.h5", {"bn": stored})
    for trainable in (True, False):
        layer = keras.layers.BatchNormalization(name="bn", trainable=trainable)
        model = keras.Sequential([keras.Input((3,)), layer])
        keras_fcn.load_weights(model, tmp_path / "w.h5")
        for name in names:
            np.testing.assert_array_equal(getattr(layer, name), stored[name])


def test_from_the_caffemodel_and_from_hdf5_alike(net, tmp_path):
    prototxt, caffemodel = net
    convert.convert(prototxt, caffemodel, tmp_path / "w.h5")
    direct = keras_fcn.from_caffe(prototxt, caffemodel)
    through = keras_fcn.from_caffe(prototxt, tmp_path / "w.h5")
    for one, other in zip(direct.get_weights(), through.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nan_is_named(tmp_path):
    weights = dense_weights(3, 3)
    weights["kernel"][1, 1] = np.nan
    write_h5(tmp_path / "w.h5", {"a": weights})
    with pytest.warns(convert.CaffeWarning, match="'a' holds NaN"):
        keras_fcn.load_weights(small_model("a"), tmp_path / "w.h5")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"nonsense" * 100])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "w.caffemodel"
    path.write_bytes(content)
    with pytest.raises(convert.WeightsError, match=r"w\.caffemodel"):
        keras_fcn.load_weights(small_model("a"), path)


def test_weights_of_keras_3_are_told_apart(tmp_path):
    small_model("a").save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(convert.WeightsError, match="a weights file of Keras 3, which the load_wei"):
        keras_fcn.load_weights(small_model("a"), tmp_path / "w.weights.h5")


def test_hdf5_without_layer_names_is_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(convert.WeightsError, match="layer_names"):
        keras_fcn.load_weights(small_model("a"), tmp_path / "w.h5")


def test_missing_file(tmp_path):
    with pytest.raises(convert.WeightsError, match=r"absent\.h5"):
        keras_fcn.load_weights(small_model("a"), tmp_path / "absent.h5")


def test_constructor_keeps_a_new_head(tmp_path):
    model = keras_fcn.LeNet(classes=10)
    weights = {
        layer.name: dict(zip(("kernel", "bias"), layer.get_weights(), strict=True))
        for layer in model.layers
        if layer.weights
    }
    write_h5(tmp_path / "w.h5", weights)
    with pytest.warns(convert.CaffeWarning, match="'ip2-conv', which keeps its random weights"):
        new = keras_fcn.LeNetFCN(classes=3, weights=tmp_path / "w.h5")
    np.testing.assert_array_equal(new.get_layer("conv2").kernel, weights["conv2"]["kernel"])
    assert new.output_shape[-1] == 3
    del weights["conv1"]
    write_h5(tmp_path / "less.h5", weights)
    with pytest.raises(convert.WeightsError, match="missing in the file: conv1"):
        keras_fcn.LeNet(weights=tmp_path / "less.h5")


def test_a_file_whose_layers_list_no_bottoms():
    case = layer_case("legacy_v1_caffemodel_new_prototxt")
    wanted = keras_fcn.from_caffe(case.prototxt, case.weights)
    model = keras_fcn.from_caffe(case.prototxt)
    with pytest.warns(convert.CaffeWarning, match="'fc': its inputs are taken as a plain vector"):
        report = keras_fcn.load_weights(model, case.weights)
    assert report.loaded == ("conv1", "fc")
    layers = [net.get_layer("conv1").get_weights() for net in (model, wanted)]
    for actual, expected in zip(*layers, strict=True):
        np.testing.assert_array_equal(actual, expected)


CLASSIFIER = """
name: "classifier"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }
layer { name: "fc6" type: "InnerProduct" bottom: "data" top: "fc6"
  inner_product_param { num_output: 3 } }
"""
CAST = """
name: "cast"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }
layer { name: "fc6-conv" type: "Convolution" bottom: "data" top: "fc6-conv"
  convolution_param { num_output: 3 kernel_size: 6 } }
"""


def written(tmp_path, cast):
    """A classifier's caffemodel, its kernel in a convolution's shape, its bias; the cast net."""
    old, new = tmp_path / "old.prototxt", tmp_path / "new.prototxt"
    old.write_text(CLASSIFIER)
    new.write_text(cast)
    rng = np.random.default_rng(0)
    kernel, bias = rng.random((3, 2, 6, 6), np.float32), rng.random(3, np.float32)
    file = tmp_path / "old.caffemodel"
    convert.write_caffemodel(file, old, {"fc6": [kernel.reshape(3, 72), bias]})
    return new, file, kernel, bias


@pytest.mark.parametrize("name", ["fc6", "fc6-conv"])
@pytest.mark.filterwarnings("ignore:.*other form:convert.CaffeWarning")
def test_from_caffe_casts_the_inner_product_of_a_classifier(name, tmp_path):
    prototxt, file, kernel, bias = written(tmp_path, CAST.replace("fc6-conv", name))
    model = keras_fcn.from_caffe(prototxt, file)
    image = np.random.default_rng(1).random((1, 6, 6, 2), np.float32)
    expected = np.einsum("hwc,ochw->o", image[0], kernel) + bias
    np.testing.assert_allclose(np.ravel(model(image)), expected, rtol=1e-5)


def test_a_cast_of_another_name_is_said(tmp_path):
    with pytest.warns(convert.CaffeWarning, match="other form.*'fc6-conv' those of 'fc6'"):
        keras_fcn.from_caffe(*written(tmp_path, CAST)[:2])


def test_a_convolution_of_another_size_is_no_cast(tmp_path):
    prototxt, file, *_ = written(tmp_path, CAST.replace("kernel_size: 6", "kernel_size: 5"))
    with pytest.raises(convert.WeightsError, match="none of its layers"):
        keras_fcn.from_caffe(prototxt, file)
