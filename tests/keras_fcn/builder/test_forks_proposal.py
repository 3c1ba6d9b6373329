"""Proposals, and whole heads of Faster R-CNN and R-FCN, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn import layers
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers import param_str
from keras_fcn.caffe.layers.proposal import ProposalLayer
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built, net
from tests.keras_fcn.builder.test_forks_rcnn import psroi_pooling, roi_pooling
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal

PYTHON = 'type: "Python" python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" '
CPP = 'type: "Proposal" proposal_param { ratio: [0.5, 1, 2] scale: [2, 4, 8] min_size: 20 '

# Faster R-CNN's anchors as its Matlab code lists them; it counts pixels from 1.
PUBLISHED = [
    [-83, -39, 100, 56],
    [-175, -87, 192, 104],
    [-359, -183, 376, 200],
    [-55, -55, 72, 72],
    [-119, -119, 136, 136],
    [-247, -247, 264, 264],
    [-35, -79, 52, 96],
    [-79, -167, 96, 184],
    [-167, -343, 184, 360],
]
ANCHORS = np.array(PUBLISHED) - 1.0


def overlap(box, boxes):
    wide = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]) + 1
    high = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]) + 1
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    own = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    return shared / (area + own - shared)


def proposals(
    scores, deltas, image, anchors, stride=16, *, pre, post, threshold=0.7, small, drop=True
):
    """Regions and scores by loops over the published definition."""
    count, (height, width) = len(anchors), scores.shape[2:]
    boxes, kept = [], []
    for h, w, a in np.ndindex(height, width, count):
        x1, y1, x2, y2 = anchors[a] + np.array([w, h, w, h]) * stride
        dx, dy, dw, dh = deltas[0, 4 * a : 4 * a + 4, h, w].astype("float64")
        wide, high = x2 - x1 + 1, y2 - y1 + 1
        x, y = x1 + wide / 2 + dx * wide, y1 + high / 2 + dy * high
        wide, high = wide * np.exp(dw), high * np.exp(dh)
        box = np.array([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2])
        box = np.clip(box, 0, np.array([image[1], image[0]] * 2) - 1)
        scale_x = image[2] if drop or len(image) < 4 else image[3]
        large = box[2] - box[0] + 1 >= small * scale_x and box[3] - box[1] + 1 >= small * image[2]
        if large or not drop:
            boxes.append(box)
            kept.append(scores[0, count + a, h, w] if large else 0.0)
    boxes, kept = np.reshape(boxes, (-1, 4)), np.array(kept)
    order = np.argsort(-kept, kind="stable")[:pre]
    boxes, kept = boxes[order], kept[order]
    chosen = []
    for index, box in enumerate(boxes):
        if len(chosen) < post and not (overlap(box, boxes[chosen]) > threshold).any():
            chosen.append(index)
    regions = np.column_stack([np.zeros(len(chosen)), boxes[chosen]])
    return regions, kept[chosen]


def inputs(anchors, height, width, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    number = anchors * height * width
    scores = rng.permutation(2 * number).reshape(1, 2 * anchors, height, width) / number / 2
    return {
        "scores": scores.astype("float32"),
        "deltas": normal(1, 4 * anchors, height, width, seed=seed) * np.float32(spread),
    }


def shapes(anchors, image=3):
    return {
        "scores": (1, 2 * anchors, 6, 8),
        "deltas": (1, 4 * anchors, 6, 8),
        "image": (1, image),
    }


def test_anchors_are_the_published_ones():
    np.testing.assert_array_equal(ProposalLayer().anchors, ANCHORS)


@pytest.mark.parametrize("text", ["'feat_stride': 16", "{feat_stride: 16}", "feat_stride: 16\n"])
@pytest.mark.parametrize(("height", "width"), [(6, 8), (9, 5)])
def test_python_layer(text, height, width, tmp_path):
    layer = f"{PYTHON} param_str: {text!r} }} top: 'rois' top: 'kept'"
    model = built(tmp_path, layer, **shapes(9))
    fed = inputs(9, height, width)
    image = [height * 16, width * 16, 1.6]
    found = keras_fcn.blobs(model, {**fed, "image": np.array([image])})
    rois, kept = proposals(*fed.values(), image, ANCHORS, pre=6000, post=300, small=16)
    assert 20 < len(rois) < 300
    assert_close(found["rois"], rois)
    assert_close(found["kept"], kept[:, None])


@pytest.mark.parametrize("numbers", [3, 4, 6])
def test_cpp_layer_keeps_small_boxes_last(numbers, tmp_path):
    layer = f"{CPP} pre_nms_topn: 200 post_nms_topn: 60 nms_thresh: 0.9 }} top: 'rois' top: 'kept'"
    model = built(tmp_path, layer, **shapes(9, numbers))
    params = load_network(tmp_path / "net.prototxt").layers[-1].params
    fed = inputs(9, 6, 8)
    image = [96, 128, 2.5, 1.5, 0, 0][:numbers]
    found = keras_fcn.blobs(model, {**fed, "image": np.array([image])})
    settings = {"pre": 200, "post": 60, "threshold": 0.9, "small": 20, "drop": False}
    rois, kept = proposals(*fed.values(), image, np.array(params.anchors), **settings)
    assert_close(found["rois"], rois)
    assert_close(found["kept"], kept)


def test_small_boxes_of_the_cpp_layer_score_nothing(tmp_path):
    layer = f"{CPP} pre_nms_topn: 0 post_nms_topn: 0 nms_thresh: 1 }} top: 'rois' top: 'kept'"
    model = built(tmp_path, layer, **shapes(9))
    fed = inputs(9, 6, 8)
    found = keras_fcn.blobs(model, {**fed, "image": np.array([[96, 128, 3]])})
    assert found["rois"].shape == (9 * 6 * 8, 5)
    assert 0 < (found["kept"] == 0).sum() < 9 * 6 * 8


@pytest.mark.parametrize("limit", [7, 0])
def test_number_of_regions_is_limited(limit):
    fed = inputs(2, 6, 8, spread=0.1)
    anchors = np.array([[-8, -8, 23, 23], [0, -8, 15, 23]])
    layer = layers.Proposal(anchors, post_nms_topn=limit, min_size=1)
    tensors = [np.moveaxis(x, 1, -1) for x in fed.values()]
    rois, kept = layer([*tensors, np.array([[96, 128, 1]], "float32")])
    settings = {"pre": 6000, "post": limit or 1000, "small": 1}
    wanted, scores = proposals(*fed.values(), [96, 128, 1], anchors, **settings)
    assert_close(rois, wanted)
    assert_close(kept, scores[:, None])
    assert_config_round_trip(layer)


def test_nothing_is_left_of_an_image_without_large_boxes():
    fed = inputs(1, 3, 3)
    tensors = [np.moveaxis(x, 1, -1) for x in fed.values()]
    layer = layers.Proposal([[0, 0, 15, 15]], min_size=100)
    rois, kept = layer([*tensors, np.array([[48, 48, 1]], "float32")])
    assert rois.shape == (0, 5)
    assert kept.shape == (0, 1)


@pytest.mark.slow
def test_proposals_survive_saving_and_export(tmp_path):
    model = built(tmp_path, f"{PYTHON} param_str: \"'feat_stride': 16\" }}", **shapes(9))
    fed = {**inputs(9, 6, 8), "image": np.array([[96, 128, 1]], "float32")}
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'feat_stride': 16", {"feat_stride": 16}),
        ("{a: -1.5e3, 'b': \"two words\"}", {"a": -1500.0, "b": "two words"}),
        ("scales: [8, 16.5]\nratios: (1, 2) # why", {"scales": (8, 16.5), "ratios": (1, 2)}),
        ("on: true, off: False, name: mean", {"on": True, "off": False, "name": "mean"}),
        ("", {}),
    ],
)
def test_param_str(text, value):
    assert param_str.parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "feat_stride",
        "feat_stride:",
        "feat_stride 16",
        "{feat_stride: 16",
        "feat_stride: [1",
        ": 16",
        "'open: 16",
        "__import__('os').system('true')",
        "a: 1, a: 2",
        "!!python/object/apply:os.system ['true']",
    ],
)
def test_param_str_of_anything_else_is_refused(text):
    with pytest.raises(CaffeError, match="param_str"):
        param_str.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "'stride': 16",
            "'stride' is unknown here and may change the boxes; known are feat_stride",
        ),
        ("'feat_stride': [16]", "'feat_stride' must be a number"),
        ("'feat_stride': sixteen", "'feat_stride' must be a number"),
        ("'feat_stride': 16, 'scales': 8", "'scales' must be a list"),
        ("'min_size': 8", "needs 'feat_stride'"),
        ("'feat_stride': 16, 'ratios': [0, 1]", "ratios"),
        ("'feat_stride': 16, 'scales': [8]", "3 anchors"),
    ],
)
def test_bad_parameters_of_the_python_layer_are_refused(text, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        load_network(net(tmp_path, f'{PYTHON} param_str: "{text}" }}', **shapes(9)))


# ---- whole heads ----------------------------------------------------------------------

RPN = """
input: "data" input_shape {{ dim: 1 dim: 4 dim: 12 dim: 16 }}
input: "im_info" input_shape {{ dim: 1 dim: 3 }}
layer {{ name: "rpn_conv" type: "Convolution" bottom: "data" top: "rpn"
  convolution_param {{ num_output: 6 kernel_size: 3 pad: 1
    weight_filler {{ type: "gaussian" std: 0.2 }} }} }}
