"""SSD's layers in ncnn against SSD's Caffe and the Keras model."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.blobs.weights import load_weights
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import LAYERS, LayerCase, assert_close
from tests.keras_fcn.builder import test_forks_detections as ssd
from tests.keras_fcn.builder.cases import tolerance
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.builder.test_forks_priors import FIELDS as PRIORS
from tests.keras_fcn.builder.test_forks_yolo import REGIONS
from tests.keras_fcn.caffe.ncnn.cases import run, session, why_not, written
from tests.keras_fcn.caffe.onnx.cases import of_case
from tests.keras_fcn.caffe.onnx.test_detection import (
    PLAIN,
    compared,
    detection_net,
    normal,
    small_ssd,
)
from tests.reference_nets import reference_net

pytest.importorskip("ncnn")

NCNN = {"written": written, "run": run}
RECORDED = [LayerCase(folder) for folder in sorted((LAYERS.parent / "forks").glob("ssd_*"))]
NOT_OURS = ("code_type", "share_location", "variance_encoded_in_target", "background_label_id")


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_what_the_fork_recorded(case):
    why = why_not(*of_case(case))
    if why is not None:
        assert "ncnn's detections have" in why or "moves the axis of images" in why
        return
    found = run(written(*of_case(case)), case.inputs)
    assert found.keys() == case.outputs.keys()
    for name, expected in case.outputs.items():
        assert_close(found[name], expected, tolerance(case))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("layer", PRIORS)
def test_priors_of_known_sizes_are_constants(layer, tmp_path):
    path = net(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))
    fixed = {"a": (1, 2, 3, 4), "b": (1, 3, 20, 33)}
    fed = {name: normal(*shape) for name, shape in fixed.items()}
    made = written(load_network(path), fixed=fixed)
    assert [node.op_type for node in made.graph.nodes] == ["MemoryData"]
    compared(path, fed, **NCNN, fixed=fixed)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("layer", [x for x in PRIORS if "Clustered" not in x])
def test_priors_of_any_size(layer, tmp_path):
    path = net(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))
    sizes = ((3, 4), (20, 33)), ((5, 2), (37, 11))
    fed = [{"a": normal(1, 2, *a), "b": normal(1, 3, *b)} for a, b in sizes]
    free = {"a": (None, 2, None, None), "b": (None, 3, None, None)}
    compared(path, *fed, **NCNN, shapes=free)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", PLAIN)
def test_detections(name, tmp_path):
    settings = PLAIN[name]
    shared = bool(settings.get("share_location", True))
    fed, five = ssd.predictions(shared), ssd.predictions(shared, images=5)
    path = detection_net(tmp_path, settings, fed)
    why = why_not(load_network(path))
    if why is not None:
        assert any(f"{field}: " in why for field in NOT_OURS) or "clip" in why
        return
    feeds = [fed, five]
    if "confidence_threshold" in settings:  # else all are found, of equal scores any first
        feeds.append({**five, "conf": np.zeros_like(five["conf"])})
        feeds.append({**five, "conf": five["conf"] * np.float32([[0], [1], [0], [1], [0]])})
    found = [x["y"] for x in compared(path, *feeds, **NCNN)]
    assert {row[0] for row in found[1][0, 0]} == {0, 1, 2, 3, 4}


@pytest.mark.slow
@pytest.mark.parametrize("detection", ["nodes", "none"])
def test_an_ssd(detection, tmp_path):
    path = small_ssd(tmp_path)
    feeds = [{"data": normal(count, 3, 32, 32, seed=count)} for count in (2, 3)]
    compared(path, *feeds, **NCNN, detection=detection)


def test_an_ssd_of_any_size(tmp_path):
    path = small_ssd(tmp_path)
    made = session(written(load_network(path)))
    assert made.inputs == {"data": (None, 3, None, None)}
    compared(path, {"data": normal(2, 3, 45, 38)}, **NCNN)


@pytest.mark.slow
def test_mobilenet_ssd(tmp_path):
    """Row for row what SSD's Caffe gave."""
    net = reference_net("mobilenet_ssd")
    weights = load_weights(net.write_weights(tmp_path))
    (found,) = run(written(load_network(net.prototxt), weights), net.inputs).values()
    assert_close(found, net.arrays["out/detection_out"], 1e-4)


@pytest.mark.parametrize("fields", REGIONS)
def test_region(fields, tmp_path):
    layer = f'type: "Region" region_param {{ {fields} }}'
    compared(net(tmp_path, layer, x=(2, 16, 3, 4)), {"x": normal(2, 16, 3, 4)}, **NCNN)


@pytest.mark.parametrize(("step", "shape"), [(2, (2, 8, 4, 6)), (3, (1, 18, 3, 9))])
@pytest.mark.parametrize("reverse", ["false", "true"])
def test_reorg(step, shape, reverse, tmp_path):
    layer = f'type: "Reorg" reorg_param {{ stride: {step} reverse: {reverse} }}'
    compared(net(tmp_path, layer, x=shape), {"x": normal(*shape)}, **NCNN)
