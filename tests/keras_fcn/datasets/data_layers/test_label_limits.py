from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.datasets.data_layers import LabelLimit, is_read, label_limits, open_source

NET = """
layer { name: "data" type: "DenseImageData" top: "data" top: "label"
  dense_image_data_param { source: "list.txt" batch_size: 1 } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" %s }
"""


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "image.png")
    for name, label in (("good", 2), ("void", 255), ("bad", 3)):
        labels = np.full((4, 5), 1, np.uint8)
        labels[2, 3] = label
        Image.fromarray(labels).save(tmp_path / f"{name}.png")
    lines = [f"image.png {name}.png" for name in ("good", "void", "bad")]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    return tmp_path


def opened(folder, fields):
    path = folder / "net.prototxt"
    path.write_text(NET % fields)
    network = load_network(path, "TRAIN")
    source = open_source(network.layers[0], "TRAIN", folder)
    source.limit_labels(label_limits(network))
    return source


def test_a_label_that_is_no_class_is_named(folder):
    with opened(folder, "loss_param { ignore_label: 255 }") as source:
        source.next()
        source.next()
        with pytest.raises(
            CaffeError,
            match=r"layer 'data' .*image.png bad.png: label 3 is no class of .*layer 'loss' "
            r"\(SoftmaxWithLoss\), which takes 0 to 2, and 255, which is ignored",
        ):
            source.next()
    with opened(folder, "") as source:
        source.next()
        with pytest.raises(CaffeError, match=r"void\.png: label 255 is no class of"):
            source.next()


def test_the_limits_of_a_network(folder):
    path = folder / "net.prototxt"
    path.write_text(NET % "loss_param { ignore_label: 7 }")
    network = load_network(path, "TRAIN")
    (limit,) = label_limits(network)["label"]
    assert (limit.classes, limit.ignored) == (3, 7)
    assert "layer 'loss'" in limit.reader
    # A label that a layer makes of another is not looked at.
    changed = NET.replace('bottom: "label"', 'bottom: "other"') + (
        'layer { name: "other" type: "Power" bottom: "label" top: "other" }'
    )
    first, second, loss = changed.split("layer {")[1:4]
    power = changed.split("layer {")[4]
    path.write_text("".join(f"layer {{{part}" for part in (first, second, power, loss % "")))
    assert label_limits(load_network(path, "TRAIN")) == {}


@pytest.mark.parametrize("labels", [-1, 2, 0.5 + 2, np.nan])
def test_values_that_are_no_class(labels):
    limit = LabelLimit(2, None, "loss")
    limit.require(np.array([0.0, 1.0]), "x")
    limit.require(np.array([]), "x")
    with pytest.raises(CaffeError, match=r"x: label .* is no class of loss, which takes 0 to 1"):
        limit.require(np.array([0.0, labels]), "x")


def test_which_layers_are_read(folder):
    path = folder / "net.prototxt"
    path.write_text(NET % "")
    layers = load_network(path, "TRAIN").layers
    assert [is_read(layer) for layer in layers] == [True, False, False]
    assert keras_fcn.from_caffe(path, phase="TRAIN").inputs[1].name == "label"
