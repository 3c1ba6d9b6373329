"""Five small networks of the families that are in use, each with a plain form in NumPy.

The plain form takes the faults: layer -> switches of `plain_caffe`, or a function of what the
layer reads and holds, in its place.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.surgery.net import open_net
from tests.keras_fcn.verifying.causes import plain_caffe as plain

_FILLERS = 'weight_filler { type: "gaussian" std: %g } bias_filler { type: "gaussian" std: 0.3 }'


def _layer(kind, name, bottoms, tops=None, params=""):
    bottoms = [bottoms] if isinstance(bottoms, str) else bottoms
    lines = [f'bottom: "{x}"' for x in bottoms]
    lines += [f'top: "{x}"' for x in ([tops or name] if isinstance(tops or name, str) else tops)]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(lines)} {params} }}\n'


def _data(*shape):
    dims = " ".join(f"dim: {x}" for x in shape)
    return _layer("Input", "data", [], "data", f"input_param {{ shape {{ {dims} }} }}")


def _conv(name, bottom, outputs, kernel, more="", std=0.3, kind="Convolution"):
    fields = f"num_output: {outputs} kernel_size: {kernel} {more} {_FILLERS % std}"
    return _layer(kind, name, bottom, None, f"convolution_param {{ {fields} }}")


def _inner(name, bottom, outputs, std=0.3):
    fields = f"num_output: {outputs} {_FILLERS % std}"
    return _layer("InnerProduct", name, bottom, None, f"inner_product_param {{ {fields} }}")


def _pool(name, bottom, more, tops=None):
    return _layer("Pooling", name, bottom, tops, f"pooling_param {{ {more} }}")


def _in_place(kind, name, blob, params=""):
    return _layer(kind, name, blob, blob, params)


NETS = {
    "caffenet": _data(2, 3, 21, 21)
    + _conv("conv1", "data", 6, 5, "stride: 2 pad: 1", std=0.005)
    + _in_place("ReLU", "relu1", "conv1")
    + _pool("pool1", "conv1", "pool: MAX kernel_size: 3 stride: 2")
    + _layer("LRN", "norm1", "pool1", None, "lrn_param { local_size: 5 alpha: 0.5 beta: 0.75 }")
    + _conv("conv2", "norm1", 8, 3, "pad: 1 group: 2")
    + _in_place("ReLU", "relu2", "conv2")
    + _pool("pool2", "conv2", "pool: MAX kernel_size: 3 stride: 2")
    + _inner("fc6", "pool2", 10)
    + _in_place("ReLU", "relu6", "fc6")
    + _in_place("Dropout", "drop6", "fc6", "dropout_param { dropout_ratio: 0.4 }")
    + _inner("fc7", "fc6", 10)
    + _in_place("ReLU", "relu7", "fc7")
    + _inner("fc8", "fc7", 10)
    + _layer("Softmax", "prob", "fc8"),
    "fcn": _data(1, 3, 14, 14)
    + _conv("conv1", "data", 5, 3, "pad: 4", std=0.005)
    + _layer("ReLU", "relu1", "conv1")
    + _pool("pool1", "relu1", "pool: MAX kernel_size: 2 stride: 2")
    + _conv("conv2", "pool1", 5, 3, "pad: 1")
    + _in_place("ReLU", "relu2", "conv2")
    + _conv("score", "conv2", 4, 1)
    + _conv("up", "score", 4, 4, "stride: 2 pad: 1 bias_term: false", kind="Deconvolution")
    + _layer("Crop", "crop", ["up", "data"], None, "crop_param { axis: 2 offset: 3 }")
    + _layer("Softmax", "prob", "crop"),
    "resnet": _data(2, 3, 15, 15)
    + _conv("conv1", "data", 6, 3, "stride: 2 pad: 1 bias_term: false", std=0.005)
    + _in_place("BatchNorm", "bn1", "conv1")
    + _in_place("Scale", "scale1", "conv1", "scale_param { bias_term: true }")
    + _in_place("ReLU", "relu1", "conv1")
    + _conv("conv2", "conv1", 6, 3, "pad: 1 bias_term: false")
    + _layer("BatchNorm", "bn2", "conv2", None, "batch_norm_param { eps: 0.001 }")
    + _layer("Scale", "scale2", "bn2", None, "scale_param { bias_term: true }")
    + _layer("Eltwise", "sum", ["conv1", "scale2"])
    + _layer("ReLU", "relu2", "sum")
    + _pool("pool", "relu2", "pool: AVE kernel_size: 3 stride: 2 pad: 1")
    + _inner("fc", "pool", 7),
    "segnet": _data(1, 3, 12, 16)
    + _conv("conv1", "data", 4, 3, "pad: 1", std=0.005)
    + _in_place("ReLU", "relu1", "conv1")
    + _pool("pool1", "conv1", "pool: MAX kernel_size: 2 stride: 2", ["pool1", "mask"])
    + _conv("conv2", "pool1", 4, 3, "pad: 1")
    + _layer("Upsample", "up", ["conv2", "mask"], None, "upsample_param { scale: 2 }")
    + _conv("conv3", "up", 4, 3, "pad: 1")
    + _layer("Softmax", "prob", "conv3"),
    "mobilenet": _data(1, 3, 16, 16)
    + _conv("conv1", "data", 6, 3, "stride: 2 pad: 1", std=0.005)
    + _in_place("ReLU", "relu1", "conv1")
    + _conv("dw", "conv1", 6, 3, "pad: 1 group: 6", std=0.5)
    + _layer(
        "PReLU", "prelu", "dw", None, 'prelu_param { filler { type: "uniform" min: 0.1 max: 0.5 } }'
    )
    + _conv("a", "prelu", 3, 1)
    + _conv("b", "prelu", 3, 1)
    + _layer("Concat", "cat", ["a", "b"])
    + _pool("pool", "cat", "pool: AVE kernel_size: 3 stride: 2")
    + _layer("Dropout", "drop", "pool", None, "dropout_param { dropout_ratio: 0.3 }")
    + _inner("fc", "drop", 5),
}


@dataclass
class Small:
    """A network, its weights and what it is fed."""

    net: object
    data: np.ndarray

    @property
    def network(self):
        return self.net.network

    @functools.cached_property
    def blobs(self):
        return {name: list(self.net.params[name]) for name in self.net.params}


@functools.cache
def small(name, folder):
    """A network with seeded weights and an image in the range of Caffe's."""
    path = folder / f"{name}.prototxt"
    path.write_text(f'name: "{name}"\n{NETS[name]}')
    net = open_net(path, seed=7)
    draw = np.random.default_rng(3)
    for layer in net.network.layers:
        if layer.type == "BatchNorm":
            channels = len(net.params[layer.name][0])
            mean, variance = draw.normal(size=channels), draw.uniform(0.02, 2, channels)
            net.params[layer.name][:] = [5 * mean, 5 * variance, np.array([5.0])]
        if layer.type == "Scale":
            channels = len(net.params[layer.name][0])
            net.params[layer.name][:] = draw.normal(1, 0.4, channels), draw.normal(size=channels)
    shape = net.network.input_shapes["data"]
    image = draw.uniform(0, 255, shape) - np.array([104.0, 117.0, 123.0]).reshape(1, 3, 1, 1)
    return Small(net, image.astype(np.float32))


