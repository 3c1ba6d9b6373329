"""Networks in engines: the model's numbers, its job, and refusals in a line."""

from __future__ import annotations

import importlib.util

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.engines import comparing, kinds
from keras_fcn.engines.kinds import ENGINES
from keras_fcn.inference import engines as in_engines
from keras_fcn.preprocessing import Preprocessing

HEAD = """name: "small" layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 40 dim: 40 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 8 kernel_size: 3 stride: 2 GROUP weight_filler { type: "gaussian" std: 0.02 } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""
MAP = """layer { name: "score" type: "Convolution" bottom: "conv" top: "score" convolution_param {
  num_output: 5 kernel_size: 1 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""
VECTOR = """layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param {
  num_output: 5 weight_filler { type: "gaussian" std: 0.02 } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
DEPTHWISE = """layer { name: "dw" type: "Convolution" bottom: "conv" top: "dw" convolution_param {
  num_output: 8 kernel_size: 3 group: 8 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "out" type: "Convolution" bottom: "dw" top: "out" convolution_param {
  num_output: 5 kernel_size: 1 weight_filler { type: "gaussian" std: 0.2 } } }
"""
TWO = """layer { name: "other" type: "Pooling" bottom: "conv" top: "other" pooling_param {
  pool: AVE global_pooling: true } }
"""
NETS = {
    "map": (HEAD + MAP, "ncnn"),
    "vector": (HEAD + VECTOR, "ncnn"),
    "depthwise": (HEAD + DEPTHWISE, "onnxruntime"),
    "two outputs": (HEAD + MAP + TWO, "ncnn"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}
    for name, (text, _) in NETS.items():
        path = tmp_path_factory.mktemp("net") / "net.prototxt"
        path.write_text(text.replace("GROUP", ""))
        model = made[name] = keras_fcn.from_caffe(path, seed=2)
        model.card = keras_fcn.with_card(model, preprocessing=Preprocessing()).card
        rng = np.random.default_rng(0)
        for weight in model.get_layer("norm").weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return made


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-100, 100, shape).astype("f4")


def assert_same(found, expected):
    one, other = (x if isinstance(x, list) else [x] for x in (found, expected))
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * abs(b).max(initial=0))


@pytest.mark.parametrize("engine", ["auto", "tensorflow", *ENGINES])
@pytest.mark.parametrize("name", NETS)
def test_the_numbers_are_the_models(models, name, engine):
    if engine in ENGINES:
        pytest.importorskip(engine)
    model = models[name]
    fast = keras_fcn.optimize_for_inference(model, engine=engine, threads=1)
    assert fast.engine == (NETS[name][1] if engine == "auto" else engine)
    assert fast.difference is None or fast.difference < 1e-4
    assert fast.card.preprocessing == model.card.preprocessing
    assert (fast.input_names, fast.output_names[0]) == (["data"], model.output_names[0])
    assert fast.engine in repr(fast)
    for count, height, width in ((1, 40, 40), (3, 40, 40), (2, 61, 50), (0, 40, 40)):
        if name == "vector" and height != 40:
            continue
        x = images(count, height, width, 3)
        assert_same(fast(x), model.predict(x, verbose=0))
        if count:
            assert_same(fast.predict(x, batch_size=2), model.predict(x, verbose=0))
            assert_same(fast.predict({"data": x}), model.predict(x, verbose=0))
            assert_same(fast.predict(x[i : i + 1] for i in range(count)), fast(x))


def test_a_snapshot_is_not_trained(models):
    model = keras.models.clone_model(models["map"])
    model.set_weights(models["map"].get_weights())
    x = images(1, 40, 40, 3)
    before = model.predict(x, verbose=0)
    fast = [
        keras_fcn.optimize_for_inference(model, engine=e) for e in ("onnxruntime", "tensorflow")
    ]
    kernel = model.get_layer("conv").kernel
    kernel.assign(kernel * 3)
    for each in fast:
        assert_same(each.predict(x), before)
        assert_same(
            each.predict(images(1, 44, 46, 3))[:, :1, :1].shape, (1, 1, 1, 5)
        ) if 0 else None
    assert np.abs(model.predict(x, verbose=0) - before).max() > 1e-3


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorflow"])
def test_tasks_take_them(models, engine):
    picture = np.random.default_rng(1).integers(0, 255, (50, 60, 3)).astype("u1")
    for name, task in (
        ("map", keras_fcn.segment),
        ("vector", keras_fcn.classify),
        ("map", keras_fcn.predict),
        ("vector", keras_fcn.embed),
    ):
        model = models[name]
        fast = keras_fcn.optimize_for_inference(model, engine=engine)
        if task is keras_fcn.embed:
            with pytest.raises(ValueError, match="gives its outputs alone"):
                task(fast, picture, "conv")
            found, expected = (task(x, picture, "prob") for x in (fast, model))
        else:
            found, expected = (task(x, picture) for x in (fast, model))
        if task is keras_fcn.classify:
            assert [x["index"] for x in found] == [x["index"] for x in expected]
        else:
            assert_same(found, expected)
    with pytest.raises(TypeError, match="blobs takes the model"):
        keras_fcn.blobs(fast, images(1, 3, 40, 40))


def test_what_cannot_be_is_refused(models, monkeypatch, tmp_path):
    fast = keras_fcn.optimize_for_inference
    model = models["map"]
    for arguments, words in (
        ({"engine": "onxruntime"}, "did you mean 'onnxruntime'"),
        ({"precision": "int8"}, "precision must be one of"),
        ({"precision": "bfloat16"}, "for engine='openvino'"),
        ({"engine": "ncnn", "precision": "bfloat16"}, "for engine='openvino'"),
        ({"threads": 0}, "threads must be"),
        ({"weights": "x.h5"}, "are for files"),
    ):
        with pytest.raises(ValueError, match=words):
            fast(model, **arguments)
    with pytest.raises(TypeError, match="must be a keras"):
        fast(3)
    ready = fast(model, engine="onnxruntime")
    with pytest.raises(TypeError, match="optimized already"):
        fast(ready)
    with pytest.raises(ValueError, match=r"input 'data' takes .*channels come last"):
        ready.predict(images(1, 3, 40, 40))
    with pytest.raises(convert.CaffeError, match="conv"):
        ready.predict(images(1, 2, 40, 3))
    with pytest.raises(ValueError, match="no batch"):
        ready.predict(iter(()))
    find = importlib.util.find_spec
    monkeypatch.setattr(kinds, "find_spec", lambda x: None if x in ENGINES else find(x))
    with pytest.raises(convert.CaffeError, match="pip install ncnn"):
        fast(model, engine="ncnn")
    with pytest.warns(convert.CaffeWarning, match="engine='tensorflow': .*pip install ncnn"):
        assert fast(model).engine == "tensorflow"


@pytest.mark.slow
@pytest.mark.filterwarnings("error::convert.CaffeWarning")
def test_a_saved_model_goes_as_it_is(models, tmp_path):
    keras_fcn.export(models["vector"], tmp_path / "served", "saved_model")
    model = keras_fcn.load(tmp_path / "served")
    within = keras.Sequential([keras.Input((40, 40, 3)), keras.layers.Rescaling(2.0), model])
    for given in (model, within):
        expected = given(images(2, 40, 40, 3))
        for engine in ("auto", "tensorflow"):
            fast = keras_fcn.optimize_for_inference(given, engine=engine)
            assert fast.engine == "tensorflow"
            assert_same(fast.predict(images(2, 40, 40, 3)), np.asarray(expected))
        with pytest.raises(convert.CaffeError, match=r"TensorFlow alone runs .*: 'onnxruntime'"):
            keras_fcn.optimize_for_inference(given, engine="onnxruntime")


def test_other_numbers_are_refused(models, monkeypatch):
    class Wrong(in_engines.Engine):
        def __call__(self, arrays):
            return [x * np.float32(1.001) for x in super().__call__(arrays)]

    monkeypatch.setattr(in_engines, "Engine", Wrong)
    with pytest.raises(convert.CaffeError, match="output 'prob' in onnxruntime differs"):
        keras_fcn.optimize_for_inference(models["map"], engine="onnxruntime")
    with pytest.warns(convert.CaffeWarning, match="engine='tensorflow': .*differs"):
        assert keras_fcn.optimize_for_inference(models["map"]).engine == "tensorflow"


def test_no_number_is_another_number():
    good = np.ones((1, 2), "f4")
    with pytest.raises(convert.CaffeError, match="nan, expected 1"):
        comparing.difference("x", good * [1, np.nan], good, place="here")
    assert comparing.difference("x", good * np.nan, good * np.nan, place="here") == 0


def test_bfloat16_tells_the_labels_that_it_changes(models):
    pytest.importorskip("openvino")
    picture = np.random.default_rng(1).integers(0, 255, (50, 60, 3)).astype("u1")
    given = {"engine": "openvino", "precision": "bfloat16"}
    for pictures in (None, picture, [picture, picture]):
        fast = keras_fcn.optimize_for_inference(models["map"], images=pictures, **given)
        assert 0 <= fast.changed_labels <= 0.05
        assert "bfloat16" in repr(fast)
