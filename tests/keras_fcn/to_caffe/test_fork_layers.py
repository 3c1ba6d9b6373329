"""Layers of forks, written call by call and read again."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn.to_caffe.graph import from_graph
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.unbuilder.fork_cases import CASES

pytestmark = pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")

# BVLC Caffe has other layers that do the same.
COMPOSED = {"axpy", "bn_pspnet", "bn_segnet", "relu6", "scaled_batch_norm", "upsample_nearest"}


def plain(value):
    """Numbers as float32 has them."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return f"{np.float32(value):.6g}" if isinstance(value, float) else value


def settings(model, name):
    layer = model.get_layer(name)
    config = {key: value for key, value in layer.get_config().items() if key != "name"}
    return type(layer), plain(config)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", sorted(CASES.keys() - COMPOSED))
def test_a_layer_comes_back_as_it_was(name, tmp_path):
    text, inputs = CASES[name]
    model = keras_fcn.from_caffe(net(tmp_path, text, **inputs))
    for weight in model.get_layer("l").weights:
        weight.assign(np.random.default_rng(0).uniform(0.5, 1, weight.shape))
    written = from_graph(model, inputs)
    written.save(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    again = keras_fcn.from_caffe(
        tmp_path / "again.prototxt",
        tmp_path / "again.caffemodel",
        dialect=written.network.dialect,
    )
    found = [x.name for x in again.layers if type(x) is type(model.get_layer("l"))]
    assert settings(again, found[0]) == settings(model, "l")
    old, new = (x.get_layer(y).get_weights() for x, y in ((model, "l"), (again, found[0])))
    for first, second in zip(old, new, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-6)


MAPS = [
    'type: "ReLU6" relu6_param { n: 2 }',
    'type: "GRN"',
    'type: "ShuffleChannel" shuffle_channel_param { group: 2 }',
    'type: "Interp" interp_param { zoom_factor: 2 }',
    'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }',
    'type: "Pooling" pooling_param { kernel_size: 2 stride: 1 dilation: 2 pad: 1 }',
    'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 pad: 1 }',
    'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 2 stride: 2 group: 4 }',
    'type: "DepthwiseConvolution" convolution_param { num_output: 4 kernel_size: 3 pad: 1 }',
    'type: "Normalize" norm_param { across_spatial: false channel_shared: false }',
    'type: "BN" bn_param { bn_mode: LEARN }',
    'type: "BatchNorm" batch_norm_param { scale_bias: true }',
    'type: "Permute" permute_param { order: 0 order: 1 order: 3 order: 2 }',
    'type: "Flip" flip_param { flip_height: true }',
    'type: "LRN" lrn_param { local_size: 3 }',
    'type: "SELU"',
    'type: "MVN"',
    'type: "Softmax"',
    'type: "Power" power_param { scale: 0.5 shift: 0.25 }',
    'type: "PReLU"',
    'type: "Scale" scale_param { bias_term: true }',
    'type: "Resize" resize_param { height: 6 width: 7 }',
    'type: "Upsample" upsample_param { scale: 2 }',
]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(8))
def test_random_nets(seed, tmp_path):
    """Some layers in a row."""
    rng = np.random.default_rng(seed)
    chosen = [MAPS[i] for i in rng.choice(len(MAPS), 6, replace=False)]
    layers = [
        f'layer {{ name: "l{i}" bottom: "{f"l{i - 1}" if i else "data"}" top: "l{i}" {text} }}'
        for i, text in enumerate(chosen)
    ]
    head = (
        'layer { name: "data" type: "Input" top: "data" '
        "input_param { shape { dim: 2 dim: 4 dim: 6 dim: 7 } } }"
    )
    path = tmp_path / "net.prototxt"
    path.write_text("\n".join([head, *layers]))
    model = keras_fcn.from_caffe(path, seed=seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1, weight.shape))
    written = from_graph(model, {"data": (2, 4, 6, 7)})
    written.save(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    again = keras_fcn.from_caffe(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    x = rng.normal(size=(2, 6, 7, 4)).astype(np.float32)
    old, new = (np.asarray(one(x, training=False)) for one in (model, again))
    np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * np.abs(old).max())


def test_priors_say_whether_they_are_clipped(tmp_path):
    """Forks differ in what they do where nothing is said."""
    text, inputs = CASES["prior_box_one"]
    model = keras_fcn.from_caffe(net(tmp_path, text, **inputs))
    assert "clip: false" in from_graph(model, inputs).prototxt
