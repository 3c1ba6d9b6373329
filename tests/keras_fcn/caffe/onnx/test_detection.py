"""Layers around boxes through onnxruntime against SSD's Caffe and the Keras model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.builder.registry import BUILDERS
from keras_fcn.caffe.blobs.caffemodel import write_caffemodel
from keras_fcn.caffe.blobs.weights import load_weights
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.fillers import fill_blobs
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.onnx import OPSETS, REFUSED, WRITERS, chunks, onnx_net
from tests.golden import LAYERS, LayerCase, assert_close
from tests.keras_fcn.builder import test_forks_detections as ssd
from tests.keras_fcn.builder import test_forks_proposal as rpn
from tests.keras_fcn.builder import test_forks_rcnn as rcnn
from tests.keras_fcn.builder import test_forks_yolo_output as yolo
from tests.keras_fcn.builder.cases import tolerance
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.builder.test_forks_priors import FIELDS as PRIORS
from tests.keras_fcn.builder.test_forks_yolo import REGIONS
from tests.keras_fcn.caffe.onnx.cases import of_case, run, written
from tests.reference_nets import reference_net

Arrays = Mapping[str, np.ndarray]


def built(path: Path) -> tuple[Network, keras.Model]:
    """A network and its Keras model, with the same numbers in both."""
    network = load_network(path)
    if weights := fill_blobs(network, 0):
        write_caffemodel(path.with_suffix(".caffemodel"), network.definition, weights)
    model = keras_fcn.from_caffe(path, path.with_suffix(".caffemodel") if weights else None)
    return network, model


def compared(
    path: Path,
    *feeds: Arrays,
    written: Callable[..., Any] = written,
    run: Callable[..., dict[str, np.ndarray]] = run,
    **how: Any,
) -> list[dict[str, np.ndarray]]:
    """What a file gives for each of these, the same as the Keras model of the network."""
    network, model = built(path)
    data, found = written(network, **how), []
    for fed in feeds:
        wanted = keras_fcn.blobs(model, fed)
        found.append(run(data, fed))
        for name, array in found[-1].items():
            assert_close(array, wanted[name])
    return found


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


# ---- SSD ----------------------------------------------------------------------------------

RECORDED = [LayerCase(folder) for folder in sorted((LAYERS.parent / "forks").glob("ssd_*"))]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_what_the_fork_recorded(case):
    found = run(written(*of_case(case)), case.inputs)
    assert found.keys() == case.outputs.keys()
    for name, expected in case.outputs.items():
        assert_close(found[name], expected, tolerance(case))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("layer", PRIORS)
def test_priors_are_constants(layer, tmp_path):
    path = net(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))
    fed = {"a": normal(3, 2, 3, 4), "b": normal(3, 3, 20, 33)}
    ((found,), wanted) = compared(path, fed), keras_fcn.blobs(keras_fcn.from_caffe(path), fed)
    np.testing.assert_allclose(found["y"], wanted["y"], rtol=0, atol=1e-7)
    made = onnx_net(load_network(path), {})
    assert [node.op_type for node in made.graph.nodes] == ["Identity"]
    assert made.inputs["a"] == ("batch", 2, 3, 4)


def detection_net(folder: Path, settings: Mapping[str, object], fed: Arrays) -> Path:
    """A network of one DetectionOutput of three classes."""
    fields = {k: str(v).lower() if isinstance(v, bool) else v for k, v in settings.items()}
    inner = {key: fields.pop(key) for key in ("nms_threshold", "top_k", "eta") if key in fields}
    outer, nms = (" ".join(f"{k}: {v}" for k, v in x.items()) for x in (fields, inner))
    layer = (
        'type: "DetectionOutput" detection_output_param { num_classes: 3 '
        f"{outer} nms_param {{ {nms} }} }}"
    )
    return net(folder, layer, **{name: blob.shape for name, blob in fed.items()})


PLAIN = {name: x for name, x in ssd.SETTINGS.items() if "eta" not in x} | {
    "few of many": {"code_type": "CENTER_SIZE", "nms_threshold": 0.6, "top_k": 9, "keep_top_k": 5},
    "all that touch": {"code_type": "CORNER", "nms_threshold": 1.5, "confidence_threshold": 0.1},
}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", PLAIN)
def test_detections(name, tmp_path):
    settings = PLAIN[name]
    shared = bool(settings.get("share_location", True))
    fed, five = ssd.predictions(shared), ssd.predictions(shared, images=5)
    one = {name: x[:1] for name, x in five.items()}
    nothing = {**five, "conf": np.zeros_like(five["conf"])}
    mixed = {**five, "conf": five["conf"] * np.float32([[0], [1], [0], [1], [0]])}
    path = detection_net(tmp_path, settings, fed)
    found = [x["y"] for x in compared(path, fed, five, one, nothing, mixed)]
    assert {row[0] for row in found[1][0, 0]} == {0, 1, 2, 3, 4}
    if "confidence_threshold" in settings:
        np.testing.assert_array_equal(found[3][0, 0], [[i, *(-1,) * 6] for i in range(5)])


def test_equal_scores_and_overlaps_at_the_threshold(tmp_path):
    """Of equal scores the first prior wins; an overlap of just the threshold is allowed."""
    boxes = np.float32(
        [[0, 0, 2, 2], [1, 0, 3, 2], [0, 0, 2, 2], [0, 0, 2, 4], [4, 4, 3, 3], [3, 3, 4, 4]]
    )
    conf = np.zeros((2, 6, 3), "f4")
    conf[:, :, 1], conf[1, :, 2] = 0.5, [0.1, 0.9, 0.9, 0.2, 0.9, 0.9]
    fed = {
        "loc": np.zeros((2, 24), "f4"),
        "conf": conf.reshape(2, -1),
        "prior": np.stack([boxes.ravel(), np.ones(24, "f4")])[None],
    }
    # 1 overlaps 0 by 1/3, 3 by 1/2; 4 is inside out and overlaps nothing.
    for threshold, kept in ((0.5, [0, 1, 3, 4, 5]), (0.49, [0, 1, 4, 5]), (0.3, [0, 4, 5])):
        settings = {"code_type": "CORNER", "nms_threshold": threshold, "confidence_threshold": 0.1}
        (found,) = compared(detection_net(tmp_path, settings, fed), fed)
        first = found["y"][0, 0][found["y"][0, 0, :, 0] == 0]
        np.testing.assert_array_equal(first[:, 3:], boxes[kept])


@pytest.mark.slow
def test_detections_with_their_cells(tmp_path):
    high, wide, anchors, rng = 2, 3, 4, np.random.default_rng(9)
    fed = ssd.predictions(True, high * wide * anchors, classes=2)
    fed["loc"] = fed["loc"].reshape(2, high, wide, anchors * 4)
    fed["conf"] = rng.permutation(fed["conf"].size).reshape(2, -1).astype("f4")
    fields = (
        "num_classes: 2 code_type: CENTER_SIZE keep_top_k: 7 confidence_threshold: 20 "
        "nms_param { nms_threshold: 0.5 top_k: 20 }"
    )
    text = f'type: "DetectionOutputExtended" detection_output_param {{ {fields} }}'
    (found,) = compared(net(tmp_path, text, **{k: x.shape for k, x in fed.items()}), fed)
    assert found["y"].shape[3] == 10


SSD = """
input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 stride: 4 pad: 1
    weight_filler { type: "msra" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm" type: "Normalize" bottom: "conv1" top: "norm"
  norm_param { across_spatial: false scale_filler { value: 3 } channel_shared: false } }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1
    weight_filler { type: "msra" } } }