layer {{ name: "rpn_relu" type: "ReLU" bottom: "rpn" top: "rpn" }}
layer {{ name: "rpn_cls_score" type: "Convolution" bottom: "rpn" top: "rpn_cls_score"
  convolution_param {{ num_output: 18 kernel_size: 1
    weight_filler {{ type: "gaussian" std: 0.5 }} }} }}
layer {{ name: "rpn_bbox_pred" type: "Convolution" bottom: "rpn" top: "rpn_bbox_pred"
  convolution_param {{ num_output: 36 kernel_size: 1
    weight_filler {{ type: "gaussian" std: 0.1 }} }} }}
layer {{ name: "rpn_cls_score_reshape" type: "Reshape" bottom: "rpn_cls_score" top: "two"
  reshape_param {{ shape {{ dim: 0 dim: 2 dim: -1 dim: 0 }} }} }}
layer {{ name: "rpn_cls_prob" type: "Softmax" bottom: "two" top: "rpn_cls_prob" }}
layer {{ name: "rpn_cls_prob_reshape" type: "Reshape" bottom: "rpn_cls_prob" top: "prob"
  reshape_param {{ shape {{ dim: 0 dim: 18 dim: -1 dim: 0 }} }} }}
layer {{ name: "proposal" type: "Python" bottom: "prob" bottom: "rpn_bbox_pred" bottom: "im_info"
  top: "rois" python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer"
    param_str: "'feat_stride': 16" }} }}
{head}"""

FASTER = """
layer { name: "roi_pool5" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool5"
  roi_pooling_param { pooled_w: 3 pooled_h: 2 spatial_scale: 0.0625 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool5" top: "fc6"
  inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" }
layer { name: "cls_score" type: "InnerProduct" bottom: "fc6" top: "cls_score"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "bbox_pred" type: "InnerProduct" bottom: "fc6" top: "bbox_pred"
  inner_product_param { num_output: 20 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "cls_prob" type: "Softmax" bottom: "cls_score" top: "cls_prob" }
"""

RFCN = """
layer { name: "rfcn_cls" type: "Convolution" bottom: "data" top: "rfcn_cls"
  convolution_param { num_output: 45 kernel_size: 1
    weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "psroi" type: "PSROIPooling" bottom: "rfcn_cls" bottom: "rois" top: "psroi"
  psroi_pooling_param { spatial_scale: 0.0625 output_dim: 5 group_size: 3 } }
layer { name: "ave" type: "Pooling" bottom: "psroi" top: "cls_score"
  pooling_param { pool: AVE kernel_size: 3 stride: 3 } }
layer { name: "cls_prob" type: "Softmax" bottom: "cls_score" top: "cls_prob_pre" }
layer { name: "cls_prob_reshape" type: "Reshape" bottom: "cls_prob_pre" top: "cls_prob"
  reshape_param { shape { dim: -1 dim: 5 } } }
"""


def weights_of(model):
    """Caffe's blobs of every layer, from the Keras weights of convolutions and dense layers."""
    found = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            found[layer.name] = (np.moveaxis(kernel, (-1, -2), (0, 1)), bias)
    return found


def convolved(x, kernel, bias):
    pad = kernel.shape[2] // 2
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, kernel) + bias[:, None, None]


def softmax(x, axis=1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def rpn(x, image, weights):
    """The region proposal network, up to the regions."""
    hidden = np.maximum(convolved(x, *weights["rpn_conv"]), 0)
    scores = convolved(hidden, *weights["rpn_cls_score"])
    _, _, height, width = scores.shape
    scores = softmax(scores.reshape(1, 2, 9 * height, width)).reshape(1, 18, height, width)
    deltas = convolved(hidden, *weights["rpn_bbox_pred"])
    settings = {"pre": 6000, "post": 300, "small": 16}
    return proposals(scores, deltas, image, ANCHORS, **settings)[0]


def faster_head(x, rois, weights):
    pooled = roi_pooling(x, rois.astype("float32"), 2, 3, 0.0625)
    # Keras' dense layer reads the pooled map channels-last.
    flat = np.moveaxis(pooled, 1, -1).reshape(len(rois), -1)
    dense = {name: (kernel.T, bias) for name, (kernel, bias) in weights.items()}

    def apply(name, x):
        kernel, bias = dense[name]
        return x @ kernel.T.reshape(bias.size, -1).T + bias

    hidden = np.maximum(apply("fc6", flat), 0)
    return {
        "pool5": pooled,
        "cls_prob": softmax(apply("cls_score", hidden)),
        "bbox_pred": apply("bbox_pred", hidden),
    }


def rfcn_head(x, rois, weights):
    maps = convolved(x, *weights["rfcn_cls"])
    pooled = psroi_pooling(maps, rois.astype("float32"), 5, 3, 0.0625)
    return {"psroi": pooled, "cls_prob": softmax(pooled.mean(axis=(2, 3)))}


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("head", "reference"), [(FASTER, faster_head), (RFCN, rfcn_head)])
@pytest.mark.parametrize(("height", "width"), [(12, 16), (9, 20)])
def test_whole_network(head, reference, height, width, tmp_path):
    path = tmp_path / "test.prototxt"
    path.write_text(RPN.format(head=head))
    model = keras_fcn.from_caffe(path, seed=1)
    x = normal(1, 4, height, width)
    image = [height * 16, width * 16, 1.0]
    fed = {"data": x, "im_info": np.array([image], "float32")}
    found = keras_fcn.blobs(model, fed)
    weights = weights_of(model)
    rois = rpn(x, image, weights)
    assert 20 < len(rois) <= 300
    assert_close(found["rois"], rois, 1e-4)
    # Regions as found: rounding them may tip a last digit over an edge.
    for name, blob in reference(x, found["rois"], weights).items():
        assert_close(found[name], blob, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("head", [FASTER, RFCN])
def test_whole_network_survives_saving_and_export(head, tmp_path):
    path = tmp_path / "test.prototxt"
    path.write_text(RPN.format(head=head))
    fed = {"data": normal(1, 4, 12, 16), "im_info": np.array([[192, 256, 1]], "float32")}
    assert_survives(keras_fcn.from_caffe(path, seed=1), fed, tmp_path)
