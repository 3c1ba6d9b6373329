"""Faults that other programs have, planted in the plain form of a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.keras_fcn.verifying.causes import plain_caffe as plain


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        net: the network.
        layer: where it shows first.
        cause: the name that it must get.
        planted: layer -> switches of its plain form, or a function in its place.
        says: what the sentence must hold besides the layer.
        data: what the faulty program feeds of our input, where it prepares images itself.
        shows_data: whether it shows what it feeds.
        mean: the mean that our input lacks, where it is known.
        shown: blob -> the layer behind which the program shows it.
    """

    net: str
    layer: str
    cause: str
    planted: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    data: Any = None
    shows_data: bool = True
    mean: Any = None
    shown: dict[str, str] | None = None


MEAN = np.array([104.0, 117.0, 123.0], np.float32).reshape(1, 3, 1, 1)


def _groups_of_first(read, own):
    x = read[0]
    half = x.shape[1] // 2
    return plain.conv(np.concatenate([x[:, :half]] * 2, 1), own, pad=1, group=2)


def _groups_exchanged(read, own):
    x = read[0]
    half = x.shape[1] // 2
    parts = (x[:, half:], own[0][:4]), (x[:, :half], own[0][4:])
    top = np.concatenate([plain.conv(part, [kernel], pad=1) for part, kernel in parts], 1)
    return top + own[1].reshape(1, -1, 1, 1)


def _bilinear(read, own):
    """Half-pixel bilinear resizing by 2, written out."""
    x = read[0]
    for axis in (2, 3):
        count = x.shape[axis]
        at = np.clip((np.arange(2 * count) + 0.5) / 2 - 0.5, 0, count - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, count - 1)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x


def _nearest(read, own):
    return read[0].repeat(2, 2).repeat(2, 3)


def _corner(read, own):
    x = read[0]
    top = np.zeros((*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3]))
    top[:, :, ::2, ::2] = x
    return top


def _zero_bias(blobs):
    return [blobs[0], np.zeros_like(blobs[1])]


def _flipped(blobs):
    return [blobs[0][:, :, ::-1, ::-1], *blobs[1:]]


def _turned(blobs):
    return [blobs[0].transpose(0, 1, 3, 2), *blobs[1:]]


def _square(blobs):
    return [blobs[0].T, blobs[1]]


