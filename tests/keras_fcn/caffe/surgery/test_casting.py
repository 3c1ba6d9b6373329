"""Casts of Caffe nets against what the classifier gives, layer type by layer type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe import surgery

DATA = """name: "n"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 5 dim: 6 } } }
"""
FC = """
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 6 } }
layer { name: "fd" type: "InnerProduct" bottom: "data" top: "fd"
  inner_product_param { num_output: 6 } }
"""
GLOBAL = """
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
"""
PRODUCT = """
layer { name: "o" type: "InnerProduct" bottom: "r" top: "o"
  inner_product_param { num_output: 4 } }
"""


def one(kind: str, bottoms: str, parameters: str = "", tops: str = "o") -> str:
    bottom = " ".join(f'bottom: "{name}"' for name in bottoms.split())
    top = " ".join(f'top: "{name}"' for name in tops.split())
    return f'layer {{ name: "{tops.split()[0]}" type: "{kind}" {bottom} {top} {parameters} }}\n'


BEHIND = {
    "Softmax": FC + one("Softmax", "fc", "softmax_param { axis: -1 }"),
    "Concat": FC + one("Concat", "fc fd", "concat_param { axis: -1 }"),
    "Concat, old": FC + one("Concat", "fc fd", "concat_param { concat_dim: 1 }"),
    "Slice": FC + one("Slice", "fc", "slice_param { axis: -1 slice_point: 2 }", "o p"),
    "Tile": FC + one("Tile", "fc", "tile_param { axis: -1 tiles: 2 }"),
    "ArgMax": FC + one("ArgMax", "fc", "argmax_param { axis: -1 top_k: 2 }"),
    "ArgMax of all": FC + one("ArgMax", "fc"),
    "Scale": FC + one("Scale", "fc", "scale_param { axis: -1 bias_term: true }"),
    "Scale by bottom": FC + one("Scale", "fc fd", "scale_param { axis: 0 }"),
    "Bias": FC + one("Bias", "fc", "bias_param { axis: -1 }"),
    "BatchNorm": FC + one("BatchNorm", "fc"),
    "PReLU": FC + one("PReLU", "fc"),
    "PReLU, one slope": FC + one("PReLU", "fc", "prelu_param { channel_shared: true }"),
    "GRN": FC + one("GRN", "fc"),
    "ShuffleChannel": FC + one("ShuffleChannel", "fc", "shuffle_channel_param { group: 2 }"),
    "ReLU6": FC + one("ReLU6", "fc"),
    "Eltwise": FC + one("Eltwise", "fc fd", "eltwise_param { operation: MAX }"),
    "InnerProduct": FC
    + one("InnerProduct", "fc", "inner_product_param { num_output: 4 axis: -1 }"),
    "first axis": one("InnerProduct", "data", "inner_product_param { num_output: 4 axis: -3 }"),
    "Reshape": one("Reshape", "data", "reshape_param { shape { dim: 0 dim: -1 } }", "r") + PRODUCT,
    "Reshape, batch": (
        one("Reshape", "data", "reshape_param { shape { dim: -1 dim: 90 } }", "r") + PRODUCT
    ),
    "Flatten": one("Flatten", "data", "", "r") + PRODUCT,
    "Flatten, axes": (
        one("Flatten", "data", "flatten_param { axis: 2 end_axis: 3 }", "q")
        + one("Flatten", "q", "", "r")
        + PRODUCT
    ),
    "Permute": (
        one("Permute", "data", "permute_param { order: 0 order: 2 order: 3 order: 1 }", "q")
        + one("Flatten", "q", "", "r")
        + PRODUCT
    ),
    "pooled": (
        GLOBAL
        + one("Convolution", "pool", "convolution_param { num_output: 4 kernel_size: 1 }", "c")
        + one("Reshape", "c", "reshape_param { shape { dim: 0 dim: 4 } }", "r")
        + one("Softmax", "r")
    ),
    "pooled and scaled": (
        GLOBAL + one("Scale", "pool", "scale_param { axis: 1 num_axes: -1 }", "r") + PRODUCT
    ),
}


def opened(folder: Path, text: str) -> surgery.TrainedNet:
    path = folder / "net.prototxt"
    path.write_text(DATA + text)
    net = surgery.open_net(path)
    rng = np.random.default_rng(3)
    for name, blobs in net.params.items():
        net.params[name] = [rng.uniform(0.3, 2, np.shape(blob)) for blob in blobs]
    return net


def outputs(net: surgery.TrainedNet, folder: Path, data: np.ndarray) -> dict[str, np.ndarray]:
    net.save(folder / "new.prototxt", folder / "new.caffemodel")
    model = keras_fcn.from_caffe(folder / "new.prototxt", folder / "new.caffemodel")
    blobs = keras_fcn.blobs(model, {"data": data})
    return {blob.name.removesuffix("-conv"): blobs[blob.name] for blob in net.network.outputs}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("case", BEHIND)
def test_every_layer_does_on_a_map_what_it_did_on_vectors(case, tmp_path):
    """On its own size the cast is the classifier, and on a larger image every window is."""
    net = opened(tmp_path, BEHIND[case])
    fcn = surgery.to_fully_convolutional(net)
    larger = surgery.resize(fcn, {"data": (2, 3, 6, 8)})
    image = np.random.default_rng(4).normal(size=(2, 3, 6, 8)).astype(np.float32)
    maps = outputs(larger, tmp_path, image)
    for row, column in ((0, 0), (1, 2)):
        crop = image[:, :, row : row + 5, column : column + 6]
        wanted = outputs(net, tmp_path, crop)
        assert list(maps) == list(wanted)
        for name, blob in wanted.items():
            assert maps[name].shape[2:] == (2, 3)
            cell = maps[name][:, :, row, column]
            np.testing.assert_allclose(
                cell, blob.reshape(cell.shape), rtol=0, atol=1e-5 * np.abs(blob).max()
            )


REFUSED = {
    "channels in two": (
        FC + one("Reshape", "fc", "reshape_param { shape { dim: 0 dim: 2 dim: 3 } }"),
        r"'o' \(Reshape\)",
    ),
    "batch": (
        FC + one("Reshape", "fc", "reshape_param { shape { dim: -1 dim: 3 } }"),
        r"'o' \(Reshape\)",
    ),
    "width of 1": (GLOBAL + one("Softmax", "pool", "softmax_param { axis: -1 }"), "axis: -1"),
    "reduced": (FC + one("Reduction", "fc", "reduction_param { axis: 1 }"), r"\(Reduction\)"),
    "over the map": (FC + one("MVN", "fc"), r"'o' \(MVN\)"),
    "padding": (
        GLOBAL
        + one("Convolution", "pool", "convolution_param { num_output: 2 kernel_size: 3 pad: 1 }"),
        "saw padding",
    ),
    "rows of a map": (
        GLOBAL + one("BN", "pool", "bn_param { momentum: 0.9 axis: 2 }"),
        r"'o' \(BN\)",
    ),
    "gate": (
        GLOBAL + one("Tile", "pool", "tile_param { axis: 2 tiles: 5 }", "t"),
        r"'t' \(Tile\)",
    ),
    "batches of the flattened map": (
        one("Flatten", "data", "", "f") + one("BatchNorm", "f", "", "r") + PRODUCT,
        r"'r' \(BatchNorm\)",
    ),
    "two maps": (
        one("Flatten", "data", "", "f") + one("Concat", "f f", "", "r") + PRODUCT,
        r"'o' \(InnerProduct\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_form_on_a_map_is_refused_by_name(case, tmp_path):
    text, message = REFUSED[case]
    with pytest.raises(convert.NetworkError, match=message):
        surgery.to_fully_convolutional(opened(tmp_path, text))


def test_a_net_that_ends_in_global_pooling_keeps_its_output_name(tmp_path):
    text = (
        GLOBAL
        + one("Flatten", "pool", "", "flat")
        + one("ReLU", "flat", "", "o").replace('top: "o"', 'top: "flat"')
    )
    net = opened(tmp_path, text)
    fcn = surgery.resize(surgery.to_fully_convolutional(net), {"data": (1, 3, 9, 8)})
    (output,) = fcn.network.outputs
    assert (output.name, output.shape) == ("flat", (1, 3, 5, 3))


def test_folding_keeps_names(tmp_path):
    text = (
        one("Convolution", "data", "convolution_param { num_output: 4 kernel_size: 1 }", "conv")
        + one("BatchNorm", "conv", "", "bn")
        + one("Scale", "bn", "scale_param { bias_term: true }", "out")
        + one("Convolution", "out", "convolution_param { num_output: 2 kernel_size: 1 }", "c")
        + one("Bias", "c", "", "end")
    )
    net = opened(tmp_path, text)
    folded = surgery.fold_batch_norm(net)
    assert [layer.name for layer in folded.network.layers] == ["data", "conv", "c"]
    assert [layer.tops[0].name for layer in folded.network.layers] == ["data", "out", "end"]
    data = np.random.default_rng(5).normal(size=(2, 3, 5, 6)).astype(np.float32)
    before, after = outputs(net, tmp_path, data), outputs(folded, tmp_path, data)
    np.testing.assert_allclose(
        after["end"], before["end"], rtol=0, atol=1e-5 * np.abs(before["end"]).max()
    )
