"""PriorBox, PriorBoxClustered, Permute and Normalize beyond what SSD's Caffe recorded."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from convert.errors import CaffeError
from keras_fcn.layers import CaffePermute, Normalize
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, net
from tests.keras_fcn.builder.texts import build, data


def priors(boxes, cells, image, step=None, offset=0.5, clip=False, variances=(0.1,) * 4):
    """Cell by cell, as prior_box_layer.cpp goes."""
    step = step or (image[0] / cells[0], image[1] / cells[1])
    numbers = []
    for row in range(cells[0]):
        for column in range(cells[1]):
            x, y = (column + offset) * step[1], (row + offset) * step[0]
            for width, height in boxes:
                numbers += [(x - width / 2) / image[1], (y - height / 2) / image[0]]
                numbers += [(x + width / 2) / image[1], (y + height / 2) / image[0]]
    corners = np.clip(numbers, 0, 1) if clip else np.array(numbers)
    return np.stack([corners, np.resize(variances, len(corners))])[None]


ROOT = math.sqrt(2)
FIELDS = {
    'type: "PriorBox" prior_box_param { min_size: 6 img_size: 80 }': (
        [(6, 6)],
        {"image": (80, 80)},
    ),
    'type: "PriorBox" prior_box_param { min_size: 6 img_h: 50 img_w: 70 step: 9 }': (
        [(6, 6)],
        {"image": (50, 70), "step": (9, 9)},
    ),
    'type: "PriorBox" prior_box_param { min_size: 6 step_h: 3 step_w: 5 offset: 0 }': (
        [(6, 6)],
        {"step": (3, 5), "offset": 0},
    ),
    # A ratio that comes again, or is 1, is left out; a flipped one is not looked for.
    """type: "PriorBox" prior_box_param { min_size: 4 min_size: 9 max_size: 16 max_size: 25.9
       aspect_ratio: 1 aspect_ratio: 2 aspect_ratio: 2 variance: 0.3 }""": (
        [
            *((4, 4), (8, 8), (4 * ROOT, 4 / ROOT), (4 / ROOT, 4 * ROOT)),
            *((9, 9), (15, 15), (9 * ROOT, 9 / ROOT), (9 / ROOT, 9 * ROOT)),
        ],
        {"variances": (0.3,) * 4},
    ),
    """type: "PriorBoxClustered" prior_box_param { width: 9.5 width: 3 height: 4 height: 30.25
       clip: true variance: 0.1 variance: 0.2 variance: 0.3 variance: 0.4 }""": (
        [(9.5, 4), (3, 30.25)],
        {"clip": True, "variances": (0.1, 0.2, 0.3, 0.4)},
    ),
}


def blobs(*shapes):
    return {name: np.zeros(shape, "float32") for name, shape in zip("ab", shapes, strict=True)}


@pytest.mark.parametrize("layer", FIELDS)
def test_priors(layer, tmp_path):
    boxes, settings = FIELDS[layer]
    fed = blobs((1, 2, 3, 4), (1, 3, 20, 33))
    model = built(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == (
        1,
        2,
        3 * 4 * len(boxes) * 4,
    )
    wanted = priors(boxes, (3, 4), **{"image": (20, 33), **settings})
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted, 1e-6)
    assert_survives(model, fed, tmp_path)
    # Any size of map and image, any number of images.
    other = keras_fcn.blobs(model, blobs((3, 2, 2, 5), (3, 3, 17, 40)))["y"]
    wanted = priors(boxes, (2, 5), **{"image": (17, 40), **settings})
    assert_close(other, wanted, 1e-6)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("", "", "'min_size' is missing"),
        ("", "min_size: 0", "min_size"),
        ("", "min_size: 4 max_size: 4", "max_size: .* must be above"),
        ("", "min_size: 4 max_size: 5 max_size: 6", "max_size"),
        ("", "min_size: 4 aspect_ratio: 0", "aspect_ratio"),
        ("", "min_size: 4 variance: 1 variance: 2", "variance"),
        ("", "min_size: 4 variance: 0", "variance"),
        ("", "min_size: 4 img_size: 5 img_h: 3", "either 'img_size' or 'img_h' and 'img_w'"),
        ("", "min_size: 4 img_h: 3", "img_size"),
        ("", "min_size: 4 step: 0", "step"),
        ("Clustered", "width: 4", "'height' is missing"),
        ("Clustered", "width: 4 width: 5 height: 3", "as many"),
        ("Clustered", "width: 4 height: 0", "positive"),
    ],
)
def test_wrong_priors(kind, fields, message, tmp_path):
    layer = f'type: "PriorBox{kind}" prior_box_param {{ {fields} }}'
    with pytest.raises(CaffeError, match=f"PriorBox.*{message}"):
        built(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))


@pytest.mark.parametrize(
    ("shape", "order"),
    [((2, 3), (1, 0)), ((2, 3, 4), (0, 2, 1)), ((2, 3, 4, 5, 6), (0, 2, 1, 4, 3))],
)
def test_permute(shape, order, tmp_path):
    given = " ".join(f"order: {axis}" for axis in order)
    model = built(tmp_path, f'type: "Permute" permute_param {{ {given} }}', x=shape)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    np.testing.assert_array_equal(keras_fcn.blobs(model, {"x": x})["y"], x.transpose(order))
    assert_survives(model, {"x": x}, tmp_path)


@pytest.mark.parametrize(("order", "message"), [((0, 0), "axis twice"), ((4,), "outside a blob")])
def test_wrong_order(order, message, tmp_path):
    given = " ".join(f"order: {axis}" for axis in order)
    with pytest.raises(CaffeError, match=f"order: .*{message}"):
        built(tmp_path, f'type: "Permute" permute_param {{ {given} }}', x=(1, 2, 3, 4))
    with pytest.raises(ValueError, match="each axis once"):
        CaffePermute(order)


def unit(kind):
    def function(x):
        x = np.asarray(x, "float64")
        if kind == "L1":
            return x / (np.abs(x).sum(1, keepdims=True) + 1e-6)
        return x / np.sqrt((x * x).sum(1, keepdims=True) + 1e-6)

    return function


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3, 5)])
@pytest.mark.parametrize("kind", ["L1", "L2"])
def test_normfaces_normalize(kind, shape, tmp_path):
    layer = f'type: "Normalize" normalize_param {{ normalize_type: "{kind}" }}'
    model = built(tmp_path, layer, x=shape)
    fed = {"x": np.random.default_rng(1).normal(size=shape).astype("float32")}
    assert_close(keras_fcn.blobs(model, fed)["y"], unit(kind)(fed["x"]))
    assert_gradient(model, unit(kind), fed, ["x"], tolerance=1e-3)
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("fields", "settings", "fork"),
    [
        ("norm_param { across_spatial: false }", {}, "ssd's, by its parameters"),
        ("normalize_param { }", {}, "normface's, by its parameters"),
        ("", {}, "taken for normface's; dialect='ssd' if not"),
        ("", {"shapes": {"l": [(4,)]}}, "ssd's, by its parameters or blobs"),
        ("", {"shapes": {"other": [(4,)]}}, "normface's, by its parameters or blobs"),
        ("norm_param { }", {"shapes": {}}, "ssd's, by its parameters"),
    ],
)
def test_forks_of_normalize_are_told_apart(fields, settings, fork, tmp_path):
    path = net(tmp_path, f'type: "Normalize" {fields}', x=(1, 4, 3, 3))
    assert fork in convert.load_network(path, **settings).notes[0]


def test_a_dialect_forces_normalize(tmp_path):
    text = data(1, 4, 3, 3) + 'layer { name: "n" type: "Normalize" bottom: "data" top: "n" }'
    assert build(tmp_path, text).get_layer("n").use_scale is False
    assert build(tmp_path, text, dialect="ssd").get_layer("n").use_scale is True


def test_half_precision_has_no_overflow():
    layer = Normalize(channel_shared=False, across_spatial=False, dtype="mixed_float16")
    x = np.full((1, 2, 2, 4), 1000.0, "float16")  # its square is above half precision
    found = keras.ops.convert_to_numpy(layer(x))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, 0.5, rtol=1e-3)


TRAINING = """
layer { name: "data" type: "AnnotatedData" top: "data" top: "label"
  transform_param { mean_value: 104 mean_value: 117 mean_value: 123
    resize_param { height: 300 width: 300 } emit_constraint { emit_type: CENTER } }
  data_param { source: "lmdb" batch_size: 8 }
  annotated_data_param { batch_sampler { max_sample: 1 } label_map_file: "map" } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 } }
layer { name: "loss" type: "MultiBoxLoss" bottom: "conv" bottom: "label" top: "loss"
  multibox_loss_param { loc_loss_type: SMOOTH_L1 num_classes: 2 } }
"""


@pytest.mark.filterwarnings("ignore::convert.CaffeWarning")
def test_training_nets_are_read(tmp_path):
    path = tmp_path / "train.prototxt"
    path.write_text(TRAINING)
    network = convert.load_network(path)
    assert [blob.shape for blob in network.inputs] == [(None, 3, None, None), (1, 1, None, 8)]
    assert network.layer("conv").weight_shapes == ((8, 3, 3, 3), (8,))
    with pytest.raises(CaffeError, match="MultiBoxLoss"):
        keras_fcn.from_caffe(path)
