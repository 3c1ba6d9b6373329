"""Fields of forks in BVLC Caffe's words: a rule for each, by type of layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.definition import Fields, LayerDefinition, Word
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import forks, schema

Rule = Callable[[LayerDefinition], LayerDefinition]
Split = Callable[[LayerDefinition], Sequence[LayerDefinition]]

_LAYER = "LayerParameter"


def _with(layer: LayerDefinition, message: str, fields: Fields) -> LayerDefinition:
    """The layer with other fields in one of its messages."""
    return replace(layer, fields=layer.fields.with_(**{message: fields}))


# ---- renamed fields -------------------------------------------------------------------


def _within(message: str, rule: Callable[[Fields], Fields]) -> Rule:
    """A rule for the fields of one message, which is set."""

    def apply(layer: LayerDefinition) -> LayerDefinition:
        if message not in layer.fields:
            return layer
        return _with(layer, message, rule(layer.fields.message(message)))

    return apply


def _holes(fields: Fields) -> Fields:
    """DeepLab's `hole`, `hole_h` and `hole_w` are `dilation`."""
    square, sides = "hole" in fields, [name for name in _HOLES if name in fields]
    if not square and not sides:
        return fields
    if "dilation" in fields or (square and sides):
        raise NetworkError("give one of 'hole', 'hole_h' and 'hole_w', and 'dilation'")
    holes = (fields["hole"],) if square else tuple(fields.get(name) or 1 for name in _HOLES)
    return fields.without("hole", *_HOLES).with_(dilation=holes)


_HOLES = ("hole_h", "hole_w")


def _rounding(fields: Fields) -> Fields:
    """`ceil_mode` and `torch_pooling` are `round_mode`."""
    given = {
        name: floor == fields[name]
        for name, floor in (("ceil_mode", False), ("torch_pooling", True))
        if name in fields
    }
    if not given:
        return fields
    floor = any(given.values())
    if "round_mode" in fields and (fields["round_mode"] == _FLOOR) != floor:
        raise NetworkError(f"{' and '.join(given)} contradicts 'round_mode'")
    fields = fields.without(*given)
    return fields.with_(round_mode=_FLOOR) if floor else fields


_FLOOR = Word("FLOOR")


def _padding(fields: Fields) -> Fields:
    """Intel's `avg_include_pad: false` is Synopsys' `AVE_EXC_PAD`."""
    excluded = fields.get("avg_include_pad") is False and fields.get("pool") == "AVE"
    fields = fields.without("avg_include_pad")
    return fields.with_(pool=Word("AVE_EXC_PAD")) if excluded else fields


def _shuffled(layer: LayerDefinition) -> LayerDefinition:
    """Synopsys' Reshape with `pixelshuffler` makes channels pixels, and reshapes nothing."""
    fields = layer.fields.message("reshape_param")
    if fields.get("pixelshuffler", 1) != 1:
        fields = fields.without("shape", "axis", "num_axes")
        return _with(replace(layer, type="PixelShuffle"), "reshape_param", fields)
    if "pixelshuffler" in fields:
        return _with(layer, "reshape_param", fields.without("pixelshuffler"))
    return layer


def _frames(fields: Fields) -> Fields:
    """C3D's `kernel_depth`, `temporal_stride` and `temporal_pad` are first sizes of three."""
    if "kernel_depth" not in fields:
        return fields
    sizes = {}
    for name, own, default in (
        ("kernel_size", "kernel_depth", 1),
        ("stride", "temporal_stride", 1),
        ("pad", "temporal_pad", 0),
    ):
        square = _one(name, fields.get(name, default))
        sizes[name] = (fields.get(own, default), square, square)
    return fields.without("kernel_depth", "temporal_stride", "temporal_pad").with_(**sizes)


def _moved(old: str, new: str, kind: str | None = None) -> Rule:
    """A rule that moves the message of C3D 1.0 to where C3D 1.1 has it."""

    def move(layer: LayerDefinition) -> LayerDefinition:
        source = layer.fields.message(old)
        if old not in layer.fields or (kind and "kernel_depth" not in source):
            return layer
        if new in layer.fields:
            raise NetworkError(f"give either {old!r} or {new!r}, not both")
        known = schema.kinds(schema.kinds(_LAYER)[new])
        for name in source:
            if name not in known:
                raise forks.refuse(schema.kinds(_LAYER)[old], name)
        moved = Fields({name: _one(name, value) for name, value in source.items()})
        layer = replace(layer, type=kind or layer.type, fields=layer.fields.without(old))
        return _with(layer, new, moved)

    return move


def _pooled_size(fields: Fields) -> Fields:
    """Intel's `pooled_size` is `pooled_h` and `pooled_w`."""
    sizes = fields.get("pooled_size", ())
    if not sizes:
        return fields
    if len(sizes) > 2 or "pooled_h" in fields or "pooled_w" in fields:
        raise NetworkError("give either 'pooled_size', once or twice, or 'pooled_h' and 'pooled_w'")
    return fields.without("pooled_size").with_(pooled_h=sizes[0], pooled_w=sizes[-1])


