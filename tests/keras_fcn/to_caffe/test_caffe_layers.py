"""Models of from_caffe that were edited, so that they are written layer by layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.text.prototxt import parse_net
from keras_fcn.to_caffe import to_caffe
from tests.keras_fcn.to_caffe.trips import assert_same, randomized, round_trip

HEAD = 'layer {{ name: "{0}" type: "Input" top: "{0}" input_param {{ shape {{ {1} }} }} }}\n'


def net(layers, **shapes):
    inputs = [
        HEAD.format(name, " ".join(f"dim: {size}" for size in shape))
        for name, shape in shapes.items()
    ]
    return "".join(inputs) + layers


def layer(kind, bottoms, tops="y", more="", name="y"):
    ends = [f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(ends)} {more} }}\n'


MAP = {"x": (2, 4, 6, 7)}
SHARED = 'param { name: "w" } param { name: "b" } convolution_param { num_output: 4 kernel_size: 3 '
NETS = {
    "SPP": net(layer("SPP", "x", more="spp_param { pyramid_height: 2 }"), **MAP),
    "Reduction": net(
        layer("Reduction", "x", more="reduction_param { operation: ASUM axis: 2 coeff: 2 }"), **MAP
    ),
    "Embed": net(layer("Embed", "i", more="embed_param { num_output: 3 input_dim: 5 }"), i=(2, 4)),
    "Parameter": net(
        layer("Parameter", "", "p", "parameter_param { shape { dim: 2 dim: 4 } }", "p")
        + layer("Scale", "x p", more="scale_param { axis: 0 }"),
        **MAP,
    ),
    "DummyData": net(
        layer(
            "DummyData",
            "",
            "d",
            "dummy_data_param { shape { dim: 2 dim: 4 dim: 6 dim: 7 } "
            'data_filler { type: "constant" value: 0.5 } }',
            "d",
        )
        + layer("Eltwise", "x d"),
        **MAP,
    ),
    "BatchReindex": net(layer("BatchReindex", "x i"), x=(2, 4, 6, 7), i=(3,)),
    "Filter": net(layer("Filter", "x i"), x=(2, 4, 6, 7), i=(2,)),
    "LSTM": net(
        layer("LSTM", "s c", more="recurrent_param { num_output: 3 }"), s=(4, 2, 5), c=(4, 2)
    ),
    "RNN": net(
        layer("RNN", "s c", more="recurrent_param { num_output: 3 }"), s=(4, 2, 5), c=(4, 2)
    ),
    "Im2col": net(
        layer("Im2col", "x", more="convolution_param { kernel_size: 3 stride: 2 pad: 1 }"), **MAP
    ),
    "Softmax of rows": net(layer("Softmax", "x", more="softmax_param { axis: 2 }"), **MAP),
    "Scale of several axes": net(
        layer("Scale", "x", more="scale_param { axis: 1 num_axes: 2 bias_term: true }"), **MAP
    ),
    "Scale by a bottom with a bias": net(
        layer("Scale", "x v", more="scale_param { axis: 0 bias_term: true }"), v=(2, 4), **MAP
    ),
    "Bias of one": net(layer("Bias", "x", more="bias_param { num_axes: 0 }"), **MAP),
    "a slope below 0": net(layer("ReLU", "x", more="relu_param { negative_slope: -0.5 }"), **MAP),
    "Swish": net(layer("Swish", "x", more="swish_param { beta: 0.5 }"), **MAP),
    "a shared slope": net(layer("PReLU", "x", more="prelu_param { channel_shared: true }"), **MAP),
    "pooling with a mask": net(
        layer("Pooling", "x", "y m", "pooling_param { kernel_size: 3 stride: 2 }"), **MAP
    ),
    "floor with padding": net(
        layer(
            "Pooling",
            "x",
            more="pooling_param { kernel_size: 2 stride: 2 pad: 1 round_mode: FLOOR }",
        ),
        **MAP,
    ),
    "losses": net(
        layer("SoftmaxWithLoss", "x l", "a", "loss_param { ignore_label: 1 }", "a")
        + layer("EuclideanLoss", "x x2", "b", name="b")
        + layer("Accuracy", "x l", "c d", "accuracy_param { top_k: 2 }", "c")
        + layer("HingeLoss", "v k", "e", "hinge_loss_param { norm: L2 }", "e")
        + layer("SigmoidCrossEntropyLoss", "x x2", "f", "loss_param { normalization: FULL }", "f"),
        x2=(2, 4, 6, 7),
        l=(2, 1, 6, 7),
        v=(2, 4),
        k=(2,),
        **MAP,
    ),
    "a shared convolution": net(
        layer("Convolution", "x", "a", f"{SHARED} pad: 1 }}", "a")
        + layer("Convolution", "a", "y", f"{SHARED} pad: 1 }}"),
        **MAP,
    ),
    "an in-place layer behind a Flatten": net(
        layer("Flatten", "x", "f", name="f")
        + layer("ReLU", "f", "f", name="r")
        + layer("Pooling", "x", "y", "pooling_param { kernel_size: 2 }"),
        **MAP,
    ),
}
INTEGERS = "ilkc"  # inputs of indices, labels and indicators


def edited(model):
    """The same graph as a model that carries no prototxt."""
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    return keras.Model(inputs, outputs, name="edited")


def values(model):
    rng = np.random.default_rng(0)
    made = []
    for tensor, shape in zip(model.inputs, model.shapes, strict=True):
        whole = tensor.name in INTEGERS
        x = rng.integers(0, 2, shape) if whole else rng.normal(size=shape)
        x = np.moveaxis(x, 1, -1) if x.ndim > 2 else x
        made.append(x.astype(np.float32))
    return made


@pytest.mark.sweep(2)
@pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")
@pytest.mark.parametrize("name", NETS)
def test_every_layer_of_bvlc_caffe_goes_back(name, tmp_path):
    path = tmp_path / "in.prototxt"
    path.write_text(NETS[name])
    model = randomized(keras_fcn.from_caffe(path))
    message = parse_net(NETS[name], "net").message
    shapes = {
        entry.name: tuple(entry.input_param.shape[0].dim)
        for entry in message.layer
        if entry.type == "Input"
    }
    copy = edited(model)
    copy.shapes = [shapes[tensor.name] for tensor in model.inputs]
    given = {tensor.name: shapes[tensor.name] for tensor in model.inputs}
    again = round_trip(copy, tmp_path, given)
    assert_same(copy, again, values=values(copy))
    if "shared conv" in name:
        assert (tmp_path / "net.prototxt").read_text().count("    name:") == 4


def test_a_fixed_infogain_matrix_goes_along(tmp_path):
    scores, labels = keras.Input((3,), name="x"), keras.Input((), name="l")
    matrix = [[1.0, 0.5, 0], [0, 1, 0.25], [0.5, 0, 2]]
    loss = keras_fcn.layers.InfogainLoss(matrix, with_probabilities=True, name="loss")
    model = keras.Model([scores, labels], list(loss([scores, labels])))
    again = round_trip(model, tmp_path)
    x = [np.array([[1, 2, 3]], np.float32), np.array([1], np.float32)]
    assert_same(model, again, values=x)


@pytest.mark.slow
def test_dilated_pooling_is_refused_for_what_it_is():
    model = keras_fcn.with_output_stride(keras_fcn.CaffeNetFCN(), 8)
    with pytest.raises(UnsupportedLayerError, match="it pools with dilation"):
        to_caffe(model, {"data": (1, 3, 227, 227)})
