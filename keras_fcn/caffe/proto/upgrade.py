"""Old forms of a network -> the current form, as Caffe's upgrade_proto does.

Source: `src/caffe/util/upgrade_proto.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.upgrade_v0 import is_v0, upgrade_v0

# V1LayerParameter.LayerType -> layer type, where it is not the plain CamelCase.
_V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "RELU6": "ReLU6",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
    "BN": "BN",
    "CONVOLUTION3D": "Convolution3D",
    "DECONVOLUTION3D": "Deconvolution3D",
    "POOLING3D": "Pooling3D",
    "ROI_POOLING": "ROIPooling",
    "SMOOTH_L1_LOSS": "SmoothL1Loss",
    "ELTWISE_PRODUCT": "Eltwise",
    "VOXEL_SOFTMAX": "Softmax",
    "VOXEL_SOFTMAX_LOSS": "SoftmaxWithLoss",
}
_TRANSFORMED = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
}
_TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
_FULL, _PROD = 0, 0  # of LossParameter.NormalizationMode and EltwiseParameter.EltwiseOp
_AXES, _VIDEO_AXES = 4, 5  # of an input that `input_dim` gives; C3D's have five
_VIDEO_TYPES = {"Convolution3D", "Deconvolution3D", "Pooling3D"}
# Fields of V1LayerParameter that are not copied under their own name.
_V1_OWN = {"type", "blobs", "param", "blob_share_mode", "blobs_lr", "weight_decay", "layer"}


def v1_type_name(label: str) -> str:
    """`"INNER_PRODUCT"` -> `"InnerProduct"`."""
    return _V1_TYPES.get(label, "".join(part.capitalize() for part in label.split("_")))


def upgrade(net: Any) -> Any:
    """A copy of a NetParameter in the current form.

    V0 and V1 `layers` become `layer`; `input` headers become an Input layer.

    Raises:
        NetworkError: the net mixes `layer` with `layers`, or is damaged.
    """
    result = schema.new("NetParameter")
    result.CopyFrom(upgrade_v0(net) if is_v0(net) else net)
    if result.layers and result.layer:
        raise NetworkError(
            "the net mixes 'layer' (current form) and 'layers' (V1 form); use one of them"
        )
    for old in result.layers:
        new = result.layer.add()
        _upgrade_v1(old, new)
        _upgrade_data_transformation(new)
    result.ClearField("layers")
    _upgrade_input(result)
    for layer in result.layer:
        _upgrade_batch_norm(layer)
    return result


def _upgrade_data_transformation(layer: Any) -> None:
    """V1 data layers have `crop_size` and the like in a message of their own."""
    own = _TRANSFORMED.get(layer.type)
    if own is None or not layer.HasField(own):
        return
    params = getattr(layer, own)
    for name in _TRANSFORM_FIELDS:
        if params.HasField(name):
            setattr(layer.transform_param, name, getattr(params, name))
            params.ClearField(name)


def _upgrade_batch_norm(layer: Any) -> None:
    """Three `param` of a BatchNorm, which it once needed, say nothing: it is not trained."""
    if layer.type == "BatchNorm" and len(layer.param) == 3:
        for spec in layer.param:
            spec.lr_mult = spec.decay_mult = 0.0


def _upgrade_v1(old: Any, new: Any) -> None:
    targets = new.DESCRIPTOR.fields_by_name
    for field, value in old.ListFields():
        if field.name in _V1_OWN:
            continue
        if field.name not in targets:
            raise NetworkError(f"layer {old.name!r}: V1 field {field.name!r} has no current form")
        if field.is_repeated:
            getattr(new, field.name).extend(value)
        elif field.message_type is not None:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    if old.HasField("type"):
        label = old.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[old.type].name
        new.type = v1_type_name(label)
        if label == "VOXEL_SOFTMAX_LOSS":  # it divides by the number of voxels
            new.loss_param.normalization = _FULL
        elif label == "ELTWISE_PRODUCT":
            new.eltwise_param.operation = _PROD
    else:
        new.type = _fork_type(old)
    new.blobs.extend(old.blobs)
    _upgrade_param_specs(old, new)


def _fork_type(layer: Any) -> str:
    """A name for a V1 type that only a fork has: a `.caffemodel` holds its number alone."""
    number = layer.DESCRIPTOR.fields_by_name["type"].number
    fields: Any = UnknownFieldSet(layer)
    found = [f.data for f in fields if f.field_number == number and isinstance(f.data, int)]
    return f"V1 type {found[-1]}" if found else ""


def _upgrade_param_specs(old: Any, new: Any) -> None:
    columns = (
        ("name", old.param),
        ("share_mode", old.blob_share_mode),
        ("lr_mult", old.blobs_lr),
        ("decay_mult", old.weight_decay),
    )
    for field, values in columns:
        for index, value in enumerate(values):
            while len(new.param) <= index:
                new.param.add()
            setattr(new.param[index], field, value)


def _upgrade_input(net: Any) -> None:
    """`input` with `input_dim` or `input_shape` -> one Input layer, first."""
    if not net.input:
        if net.input_dim or net.input_shape:
            raise NetworkError("input dimensions are given without an 'input' name")
        return
    dims = list(net.input_dim)
    axes = _VIDEO_AXES if any(layer.type in _VIDEO_TYPES for layer in net.layer) else _AXES
    if net.input_shape:
        shapes = [list(shape.dim) for shape in net.input_shape]
    else:
        shapes = [dims[i : i + axes] for i in range(0, len(dims), axes)]
    if len(shapes) != len(net.input) or (not net.input_shape and len(dims) % axes):
        raise NetworkError(
            f"{len(net.input)} 'input' names come with {len(net.input_shape)} 'input_shape' and "
            f"{len(dims)} 'input_dim'; give each one 'input_shape' or {axes} 'input_dim'"
        )
    layer = schema.new("LayerParameter")
    layer.name = "input"
    layer.type = "Input"
    layer.top.extend(net.input)
    for shape in shapes:
        layer.input_param.shape.add().dim.extend(shape)
    layers = [layer, *net.layer]
    kept = [schema.new("LayerParameter") for _ in layers]
    for target, source in zip(kept, layers, strict=True):
        target.CopyFrom(source)
    net.ClearField("layer")
    net.layer.extend(kept)
    for field in ("input", "input_dim", "input_shape"):
        net.ClearField(field)
