"""Networks that find things, over several batches: the same as all images at once."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn

IMAGE = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: %d dim: %d dim: %d } } }
"""
SSD = (
    IMAGE % (3, 4, 4)
    + """
layer { name: "map" type: "Pooling" bottom: "data" top: "map"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "loc" type: "Convolution" bottom: "map" top: "loc" convolution_param { num_output: 4
  kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loc_p" type: "Permute" bottom: "loc" top: "loc_p"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "loc_f" type: "Flatten" bottom: "loc_p" top: "loc_f" }
layer { name: "conf" type: "Convolution" bottom: "map" top: "conf" convolution_param {
  num_output: 2 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "conf_p" type: "Permute" bottom: "conf" top: "conf_p"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conf_f" type: "Flatten" bottom: "conf_p" top: "conf_f" }
layer { name: "priors" type: "PriorBox" bottom: "map" bottom: "data" top: "priors"
  prior_box_param { min_size: 2 variance: 0.1 } }
layer { name: "out" type: "DetectionOutput" bottom: "loc_f" bottom: "conf_f" bottom: "priors"
  top: "out" detection_output_param { num_classes: 2 keep_top_k: 4 confidence_threshold: 0.5
  code_type: CENTER_SIZE nms_param { nms_threshold: 0.9 } } }
layer { name: "mean" type: "Pooling" bottom: "map" top: "mean"
  pooling_param { pool: AVE global_pooling: true } }
"""
)
HEAD = (
    IMAGE % (2, 6, 6)
    + """
layer { name: "rois" type: "Input" top: "rois" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "pool" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param {
  num_output: 3 weight_filler { type: "gaussian" std: 1 } } }
"""
)
RPN = """
layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 1 dim: 18 dim: 3 dim: 4 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 1 dim: 36 dim: 3 dim: 4 } } }
layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "rois" type: "Python" bottom: "s" bottom: "b" bottom: "i" top: "rois"
  python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
  param_str: "'feat_stride': 16" } }
"""
POOLED = """
layer { name: "pool" type: "ROIPooling" bottom: "s" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 1 pooled_w: 1 spatial_scale: 0.0625 } }
"""


def read(text, folder):
    (folder / "net.prototxt").write_text(text)
    return keras_fcn.from_caffe(folder / "net.prototxt", seed=3)


@pytest.fixture
def build(tmp_path):
    return lambda text: read(text, tmp_path)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return read(SSD, tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="module")
def detected(detector, images):
    """What the detector finds in all images at once, and means of them."""
    return detector.predict(images, batch_size=11, verbose=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).normal(size=(11, 4, 4, 3)).astype("f4") * 3


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return -(-len(self.x) // 4)

    def __getitem__(self, index):
        return self.x[4 * index : 4 * index + 4], np.zeros(1)


FORMS = {
    "array": lambda x: {"x": x, "batch_size": 4},
    "one": lambda x: {"x": x, "batch_size": 1},
    "tensor": lambda x: {"x": tf.constant(x), "batch_size": 3},
    "dataset": lambda x: {"x": tf.data.Dataset.from_tensor_slices(x).batch(4)},
    "generator": lambda x: {"x": (x[i : i + 5] for i in range(0, 11, 5))},
    "sequence": lambda x: {"x": Batches(x)},
}


@pytest.mark.parametrize("form", FORMS)
def test_detections_of_all_images_are_one_list(detector, detected, images, form):
    whole, means = detected
    assert set(whole[0, :, 0, 0]) > {0, 10}
    boxes, batched = detector.predict(**FORMS[form](images), verbose=0)
    np.testing.assert_allclose(boxes, whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batched, means, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_rows_for_nothing_found_stand_where_no_image_has_anything(build, detected, images):
    scores = np.sort(detected[0][0, :, 2, 0])
    threshold = (scores[-3] + scores[-2]) / 2
    model = build(SSD.replace("confidence_threshold: 0.5", f"confidence_threshold: {threshold}"))
    whole = model.predict(images, batch_size=11, verbose=0)[0]
    assert whole.shape[1] == 2
    assert (whole[0, :, 1] == 1).all()
    np.testing.assert_allclose(
        model.predict(images, batch_size=2, verbose=0)[0], whole, rtol=1e-5, atol=1e-6
    )
    none = build(SSD.replace("confidence_threshold: 0.5", "confidence_threshold: 1e9"))
    rows = none.predict(images, batch_size=4, verbose=0)[0][0, :, :, 0]
    np.testing.assert_array_equal(rows[:, 0], np.arange(11))
    assert (rows[:, 1:] == -1).all()


@pytest.mark.slow
def test_reloaded_and_nested(detector, detected, images, tmp_path):
    whole = detected[0]
    detector.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(again.predict(images, batch_size=4, verbose=0)[0], whole, rtol=1e-5)
    x = keras.Input((4, 4, 3))
    outer = keras_fcn.core.model.CaffeFunctional(x, detector(x))
    np.testing.assert_allclose(outer.predict(images, batch_size=4, verbose=0)[0], whole, rtol=1e-5)


@pytest.mark.slow
def test_a_saved_model_counts_the_images_too(detector, images, tmp_path):
    boxes = keras_fcn.core.model.CaffeFunctional(detector.inputs, detector.outputs[0])
    whole = boxes.predict(images, batch_size=11, verbose=0)
    again = keras_fcn.load(keras_fcn.export(boxes, tmp_path / "net"))
    for size in (1, 4, 11):
        found = again.predict(images, batch_size=size, verbose=0)
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_given_regions_name_images_of_the_whole_call(build):
    model = build(HEAD)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 6, 6, 2)).astype("f4")
    rois = np.array([[39 - i, 0, 0, 3, 4] for i in range(40)], "f4")
    each = [
        model.predict([data[39 - i :][:1], rois[:1] * [0, 1, 1, 1, 1]], verbose=0)
        for i in range(40)
    ]
    np.testing.assert_allclose(
        model.predict([data, rois], verbose=0), np.concatenate(each), rtol=1e-5, atol=1e-6
    )
    assert model.predict([data, rois[:3]], verbose=0).shape == (3, 3)


