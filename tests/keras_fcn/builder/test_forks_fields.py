"""Layers with fields that only forks of Caffe have, against plain loops."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import convert
import keras_fcn
import keras_fcn.caffe.surgery
from keras_fcn.to_caffe import to_caffe
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built, net
from tests.keras_fcn.builder.texts import caffemodel
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal

MAP = (2, 4, 9, 8)


def windows(size, kernel, stride, pad, dilation, ceil, clip):
    """Cells of each window along an axis, those outside left out."""
    room = size + 2 * pad - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil else room // stride) + 1
    if clip and (count - 1) * stride >= size + pad:
        count -= 1
    starts = (i * stride - pad for i in range(count))
    cells = ([start + dilation * j for j in range(kernel)] for start in starts)
    return [[cell for cell in window if 0 <= cell < size] for window in cells]


def pooled(x, method, kernel, stride, pad=0, dilation=(1, 1), ceil=True):
    rows, columns = (
        windows(size, kernel, stride, pad, step, ceil, pad > 0)
        for size, step in zip(x.shape[2:], dilation, strict=True)
    )
    top = [[method(x[:, :, row][..., column]) for column in columns] for row in rows]
    return np.moveaxis(np.array(top), (0, 1), (2, 3))


def highest(cells):
    return cells.max((2, 3))


def mean(cells):
    return cells.mean((2, 3))


@pytest.mark.parametrize(
    ("fields", "reference"),
    [
        (
            "kernel_size: 3 stride: 2 ceil_mode: false",
            lambda x: pooled(x, highest, 3, 2, ceil=False),
        ),
        (
            "kernel_size: 2 stride: 2 torch_pooling: true",
            lambda x: pooled(x, highest, 2, 2, ceil=False),
        ),
        ("kernel_size: 3 stride: 2 ceil_mode: true", lambda x: pooled(x, highest, 3, 2)),
        (
            "kernel_size: 3 stride: 1 pad: 2 dilation: 2",
            lambda x: pooled(x, highest, 3, 1, 2, (2, 2)),
        ),
        (
            "kernel_size: 2 stride: 2 dilation: 3 dilation: 1",
            lambda x: pooled(x, highest, 2, 2, 0, (3, 1)),
        ),
        (
            "pool: AVE kernel_size: 3 stride: 2 pad: 1 avg_include_pad: false",
            lambda x: pooled(x, mean, 3, 2, 1),
        ),
        ("pool: AVE_EXC_PAD kernel_size: 3 stride: 3 pad: 2", lambda x: pooled(x, mean, 3, 3, 2)),
        (
            "pool: AVE_TF kernel_size: 2 stride: 2 ceil_mode: false",
            lambda x: pooled(x, mean, 2, 2, ceil=False),
        ),
        ("pool: AVE_EXC_PAD global_pooling: true", lambda x: x.mean((2, 3), keepdims=True)),
    ],
)
@pytest.mark.parametrize("more", [0, 3])
def test_pooling(fields, reference, more, tmp_path):
    model = built(tmp_path, f'type: "Pooling" pooling_param {{ {fields} }}', x=MAP)
    x = normal(*MAP[:2], *(size + more for size in MAP[2:]))
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], reference(x).astype("float32"))


@pytest.mark.parametrize("fields", ["dilation: 2", "pool: AVE_EXC_PAD pad: 1"])
def test_poolings_round_trip(fields, tmp_path):
    text = f'type: "Pooling" pooling_param {{ kernel_size: 3 {fields} }}'
    assert_config_round_trip(built(tmp_path, text, x=MAP).get_layer("l"))


def shuffled(x, ratio):
    images, channels, height, width = x.shape
    top = np.zeros((images, channels // ratio**2, height * ratio, width * ratio), x.dtype)
    for c, h, w in itertools.product(range(channels), range(height), range(width)):
        row, column = h * ratio + c // ratio % ratio, w * ratio + c % ratio**2 % ratio
        top[:, c // ratio**2, row, column] = x[:, c, h, w]
    return top


@pytest.mark.parametrize(("ratio", "channels"), [(2, 4), (2, 8), (3, 18)])
def test_pixel_shuffle(ratio, channels, tmp_path):
    text = f'type: "Reshape" reshape_param {{ pixelshuffler: {ratio} }}'
    model = built(tmp_path, text, x=(1, channels, 3, 5))
    x = normal(2, channels, 4, 5)
    np.testing.assert_array_equal(keras_fcn.blobs(model, {"x": x})["y"], shuffled(x, ratio))
    assert_config_round_trip(model.get_layer("l"))


def test_a_reshape_that_does_not_shuffle(tmp_path):
    text = 'type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } pixelshuffler: 1 }'
    x = normal(*MAP)
    found = keras_fcn.blobs(built(tmp_path, text, x=MAP), {"x": x})["y"]
    np.testing.assert_array_equal(found, x.reshape(2, -1))


CONVOLUTION = 'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3'


def test_holes_and_relu_of_a_convolution(tmp_path):
    blobs = [normal(3, 4, 3, 3, seed=1), normal(3, seed=2)]
    weights = caffemodel(tmp_path, {"l": blobs}, "Convolution")
    x, found = normal(*MAP), {}
    for name, fields in {
        "fork": "hole: 2 relu: true negative_slope: 0.5",
        "plain": "dilation: 2",
    }.items():
        path = net(tmp_path, f"{CONVOLUTION} {fields} }}", x=MAP)
        found[name] = keras_fcn.blobs(keras_fcn.from_caffe(path, weights), {"x": x})["y"]
    assert found["fork"].shape == (2, 3, 5, 4)
    assert (found["plain"] < 0).any()
    assert_close(found["fork"], np.where(found["plain"] > 0, 1, 0.5) * found["plain"])


def test_dropout_that_scales_when_tested(tmp_path):
    text = 'type: "Dropout" dropout_param { dropout_ratio: 0.25 scale_train: false }'
    model, x = built(tmp_path, text, x=(2, 400)), normal(2, 400)
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], 0.75 * x)
    trained = model(x, training=True).numpy()
    kept = trained != 0
    assert 0.6 < kept.mean() < 0.9
    assert_close(trained[kept], x[kept])


def test_relu6_of_a_relu(tmp_path):
    x = 10 * normal(*MAP)
    text = 'type: "ReLU" relu_param { relu6: true }'
    assert_close(keras_fcn.blobs(built(tmp_path, text, x=MAP), {"x": x})["y"], x.clip(0, 6))


def test_interp_to_the_second_bottom(tmp_path):
    text = 'type: "Interp" interp_param { use_blob_size: true height: 3 width: 3 }'
    model = built(tmp_path, text, x=MAP, other=(2, 1, 17, 15))
    fed = {"x": normal(*MAP), "other": normal(2, 1, 17, 15)}
    assert keras_fcn.blobs(model, fed)["y"].shape == (2, 4, 17, 15)


def test_one_pooled_size(tmp_path):
    text = 'type: "ROIPooling" roi_pooling_param { %s spatial_scale: 1 }'
    fed = {"x": normal(*MAP), "rois": np.array([[0, 1, 1, 6, 6], [1, 0, 2, 3, 7]], "float32")}
    found = [
        keras_fcn.blobs(built(tmp_path, text % size, x=MAP, rois=(2, 5)), fed)["y"]
        for size in ("pooled_size: 2 pooled_size: 3", "pooled_h: 2 pooled_w: 3")
    ]
    np.testing.assert_array_equal(*found)


# ---- batch normalization with scale and bias -------------------------------------------

FIVE = {
    "nvidia": "batch_norm_param { scale_bias: true }",
    "nvidia by fillers": "batch_norm_param { scale_filler { value: 1 } bias_filler { value: 0 } }",
    "intel": "batch_norm_param { use_weight_bias: true engine: MKLDNN }",
    "intel by fillers": "batch_norm_param { filler { value: 1 } bias_filler { value: 0 } }",
    "by blobs": "",
}


def statistics(seed=0, channels=4):
    rng = np.random.default_rng(seed)
    blobs = [rng.normal(size=channels), rng.uniform(0.5, 2, channels), np.full(1, 4.0)]
    blobs[:2] = [4 * blob for blob in blobs[:2]]
    return [np.float32(blob) for blob in (*blobs, *rng.normal(size=(2, channels)))]


def normalized(x, mean, variance, factor, scale, bias=0.0):
    def along(values):
        return np.reshape(values, (-1, 1, 1))

    y = (x - along(mean / factor)) / np.sqrt(along(variance / factor) + 1e-5)
    return y * along(scale) + along(np.broadcast_to(bias, scale.shape))


@pytest.mark.parametrize("case", FIVE)
def test_five_blobs(case, tmp_path):
    path = net(tmp_path, f'type: "BatchNorm" {FIVE[case]}', x=MAP)
    weights, x = caffemodel(tmp_path, {"l": statistics()}, "BatchNorm"), normal(*MAP)
    wanted = normalized(x, *statistics()).astype("float32")
    assert_close(keras_fcn.blobs(keras_fcn.from_caffe(path, weights), {"x": x})["y"], wanted)
    convert.convert(path, weights, tmp_path / "net.h5")
    model = keras_fcn.from_caffe(path, tmp_path / "net.h5")
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], wanted)


def test_five_blobs_with_relu(tmp_path):
    text = 'type: "BatchNorm" batch_norm_param { use_weight_bias: true relu: true }'
    weights, x = caffemodel(tmp_path, {"l": statistics()}, "BatchNorm"), normal(*MAP)
    model = keras_fcn.from_caffe(net(tmp_path, text, x=MAP), weights)
    wanted = normalized(x, *statistics()).clip(0).astype("float32")
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], wanted)


def test_four_blobs(tmp_path):
    text = 'type: "BatchNorm" batch_norm_param { use_weight_bias: true bias_term: false }'
    blobs, x = statistics()[:4], normal(*MAP)
    weights = caffemodel(tmp_path, {"l": blobs}, "BatchNorm")
    model = keras_fcn.from_caffe(net(tmp_path, text, x=MAP), weights)
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], normalized(x, *blobs).astype("float32"))


def test_before_any_weights_they_are_the_fillers(tmp_path):
    text = (
        'type: "BatchNorm" batch_norm_param { scale_filler { value: 3 } bias_filler { value: 2 } }'
    )
    x = normal(*MAP)
    found = keras_fcn.blobs(built(tmp_path, text, x=MAP), {"x": x})["y"]
    assert_close(found, np.float32(3 * x / np.sqrt(1e-5) + 2))


def test_statistics_behind_the_scale_are_refused(tmp_path):
    mean, variance, factor, scale, bias = statistics()
    older = [scale, bias, mean, variance, factor]  # NVIDIA's Caffe before 0.16
    weights = caffemodel(tmp_path, {"l": older}, "BatchNorm")
    for fields in FIVE.values():
        with pytest.raises(convert.CaffeError, match="'l'"):
            keras_fcn.from_caffe(net(tmp_path, f'type: "BatchNorm" {fields}', x=MAP), weights)


def test_five_blobs_survive(tmp_path):
    path = net(tmp_path, f'type: "BatchNorm" {FIVE["nvidia"]}', x=MAP)
    weights, x = caffemodel(tmp_path, {"l": statistics()}, "BatchNorm"), normal(*MAP)
    model = keras_fcn.from_caffe(path, weights)
    assert_config_round_trip(model.get_layer("l"))
    assert_survives(model, {"x": x}, tmp_path)
    stock = keras.layers.BatchNormalization(epsilon=1e-5)
    stock.build((None, 9, 8, 4))
    stock.set_weights(model.get_layer("l").get_weights()[:4])
    wanted = normalized(x, *statistics()).astype("float32")
    assert_close(np.moveaxis(stock(np.moveaxis(x, 1, -1)).numpy(), -1, 1), wanted)


@pytest.mark.parametrize("case", ["nvidia", "by blobs"])
@pytest.mark.parametrize("edited", [False, True])
def test_five_blobs_are_written_for_caffe(case, edited, tmp_path):
    path = net(tmp_path, f'type: "BatchNorm" {FIVE[case]}', x=MAP)
    weights, x = caffemodel(tmp_path, {"l": statistics()}, "BatchNorm"), normal(*MAP)
    model = keras_fcn.from_caffe(path, weights)
    if edited:
        model = keras.Model(model.inputs, model.outputs)
    to_caffe(model, {"x": MAP}).save(tmp_path / "back.prototxt", tmp_path / "back.caffemodel")
    text = (tmp_path / "back.prototxt").read_text()
    assert 'type: "Scale"' in text
    assert "scale_bias" not in text
    again = keras_fcn.from_caffe(tmp_path / "back.prototxt", tmp_path / "back.caffemodel")
    found = list(keras_fcn.blobs(again, {"x": x}).values())[-1]
    assert_close(found, normalized(x, *statistics()).astype("float32"))


def test_five_blobs_folded(tmp_path):
    text = f"""layer {{ name: "x" type: "Input" top: "x"
      input_param {{ shape {{ dim: 2 dim: 4 dim: 9 dim: 8 }} }} }}
    layer {{ name: "c" bottom: "x" top: "c" {CONVOLUTION} }} }}
    layer {{ name: "l" type: "BatchNorm" bottom: "c" top: "y" {FIVE["nvidia"]} }}"""
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    blobs = {"c": [normal(3, 4, 3, 3), normal(3)], "l": statistics(channels=3)}
    trained = convert.surgery.TrainedNet(convert.load_network(path), convert.surgery.Params(blobs))
    folded = convert.surgery.fold_batch_norm(trained)
    assert [layer.type for layer in folded.network.layers] == ["Input", "Convolution"]


def test_slopes_over_five_axes(tmp_path):
    shape = (2, 3, 4, 5, 6)
    path, x = net(tmp_path, 'type: "PReLU"', x=shape), normal(*shape)
    slopes = normal(3, seed=1)
    model = keras_fcn.from_caffe(path, caffemodel(tmp_path, {"l": [slopes]}, "PReLU"))
    wanted = np.where(x > 0, x, slopes[:, None, None, None] * x)
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], wanted)
    found = keras_fcn.blobs(built(tmp_path, 'type: "PReLU"', x=shape), {"x": x})["y"]
    assert_close(found, np.where(x > 0, x, 0.25 * x))


@pytest.mark.parametrize("filler", ["filler", "blob_filler"])
def test_parameter_with_a_filler(filler, tmp_path):
    text = f"""layer {{ name: "x" type: "Input" top: "x"
      input_param {{ shape {{ dim: 1 dim: 4 }} }} }}
    layer {{ name: "p" type: "Parameter" top: "p"
      parameter_param {{ shape {{ dim: 1 dim: 4 }} {filler} {{ value: 3 }} }} }}
    layer {{ name: "sum" type: "Eltwise" bottom: "x" bottom: "p" top: "y" }}"""
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    x = normal(1, 4)
    assert_close(keras_fcn.blobs(keras_fcn.from_caffe(path), {"x": x})["y"], x + 3)
