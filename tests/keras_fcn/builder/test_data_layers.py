"""Training nets: data layers become inputs, their parameters stay readable."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.names import keras_name

NET = """
layer {
  name: "data" type: "%s" top: "data" top: "label"
  %s
}
layer {
  name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "out" type: "HDF5Output" bottom: "fc" bottom: "label"
        hdf5_output_param { file_name: "out.h5" } }
"""
CASES = [
    (
        "Data",
        """data_param { source: "train_lmdb" batch_size: 64 backend: LMDB }
        transform_param { crop_size: 8 mean_value: 104 mean_value: 117 mean_value: 123 }""",
        (8, 8, 3),
    ),
    (
        "ImageData",
        'image_data_param { source: "list.txt" is_color: false } transform_param { crop_size: 5 }',
        (5, 5, 1),
    ),
    ("MemoryData", "memory_data_param { batch_size: 2 channels: 4 height: 6 width: 7 }", (6, 7, 4)),
]


def write(tmp_path, kind, params):
    (tmp_path / "train_val.prototxt").write_text(NET % (kind, params))
    return tmp_path / "train_val.prototxt"


@pytest.mark.parametrize(("kind", "params", "shape"), CASES)
def test_builds_and_trains(kind, params, shape, tmp_path):
    model = keras_fcn.from_caffe(write(tmp_path, kind, params), phase="TRAIN", seed=0)
    assert [tuple(tensor.shape[1:]) for tensor in model.inputs] == [shape, ()]
    images = np.random.default_rng(0).random((3, *shape), np.float32)
    loss = model([images, np.array([0.0, 1.0, 0.0], np.float32)])
    assert np.isfinite(np.asarray(loss)).all()


def test_parameters_can_be_read(tmp_path):
    network = convert.load_network(write(tmp_path, *CASES[0][:2]))
    fields = network.layer("data").params.fields
    assert fields["data_param"] == {"source": "train_lmdb", "batch_size": 64, "backend": "LMDB"}
    assert fields["transform_param"]["crop_size"] == 8


def test_unknown_channels_are_named(tmp_path):
    path = write(tmp_path, "Data", 'data_param { source: "x" } transform_param { crop_size: 8 }')
    message = (
        rf"^{path}:2: layer 'data' \(Data\): only the data tell the channels of 'data', which "
        r"layer 'fc' \(InnerProduct\) needs; give input_shapes=\{\"data\": \(channels, 8, 8\)\}$"
    )
    with pytest.raises(convert.CaffeError, match=message):
        keras_fcn.from_caffe(path)


def test_unknown_sizes_are_named(tmp_path):
    path = write(tmp_path, "ImageData", 'image_data_param { source: "x" }')
    message = (
        r"'data' \(ImageData\): only the data tell the height and width of 'data', which layer "
        r"'fc' \(InnerProduct\) needs; give input_shapes=\{\"data\": \(3, height, width\)\}$"
    )
    with pytest.raises(convert.CaffeError, match=message):
        keras_fcn.from_caffe(path)


@pytest.mark.parametrize("kind", ["Data", "HDF5Data", "Python", "SomeForksData"])
@pytest.mark.parametrize("label", [{}, {"label": (1,)}])
def test_given_shapes(kind, label, tmp_path):
    path = write(tmp_path, kind, "")
    shapes = {"data": (3, 6, 7), **label}
    model = keras_fcn.from_caffe(path, phase="TRAIN", input_shapes=shapes, seed=0)
    assert [tensor.name for tensor in model.inputs] == ["data", "label"]
    images = np.random.default_rng(0).random((4, 3, 6, 7), np.float32)
    values = keras_fcn.blobs(model, {"data": images, "label": np.array([0, 1, 1, 0])})
    scores = values["fc"] - np.log(np.exp(values["fc"]).sum(1, keepdims=True))
    assert values["loss"] == pytest.approx(-scores[range(4), [0, 1, 1, 0]].mean(), rel=1e-5)


def test_a_vector_of_numbers(tmp_path):
    path = write(tmp_path, "HDF5Data", "")
    model = keras_fcn.from_caffe(path, input_shapes={"data": (5,)})
    assert model.inputs[0].shape == (None, 5)
    assert model.get_layer("fc").kernel.shape == (5, 2)


FCN = """
layer { name: "data" type: "Python" top: "data" top: "label"
        python_param { module: "voc_layers" layer: "VOCSegDataLayer" } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
        convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""


def test_sizes_that_can_stay_open_do(tmp_path):
    (tmp_path / "train.prototxt").write_text(FCN)
    model = keras_fcn.from_caffe(
        tmp_path / "train.prototxt", input_shapes={"data": (3, None, None)}
    )
    assert [x.shape for x in model.inputs] == [(None, None, None, 3), (None, None, None, 1)]
    images = {"data": np.ones((2, 3, 4, 5)), "label": np.zeros((2, 1, 4, 5))}
    assert keras_fcn.blobs(model, images)["score"].shape == (2, 2, 4, 5)


def test_weights_tell_the_channels(tmp_path):
    (tmp_path / "train.prototxt").write_text(FCN)
    path, weights = tmp_path / "train.prototxt", tmp_path / "net.caffemodel"
    kernel = np.arange(10, dtype=np.float32).reshape(2, 5, 1, 1)
    convert.write_caffemodel(weights, path, {"score": [kernel, np.zeros(2, np.float32)]})
    model = keras_fcn.from_caffe(path, weights)
    x = np.random.default_rng(0).random((1, 5, 2, 2), np.float32)
    got = keras_fcn.blobs(model, {"data": x, "label": np.zeros((1, 1, 2, 2))})["score"]
    np.testing.assert_allclose(got, np.einsum("oi,nihw->nohw", kernel[..., 0, 0], x), rtol=1e-5)
    with pytest.raises(convert.CaffeError, match=r"'data' has 3 channels, but .* are for 5"):
        keras_fcn.from_caffe(path, weights, input_shapes={"data": (3, 8, 8)})


CONV = """layer { name: "%s" type: "Convolution" bottom: "data" top: "c"
                  convolution_param { num_output: 4 kernel_size: 3 } }
"""
SHAPE = "shape { dim: 1 dim: 3 dim: 9 dim: 9 }"
IN = f'layer {{ name: "%s" type: "Input" top: "data" %s input_param {{ {SHAPE} }} }}\n'
DATA = """layer { name: "data" type: "MemoryData" top: "data" top: "label"
                  memory_data_param { batch_size: 1 channels: 3 height: 9 width: 9 } }
"""
LEGACY = 'input: "%s" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9\n'


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("text", "names"),
    [
        (LEGACY % "data" + CONV % "c", ["data"]),
        (LEGACY % "data" + LEGACY % "b" + CONV % "c", ["data", "b"]),
        (IN % ("input", "") + CONV % "c", ["data"]),
        (IN % ("data", "") + CONV % "c", ["data"]),
        (IN % ("input", 'top: "b"') + CONV % "c", ["data", "b"]),
        (DATA + CONV % "c", ["data", "label"]),
        (IN % ("input", "") + CONV % "data", ["data"]),  # a layer with weights of that name
        (LEGACY % "a/b" + (CONV % "c").replace("data", "a/b"), ["a_b"]),
    ],
)
def test_inputs_are_named_after_their_blobs(text, names, tmp_path):
    (tmp_path / "net.prototxt").write_text(text)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    assert [tensor.name for tensor in model.inputs] == names
    fed = {n: np.zeros((2,) if n == "label" else (2, 9, 9, 3), np.float32) for n in names}
    outputs = model.predict(fed, verbose=0)
    assert (outputs[-1] if isinstance(outputs, list) else outputs).shape == (2, 7, 7, 4)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert [tensor.name for tensor in again.inputs] == names
    keras_fcn.export(model, tmp_path / "again", "caffe")
    network = convert.load_network(tmp_path / "again.prototxt")
    assert [keras_name(blob.name) for blob in network.inputs] == names
