"""Layers that BVLC Caffe has too, of :mod:`keras_fcn.layers`: they go back as they came."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.layers.tied import Tied
from keras_fcn.to_caffe import functions
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import writer_of, writes

_WINDOWS = {"kernel_size": "kernel_size", "stride": "strides", "pad": "padding"}
_WINDOWS |= {"dilation": "dilation_rate", "axis": "axis"}
_FILTERS = {"num_output": "filters", "bias_term": "use_bias", "group": "groups"}
_RECURRENT = {"num_output": "units", "expose_hidden": "expose_hidden"}


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


# Keras layer -> Caffe's type, and field -> attribute. Labels of enums are in upper case in Caffe.
_LAYERS: dict[type, tuple[str, dict[str, str]]] = {
    layers.ArgMax: ("ArgMax", _same("out_max_val", "top_k", "axis")),
    layers.BatchNorm: (
        "BatchNorm",
        _same("eps", "moving_average_fraction", "use_global_stats"),
    ),
    layers.BatchReindex: ("BatchReindex", {}),
    layers.CaffeReshape: ("Reshape", _same("shape", "axis", "num_axes")),
    layers.Convolution: ("Convolution", _FILTERS | _WINDOWS),
    layers.Crop: ("Crop", _same("axis", "offset")),
    layers.Deconvolution: ("Deconvolution", _FILTERS | _WINDOWS),
    layers.Eltwise: ("Eltwise", _same("operation", "coeff")),
    layers.Embed: (
        "Embed",
        {"num_output": "output_dim", "input_dim": "input_dim", "bias_term": "use_bias"},
    ),
    layers.Filter: ("Filter", {}),
    layers.Im2col: ("Im2col", _WINDOWS),
    layers.InnerProduct: (
        "InnerProduct",
        {"num_output": "units", "bias_term": "use_bias", "axis": "axis"},
    ),
    layers.LocalResponseNormalization: (
        "LRN",
        _same("local_size", "alpha", "beta", "k", "norm_region"),
    ),
    layers.LSTM: ("LSTM", _RECURRENT),
    layers.LSTMUnit: ("LSTMUnit", {}),
    layers.MVN: ("MVN", _same("normalize_variance", "across_channels", "eps")),
    layers.Reduction: ("Reduction", _same("operation", "axis", "coeff")),
    layers.RNN: ("RNN", _RECURRENT),
    layers.Slice: ("Slice", {"axis": "axis"}),
    layers.SPP: ("SPP", _same("pyramid_height", "pool")),
    layers.Tile: ("Tile", _same("axis", "tiles")),
}


@writes(*_LAYERS)
def same(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """The layer of the same name, with the same settings and blobs."""
    kind, names = _LAYERS[next(cls for cls in type(layer).__mro__ if cls in _LAYERS)]
    fields = {field: getattr(layer, attribute) for field, attribute in names.items()}
    fields = {name: v.upper() if isinstance(v, str) else v for name, v in fields.items()}
    tops = 1
    if kind == "Slice":
        whole = isinstance(layer.parts, int)
        tops = layer.parts if whole else len(layer.parts) + 1
        fields |= {} if whole else {"slice_point": layer.parts}
    elif kind in ("Convolution", "Deconvolution"):
        tops = len(bottoms)
    elif kind == "Filter":
        tops = len(bottoms) - 1
    elif kind == "LSTMUnit":
        tops = 2
    elif layer.__dict__.get("expose_hidden"):
        tops = 1 + len(layer.states)
    weights = [array(weight) for weight in layer.weights]
    made = draft.add(kind, layer.name, *bottoms, weights=weights, tops=tops, **fields)
    return made[:tops]


@writes(
    *(layers.AbsVal, layers.Clip, layers.Exp, layers.Log),
    *(layers.Power, layers.ReLU, layers.Swish, layers.Threshold),
)
def elementwise(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's functions, whose arguments have the names of their fields."""
    fields = {name: float(getattr(layer, name)) for name in layer._arguments}
    return draft.each(type(layer).__name__, layer.name, x, **fields)


@writes(layers.PReLU)
def prelu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """A slope for each channel, or one."""
    alpha, x = array(layer.alpha), draft.made(x)
    shared = layer.channel_shared or None
    blob = alpha.reshape(()) if shared else x.arranged(alpha.reshape(-1))
    return draft.each("PReLU", layer.name, x, blobs=[blob], channel_shared=shared)


