"""The benchmarks' networks: prototxt text from short tables, repeatable random weights."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PARAMETERS = {
    "Convolution": "convolution_param",
    "Dropout": "dropout_param",
    "InnerProduct": "inner_product_param",
    "LRN": "lrn_param",
    "Pooling": "pooling_param",
}
_IN_PLACE = ("Dropout", "ReLU")
_WITH_WEIGHTS = ("Convolution", "InnerProduct")

_CAFFENET_FEATURES = """
conv1 Convolution num_output: 96 kernel_size: 11 stride: 4
relu1 ReLU
pool1 Pooling pool: MAX kernel_size: 3 stride: 2
norm1 LRN local_size: 5 alpha: 0.0001 beta: 0.75
conv2 Convolution num_output: 256 kernel_size: 5 pad: 2 group: 2
relu2 ReLU
pool2 Pooling pool: MAX kernel_size: 3 stride: 2
norm2 LRN local_size: 5 alpha: 0.0001 beta: 0.75
conv3 Convolution num_output: 384 kernel_size: 3 pad: 1
relu3 ReLU
conv4 Convolution num_output: 384 kernel_size: 3 pad: 1 group: 2
relu4 ReLU
conv5 Convolution num_output: 256 kernel_size: 3 pad: 1 group: 2
relu5 ReLU
pool5 Pooling pool: MAX kernel_size: 3 stride: 2
"""
_CLASSIFIER = """
fc6 InnerProduct num_output: 4096
relu6 ReLU
drop6 Dropout dropout_ratio: 0.5
fc7 InnerProduct num_output: 4096
relu7 ReLU
drop7 Dropout dropout_ratio: 0.5
fc8 InnerProduct num_output: 1000
prob Softmax
"""
_FULLY_CONVOLUTIONAL = """
fc6-conv Convolution num_output: 4096 kernel_size: 6
relu6 ReLU
drop6 Dropout dropout_ratio: 0.5
fc7-conv Convolution num_output: 4096 kernel_size: 1
relu7 ReLU
drop7 Dropout dropout_ratio: 0.5
fc8-conv Convolution num_output: 1000 kernel_size: 1
prob Softmax
"""
_LENET = """
conv1 Convolution num_output: 20 kernel_size: 5
pool1 Pooling pool: MAX kernel_size: 2 stride: 2
conv2 Convolution num_output: 50 kernel_size: 5
pool2 Pooling pool: MAX kernel_size: 2 stride: 2
ip1 InnerProduct num_output: 500
relu1 ReLU
ip2 InnerProduct num_output: 10
prob Softmax
"""
_VGG16_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def _vgg16_features() -> str:
    rows = []
    for stage, (filters, depth) in enumerate(_VGG16_STAGES, 1):
        for index in range(1, depth + 1):
            rows += [
                f"conv{stage}_{index} Convolution num_output: {filters} kernel_size: 3 pad: 1",
                f"relu{stage}_{index} ReLU",
            ]
        rows.append(f"pool{stage} Pooling pool: MAX kernel_size: 2 stride: 2")
    return "\n".join(rows)


def _quarter(table: str) -> str:
    """A table whose layers have a fourth of the outputs."""
    return re.sub(r"(?<=num_output: )\d+", lambda found: str(int(found[0]) // 4), table)


@dataclass(frozen=True)
class Row:
    """One layer: it reads what the row before it makes.

    Attributes:
        name: the layer's name.
        kind: Caffe's type.
        fields: what its parameters say, as in the prototxt.
    """

    name: str
    kind: str
    fields: dict[str, str]

    @classmethod
    def parse(cls, line: str) -> Row:
        """From a line of a table: name, type, fields."""
        name, kind, *words = line.split()
        fields = zip((word.rstrip(":") for word in words[::2]), words[1::2], strict=True)
        return cls(name, kind, dict(fields))


@dataclass(frozen=True)
class Net:
    """A chain of layers on square images.

    Attributes:
        name: the network's name.
        size: height and width of the image in pixels.
        table: a layer a line.
        channels: of the image.
    """

    name: str
    size: int
    table: str
    channels: int = 3

    @property
    def rows(self) -> list[Row]:
        """The layers."""
        return [Row.parse(line) for line in self.table.splitlines() if line]

    @property
    def prototxt(self) -> str:
        """The network as Caffe writes it."""
        sizes = " ".join(f"dim: {size}" for size in (1, self.channels, self.size, self.size))
        shape = f"input_param {{ shape {{ {sizes} }} }}"
        head = f'layer {{ name: "data" type: "Input" top: "data" {shape} }}'
        return "\n".join([f'name: "{self.name}"', head, *self._layers(self.rows)[0], ""])

    def training(self, batch: int) -> str:
        """The network as one trains it: random weights, a label for each image, a loss."""
        sizes = " ".join(f"dim: {n}" for n in (batch, self.channels, self.size, self.size))
        shapes = f"shape {{ {sizes} }} shape {{ dim: {batch} }}"
        rows = [row for row in self.rows if row.kind != "Softmax"]
        layers, last = self._layers(rows, 'weight_filler { type: "msra" } ')
        tops = 'top: "data" top: "label"'
        head = f'layer {{ name: "data" type: "Input" {tops} input_param {{ {shapes} }} }}'
        bottoms = f'bottom: "{last}" bottom: "label"'
        loss = f'layer {{ name: "loss" type: "SoftmaxWithLoss" {bottoms} top: "loss" }}'
        return "\n".join([f'name: "{self.name}"', head, *layers, loss, ""])

    @staticmethod
    def _layers(rows: Sequence[Row], filler: str = "") -> tuple[list[str], str]:
        """The layers behind the input, and the blob that the last one makes."""
        text, bottom = [], "data"
        for row in rows:
            top = bottom if row.kind in _IN_PLACE else row.name
            fields = " ".join(f"{field}: {value}" for field, value in row.fields.items())
            own = filler if row.kind in _WITH_WEIGHTS else ""
            parameters = f"{_PARAMETERS[row.kind]} {{ {own}{fields} }} " if fields else ""
            text.append(
                f'layer {{ name: "{row.name}" type: "{row.kind}" bottom: "{bottom}" top: "{top}" '
                f"{parameters}}}"
            )
            bottom = top
        return text, bottom


NETS = {
    net.name: net
    for net in (
        Net("caffenet", 227, _CAFFENET_FEATURES + _CLASSIFIER),
        Net("caffenet_fcn", 451, _CAFFENET_FEATURES + _FULLY_CONVOLUTIONAL),
        Net("vgg16", 224, _vgg16_features() + _CLASSIFIER),
        Net("lenet", 28, _LENET, channels=1),
        Net("caffenet_quarter", 227, _quarter(_CAFFENET_FEATURES + _CLASSIFIER)),
        Net("tiny", 32, "conv Convolution num_output: 8 kernel_size: 5\nprob Softmax"),
    )
}


def write(net: Net, folder: Path) -> tuple[Path, Path]:
    """Write ``<name>.prototxt`` and ``<name>.caffemodel``; give their paths.

    A fully convolutional network gets its classifier's weights: every layer draws
    from a generator of its own, seeded by its name without ``-conv``.
    """
    import numpy as np

    import convert

    prototxt = folder / f"{net.name}.prototxt"
    prototxt.write_text(net.prototxt)
    weights = {}
    for layer in convert.load_network(prototxt).layers:
        if not layer.weight_shapes:
            continue
        kernel_shape, bias_shape = layer.weight_shapes
        seed = layer.name.removesuffix("-conv").encode()
        random = np.random.default_rng(list(seed))
        kernel = random.standard_normal(kernel_shape, np.float32)
        kernel /= math.sqrt(math.prod(kernel_shape[1:]))
        weights[layer.name] = [kernel, random.standard_normal(bias_shape, np.float32)]
    caffemodel = folder / f"{net.name}.caffemodel"
    convert.write_caffemodel(caffemodel, prototxt, weights)
    return prototxt, caffemodel


_ZOO = {
    "googlenet": ("GoogLeNet", (224, 224)),
    "mobilenet": ("MobileNet", (224, 224)),
    "fcn8s": ("FCN8s", (500, 500)),
    "dilation8": ("DilatedNetPascalVOC", (500, 500)),
    "segnet": ("SegNetBasic", (360, 480)),
}
"""Network -> a function of ``keras_fcn`` that makes it, and the size of its images."""


def files(name: str, folder: Path) -> tuple[Path, Path]:
    """A network's prototxt and caffemodel, written unless they are there.

    Networks of ``keras_fcn`` get random weights, and batch norms that leave the scale as it is.
    """
    prototxt, caffemodel = (folder / f"{name}.{ending}" for ending in ("prototxt", "caffemodel"))
    if prototxt.exists():
        return prototxt, caffemodel
    if name in NETS:
        return write(NETS[name], folder)
    import numpy as np

    import keras_fcn

    constructor, size = _ZOO[name]
    model = getattr(keras_fcn, constructor)(input_shape=(*size, 3))
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "variance" in weight.name:
            weight.assign(np.ones(weight.shape))
        elif len(weight.shape) > 1 and not np.any(np.asarray(weight)):  # a zero upsampling, say
            weight.assign(random.standard_normal(weight.shape, np.float32) * 0.01)
    keras_fcn.export(model, caffemodel)
    return prototxt, caffemodel


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a network's prototxt and caffemodel.")
    parser.add_argument("net", choices=NETS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    write(NETS[options.net], options.folder)
