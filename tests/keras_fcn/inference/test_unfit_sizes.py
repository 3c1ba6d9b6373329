"""Pictures of sizes that a network cannot take: which layer, which size, which option."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn import layers
from keras_fcn.cli import main
from keras_fcn.inference.unfit_sizes import UnfitSizeError
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.surgery.cards import of_this_package

NET = """
name: "unpooled"
input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 16 }
layer { name: "pool1" type: "Pooling" bottom: "data" top: "pool1" top: "mask1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "pool2" type: "Pooling" bottom: "pool1" top: "pool2" top: "mask2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up2" type: "Upsample" bottom: "pool2" bottom: "mask2" top: "up2"
  upsample_param { scale: 2 pad_out_h: true } }
layer { name: "up1" type: "Upsample" bottom: "up2" bottom: "mask1" top: "up1"
  upsample_param { scale: 2 pad_out_h: true } }
layer { name: "score" type: "Convolution" bottom: "up1" top: "score"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def prototxt(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a", (12, 16)), ("b", (9, 16)), ("c", (12, 16))):
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("optimized", [False, True])
def test_the_layer_the_size_and_the_argument_are_told(prototxt, photos, optimized):
    own = Preprocessing(mean=None)
    model = keras_fcn.from_caffe(prototxt, seed=0, preprocessing=own)
    if optimized:
        model = keras_fcn.optimize_for_inference(model, engine="onnxruntime")
    assert keras_fcn.segment(model, photos / "b.png").shape == (9, 16)
    told = r"a\.png: .*layer 'up1' .*given 12x16, is declared for 9x16: .* size=\(9, 16\) resizes"
    with pytest.raises(UnfitSizeError, match=told):
        keras_fcn.segment(model, photos / "a.png")
    sized = Preprocessing(mean=None, size=(9, 16))
    assert keras_fcn.segment(model, photos / "a.png", preprocessing=sized).shape == (12, 16)


def test_windows_that_are_too_large():
    model = keras_fcn.LeNetFCN()
    with pytest.raises(UnfitSizeError, match=r"large enough .* which layer 'conv2' \(Conv2D\)"):
        keras_fcn.predict(
            model,
            np.zeros((12, 12, 1), np.uint8),
            preprocessing=Preprocessing(channels=1, mean=None),
        )


@pytest.mark.parametrize(
    "engine", ["onnxruntime", pytest.param("tensorflow", marks=pytest.mark.slow)]
)
def test_a_run_tells_it_once(prototxt, photos, tmp_path, capsys, engine):
    out = tmp_path / "out"
    command = ["segment", str(photos), "--prototxt", str(prototxt), "--mean", "none"]
    command += ["-o", str(out), "--engine", engine, "--jsonl", str(tmp_path / "x.jsonl")]
    assert main([*command, "--skip-bad"]) == 3
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert len(errors) == 2, errors
    assert "a.png: " in errors[0]
    assert "layer 'up1'" in errors[0]
    assert errors[0].endswith("given 12x16, is declared for 9x16: --size 9x16 resizes to it")
    assert errors[1] == "error: 2 images have sizes that the network cannot take"
    records = [json.loads(x) for x in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert ["error" in x for x in records] == [True, False, True]
    assert main([*command, "--size", "9x16"]) == 0


@pytest.mark.slow
def test_one_picture(prototxt, photos, tmp_path, capsys):
    command = ["segment", str(photos / "c.png"), "--prototxt", str(prototxt), "--mean", "none"]
    assert main([*command, "-o", str(tmp_path / "c-out.png")]) == 1
    (error,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert "layer 'up1'" in error
    assert error.endswith("given 12x16, is declared for 9x16: --size 9x16 resizes to it")


def test_kernels_of_tensorflow_are_not_quoted():
    inputs = keras.Input((None, None, 3), name="data")
    model = of_this_package(
        keras.Model(inputs, keras.layers.Conv2D(2, 5, name="wide")(inputs), name="small")
    )
    pixels = np.zeros((2, 2, 3), np.uint8)
    for scales in (1, (0.01, 1)):
        with pytest.raises(UnfitSizeError, match="small") as told:
            keras_fcn.segment(model, pixels, preprocessing=Preprocessing(mean=None), scales=scales)
        assert "function_node" not in str(told.value)
        assert "\n" not in str(told.value)


def test_reorg_of_an_odd_size():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 1)(inputs)
    model = of_this_package(keras.Model(inputs, layers.Reorg(2, name="reorg")(x)))
    with pytest.raises(UnfitSizeError, match="layer 'reorg'"):
        keras_fcn.predict(model, np.zeros((5, 6, 3), np.uint8), preprocessing=Preprocessing())