"""
HEAD = """
layer {{ name: "{x}_{kind}" type: "Convolution" bottom: "{x}" top: "{x}_{kind}"
  convolution_param {{ num_output: {number} kernel_size: 3 pad: 1
    weight_filler {{ type: "msra" }} }} }}
layer {{ name: "{x}_{kind}_perm" type: "Permute" bottom: "{x}_{kind}" top: "{x}_{kind}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{x}_{kind}_flat" type: "Flatten" bottom: "{x}_{kind}_perm" top: "{x}_{kind}_flat"
  flatten_param {{ axis: 1 }} }}
"""
PRIOR = """
layer {{ name: "{x}_priorbox" type: "PriorBox" bottom: "{x}" bottom: "data" top: "{x}_priorbox"
  prior_box_param {{ min_size: {size} aspect_ratio: 2 flip: true clip: false
    variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }} }}
"""
JOINED = """
layer {{ name: "mbox_{kind}" type: "Concat" bottom: "norm_{suffix}" bottom: "conv2_{suffix}"
  top: "mbox_{kind}" concat_param {{ axis: {axis} }} }}
"""
DETECTED = """
layer { name: "mbox_conf_reshape" type: "Reshape" bottom: "mbox_conf" top: "mbox_conf_reshape"
  reshape_param { shape { dim: 0 dim: -1 dim: 4 } } }