def rpn_inputs(count):
    rng = np.random.default_rng(0)
    return [
        rng.normal(size=(count, 3, 4, 18)).astype("f4"),
        rng.normal(size=(count, 3, 4, 36)).astype("f4") / 10,
        np.tile(np.array([[48, 64, 1]], "f4"), (count, 1)),
    ]


@pytest.mark.slow
def test_regions_count_through_the_images(build):
    model = build(RPN)
    inputs = rpn_inputs(3)
    rois = model.predict(inputs, verbose=0)
    each = [model.predict([x[i : i + 1] for x in inputs], verbose=0) for i in range(3)]
    np.testing.assert_array_equal(rois[:, 1:], np.concatenate(each)[:, 1:])
    np.testing.assert_array_equal(rois[:, 0], np.repeat([0, 1, 2], [len(x) for x in each]))


@pytest.mark.slow
def test_rows_of_which_nothing_tells_the_image_are_refused(build):
    model = build(RPN + POOLED)
    assert model.predict(rpn_inputs(1), verbose=0).shape[1:] == (1, 1, 18)
    with pytest.raises(ValueError, match=r"output 'pool' has a row for each .* regions an output"):
        model.predict(rpn_inputs(2), verbose=0)


def test_inputs_of_different_lengths_are_refused(build):
    inputs = rpn_inputs(2)
    with pytest.raises(ValueError, match=r"different numbers of images: \[2, 2, 1\]"):
        build(RPN).predict([*inputs[:2], inputs[2][:1]], verbose=0)


def test_no_images(build):
    text = IMAGE % (3, 4, 4) + 'layer { name: "f" type: "Flatten" bottom: "data" top: "f" }'
    assert build(text).predict(np.zeros((0, 4, 4, 3), "f4"), verbose=0).shape == (0, 48)


@pytest.mark.slow
def test_all_regions_of_one_image(build):
    model = build(HEAD)
    x = np.random.default_rng(2).normal(size=(1, 6, 6, 2)).astype("f4")
    rois = np.array([[0, 0, 0, 3, 3], [0, 2, 2, 5, 5], [0, 1, 0, 4, 5]], "f4")
    wanted = np.asarray(model([x, rois]))
    assert wanted.shape == (3, 3)
    for data in ([x, rois], {"data": x, "rois": rois}):
        np.testing.assert_allclose(model.predict(data, verbose=0), wanted, atol=1e-6)
        np.testing.assert_allclose(model.predict(data, batch_size=2, verbose=0), wanted, atol=1e-6)
