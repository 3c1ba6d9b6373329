"""Layers that only a Silence reads: the Keras model lacks them, and their weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe import surgery
from keras_fcn.caffe.errors import CaffeWarning
from tests.keras_fcn.to_caffe.trips import assert_same

pytestmark = pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")

DATA = (
    'layer { name: "data" type: "Input" top: "data" '
    "input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }\n"
)
OUT = 'layer { name: "out" type: "TanH" bottom: "a" top: "out" }\n'
SILENCE = 'layer { name: "s" type: "Silence" bottom: "c" }\n'
SHARED = 'param { name: "w" } param { name: "b" }'


def conv(name, bottom, more=""):
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {more} '
        "convolution_param { num_output: 2 kernel_size: 3 } }\n"
    )


NETS = {
    "a branch": DATA + conv("a", "data") + conv("c", "a") + SILENCE + OUT,
    "a shared kernel": DATA + conv("a", "data", SHARED) + conv("c", "a", SHARED) + SILENCE + OUT,
    "the owner of a shared kernel": DATA
    + conv("c", "data", SHARED)
    + 'layer { name: "r" type: "ReLU" bottom: "c" top: "c" }\n'
    + conv("a", "data", SHARED)
    + SILENCE
    + OUT,
    "a Silence with a living blob": DATA
    + conv("first", "data")
    + 'layer { name: "parts" type: "Slice" bottom: "first" top: "a" top: "b" }\n'
    + conv("c", "b")
    + 'layer { name: "s" type: "Silence" bottom: "c" bottom: "b" }\n'
    + OUT,
    "a branch that is read while training": DATA
    + conv("a", "data")
    + conv("c", "a")
    + SILENCE.replace(" }", " include { phase: TEST } }")
    + 'layer { name: "t" type: "TanH" bottom: "c" top: "t" include { phase: TRAIN } }\n'
    + OUT,
}


def trained(text, folder):
    """The net's files with weights of which none is 0."""
    path = folder / "net.prototxt"
    path.write_text(text)
    net = surgery.open_net(path)
    for name in net.params:
        for index, blob in enumerate(net.params[name]):
            seed = index if SHARED in text else [index, *name.encode()]
            blob[...] = np.random.default_rng(seed).normal(size=blob.shape)
    net.save(path, folder / "net.caffemodel")
    return path, folder / "net.caffemodel"


@pytest.mark.sweep(2)
@pytest.mark.parametrize("shapes", [None, {"data": (2, 2, 8, 7)}], ids=["as it is", "resized"])
@pytest.mark.parametrize("name", NETS)
def test_what_leads_nowhere_is_left_out_with_its_weights(name, shapes, tmp_path):
    """Every layer in the caffemodel has its blobs: Caffe refuses others, and zeros are wrong."""
    model = keras_fcn.from_caffe(*trained(NETS[name], tmp_path))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    options = {} if shapes is None else {"input_shapes": shapes}
    with pytest.warns(CaffeWarning, match="layers .*c.*, which lead to no output"):
        keras_fcn.export(loaded, tmp_path / "back", "caffe", **options)
    files = tmp_path / "back.prototxt", tmp_path / "back.caffemodel"
    weights = convert.load_weights(files[1])
    assert "c" not in weights
    assert all(np.any(blob) for blobs in weights.values() for blob in blobs)
    sizes, batch = ((6, 6, 2), 1) if shapes is None else ((8, 7, 2), 2)
    assert_same(model, keras_fcn.from_caffe(*files), sizes=sizes, batch=batch)


def test_a_layer_that_training_reads_stays_for_training(tmp_path):
    model = keras_fcn.from_caffe(*trained(NETS["a branch that is read while training"], tmp_path))
    keras_fcn.export(model, tmp_path / "back", "caffe")
    names = [
        [layer.name for layer in convert.load_network(tmp_path / "back.prototxt", phase).layers]
        for phase in ("TEST", "TRAIN")
    ]
    assert names == [["data", "a", "out"], ["data", "a", "c", "t", "out"]]


def test_a_caffemodel_holds_the_layers_of_its_phase(tmp_path):
    """Caffe refuses a layer without the blobs that it needs, which those of training would be."""
    auxiliary = (
        'layer { name: "aux" type: "InnerProduct" bottom: "a" top: "aux" '
        "inner_product_param { num_output: 2 } include { phase: TRAIN } }\n"
    )
    model = keras_fcn.from_caffe(*trained(DATA + conv("a", "data") + auxiliary + OUT, tmp_path))
    keras_fcn.export(model, tmp_path / "back", "caffe")
    stored = keras_fcn.caffe.blobs.caffemodel.read_caffemodel(tmp_path / "back.caffemodel").net
    assert [layer.name for layer in stored.layer] == ["data", "a", "out"]
    assert '"aux"' in (tmp_path / "back.prototxt").read_text()