layer { name: "mbox_conf_softmax" type: "Softmax" bottom: "mbox_conf_reshape"
  top: "mbox_conf_softmax" softmax_param { axis: 2 } }
layer { name: "mbox_conf_flatten" type: "Flatten" bottom: "mbox_conf_softmax"
  top: "mbox_conf_flatten" flatten_param { axis: 1 } }
layer { name: "detection_out" type: "DetectionOutput" bottom: "mbox_loc"
  bottom: "mbox_conf_flatten" bottom: "mbox_priorbox" top: "detection_out"
  detection_output_param { num_classes: 4 share_location: true background_label_id: 0
    nms_param { nms_threshold: 0.45 top_k: 100 } code_type: CENTER_SIZE keep_top_k: 20
    confidence_threshold: 0.2 } }
"""


def small_ssd(folder: Path) -> Path:
    """Two maps of an SSD, the first of them normalized, three boxes a position."""
    parts = [SSD]
    for x, size in (("norm", 8), ("conv2", 16)):
        parts += [HEAD.format(x=x, kind="loc", number=12), HEAD.format(x=x, kind="conf", number=12)]
        parts.append(PRIOR.format(x=x, size=size))
    for kind, suffix, axis in (
        ("loc", "loc_flat", 1),
        ("conf", "conf_flat", 1),
        ("priorbox", "priorbox", 2),
    ):
        parts.append(JOINED.format(kind=kind, suffix=suffix, axis=axis))
    path = folder / "ssd.prototxt"
    path.write_text("".join([*parts, DETECTED]))
    return path


@pytest.mark.slow
def test_an_ssd(tmp_path):
    path = small_ssd(tmp_path)
    two, three = ({"data": normal(count, 3, 32, 32, seed=count)} for count in (2, 3))
    found = [x["detection_out"] for x in compared(path, two, three)]
    assert found[0].shape == (1, 1, 40, 7)  # more would be above the threshold
    assert found[1].shape == (1, 1, 60, 7)


@pytest.mark.slow
def test_mobilenet_ssd(tmp_path):
    """Row for row what SSD's Caffe gave."""
    net = reference_net("mobilenet_ssd")
    weights = load_weights(net.write_weights(tmp_path))
    (found,) = run(written(load_network(net.prototxt), weights), net.inputs).values()
    assert_close(found, net.arrays["out/detection_out"])


def test_an_ssd_without_its_detections(tmp_path):
    fed = {"data": normal(2, 3, 32, 32)}
    (found,) = compared(small_ssd(tmp_path), fed, detection="none")
    assert list(found) == ["mbox_loc", "mbox_conf_flatten", "mbox_priorbox"]


def test_no_detections_to_leave_out(tmp_path):
    network = load_network(net(tmp_path, 'type: "ReLU"', x=(1, 3)))
    with pytest.raises(UnsupportedLayerError, match=r"net.prototxt: detection='none' leaves out"):
        onnx_net(network, {}, detection="none")
    with pytest.raises(ValueError, match="detection must be 'nodes' or 'none'"):
        onnx_net(network, {}, detection="no")


