"""Fields of forks -> what BVLC Caffe says for the same.

Renamed fields get their current names, and what a fork does in one layer becomes two: a
convolution with ``relu: true`` is a Convolution and a ReLU. What changes no number goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.proto import forks

Notes = dict[str, list[str]]
"""What was passed over -> the layers in which it was."""


def upgrade_forks(layer: Any, notes: Notes) -> list[Any]:
    """The layers that stand for a LayerParameter, which is changed.

    Args:
        layer: the layer; one of data, or of unknown type, stays as it is.
        notes: gets what was passed over.

    Raises:
        NetworkError: fields contradict each other.
    """
    if not _is_known(layer.type):
        return [layer]
    for field, value in layer.ListFields():
        if field.message_type is None or field.name == "blobs":
            continue
        for inner in value if field.is_repeated else (value,):
            for note in forks.without_idle(inner):
                notes.setdefault(f"{field.name}: {note}", []).append(layer.name)
    if layer.HasField("engine"):
        notes.setdefault("engine is passed over", []).append(layer.name)
        layer.ClearField("engine")
    for rule in _RULES.get(layer.type, ()):
        rule(layer)
    return [layer, *(new for split in _SPLITS.get(layer.type, ()) for new in split(layer))]


def _is_known(kind: str) -> bool:
    known = LAYER_TYPES.get(kind)
    return kind in DIALECTS or (known is not None and not issubclass(known, DataLayer))


# ---- renamed fields -------------------------------------------------------------------


def _holes(layer: Any) -> None:
    """DeepLab's ``hole``, ``hole_h`` and ``hole_w`` are ``dilation``."""
    message = layer.convolution_param
    square, sides = message.HasField("hole"), [f for f in _HOLES if message.HasField(f)]
    if not square and not sides:
        return
    if message.dilation or (square and sides):
        raise NetworkError("give one of 'hole', 'hole_h' and 'hole_w', and 'dilation'")
    holes = [message.hole] if square else [getattr(message, f) or 1 for f in _HOLES]
    message.dilation.extend(holes)
    _clear(message, "hole", *_HOLES)


_HOLES = ("hole_h", "hole_w")


def _rounding(layer: Any) -> None:
    """``ceil_mode`` and ``torch_pooling`` are ``round_mode``."""
    message = layer.pooling_param
    given = {
        name: floor == getattr(message, name)
        for name, floor in (("ceil_mode", False), ("torch_pooling", True))
        if message.HasField(name)
    }
    _clear(message, *given)
    if not given:
        return
    floor = any(given.values())
    if message.HasField("round_mode") and bool(message.round_mode) != floor:
        raise NetworkError(f"{' and '.join(given)} contradicts 'round_mode'")
    if floor:
        message.round_mode = _FLOOR


_FLOOR = 1


def _padding(layer: Any) -> None:
    """Intel's ``avg_include_pad: false`` is Synopsys' ``AVE_EXC_PAD``."""
    message = layer.pooling_param
    excluded = message.HasField("avg_include_pad") and not message.avg_include_pad
    _clear(message, "avg_include_pad")
    methods = message.DESCRIPTOR.fields_by_name["pool"].enum_type.values_by_name
    if excluded and message.pool == methods["AVE"].number:
        message.pool = methods["AVE_EXC_PAD"].number


def _shuffled(layer: Any) -> None:
    """Synopsys' Reshape with ``pixelshuffler`` makes channels pixels, and reshapes nothing."""
    message = layer.reshape_param
    if message.HasField("pixelshuffler") and message.pixelshuffler != 1:
        layer.type = "PixelShuffle"
        _clear(message, "shape", "axis", "num_axes")
    else:
        _clear(message, "pixelshuffler")


def _frames(layer: Any) -> None:
    """C3D's ``kernel_depth``, ``temporal_stride`` and ``temporal_pad`` are first sizes of three."""
    message = layer.convolution_param
    if not message.HasField("kernel_depth"):
        return
    for field, own, default in (
        ("kernel_size", "kernel_depth", 1),
        ("stride", "temporal_stride", 1),
        ("pad", "temporal_pad", 0),
    ):
        sizes = [getattr(message, own)] if message.HasField(own) else [default]
        square = _one(message, field, default)
        _clear(message, own)
        message.ClearField(field)
        getattr(message, field).extend([*sizes, square, square])


def _moved(old: str, new: str, kind: str | None = None) -> Callable[[Any], None]:
    """A rule that moves the message of C3D 1.0 to where C3D 1.1 has it."""

    def move(layer: Any) -> None:
        if not layer.HasField(old) or (kind and not getattr(layer, old).HasField("kernel_depth")):
            return
        if layer.HasField(new):
            raise NetworkError(f"give either {old!r} or {new!r}, not both")
        source, target = getattr(layer, old), getattr(layer, new)
        fields = target.DESCRIPTOR.fields_by_name
        target.SetInParent()
        for field, value in source.ListFields():
            if field.name not in fields:
                raise forks.refuse(source.DESCRIPTOR.name, field.name)
            if field.message_type is not None:
                getattr(target, field.name).CopyFrom(value)
            else:
                setattr(target, field.name, _one(source, field.name, None))
        layer.ClearField(old)
        layer.type = kind or layer.type

    return move


