"""Files of other programs in place of the model they were written of: the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.saving import NETWORK_NAME
from keras_fcn.cards.stored import read_card

SAMPLE = [
    Path(keras_fcn.__file__).parent / "samples" / f"lenet_plate.{ending}"
    for ending in ("prototxt", "caffemodel")
]
PREPARED = keras_fcn.Preprocessing(mean=(100, 110, 120), input_scale=1 / 64)
DATA = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 64, 64] } } }'
)


def conv(name: str, bottom: str, outputs: int, kernel: int, more: str = "", kind="Convolution"):
    return f"""
layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}"
  convolution_param {{ num_output: {outputs} kernel_size: {kernel} {more} }} }}
"""


def layer(name: str, kind: str, *bottoms: str, more: str = "") -> str:
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{name}" {more} }}\n'


HALF = DATA + conv("half", "data", 6, 3, "stride: 2 pad: 1")
COARSE = (
    HALF
    + layer("pool", "Pooling", "half", more="pooling_param { kernel_size: 3 stride: 2 }")
    + conv("score", "pool", 5, 3)
)
NETS = {
    "coarse": COARSE,
    "labels": COARSE + layer("labels", "ArgMax", "score", more="argmax_param { axis: 1 }"),
    "enlarged": COARSE + conv("up", "score", 5, 8, "stride: 4", "Deconvolution"),
    "joined": HALF
    + conv("quarter", "half", 6, 3, "stride: 2 pad: 1")
    + conv("up", "quarter", 6, 4, "stride: 2 pad: 1", "Deconvolution")
    + layer("sum", "Eltwise", "half", "up")
    + conv("score", "sum", 5, 1),
    "values": DATA + conv("one", "data", 1, 3, "pad: 1") + layer("y", "Sigmoid", "one"),
}
QUICK = (("coarse", "net.onnx"), ("labels", "net.onnx"), ("joined", "net.param"))
FILES = ["net.onnx", "net.param", pytest.param("net", marks=pytest.mark.slow)]


def written(name: str, file: str, folder: Path):
    """A network, and the file of it as a model."""
    (folder / "net.prototxt").write_text(NETS[name])
    model = keras_fcn.from_caffe(folder / "net.prototxt", preprocessing=PREPARED)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, x.shape) for x in model.get_weights()])
    path = keras_fcn.export(model, folder / file)
    load = keras_fcn.load if file == "net" else keras_fcn.optimize_for_inference
    return model, load(path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param(name, file, marks=() if (name, file) in QUICK else pytest.mark.slow)
        for name in NETS
        for file in ("net.onnx", "net.param", "net")
        if name != "values"
    ],
)
def test_labels(name, file, tmp_path):
    model, read = written(name, file, tmp_path)
    for size in ((64, 64), (61, 75), (33, 50)):
        image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
        np.testing.assert_array_equal(
            keras_fcn.segment(read, image), keras_fcn.segment(model, image)
        )


@pytest.mark.parametrize("file", FILES)
def test_values_are_no_labels(file, tmp_path):
    _, read = written("values", file, tmp_path)
    with pytest.raises(ValueError, match="embed gives the values of any layer"):
        keras_fcn.segment(read, np.zeros((20, 30, 3), np.uint8))


@pytest.mark.parametrize("file", FILES)
def test_images_that_are_too_small(file, tmp_path):
    _, read = written("coarse", file, tmp_path)
    with pytest.raises((CaffeError, ValueError)):
        keras_fcn.segment(read, np.zeros((9, 11, 3), np.uint8))


def test_a_converted_file(tmp_path):
    scaled = keras_fcn.Preprocessing(channels=1, mean=None, input_scale=1 / 256)
    convert.convert(*SAMPLE, tmp_path / "net.onnx", fully_convolutional=True)
    image = np.random.default_rng(1).integers(0, 256, (53, 66), np.uint8)
    cast = keras_fcn.to_fully_convolutional(keras_fcn.from_caffe(*SAMPLE))
    read = keras_fcn.optimize_for_inference(tmp_path / "net.onnx")
    found, expected = (keras_fcn.segment(x, image, preprocessing=scaled) for x in (read, cast))
    np.testing.assert_array_equal(found, expected)


def test_a_file_that_prepares_its_images_is_for_other_programs(tmp_path):
    model, _ = written("coarse", "net.onnx", tmp_path)
    path = keras_fcn.export(model, tmp_path / "inside.onnx", preprocessing_inside=True)
    with pytest.raises(CaffeError, match=r"inside\.onnx: input 'images' takes images of 8 bits"):
        keras_fcn.optimize_for_inference(path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"prototxt": "layer {"}', "[" * 5000])
def test_what_is_no_network(text, tmp_path):
    convert.convert(*SAMPLE, tmp_path / "net.onnx")
    file = onnx.load(tmp_path / "net.onnx")
    (entry,) = (x for x in file.metadata_props if x.key == NETWORK_NAME)
    entry.value = text
    onnx.save(file, tmp_path / "net.onnx")
    with pytest.raises(CaffeError, match=r"net\.onnx: its keras_fcn_network is no network"):
        keras_fcn.optimize_for_inference(tmp_path / "net.onnx")


@pytest.mark.parametrize("value", [[[0, 0], [4, 0]], [[0, 0], [4, -4]], [[0, 0]], [0, 4], "no"])
def test_what_are_no_positions(value):
    with pytest.raises((TypeError, ValueError), match=r"no card of a model.*positions"):
        read_card(json.dumps({"positions": value}), "net.onnx")
