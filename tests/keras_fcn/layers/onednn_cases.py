"""What TensorFlow with oneDNN does otherwise; run in a process of its own, see test_onednn."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_fcn
from keras_fcn import layers

INPUT = """layer { name: "%s" type: "Input" top: "%s" input_param { shape { %s } } }
"""


def net(text: str) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.prototxt"
        path.write_text(text)
        return keras_fcn.from_caffe(path, seed=1)


def image(channels: int = 8, side: int = 8) -> str:
    return INPUT % ("d", "d", f"dim: 1 dim: {channels} dim: {side} dim: {side}")


def one(kind: str, settings: str, bottom: str = "d", top: str = "t") -> str:
    return f'layer {{ name: "{top}" type: "{kind}" bottom: "{bottom}" top: "{top}" {settings} }}\n'


SINGLE = {
    "conv": ("Convolution", "convolution_param { num_output: 16 kernel_size: 1 }"),
    "strided": ("Convolution", "convolution_param { num_output: 16 kernel_size: 1 stride: 2 }"),
    "padded": (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 }",
    ),
    "dilated": (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 3 dilation: 2 stride: 2 }",
    ),
    "groups": ("Convolution", "convolution_param { num_output: 16 kernel_size: 3 group: 2 }"),
    "depthwise": ("Convolution", "convolution_param { num_output: 16 kernel_size: 3 group: 8 }"),
    "deconv": ("Deconvolution", "convolution_param { num_output: 3 kernel_size: 4 stride: 2 }"),
    "far": ("Deconvolution", "convolution_param { num_output: 3 kernel_size: 16 stride: 8 }"),
    "each": (
        "Deconvolution",
        "convolution_param { num_output: 8 kernel_size: 4 stride: 2 group: 8 }",
    ),
    "max": ("Pooling", "pooling_param { kernel_size: 3 stride: 2 }"),
    "mean": ("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
    "global": ("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    "product": ("InnerProduct", "inner_product_param { num_output: 5 }"),
    "softmax": ("Softmax", ""),
    "lrn": ("LRN", ""),
    "lrn_within": ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }"),
    "bn": ("BatchNorm", ""),
    "mvn": ("MVN", ""),
    "scale": ("Scale", ""),
    "prelu": ("PReLU", ""),
    "flatten": ("Flatten", ""),
    "reshape": ("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"),
    "slice": ("Slice", 'top: "u"'),
    "spp": ("SPP", "spp_param { pyramid_height: 2 }"),
    "im2col": ("Im2col", "convolution_param { kernel_size: 3 }"),
    "tile": ("Tile", "tile_param { tiles: 2 }"),
    "argmax": ("ArgMax", ""),
    "power": ("Power", "power_param { power: 2 }"),
    "interp": ("Interp", "interp_param { zoom_factor: 2 }"),
    "permute": ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
}


def empty_batches() -> None:
    for name, (kind, settings) in SINGLE.items():
        model = net(image() + one(kind, settings))
        full = keras_fcn.blobs(model, np.zeros((2, 8, 8, 8), "f"))
        found = keras_fcn.blobs(model, np.zeros((0, 8, 8, 8), "f"))
        for blob, value in full.items():
            assert found[blob].shape == (0, *value.shape[1:]), (name, blob, found[blob].shape)
        for output in keras.tree.flatten(model(np.zeros((0, 8, 8, 8), "f"))):
            assert output.shape[0] == 0, name
    print("empty batches")


HEAD = (
    image()
    + INPUT % ("rois", "rois", "dim: 300 dim: 5")
    + """