FAULTS = {
    # How images are prepared
    "channels": Fault(
        "caffenet", "data", "channels swapped", data=lambda x: x[:, ::-1], says="BGR"
    ),
    "channels_hidden": Fault(
        "caffenet", "conv1", "channels swapped", data=lambda x: x[:, ::-1], shows_data=False
    ),
    "no_mean": Fault("caffenet", "data", "mean missing", data=lambda x: x + MEAN, says="no mean"),
    "no_mean_hidden": Fault(
        "fcn", "conv1", "mean missing", data=lambda x: x + MEAN, shows_data=False
    ),
    "mean_order": Fault(
        "fcn",
        "data",
        "mean of another order",
        data=lambda x: x + MEAN - MEAN[:, ::-1],
        mean=(104.0, 117.0, 123.0),
    ),
    "mean_after_scale": Fault(
        "mobilenet",
        "data",
        "mean subtracted after scaling",
        data=lambda x: (x + MEAN) * 0.017 - MEAN,
        says="0.017",
    ),
    "scale_255": Fault("resnet", "data", "scale", data=lambda x: x / 255, says="1/255"),
    "scale_017": Fault("mobilenet", "data", "scale", data=lambda x: x * 0.017, says="0.017"),
    "odd_mean": Fault(
        "resnet",
        "conv1",
        "another mean",
        data=lambda x: x + np.array([3.0, -2.0, 9.0], np.float32).reshape(1, 3, 1, 1),
        shows_data=False,
        says="-3",
    ),
    # Weights
    "hwc": Fault("caffenet", "fc6", "HWC for CHW flattening", {"fc6": {"hwc": True}}),
    "hwc_average": Fault("mobilenet", "fc", "HWC for CHW flattening", {"fc": {"hwc": True}}),
    "flipped": Fault("caffenet", "conv1", "kernel flipped", {"conv1": {"blobs": _flipped}}),
    "flipped_depthwise": Fault("mobilenet", "dw", "kernel flipped", {"dw": {"blobs": _flipped}}),
    "turned": Fault("segnet", "conv2", "kernel transposed", {"conv2": {"blobs": _turned}}),
    "transposed": Fault("caffenet", "fc7", "kernel transposed", {"fc7": {"blobs": _square}}),
    "groups_lost": Fault(
        "caffenet", "conv2", "group split", {"conv2": _groups_of_first}, says="first"
    ),
    "groups_exchanged": Fault(
        "caffenet", "conv2", "group split", {"conv2": _groups_exchanged}, says="1, 0"
    ),
    "bias": Fault("caffenet", "fc8", "bias lost", {"fc8": {"blobs": _zero_bias}}),
    "bias_of_scale": Fault("resnet", "scale2", "bias lost", {"scale2": {"blobs": _zero_bias}}),
    "other_layer": Fault(
        "caffenet", "fc8", "weights of another layer", {"fc8": {"weights_of": "fc7"}}, says="fc7"
    ),
    "other_branch": Fault(
        "mobilenet", "b", "weights of another layer", {"b": {"weights_of": "a"}}, says="'a'"
    ),
    # Windows
    "same_padding": Fault(
        "mobilenet",
        "conv1",
        "padding on the other side",
        {"conv1": {"before": 0, "after": 1}},
        says="0 before",
    ),
    "floor": Fault("caffenet", "pool1", "floor for ceil pooling", {"pool1": {"rounding": "floor"}}),
    "divisor": Fault(
        "resnet", "pool", "AVE divisor", {"pool": {"divisor": "inside"}}, says="inside the map"
    ),
    # Normalization
    "alpha": Fault("caffenet", "norm1", "LRN alpha", {"norm1": {"divided": False}}),
    "region": Fault("caffenet", "norm1", "LRN region", {"norm1": {"within": True}}),
    "factor": Fault("resnet", "bn1", "BatchNorm scale factor", {"bn1": {"factor": False}}),
    "epsilon": Fault(
        "resnet", "bn1", "BatchNorm epsilon", {"bn1": {"eps": 1e-3}}, says="0.001, not 1e-05"
    ),
    "odd_epsilon": Fault(
        "resnet", "bn2", "epsilon of its own", {"bn2": {"eps": 0.0234}}, says="0.0234"
    ),
    "outside": Fault("resnet", "bn2", "epsilon outside the root", {"bn2": {"outside": True}}),
    "inverse": Fault(
        "resnet", "bn2", "variance stored as its inverse root", {"bn2": {"inverse": True}}
    ),
    # Activations
    "leaky": Fault("resnet", "relu2", "ReLU slope", {"relu2": {"slope": 0.1}}, says="0.1"),
    "odd_slope": Fault(
        "fcn", "relu1", "a slope of its own", {"relu1": {"slope": 0.137}}, says="0.137"
    ),
    "slopes_lost": Fault(
        "mobilenet",
        "prelu",
        "ReLU slope",
        {"prelu": lambda read, own: plain.relu(read[0], slope=0.25)},
    ),
    "relu6": Fault("resnet", "relu2", "ReLU6", {"relu2": {"ceiling": 6}}),
    "dropout": Fault("caffenet", "drop6", "Dropout scaling", {"drop6": {"keep": 0.6}}, says="0.6"),
    "dropout_alone": Fault("mobilenet", "drop", "Dropout scaling", {"drop": {"keep": 1 / 0.7}}),
    "axis": Fault("fcn", "prob", "Softmax axis", {"prob": {"axis": 3}}, says="axis 3"),
    "axis_segnet": Fault("segnet", "prob", "Softmax axis", {"prob": {"axis": 2}}, says="axis 2"),
    # Order and places
    "before_in_place": Fault("caffenet", "relu1", "in-place order", shown={"conv1": "conv1"}),
    "before_relu": Fault(
        "resnet", "relu1", "in-place order", shown={"conv1": "scale1"}, says="before 'relu1'"
    ),
    "behind": Fault(
        "fcn",
        "conv1",
        "in-place order",
        {"conv1": lambda read, own: plain.relu(plain.conv(*read, own, pad=4))},
        says="behind 'relu1'",
    ),
    "order_of_concat": Fault(
        "mobilenet",
        "cat",
        "order of inputs",
        {"cat": lambda read, own: np.concatenate(read[::-1], 1)},
    ),
    "deconvolution": Fault(
        "fcn", "up", "alignment of upsampling", {"up": {"start": 0}}, says="(0, 0)"
    ),
    "bilinear": Fault("fcn", "up", "alignment of upsampling", {"up": _bilinear}, says="half-pixel"),
    "crop": Fault("fcn", "crop", "offset of the crop", {"crop": {"offset": 4}}, says="(4, 4)"),
    "mask": Fault("segnet", "up", "mask of the pooling not used", {"up": _corner}, says="(0, 0)"),
    "nearest": Fault(
        "segnet", "up", "mask of the pooling not used", {"up": _nearest}, says="repeated"
    ),
}