@writes(layers.PixelwiseSoftmax)
def softmax(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Along the channels."""
    y = functions.softmax(draft, layer.name, x)
    if not layer.flatten:
        return y
    name = f"{layer.name}_positions"
    return draft.rearranged(y, name, lambda places: places.reshape(-1, places.shape[-1]))


@writes(layers.Scale, layers.Bias)
def scale(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """A learned one along some axes, or by the second bottom."""
    fields: dict[str, Any] = {"axis": layer.axis}
    if len(bottoms) == 1:
        fields["num_axes"] = len(layer.shape)
    if isinstance(layer, layers.Scale):
        fields["bias_term"] = layer.use_bias or None
        kind = "Scale"
    else:
        kind = "Bias"
    blobs = [array(weight) for weight in layer.weights]
    if len(bottoms) > 1 and blobs and blobs[0].shape != bottoms[1].final_shape:
        raise UnsupportedLayerError("a bias of another shape than the second input")
    return draft.one(kind, layer.name, *bottoms, blobs=blobs, **fields)


@writes(layers.Parameter)
def parameter(layer: Any, draft: Draft, anchor: Blob) -> Blob:
    """A layer without bottoms."""
    weights = [array(layer.parameter)]
    shape = channels_first_shape(layer.shape)
    return draft.one("Parameter", layer.name, weights=weights, shape=shape)


@writes(layers.DummyData)
def dummy_data(layer: Any, draft: Draft, anchor: Blob) -> Any:
    """Constants, or random numbers; what follows the batch gets that of the input."""
    shapes = [
        channels_first_shape((anchor.shape[0] if shape[:1] == (None,) else shape[0], *shape[1:]))
        if shape
        else ()
        for shape in layer.shapes
    ]
    message = [{"dim": shape} for shape in shapes]
    fillers = [_filler(filler) for filler in layer.fillers]
    tops = len(shapes)
    return draft.add(
        "DummyData",
        layer.name,
        tops=tops,
        dummy_data_param={"shape": message, "data_filler": fillers},
    )


def _filler(filler: Any) -> dict[str, Any]:
    needed = {
        "constant": ("value",),
        "uniform": ("min", "max"),
        "gaussian": ("mean", "std", "sparse"),
    }
    fields = {name: filler[name] for name in needed[filler["type"]] if name in filler}
    return {"type": filler["type"]} | fields


# Losses and Accuracy: message -> its fields.
_MEASURES: dict[type, dict[str, tuple[str, ...]]] = {
    layers.Accuracy: {"accuracy_param": ("top_k", "axis", "ignore_label")},
    layers.ContrastiveLoss: {"contrastive_loss_param": ("margin", "legacy_version")},
    layers.EuclideanLoss: {},
    layers.HingeLoss: {"hinge_loss_param": ("norm",)},
    layers.InfogainLoss: {
        "loss_param": ("ignore_label", "normalization"),
        "infogain_loss_param": ("axis",),
    },
    layers.MultinomialLogisticLoss: {},
    layers.SigmoidCrossEntropyLoss: {"loss_param": ("ignore_label", "normalization")},
    layers.SoftmaxWithLoss: {
        "loss_param": ("ignore_label", "normalization"),
        "softmax_param": ("axis",),
    },
}


@writes(*_MEASURES)
def measure(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """A number, of which the second top tells more."""
    kind = next(cls for cls in type(layer).__mro__ if cls in _MEASURES)
    if getattr(layer, "class_weighting", ()):
        raise UnsupportedLayerError("class_weighting: is of SegNet's Caffe, not of BVLC's")
    fields: dict[str, Any] = {}
    for message, names in _MEASURES[kind].items():
        values = {name: getattr(layer, name) for name in names}
        fields[message] = {
            name: v.upper() if isinstance(v, str) else v for name, v in values.items()
        }
    matrix = getattr(layer, "infogain", None)
    if matrix is not None:
        h = np.asarray(matrix, np.float32)
        h = h.reshape(1, 1, *h.shape)
        bottoms += (
            draft.one("Parameter", f"{layer.name}_h", blobs=[h], constant=True, shape=h.shape),
        )
    several = getattr(layer, "per_class", False) or getattr(layer, "with_probabilities", False)
    tops = 1 + bool(several)
    if several and kind is not layers.Accuracy:  # Caffe wants a weight for each top of a loss
        fields["loss_weight"] = [1.0, 0.0]
    return draft.add(kind.__name__, layer.name, *bottoms, tops=tops, **fields)[:tops]


@writes(layers.Overwritten)
def overwritten(layer: Any, draft: Draft, old: Blob, new: Blob) -> Blob:
    """The new elements in the old blob's shape."""
    old, new = draft.plain(old), draft.plain(new)
    if old.shape == new.shape:
        return new
    return draft.one("Reshape", layer.name, new, shape=(0, *old.shape[1:]))


@writes(Tied)
def tied(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """The layer itself with the weights that it uses; they are shared by name at the end."""
    used = zip(layer.layer.weights, layer.used_weights, strict=True)
    values = [(own, keras.ops.reshape(weight, own.shape)) for own, weight in used]
    write = writer_of(layer.layer)
    if write is None:
        raise UnsupportedLayerError(f"a shared {type(layer.layer).__name__} is not written")
    with keras.StatelessScope(state_mapping=values):
        return write(layer.layer, draft, *bottoms)


_UNPOOLING = "unpooling by a mask is of SegNet's Caffe, not of BVLC's"
_REASONS = {
    layers.DensePooling2D: "it pools with dilation (in place of a stride), which Caffe's lacks",
    layers.Upsample: _UNPOOLING,
    layers.UpsampleLike: _UNPOOLING,
}


@writes(*_REASONS)
def refused(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """Layers of forks, and those of Keras models made dense."""
    raise UnsupportedLayerError(_REASONS[type(layer)])
