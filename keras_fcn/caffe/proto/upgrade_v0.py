"""The V0 form of 2013 -> the V1 form: one flat message a layer, and padding layers.

Source: `src/caffe/util/upgrade_proto.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import schema

# V0 type -> V1LayerParameter.LayerType
_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
_PADDING = "padding"

_WEIGHTED = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_WINDOWED = {"conv": "convolution_param", "pool": "pooling_param"}
_DATA = {"data": "data_param", "images": "image_data_param", "window_data": "window_data_param"}
_BATCHED = _DATA | {"hdf5_data": "hdf5_data_param"}
_SOURCES = _BATCHED | {"infogain_loss": "infogain_loss_param"}
_TRANSFORMED = dict.fromkeys(_DATA, "transform_param")

# V0 field -> (its name in the parameter message, V0 type -> that message)
_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", _WEIGHTED),
    "biasterm": ("bias_term", _WEIGHTED),
    "weight_filler": ("weight_filler", _WEIGHTED),
    "bias_filler": ("bias_filler", _WEIGHTED),
    "pad": ("pad", _WINDOWED),
    "kernelsize": ("kernel_size", _WINDOWED),
    "group": ("group", {"conv": "convolution_param"}),
    "stride": ("stride", _WINDOWED),
    "pool": ("pool", {"pool": "pooling_param"}),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", {"lrn": "lrn_param"}),
    "alpha": ("alpha", {"lrn": "lrn_param"}),
    "beta": ("beta", {"lrn": "lrn_param"}),
    "k": ("k", {"lrn": "lrn_param"}),
    "source": ("source", _SOURCES),
    "scale": ("scale", _TRANSFORMED),
    "meanfile": ("mean_file", _TRANSFORMED),
    "cropsize": ("crop_size", _TRANSFORMED),
    "mirror": ("mirror", _TRANSFORMED),
    "batchsize": ("batch_size", _BATCHED),
    "rand_skip": ("rand_skip", {"data": "data_param", "images": "image_data_param"}),
    "shuffle_images": ("shuffle", {"images": "image_data_param"}),
    "new_height": ("new_height", {"images": "image_data_param"}),
    "new_width": ("new_width", {"images": "image_data_param"}),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", {"window_data": "window_data_param"}),
    "det_bg_threshold": ("bg_threshold", {"window_data": "window_data_param"}),
    "det_fg_fraction": ("fg_fraction", {"window_data": "window_data_param"}),
    "det_context_pad": ("context_pad", {"window_data": "window_data_param"}),
    "det_crop_mode": ("crop_mode", {"window_data": "window_data_param"}),
}
_KEPT = ("name", "blobs_lr", "weight_decay", "blobs", "hdf5_output_param")


def is_v0(net: Any) -> bool:
    """Whether a NetParameter has layers of the V0 form."""
    return any(connection.HasField("layer") for connection in net.layers)


def is_padding(layer: Any) -> bool:
    """Whether a layer is a V0 padding layer, which the current form does not have."""
    return bool(layer.DESCRIPTOR.name == "V1LayerParameter" and layer.layer.type == _PADDING)


def upgrade_v0(net: Any) -> Any:
    """A NetParameter with V1 `layers` in place of V0 ones.

    A padding layer is taken into the convolution that reads it.

    Raises:
        NetworkError: a type, or a field of a type, that V0 did not have.
    """
    result = schema.new("NetParameter")
    result.CopyFrom(net)
    result.ClearField("layers")
    pads: dict[str, tuple[str, int]] = {}
    for connection in net.layers:
        layer = connection.layer
        if is_padding(connection):
            if (len(connection.bottom), len(connection.top)) != (1, 1):
                raise NetworkError(f"padding layer {layer.name!r} needs one bottom and one top")
            pads[connection.top[0]] = (connection.bottom[0], layer.pad)
            continue
        new = result.layers.add()
        new.bottom.extend(connection.bottom)
        new.top.extend(connection.top)
        _upgrade_layer(layer, new)
        _take_padding(layer, new, pads)
    return result


def _upgrade_layer(old: Any, new: Any) -> None:
    if old.type not in _TYPES:
        raise NetworkError(f"layer {old.name!r}: V0 has no type {old.type!r}")
    values = new.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name
    new.type = values[_TYPES[old.type]].number
    for field, value in old.ListFields():
        if field.name in _KEPT:
            _copy(field, value, new, field.name)
        elif field.name in _FIELDS:
            target, messages = _FIELDS[field.name]
            if old.type not in messages:
                raise NetworkError(
                    f"layer {old.name!r} of V0 type {old.type!r} cannot have {field.name!r}"
                )
            _copy(field, value, getattr(new, messages[old.type]), target)


def _copy(field: Any, value: Any, message: Any, name: str) -> None:
    target = message.DESCRIPTOR.fields_by_name[name]
    if target.is_repeated:
        getattr(message, name).extend(value if field.is_repeated else [value])
    elif target.message_type is not None:
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)


def _take_padding(old: Any, new: Any, pads: dict[str, tuple[str, int]]) -> None:
    for index, bottom in enumerate(new.bottom):
        if bottom not in pads:
            continue
        if old.type not in _WINDOWED:
            raise NetworkError(
                f"layer {old.name!r}: only conv and pool can read the padding layer of {bottom!r}"
            )
        new.bottom[index], pad = pads[bottom]
        params = getattr(new, _WINDOWED[old.type])
        params.ClearField("pad")
        _copy_pad(params, pad)


def _copy_pad(params: Any, pad: int) -> None:
    if params.DESCRIPTOR.fields_by_name["pad"].is_repeated:
        params.pad.append(pad)
    else:
        params.pad = pad
