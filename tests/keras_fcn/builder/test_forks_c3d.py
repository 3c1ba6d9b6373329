"""Networks and weights of C3D 1.0: their types, fields and blobs."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.blobs.binaryproto import read_binaryproto
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.builder.test_forks_volumetric import convolution3d, pooling3d
from tests.keras_fcn.layers.checks import normal

CONVOLUTION = """layers { name: "%s" type: CONVOLUTION3D bottom: "%s" top: "%s"
  blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: %d kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1
    weight_filler { type: "gaussian" std: 0.1 } } }
"""
POOLING = """layers { name: "pool" type: POOLING3D bottom: "conv" top: "pool"
  pooling_param { pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 } }
"""
HEAD = """layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
DECONVOLUTION = """layers { name: "up" type: DECONVOLUTION3D bottom: "conv" top: "up"
  convolution_param { num_output: 2 kernel_size: 8 kernel_depth: 4 pad: 2 temporal_pad: 1 stride: 4
    temporal_stride: 2 weight_filler { type: "gaussian" std: 0.1 } } }
"""
DEPLOY = 'input: "data" input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 8 input_dim: 8\n'
CLIP = (2, 3, 4, 8, 8)


def write(folder, text):
    path = folder / "net.prototxt"
    path.write_text(text)
    return path


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def held(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def video_blob(array, diff=False):
    """A BlobProto of C3D 1.0: num, channels, length, height, width, then data and diff."""
    dims = (1,) * (5 - array.ndim) + array.shape
    head = b"".join(varint(i + 1 << 3) + varint(size) for i, size in enumerate(dims))
    data = np.asarray(array, "<f4").tobytes()
    return head + held(6, data) + (held(7, data) if diff else b"")


def caffemodel(folder, **blobs):
    """A NetParameter of C3D 1.0, layers of type 30 (CONVOLUTION3D) whatever they are."""
    layers = b"".join(
        held(
            2,
            held(4, name.encode()) + b"\x28\x1e" + b"".join(held(6, video_blob(x)) for x in arrays),
        )
        for name, arrays in blobs.items()
    )
    path = folder / "c3d.caffemodel"
    path.write_bytes(held(1, b"c3d") + layers)
    return path


def deconvolution3d(x, kernel, bias, strides, padding):
    images, _, *sizes = x.shape
    extents = kernel.shape[2:]
    full = [(n - 1) * s + k for n, s, k in zip(sizes, strides, extents, strict=True)]
    top = np.zeros((images, kernel.shape[1], *full))
    for place in np.ndindex(*sizes):
        cells = tuple(
            slice(i * s, i * s + k) for i, s, k in zip(place, strides, extents, strict=True)
        )
        part = np.einsum("nc,cohij->nohij", x[(..., *place)], kernel)
        top[(slice(None), slice(None), *cells)] += part
    inner = tuple(slice(p, n - p) for p, n in zip(padding, full, strict=True))
    return top[(slice(None), slice(None), *inner)] + bias[:, None, None, None]


def test_deploy_net_with_its_weights(tmp_path):
    text = DEPLOY + CONVOLUTION % ("conv", "data", "conv", 4) + POOLING + HEAD
    kernel, bias, weight, offset = (
        normal(*shape, seed=seed)
        for seed, shape in enumerate([(4, 3, 3, 3, 3), (4,), (5, 256), (5,)])
    )
    weights = caffemodel(tmp_path, conv=[kernel, bias], fc=[weight, offset])
    model = keras_fcn.from_caffe(write(tmp_path, text), weights)
    x = normal(*CLIP)
    blobs = keras_fcn.blobs(model, {"data": x})
    conv = convolution3d(x, kernel, bias, (1, 1, 1), (1, 1, 1))
    pool = pooling3d(conv, (1, 2, 2), (1, 2, 2), (0, 0, 0), mean=False)
    assert_close(blobs["pool"], pool)
    assert_close(blobs["fc"], pool.reshape(2, -1) @ weight.T + offset)


def test_weights_with_a_length(tmp_path):
    weights = caffemodel(tmp_path, conv=[normal(4, 3, 2, 3, 3), normal(4)])
    blobs = convert.load_weights(weights).layers["conv"].blobs
    assert [blob.shape for blob in blobs] == [(4, 3, 2, 3, 3), (1, 1, 1, 1, 4)]
    np.testing.assert_array_equal(blobs[0].array(), normal(4, 3, 2, 3, 3))


@pytest.mark.parametrize("diff", [False, True])
def test_mean_of_a_video(diff, tmp_path):
    mean = normal(1, 3, 16, 5, 7)
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(video_blob(mean, diff))
    np.testing.assert_array_equal(read_binaryproto(path), mean)


def test_a_video_whose_numbers_do_not_fit(tmp_path):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(video_blob(normal(1, 3, 2, 2, 2))[:-4].replace(b"\x18\x02", b"\x18\x03", 1))
    with pytest.raises(convert.CaffeError):
        read_binaryproto(path)
    path.write_bytes(b"\x18\x02\x28\x02" + held(6, struct.pack("<4f", 1, 2, 3, 4)))
    with pytest.raises(convert.CaffeError, match="comes with 4 values"):
        read_binaryproto(path)


def test_deconvolution3d(tmp_path):
    text = DEPLOY + DECONVOLUTION.replace('"conv"', '"data"')
    kernel, bias = normal(3, 2, 4, 8, 8), normal(2, seed=1)
    model = keras_fcn.from_caffe(write(tmp_path, text), caffemodel(tmp_path, up=[kernel, bias]))
    x = normal(*CLIP)
    wanted = deconvolution3d(x, kernel, bias, (2, 4, 4), (1, 2, 2))
    found = keras_fcn.blobs(model, {"data": x})["up"]
    assert found.shape == (2, 2, 8, 32, 32)
    assert_close(found, wanted)


VIDEO = """layers { name: "data" type: %s top: "data" top: "truth" image_data_param {
  source: "list.txt" mean_file: "mean.binaryproto" batch_size: 2 crop_size: 8 %s } }
"""


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (
            VIDEO % ("VIDEO_DATA", "use_image: true show_data: 0 new_height: 12 new_length: 4")
            + (CONVOLUTION % ("conv", "data", "conv", 4) + POOLING + HEAD)
            + 'layers { name: "acc" type: ACCURACY bottom: "prob" bottom: "truth" top: "acc" }',
            {"data": (None, 3, 4, 8, 8), "truth": (None,), "pool": (None, 4, 4, 4, 4), "acc": ()},
        ),
        (
            VIDEO % ("VIDEO_SEGMENTATION_DATA", "mirror: true shuffle: true new_length: 4")
            + (CONVOLUTION % ("conv", "data", "conv", 4))
            + DECONVOLUTION.replace("stride: 4", "stride: 1").replace("pad: 2", "pad: 3")
            + 'layers { name: "c" type: CONCAT bottom: "up" bottom: "up" top: "c" '
            "concat_param { concat_dim: 1 } }\n",
            {"truth": (None, 1, 4, 8, 8), "up": (None, 2, 8, 9, 9), "c": (None, 4, 8, 9, 9)},
        ),
        (
            VIDEO % ("VIDEO_SEGMENTATION_DATA", "new_length: 4")
            + (CONVOLUTION % ("conv", "data", "conv", 4))
            + 'layers { name: "loss" type: VOXEL_SOFTMAX_LOSS bottom: "conv" bottom: "truth" }',
            {"conv": (None, 4, 4, 8, 8)},
        ),
        (
            VIDEO % ("VIDEO_WITH_VOXEL_TRUTH_DATA", "num_truth_channels: 2 is_flow: true")
            + (CONVOLUTION % ("conv", "data", "conv", 2))
            + 'layers { name: "loss" type: EUCLIDEAN_LOSS bottom: "conv" bottom: "truth" }',
            {"truth": (None, 2, None, 8, 8), "conv": (None, 2, None, 8, 8)},
        ),
        (
            DEPLOY
            + CONVOLUTION % ("conv", "data", "conv", 4)
            + 'layers { name: "s" type: VOXEL_SOFTMAX bottom: "conv" top: "s" }',
            {"s": (2, 4, 4, 8, 8)},
        ),
    ],
)
def test_nets_of_training(text, shapes, tmp_path):
    network = load_network(write(tmp_path, text))
    assert {name: network.blobs[name].shape for name in shapes} == shapes
    assert network.notes == ()


def test_loss_of_voxels(tmp_path):
    text = VIDEO % ("VIDEO_SEGMENTATION_DATA", "new_length: 4") + (
        'layers { name: "l" type: VOXEL_SOFTMAX_LOSS bottom: "data" bottom: "truth" top: "loss" }'
    )
    model = keras_fcn.from_caffe(write(tmp_path, text))
    x = normal(*CLIP)
    truth = np.random.default_rng(0).integers(0, 3, (2, 1, 4, 8, 8))
    log = x - x.max(1, keepdims=True)
    log = log - np.log(np.exp(log).sum(1, keepdims=True))
    wanted = -np.take_along_axis(log, truth, 1).mean()
    fed = {"data": x, "truth": truth.astype("float32")}
    assert_close(keras_fcn.blobs(model, fed)["loss"], np.float32(wanted))
