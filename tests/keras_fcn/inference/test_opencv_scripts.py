"""The scripts that people run Caffe's networks with under OpenCV: the same answers here.

`RECORDED` is what OpenCV 4.14 gives for small networks of the kinds that such scripts are for; with
OpenCV, `test_recorded` compares it again, and this module, run as a program, writes it.

A bare number as the mean, as in `blobFromImage(image, 0.007843, (300, 300), 127.5)`, is subtracted
from the first channel alone: OpenCV takes it for (127.5, 0, 0). MobileNet-SSD was trained with
127.5 in all three.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

import keras_fcn
from keras_fcn.preprocessing import Preprocessing
from tests.golden import assert_close

SEED = 23
RECORDED = Path(__file__).parents[2] / "data" / "opencv_scripts.json"
PICTURE = np.random.default_rng(0).integers(0, 256, (47, 61, 3), np.uint8)
PICTURE[10:30, 20:50] //= 4

CONV = """layer { name: "%(name)s" type: "Convolution" bottom: "%(bottom)s" top: "%(name)s"
  convolution_param {
    num_output: %(count)d kernel_size: %(size)d stride: %(stride)d pad: %(pad)d } }
"""


def conv(name, bottom, count, size=3, stride=1):
    pad = size // 2
    return CONV % locals()


def relu(name):
    return f'layer {{ name: "{name}_relu" type: "ReLU" bottom: "{name}" top: "{name}" }}\n'


def trunk(channels=3):
    first = f'input: "data" input_shape {{ dim: 1 dim: {channels} dim: 32 dim: 32 }}\n'
    return (
        first + conv("c1", "data", 8, 5, 4) + relu("c1") + conv("c2", "c1", 12, 3, 2) + relu("c2")
    )


def head(name, bottom, priors):
    text = ""
    for kind, count in (("loc", 16), ("conf", 12)):
        blob = f"{name}_{kind}"
        text += conv(blob, bottom, count)
        text += f"""layer {{ name: "{blob}_p" type: "Permute" bottom: "{blob}" top: "{blob}_p"
          permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
        layer {{ name: "{blob}_f" type: "Flatten" bottom: "{blob}_p" top: "{blob}_f" }}\n"""
    return (
        text
        + f"""layer {{ name: "{name}_prior" type: "PriorBox" bottom: "{bottom}" bottom: "data"
      top: "{name}_prior" prior_box_param {{ {priors} aspect_ratio: 2 flip: true clip: false
      variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }} }}\n"""
    )


def joined(kind, axis):
    bottoms = " ".join(f'bottom: "{name}_{kind}"' for name in ("fine", "coarse"))
    return f"""layer {{ name: "{kind}" type: "Concat" {bottoms} top: "{kind}"
      concat_param {{ axis: {axis} }} }}\n"""


SSD = (
    trunk()
    + head("fine", "c1", "min_size: 8 max_size: 14")
    + head("coarse", "c2", "min_size: 14 max_size: 22")
    + joined("loc_f", 1)
    + joined("conf_f", 1)
    + joined("prior", 2)
    + """
layer { name: "shape" type: "Reshape" bottom: "conf_f" top: "shape"
  reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "softmax" type: "Softmax" bottom: "shape" top: "softmax" softmax_param { axis: 2 } }
layer { name: "flat" type: "Flatten" bottom: "softmax" top: "flat" }
layer { name: "found" type: "DetectionOutput" bottom: "loc_f" bottom: "flat" bottom: "prior"
  top: "found" detection_output_param { num_classes: 3 share_location: true
  background_label_id: 0 code_type: CENTER_SIZE keep_top_k: 9
  nms_param { nms_threshold: 0.45 top_k: 20 } confidence_threshold: 0.3 %s } }
"""
)
AGE = (
    trunk()
    + """
layer { name: "pool" type: "Pooling" bottom: "c2" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm"
  lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "fc" type: "InnerProduct" bottom: "norm" top: "fc"
  inner_product_param { num_output: 8 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
)
POOL = """layer { name: "%s" type: "Pooling" bottom: "%s" top: "%s"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
"""
POSE = (
    'input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }\n'
    + conv("c1", "data", 8)
    + relu("c1")
    + POOL % ("p1", "c1", "p1")
    + conv("c2", "p1", 12)
    + POOL % ("p2", "c2", "p2")
    + conv("heat", "p2", 19)
    + conv("limbs", "p2", 38)
    + """layer { name: "net_output" type: "Concat" bottom: "heat" bottom: "limbs"
      top: "net_output" }"""
)
COLOUR = (
    trunk(1).replace('"data"', '"data_l"')
    + """
layer { name: "up" type: "Deconvolution" bottom: "c2" top: "up"
  convolution_param { num_output: 6 kernel_size: 4 pad: 1 stride: 2 } }
layer { name: "rh" type: "Scale" bottom: "up" top: "rh" scale_param { bias_term: false } }
layer { name: "prob" type: "Softmax" bottom: "rh" top: "prob" }
"""
    + conv("class8_ab", "prob", 2, 1)
)

FACE = {"mean": (104.0, 177.0, 123.0)}
MOBILE = {"mean": (127.5, 127.5, 127.5), "scale": 0.007843}
RGB = {"mean": (0.0, 0.0, 0.0), "scale": 1 / 255, "rgb": True}
AGES = {"mean": (78.4263377603, 87.7689143744, 114.895847746)}

CASES = {
    "ssd face": (SSD % "clip: 1", FACE),
    "ssd mobile": (SSD % "", MOBILE),
    "ssd rgb": (SSD % "clip: false", RGB),
    "age": (AGE, AGES),
    "pose": (POSE, RGB),
    "colour": (COLOUR, {}),
}


def written(name, folder):
    """The files of a case; the seed is one whose scores lie apart."""
    text, settings = CASES[name]
    (folder / "net.prototxt").write_text(text)
    net = keras_fcn.Net(str(folder / "net.prototxt"), keras_fcn.TEST)
    rng = np.random.default_rng(SEED)
    for layer, blobs in net.params.items():
        for blob in blobs:
            fan = max(int(np.prod(blob.data.shape[1:])), 1)
            blob.data[...] = rng.normal(0, np.sqrt(2 / fan), blob.data.shape)
        if layer == "c1" and "scale" not in settings:
            blobs[0].data[...] /= 50  # pixels count to 255, not to 1
    net.save(str(folder / "net.caffemodel"))
    return [str(folder / f"net.{kind}") for kind in ("prototxt", "caffemodel")]


def opencv(name, folder):
    """The answer of the usual script."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    _, settings = CASES[name]
    net = cv2.dnn.readNetFromCaffe(*written(name, folder))
    image = PICTURE[..., ::-1]
    if name == "colour":
        image = np.float32(PICTURE[..., 0]) / 255 * 100 - 50
    blob = cv2.dnn.blobFromImage(
        image,
        settings.get("scale", 1.0),
        (32, 32),
        settings.get("mean", (0, 0, 0)),
        swapRB=settings.get("rgb", False),
        crop=False,
    )
    net.setInput(blob)
    found = net.forward()[0]
    if not name.startswith("ssd"):
        return np.float64(found).round(6).tolist()
    height, width = PICTURE.shape[:2]
    rows = [row for row in np.float64(found[0]) if row[2] > 0]
    boxes = [row[3:7] * [width, height, width, height] for row in rows]
    return [
        [int(row[1]), *row[2:3].round(6), *box.round(4)]
        for row, box in zip(rows, boxes, strict=True)
    ]


def recorded(name):
    return np.array(json.loads(RECORDED.read_text())[name])


def ours(name, folder):
    """The network, and how it is given images."""
    _, settings = CASES[name]
    order = "rgb" if settings.get("rgb") else "bgr"
    own = Preprocessing(
        mean=settings["mean"],
        input_scale=settings.get("scale", 1.0),
        channel_order=order,
        interpolation="opencv",
    )
    return keras_fcn.from_caffe(*written(name, folder), preprocessing=own)


@pytest.mark.parametrize("name", CASES)
def test_recorded(name, tmp_path):
    np.testing.assert_allclose(opencv(name, tmp_path), recorded(name), rtol=1e-4, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssd face", "ssd mobile", "ssd rgb"])
def test_boxes(name, tmp_path):
    found = keras_fcn.detect(ours(name, tmp_path), PICTURE)
    rows = np.array([[x["index"], x["score"], *x["box"]] for x in found])
    wanted = recorded(name)
    assert len(wanted) > 5
    assert {1, 2} == set(rows[:, 0])
    np.testing.assert_allclose(rows[:, :2], wanted[:, :2], atol=1e-5)
    np.testing.assert_allclose(rows[:, 2:], wanted[:, 2:], atol=1e-3)


def test_ages(tmp_path):
    found = keras_fcn.classify(ours("age", tmp_path), PICTURE, top=8)
    wanted = recorded("age")
    assert [x["index"] for x in found] == np.argsort(-wanted).tolist()
    np.testing.assert_allclose([x["score"] for x in found], np.sort(wanted)[::-1], atol=1e-5)


def test_parts(tmp_path):
    """A script counts a cell's corner as its place; a cell's centre is half a cell further."""
    model = ours("pose", tmp_path)
    wanted = recorded("pose")
    assert_close(keras_fcn.predict(model, PICTURE, size=(32, 32)), np.moveaxis(wanted, 0, -1))
    found = keras_fcn.keypoints(model, PICTURE, size=(32, 32), threshold=-99)
    cell = np.array(PICTURE.shape[1::-1]) / wanted.shape[:0:-1]
    for index in range(18):
        best = next(x for x in found if x["index"] == index)
        row, column = np.unravel_index(wanted[index].argmax(), wanted[index].shape)
        assert best["score"] == pytest.approx(wanted[index].max(), abs=1e-5)
        offset = [best["x"], best["y"]] - (np.array([column, row]) + 0.5) * cell + 0.5
        assert (np.abs(offset) <= 0.5 * cell).all()


def test_colours(tmp_path):
    own = Preprocessing(channels=1, raw_scale=100, mean=50)
    model = keras_fcn.from_caffe(*written("colour", tmp_path), preprocessing=own)
    found = keras_fcn.predict(model, PICTURE[..., 0] / np.float32(255), size=(32, 32))
    assert_close(found, np.moveaxis(recorded("colour"), 0, -1))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        answers = {name: opencv(name, Path(place)) for name in CASES}
    RECORDED.write_text(json.dumps(answers) + "\n")