# ---- regions ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("case", rcnn.CASES)
def test_pooling_over_regions(case, tmp_path):
    text, shape, _ = rcnn.CASES[case]
    x, other = normal(*shape), normal(1, shape[1], 11, 6)
    feeds = [{"x": x, "rois": rcnn.some_rois(count)} for count in (30, 1, 0)]
    alone = rcnn.some_rois(12) * np.float32([0, 1, 1, 1, 1])
    feeds.append({"x": other, "rois": alone})
    found = compared(net(tmp_path, text, x=shape, rois=(7, 5)), *feeds)
    assert [len(x["y"]) for x in found] == [30, 1, 0, 12]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_says_the_same_of_regions(opset, tmp_path):
    text, shape, _ = rcnn.CASES["roi_align"]
    made = onnx_net(load_network(net(tmp_path, text, x=shape, rois=(7, 5))), {})
    fed = {"x": normal(*shape), "rois": rcnn.some_rois(8)}
    first, found = (run(b"".join(map(bytes, chunks(made, x))), fed)["y"] for x in (13, opset))
    np.testing.assert_array_equal(found, first)


PROPOSALS = {
    "python": f"{rpn.PYTHON} param_str: \"'feat_stride': 16\" }} top: 'rois' top: 'kept'",
    "cpp": f"{rpn.CPP} pre_nms_topn: 200 post_nms_topn: 60 nms_thresh: 0.9 }} top: 'r' top: 'k'",
    "cpp, all": f"{rpn.CPP} pre_nms_topn: 0 post_nms_topn: 0 nms_thresh: 1 }} top: 'r' top: 'k'",
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", PROPOSALS)
def test_proposals(name, tmp_path):
    images = [96, 128, 1.6], [144, 80, 2.5], [96, 128, 1000]
    sizes = (6, 8), (9, 5), (6, 8)
    feeds = [
        {**rpn.inputs(9, *size, seed=seed), "image": np.float32([image])}
        for seed, (size, image) in enumerate(zip(sizes, images, strict=True))
    ]
    found = compared(net(tmp_path, PROPOSALS[name], **rpn.shapes(9)), *feeds)
    counts = [len(next(iter(x.values()))) for x in found]
    assert (counts[2] == 0) == (name == "python")  # all are too small
    assert counts[0] > 20


@pytest.mark.slow
def test_proposals_with_a_scale_for_each_side(tmp_path):
    fed = {**rpn.inputs(9, 6, 8), "image": np.float32([[96, 128, 2.5, 1.5]])}
    compared(net(tmp_path, PROPOSALS["cpp"], **rpn.shapes(9, 4)), fed)


@pytest.mark.slow
@pytest.mark.parametrize("head", [rpn.FASTER, rpn.RFCN])
def test_networks_with_regions(head, tmp_path):
    path = tmp_path / "test.prototxt"
    path.write_text(rpn.RPN.format(head=head))
    feeds = [
        {"data": normal(1, 4, high, wide), "im_info": np.float32([[high * 16, wide * 16, scale]])}
        for high, wide, scale in ((12, 16, 1), (9, 20, 1), (9, 20, 1000))
    ]
    found = compared(path, *feeds)
    assert [len(x["cls_prob"]) == 0 for x in found] == [False, False, True]


@pytest.mark.slow
def test_text_proposals(tmp_path):
    layer = (
        'type: "Python" top: "rois" top: "kept" python_param { module: '
        '"layers.text_proposal_layer" layer: "ProposalLayer" param_str: "{feat_stride: 16}" }'
    )
    shapes = {"scores": (1, 20, 3, 5), "deltas": (1, 20, 3, 5), "image": (1, 3)}
    feeds = [
        {"scores": normal(1, 20, *size), "deltas": normal(1, 20, *size), "image": image}
        for size, image in (
            ((3, 5), np.float32([[48, 70, 1]])),
            ((4, 2), np.float32([[60, 30, 1]])),
        )
    ]
    compared(net(tmp_path, layer, **shapes), *feeds)


# ---- YOLO ---------------------------------------------------------------------------------


@pytest.mark.sweep(4)
@pytest.mark.parametrize("reverse", ["false", "true"])
@pytest.mark.parametrize(("stride", "shape"), [(2, (2, 8, 4, 6)), (3, (1, 9, 3, 6))])
def test_reorg(stride, shape, reverse, tmp_path):
    layer = f'type: "Reorg" reorg_param {{ stride: {stride} reverse: {reverse} }}'
    larger = (3, shape[1], 2 * shape[2], shape[3])
    feeds = {"x": normal(*shape)}, {"x": normal(*larger)}
    compared(net(tmp_path, layer, x=shape), *feeds)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("fields", REGIONS)
def test_region(fields, tmp_path):
    layer = f'type: "Region" region_param {{ {fields} }}'
    feeds = {"x": normal(2, 16, 3, 4)}, {"x": 30 * normal(1, 16, 5, 2)}
    compared(net(tmp_path, layer, x=(2, 16, 3, 4)), *feeds)


BIASES = " ".join(f"biases: {bias}" for bias in yolo.BIASES)
V2 = "num_box: 2 biases: 0.73 biases: 0.87 biases: 2.42 biases: 2.65"
V3 = f"mask_group_num: 2 {BIASES} anchors_scale: 32 anchors_scale: 16 " + " ".join(
    f"mask: {number}" for number in (3, 4, 5, 0, 1, 2)
)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fields", "boxes"), [("Yolo", V2, 2), ("Yolov3", V3, 3)])
@pytest.mark.parametrize(("threshold", "nms"), [(0.2, 0.45), (0.3, 0.2), (0.1, 1.5), (0.999, 0.45)])
def test_detections_of_yolo(kind, fields, boxes, threshold, nms, tmp_path):
    layer = (
        f'type: "{kind}DetectionOutput" {kind.lower()}_detection_output_param {{ {fields} '
        f"num_classes: 3 confidence_threshold: {threshold} nms_threshold: {nms} }}"
    )
    fed, three = yolo.maps_of(2, boxes), yolo.maps_of(2, boxes, 3)
    path = net(tmp_path, layer, **{name: x.shape for name, x in fed.items()})
    found = [x["y"][0, 0] for x in compared(path, fed, three)]
    assert (found[1][:, 1] == -1).all() == (threshold > 0.9)
    assert (len(found[1]) > 3) == (threshold < 0.9)


def test_boxes_that_overlap_by_the_threshold_are_dropped(tmp_path):
    layer = (
        'type: "YoloDetectionOutput" yolo_detection_output_param { num_classes: 2 num_box: 2 '
        "biases: 1 biases: 1 biases: 2 biases: 1 nms_threshold: 0.5 }"
    )
    x = np.zeros((1, 14, 1, 1), "f4")
    x[0, 4], x[0, 11] = 3, 2
    (found,) = compared(net(tmp_path, layer, x=x.shape), {"x": x})
    assert found["y"].shape == (1, 1, 1, 7)


# ---- refused ------------------------------------------------------------------------------

SETTINGS = {
    'type: "DetectionOutput" detection_output_param { num_classes: 3 nms_param { eta: 0.75 } }': (
        {"loc": (1, 48), "conf": (1, 36), "prior": (1, 2, 48)},
        "nms_param: eta: 0.75 is not written as ONNX",
    ),
    'type: "YoloDetectionOutput" yolo_detection_output_param { num_classes: 1 num_box: 1 '
    "biases: 1 biases: 1 nms_threshold: 0 }": (
        {"x": (1, 6, 2, 2)},
        "nms_threshold: 0.0 is not written as ONNX",
    ),
    'type: "MultiBoxLoss" multibox_loss_param { num_classes: 3 }': (
        {"loc": (1, 48), "conf": (1, 36), "prior": (1, 2, 48), "label": (1, 1, 4, 8)},
        "this type is not written as ONNX: it compares with true boxes",
    ),
}


@pytest.mark.parametrize("layer", SETTINGS)
def test_what_onnx_cannot_say_is_refused(layer, tmp_path):
    shapes, message = SETTINGS[layer]
    network = load_network(net(tmp_path, layer, **shapes))
    with pytest.raises(UnsupportedLayerError, match=rf"net.prototxt:\d+: layer 'l'.*{message}"):
        written(network)


def test_every_type_is_written_or_refused():
    assert WRITERS.keys() | REFUSED.keys() == BUILDERS.keys()
    assert not WRITERS.keys() & REFUSED.keys()