def _blob_size(fields: Fields) -> Fields:
    """With `use_blob_size` the second bottom alone gives an Interp's size."""
    if fields.get("use_blob_size"):
        fields = fields.without("height", "width", "zoom_factor", "shrink_factor")
    return fields.without("use_blob_size")


def _suppression(fields: Fields) -> Fields:
    """The first SSD's `nms_threshold` and `top_k` are those of `nms_param`."""
    for name in ("nms_threshold", "top_k"):
        if name not in fields:
            continue
        inner = fields.message("nms_param")
        if name in inner:
            raise NetworkError(f"{name!r} is given beside that of 'nms_param'")
        fields = fields.without(name).with_(nms_param=inner.with_(**{name: fields[name]}))
    return fields


def _six(layer: LayerDefinition) -> LayerDefinition:
    """Synopsys' `relu6` is a ReLU6."""
    fields = layer.fields.message("relu_param")
    if fields.get("relu6"):
        if fields.get("negative_slope"):
            raise NetworkError("relu6: true with a negative_slope is not built")
        return replace(layer, type="ReLU6", fields=layer.fields.without("relu_param"))
    return _with(layer, "relu_param", fields.without("relu6")) if "relu6" in fields else layer


def _one(name: str, value: Any) -> Any:
    """The one value of a field that may be repeated."""
    if not isinstance(value, tuple):
        return value
    if len(value) > 1:
        raise NetworkError(f"field {name!r} takes one value here, has {len(value)}")
    return value[0]


# ---- layers that are two --------------------------------------------------------------


def _relu(message: str) -> Split:
    """A rule for a layer whose message has `relu` and perhaps `negative_slope`."""

    def split(layer: LayerDefinition) -> Sequence[LayerDefinition]:
        fields = layer.fields.message(message)
        if "relu" not in fields and "negative_slope" not in fields:
            return (layer,)
        first = _with(layer, message, fields.without("relu", "negative_slope"))
        if not fields.get("relu"):
            return (first,)
        slope = fields.get("negative_slope", 0.0)
        return (
            first,
            *_rectified(layer, Fields(relu_param={"negative_slope": slope}) if slope else Fields()),
        )

    return split


def _rectified(layer: LayerDefinition, fields: Fields) -> Iterator[LayerDefinition]:
    for top in layer.tops:
        yield _behind(layer, "ReLU", top, fields)


def _unscaled(layer: LayerDefinition) -> Sequence[LayerDefinition]:
    """With `scale_train: false` units are scaled when tested, in place of when trained."""
    fields = layer.fields.message("dropout_param")
    if "scale_train" not in fields:
        return (layer,)
    first = _with(layer, "dropout_param", fields.without("scale_train"))
    if fields["scale_train"]:
        return (first,)
    scale = 1 - fields.get("dropout_ratio", 0.5)
    return (first, _behind(layer, "Power", layer.tops[0], Fields(power_param={"scale": scale})))


def _behind(layer: LayerDefinition, kind: str, top: str, fields: Fields) -> LayerDefinition:
    """A layer that works in place on a top of another, in the same states."""
    name = f"{layer.name}/{kind.lower()}"
    return LayerDefinition(
        name if len(layer.tops) == 1 else f"{name}_{top}",
        kind,
        (top,),
        (top,),
        phase=layer.phase,
        include=layer.include,
        exclude=layer.exclude,
        fields=fields,
        line=layer.line,
    )


_CONVOLUTIONS = (
    *("Convolution", "Deconvolution", "ConvolutionDepthwise", "ConvolutionDepthWise"),
    *("DepthwiseConvolution", "DepthwiseConv", "Im2col"),
)
_DETECTIONS = ("DetectionOutput", "DetectionOutputExtended")
RULES: dict[str, Sequence[Rule]] = {
    **dict.fromkeys(
        _CONVOLUTIONS,
        (_within("convolution_param", _holes), _within("convolution_param", _frames)),
    ),
    **dict.fromkeys(
        ("Convolution3D", "Deconvolution3D"), (_moved("convolution_param", "convolution3d_param"),)
    ),
    **dict.fromkeys(_DETECTIONS, (_within("detection_output_param", _suppression),)),
    **dict.fromkeys(("ROIAlign", "ROIPooling"), (_within("roi_pooling_param", _pooled_size),)),
    "Interp": (_within("interp_param", _blob_size),),
    "ReLU": (_six,),
    "Reshape": (_shuffled,),
    "Pooling": (
        _within("pooling_param", _rounding),
        _within("pooling_param", _padding),
        _moved("pooling_param", "pooling3d_param", "Pooling3D"),
    ),
    "Pooling3D": (_moved("pooling_param", "pooling3d_param"),),
}
SPLITS: dict[str, Split] = {
    **dict.fromkeys(_CONVOLUTIONS, _relu("convolution_param")),
    "BatchNorm": _relu("batch_norm_param"),
    "InnerProduct": _relu("inner_product_param"),
    "Dropout": _unscaled,
}
