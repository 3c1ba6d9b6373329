"""Layers before the inner products: each does the same at every position, or the cast refuses."""

from __future__ import annotations

import numpy as np
import pytest

import convert
from keras_fcn.caffe import surgery
from tests.keras_fcn.caffe.surgery.test_casting import one, opened, outputs

CONV = one("Convolution", "data", "convolution_param { num_output: 4 kernel_size: 3 }", "c")
"""A map of 4 x 3 x 4."""
PRODUCT = one("InnerProduct", "b", "inner_product_param { num_output: 3 }", "ip")


def net(layer):
    return CONV + layer + PRODUCT


REFUSED = {
    "MVN": one("MVN", "c", "", "b"),
    "Softmax": one("Softmax", "c", "softmax_param { axis: 2 }", "b"),
    "Normalize": one("Normalize", "c", "norm_param { across_spatial: true }", "b"),
    "BatchNorm": one("BatchNorm", "c", "batch_norm_param { use_global_stats: false }", "b"),
    "Tile": one("Tile", "c", "tile_param { axis: 3 tiles: 2 }", "b"),
    "Concat": one("Concat", "c c", "concat_param { axis: 2 }", "b"),
    "ArgMax": one("ArgMax", "c", "argmax_param { axis: 2 }", "b"),
    "Slice": one("Slice", "c", "slice_param { axis: 3 slice_point: 3 }", "b rest"),
    "Scale": one("Scale", "c", "scale_param { axis: 2 }", "b"),
    "Bias": one("Bias", "c", "bias_param { axis: 1 num_axes: 3 }", "b"),
    "Interp": one("Interp", "c", "interp_param { height: 6 width: 6 }", "b"),
    "Interp by sizes": one("Interp", "c", "interp_param { shrink_factor: 2 }", "b"),
    "Convolution": one(
        "Convolution", "c", "convolution_param { axis: 2 num_output: 3 kernel_size: 2 }", "b"
    ),
    "behind others": one("MVN", "c", "", "m") + one("ReLU", "m", "", "b"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_differs_from_position_to_position_is_refused_by_name(case, tmp_path):
    kind = {"behind others": "MVN"}.get(case, case.split()[0])
    with pytest.raises(convert.NetworkError, match=rf"\({kind}\): .*at every position"):
        surgery.to_fully_convolutional(opened(tmp_path, net(REFUSED[case])))


KEPT = {
    "LRN": one("LRN", "c", "lrn_param { local_size: 3 }", "b"),
    "Scale": one("Scale", "c", "scale_param { bias_term: true }", "b"),
    "BatchNorm": one("BatchNorm", "c", "", "b"),
    "Dropout": one("Dropout", "c", "", "b"),
    "Slice": one("Slice", "c", "slice_param { axis: 3 slice_point: 1 }", "first b"),
    "branches": one("Pooling", "data", "pooling_param { pool: MAX kernel_size: 3 }", "p")
    + one("Concat", "c p", "", "b"),
    "other head": one("ReLU", "c", "", "b") + one("MVN", "c", "", "normalized"),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_does_the_same_at_every_position_is_cast(case, tmp_path):
    text = opened(tmp_path, net(KEPT[case]))
    larger = surgery.resize(surgery.to_fully_convolutional(text), {"data": (2, 3, 7, 8)})
    image = np.random.default_rng(1).normal(size=(2, 3, 7, 8)).astype(np.float32)
    cells = outputs(larger, tmp_path, image)["ip"]
    assert cells.shape == (2, 3, 3, 3)
    crop = outputs(text, tmp_path, image[:, :, 1:6, 2:8])["ip"]
    np.testing.assert_allclose(
        cells[:, :, 1, 2], crop.reshape(2, 3), rtol=0, atol=1e-5 * np.abs(crop).max()
    )


@pytest.mark.parametrize(
    ("edit", "layer"),
    [
        (lambda found: surgery.resize(found, {"data": (2, 3, 7, 8)}), "'ip'"),
        (lambda found: surgery.with_classes(found, "c", 5), "'ip'"),
        (lambda found: surgery.drop(found, ["p"]), "'ip'"),
    ],
)
def test_an_edit_that_changes_the_shape_of_weights_says_what_to_do(edit, layer, tmp_path):
    pool = one("Pooling", "c", "pooling_param { kernel_size: 2 }", "p")
    found = opened(tmp_path, CONV + pool + PRODUCT.replace('"b"', '"p"'))
    with pytest.raises(convert.CaffeError, match=rf"{layer}.*cast the net.*surgery\.replace") as e:
        edit(found)
    assert "another network" not in str(e.value)


def test_a_blob_of_one_size_has_no_place_beside_a_map(tmp_path):
    parameter = (
        'layer { name: "p" type: "Parameter" top: "p" '
        "parameter_param { shape { dim: 2 dim: 4 dim: 3 dim: 4 } } }\n"
    )
    text = CONV + parameter + one("Eltwise", "c p", "", "b") + PRODUCT
    with pytest.raises(convert.NetworkError, match=r"'b' \(Eltwise\)"):
        surgery.to_fully_convolutional(opened(tmp_path, text))