def reference(small, faults=None, data=None, shown=None):
    """Every blob by plain NumPy.

    Args:
        small: the network.
        faults: layer -> what is otherwise.
        data: what is fed instead.
        shown: blob -> the layer behind which it is shown, instead of in the end.
    """
    faults, early = faults or {}, {}
    blobs = {"data": small.data if data is None else data}
    for layer in small.network.layers:
        if layer.type == "Input":
            continue
        read = [blobs[x.name] for x in layer.bottoms]
        fault = faults.get(layer.name, {})
        holder = layer.name if callable(fault) else fault.get("weights_of", layer.name)
        own = [np.array(x) for x in small.blobs.get(holder, [])]
        made = fault(read, own) if callable(fault) else computed(layer, read, own, **fault)
        made = made if isinstance(made, tuple) else (made,)
        blobs.update(
            (top.name, np.asarray(x, np.float32)) for top, x in zip(layer.tops, made, strict=False)
        )
        early |= {
            blob: blobs[blob] for blob, behind in (shown or {}).items() if behind == layer.name
        }
    return blobs | early


def computed(layer, read, own, **switches):
    """The tops of one layer."""
    params, x = layer.params, read[0]
    switches.pop("weights_of", None)
    if "blobs" in switches:
        own = switches.pop("blobs")(own)
    if "bottom" in switches:
        x = switches.pop("bottom")(x)
    one = {f: getattr(params, f)[0] for f in ("stride", "pad") if hasattr(params, f)}
    match layer.type:
        case "Convolution":
            return plain.conv(x, own, **{"group": params.group, **one, **switches})
        case "Deconvolution":
            return plain.deconv(x, own, **one, **switches)
        case "Pooling":
            kernel = params.kernel_size[0]
            return plain.pool(x, **{"kind": params.pool, "kernel": kernel, **one, **switches})
        case "LRN":
            fields = {"size": params.local_size, "alpha": params.alpha, "beta": params.beta}
            return plain.lrn(x, **{**fields, **switches})
        case "BatchNorm":
            return plain.batch_norm(x, own, **{"eps": params.eps, **switches})
        case "Scale":
            return plain.scale(x, own)
        case "ReLU":
            return plain.relu(x, **{"slope": params.negative_slope, **switches})
        case "PReLU":
            return plain.prelu(x, own)
        case "InnerProduct":
            return plain.inner(x, own, **switches)
        case "Softmax":
            return plain.softmax(x, **switches)
        case "Crop":
            at = switches.get("offset", params.offset[0])
            return x[..., at : at + read[1].shape[2], at : at + read[1].shape[3]]
        case "Eltwise":
            return sum(read)
        case "Concat":
            return np.concatenate(read, 1)
        case "Upsample":
            return plain.unpool(x, read[1], [2 * n for n in x.shape[2:]])
        case "Dropout":
            return x * switches.get("keep", 1)
    raise NotImplementedError(layer.type)
