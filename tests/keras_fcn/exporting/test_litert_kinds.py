"""Which kinds of layers LiteRT runs with operators of its own."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import convert
import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.exporting.litert_kinds import REFUSED, WITH_TENSORFLOW
from keras_fcn.exporting.running import model_outputs, run_litert
from keras_fcn.layers._pooling import Pooling2D
from tests.golden import layer_case
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.inference.test_detection import DETECTIONS, INPUT, SSD, read
from tests.keras_fcn.unbuilder.fork_cases import CASES

GOLDEN = ["grad_conv", "grad_lrn_across", "grad_lstm", "grad_pool_max", "filter_two"]
FORKS = [
    "correlation",
    "ctc_axes",
    "detection_output",
    "detection_output_extended",
    "eval_detection",
    "interp",
    "pooling_3d",
    "reorg",
    "roi_pooling",
    "yolo_v2_output",
    "yolo_v3_output",
]


def test_the_kinds_are_built():
    assert BUILDERS.keys() >= WITH_TENSORFLOW | REFUSED
    assert not WITH_TENSORFLOW & REFUSED


def assert_written(path, weights, file):
    kinds = {type(x.params) for x in convert.load_network(path).layers}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        keras_fcn.export(keras_fcn.from_caffe(path, weights), file)
    flex = any("Flex delegate" in str(each.message) for each in caught)
    assert flex == bool(kinds & WITH_TENSORFLOW)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_kinds_of_caffe(name, tmp_path):
    case = layer_case(name)
    assert_written(case.prototxt, case.weights, tmp_path / "net.tflite")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORKS)
def test_kinds_of_forks(name, tmp_path):
    text, inputs = CASES[name]
    assert_written(net(tmp_path, text, **inputs), None, tmp_path / "net.tflite")


@pytest.mark.slow
def test_what_no_file_can_hold(tmp_path):
    text, inputs = CASES["box_annotator"]
    model = keras_fcn.from_caffe(net(tmp_path, text, **inputs))
    with pytest.raises(CaffeError, match="has no LiteRT form"):
        keras_fcn.export(model, tmp_path / "net.tflite")


POOLED = """name: "pooled" input: "data" input_shape { dim: 1 dim: 3 dim: 20 dim: 20 }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "p1" type: "Pooling" bottom: "c1" top: "p1"
  pooling_param { pool: METHOD kernel_size: 3 stride: 2 pad: PAD } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2"
  convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "xavier" } } }
"""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "pad"), [("MAX", 0), ("AVE", 1)])
def test_convolutions_behind_poolings_of_any_size(tmp_path, method, pad):
    (tmp_path / "net.prototxt").write_text(
        POOLED.replace("METHOD", method).replace("PAD", f"{pad}")
    )
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    keras_fcn.export(model, tmp_path / "net.tflite", verify=True)
    run = run_litert(tmp_path / "net.tflite", model)
    for size in ((2, 20, 20, 3), (1, 31, 46, 3)):
        images = np.random.default_rng(0).normal(size=size).astype(np.float32)
        (found,) = run([images])
        expected = model.predict(images, verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
def test_what_needs_known_sizes_is_refused(tmp_path, monkeypatch):
    def forgets_channels(self, inputs, value):
        ends = [
            windows.overhang(size)
            for size, windows in zip(ops.shape(inputs)[1:3], self._windows, strict=True)
        ]
        return ops.pad(
            inputs, [(0, 0), *((0, end) for end in ends), (0, 0)], constant_values=value
        ), ends

    monkeypatch.setattr(Pooling2D, "_pad", forgets_channels)
    text = POOLED.replace("METHOD", "MAX").replace("PAD", "0")
    (tmp_path / "net.prototxt").write_text(text)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    for verify in (False, True):
        with pytest.raises(CaffeError, match=r"layer 'c2' \(FlexConv2D\) .* input_shapes=\{'data'"):
            keras_fcn.export(model, tmp_path / "net.tflite", verify=verify)
    with pytest.raises(CaffeError, match=r"layers c2 \(Conv2D\); a file for images of one size"):
        keras_fcn.export(model, tmp_path / "net.tflite", precision="float16")
    assert [file.name for file in tmp_path.iterdir()] == ["net.prototxt"]
    keras_fcn.export(
        model, tmp_path / "net.tflite", verify=True, input_shapes={"data": (1, 3, 20, 20)}
    )


@pytest.mark.slow
def test_what_runs_elsewhere_can_be_kept(tmp_path):
    x = keras.Input((2, 2, 1))
    model = keras.Model(x, keras.ops.sinh(x))
    with (
        pytest.warns(CaffeWarning),
        pytest.raises(CaffeError, match=r"lacks FlexSinh.*verify=False"),
    ):
        keras_fcn.export(model, tmp_path / "net.tflite", verify=True)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_boxes_of_ssd_networks(tmp_path, precision):
    """As Keras gives them, in order; without TensorFlow's operators."""
    model = read(INPUT + SSD + DETECTIONS, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaffeWarning)
        keras_fcn.export(model, tmp_path / "ssd.tflite", precision=precision, check=False)
    run, counts = run_litert(tmp_path / "ssd.tflite", model), set()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        size = (1 + seed % 2, *model.inputs[0].shape[1:])
        image = rng.uniform(-1, 1, [n or 40 for n in size]).astype(np.float32)
        (found,), (wanted,) = run([image]), model_outputs(model, [image])
        assert found.shape == wanted.shape
        if precision == "float32":
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
        counts.add(found.shape[1])
    assert len(counts) > 1