layer { name: "pool" type: "ROIPooling" bottom: "d" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 4 pooled_w: 4 spatial_scale: 1 } }
"""
    + one("Convolution", "convolution_param { num_output: 16 kernel_size: 3 pad: 1 }", "pool", "c1")
    + 'layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }\n'
    + one("Convolution", "convolution_param { num_output: 6 kernel_size: 1 stride: 2 }", "c1", "c2")
    + one("Convolution", "convolution_param { num_output: 6 kernel_size: 2 group: 6 }", "c2", "c3")
    + one("BatchNorm", "", "c3", "bn")
    + one("Pooling", "pooling_param { pool: AVE global_pooling: true }", "bn", "mean")
    + one("InnerProduct", "inner_product_param { num_output: 5 }", "mean", "fc")
    + one("Softmax", "", "fc", "prob")
)


def heads_without_boxes() -> None:
    model = net(HEAD)
    assert all(model.get_layer(name).may_be_empty for name in ("c1", "c2", "c3"))
    again = type(model).from_config(model.get_config()).get_layer("c1")
    assert again.may_be_empty
    images, rois = np.ones((1, 8, 8, 8), "f"), np.array([[0, 0, 0, 5, 5]], "f")
    blobs = keras_fcn.blobs(model, {"d": images, "rois": rois[:0]})
    full = keras_fcn.blobs(model, {"d": images, "rois": rois})
    for name, value in full.items():
        if name != "d":
            assert blobs[name].shape == (0, *value.shape[1:]), (name, blobs[name].shape)
    assert model([images, rois[:0]]).shape == (0, 5)
    spec = [tf.TensorSpec((None, *x.shape[1:]), tf.float32) for x in (images, rois)]
    graph = tf.function(lambda *x: model(list(x))).get_concrete_function(*spec)
    assert graph(images, rois[:0]).shape == (0, 5)
    np.testing.assert_allclose(graph(images, rois), full["prob"], rtol=1e-5)
    with tempfile.TemporaryDirectory() as folder:
        keras_fcn.export(model, Path(folder) / "served")
        serve = tf.saved_model.load(str(Path(folder) / "served")).signatures["serving_default"]
        assert serve(d=images, rois=rois[:0])["prob"].shape == (0, 5)
    print("heads without boxes")


def gradients() -> None:
    rng = np.random.default_rng(0)
    for strides in ((2, 2), (2, 1), (1, 3)):
        for make in (
            lambda s: layers.GroupedConv2D(4, 1, strides=s),
            lambda s: layers.GroupedConv2D(4, 1, strides=s, padding="same"),
            lambda s: layers.GroupedConv2D(3, 1, strides=s, groups=3),
            lambda s: layers.Convolution(4, 1, strides=s),
        ):
            layer = make(strides)
            x = tf.constant(rng.normal(size=(3, 12, 11, 3)).astype("f"))
            layer.build(x.shape)
            with tf.GradientTape() as tape:
                y = layer(x)
                total = tf.reduce_sum(y * y)
            gradient = tape.gradient(total, layer.kernel).numpy()
            kernel = np.asarray(layer.kernel.numpy(), "d")[0, 0]
            cells = x.numpy()[:, :: strides[0], :: strides[1]].astype("d")
            if kernel.shape[0] == 1:  # depthwise
                expected = 2 * (cells**2).sum((0, 1, 2)) * kernel[0]
            else:
                expected = 2 * np.einsum("nhwi,nhwj,jo->io", cells, cells, kernel)
            assert y.shape[1:3] == cells.shape[1:3]
            np.testing.assert_allclose(
                gradient.reshape(kernel.shape[0], -1).ravel(), expected.ravel(), rtol=1e-4
            )
    print("gradients")


def numbers() -> None:
    """Sums of all blobs, weighted by their places."""
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype("f")
    for name, (kind, settings) in SINGLE.items():
        for blob, value in keras_fcn.blobs(net(image() + one(kind, settings)), x).items():
            total = np.dot(value.ravel(), np.cos(np.arange(value.size)))
            print(name, blob, value.shape, f"{total:.3f}")
    print(keras_fcn.CaffeNetFCN().output_shape, keras_fcn.LeNet().output_shape)


if __name__ == "__main__":
    for case in sys.argv[1:]:
        globals()[case]()