def _pooled_size(layer: Any) -> None:
    """Intel's ``pooled_size`` is ``pooled_h`` and ``pooled_w``."""
    message = layer.roi_pooling_param
    sizes = list(message.pooled_size)
    if not sizes:
        return
    if len(sizes) > 2 or message.HasField("pooled_h") or message.HasField("pooled_w"):
        raise NetworkError("give either 'pooled_size', once or twice, or 'pooled_h' and 'pooled_w'")
    message.ClearField("pooled_size")
    message.pooled_h, message.pooled_w = sizes[0], sizes[-1]


def _blob_size(layer: Any) -> None:
    """With ``use_blob_size`` the second bottom alone gives an Interp's size."""
    message = layer.interp_param
    if message.use_blob_size:
        _clear(message, "height", "width", "zoom_factor", "shrink_factor")
    _clear(message, "use_blob_size")


def _suppression(layer: Any) -> None:
    """The first SSD's ``nms_threshold`` and ``top_k`` are those of ``nms_param``."""
    message = layer.detection_output_param
    for name in ("nms_threshold", "top_k"):
        if not message.HasField(name):
            continue
        if message.nms_param.HasField(name):
            raise NetworkError(f"{name!r} is given beside that of 'nms_param'")
        setattr(message.nms_param, name, getattr(message, name))
        message.ClearField(name)


def _six(layer: Any) -> None:
    """Synopsys' ``relu6`` is a ReLU6."""
    message = layer.relu_param
    if message.relu6:
        if message.negative_slope:
            raise NetworkError("relu6: true with a negative_slope is not built")
        layer.type = "ReLU6"
        layer.ClearField("relu_param")
    else:
        _clear(message, "relu6")


def _one(message: Any, name: str, default: Any) -> Any:
    value = getattr(message, name)
    if not message.DESCRIPTOR.fields_by_name[name].is_repeated:
        return value
    if len(value) > 1:
        raise NetworkError(f"field {name!r} takes one value here, has {len(value)}")
    return value[0] if value else default


def _clear(message: Any, *names: str) -> None:
    for name in names:
        if name in message.DESCRIPTOR.fields_by_name and message.HasField(name):
            message.ClearField(name)


# ---- layers that are two --------------------------------------------------------------


def _relu(message_name: str) -> Callable[[Any], Iterator[Any]]:
    """A rule for a layer whose message has ``relu`` and perhaps ``negative_slope``."""

    def split(layer: Any) -> Iterator[Any]:
        message = getattr(layer, message_name)
        relu = message.relu
        slope = getattr(message, "negative_slope", 0.0)
        _clear(message, "relu", "negative_slope")
        if not relu:
            return
        for top in layer.top:
            new = _behind(layer, "ReLU", top)
            if slope:
                new.relu_param.negative_slope = slope
            yield new

    return split


def _unscaled(layer: Any) -> Iterator[Any]:
    """With ``scale_train: false`` units are scaled when tested, in place of when trained."""
    message = layer.dropout_param
    scaled = not message.HasField("scale_train") or message.scale_train
    _clear(message, "scale_train")
    if scaled:
        return
    ratio = message.dropout_ratio if message.HasField("dropout_ratio") else 0.5
    new = _behind(layer, "Power", layer.top[0])
    new.power_param.scale = 1 - ratio
    yield new


def _behind(layer: Any, kind: str, top: str) -> Any:
    """A layer that works in place on a top of another, in the same states."""
    new = type(layer)()
    new.name, new.type = f"{layer.name}/{kind.lower()}", kind
    if len(layer.top) > 1:
        new.name += f"_{top}"
    new.bottom.append(top)
    new.top.append(top)
    new.include.extend(layer.include)
    new.exclude.extend(layer.exclude)
    if layer.HasField("phase"):
        new.phase = layer.phase
    return new


_CONVOLUTIONS = (
    *("Convolution", "Deconvolution", "ConvolutionDepthwise", "ConvolutionDepthWise"),
    *("DepthwiseConvolution", "DepthwiseConv", "Im2col"),
)
_RULES: dict[str, Sequence[Callable[[Any], None]]] = {
    **dict.fromkeys(_CONVOLUTIONS, (_holes, _frames)),
    "Convolution3D": (_moved("convolution_param", "convolution3d_param"),),
    "Deconvolution3D": (_moved("convolution_param", "convolution3d_param"),),
    "DetectionOutput": (_suppression,),
    "DetectionOutputExtended": (_suppression,),
    "Interp": (_blob_size,),
    "ROIAlign": (_pooled_size,),
    "ROIPooling": (_pooled_size,),
    "ReLU": (_six,),
    "Reshape": (_shuffled,),
    "Pooling": (_rounding, _padding, _moved("pooling_param", "pooling3d_param", "Pooling3D")),
    "Pooling3D": (_moved("pooling_param", "pooling3d_param"),),
}
_SPLITS: dict[str, Sequence[Callable[[Any], Iterator[Any]]]] = {
    **dict.fromkeys(_CONVOLUTIONS, (_relu("convolution_param"),)),
    "BatchNorm": (_relu("batch_norm_param"),),
    "InnerProduct": (_relu("inner_product_param"),),
    "Dropout": (_unscaled,),
}
