"""Other classes for networks that score them in several places, such as FCN-8s."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.caffe.limits import check_kernel
from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.graph.calls import Call, calls
from keras_fcn.layers import (
    ArgMax,
    Crop,
    Deconvolution,
    Interp,
    PixelwiseSoftmax,
    Resample,
    UpsampleLike,
)
from keras_fcn.layers.initializers import Bilinear, BilinearOfEach
from keras_fcn.layers.known import exchanged, own

_SIZES = ("filters", "units")
_UPSAMPLING = (Deconvolution, keras.layers.Conv2DTranspose)
_ENDS = (ArgMax, PixelwiseSoftmax, keras.layers.Softmax)
_PROBABILITIES = ("linear", "log_softmax", "sigmoid", "softmax")
# Their second input gives a size only.
_LIKE_SECOND = (Crop, Interp, Resample, UpsampleLike)


def new_scores(model: keras.Model, classes: int) -> tuple[Any, dict[str, str]]:
    """The logits of a network whose scoring layers are made anew for other classes.

    From the output back, what has as many channels as there are classes is made again: layers
    without weights as they are, upsampling of scores as bilinear, up to the layers that make
    scores of features. Everything before is the network's own.

    Args:
        model: a functional network with one output, scores or their softmax.
        classes: how many there shall be.

    Returns:
        The logits, symbolic, of the old shape but for the channels; and the replaced layers,
        old name -> new name. New names are the old with the number of classes.

    Raises:
        ModelError: between features and output there is a layer that cannot be made anew, or
            that makes the classes of other numbers of channels.
    """
    makers = {id(tensor): call for call in calls(model) for tensor in call.outputs}
    (logits,) = model.outputs
    while is_end(makers[id(logits)].operation):
        logits = makers[id(logits)].inputs[0]
    affected: set[int] = set()
    pending = [logits]
    while pending:
        call = makers[id(pending.pop())]
        if id(call.outputs[0]) not in affected:
            affected.add(id(call.outputs[0]))
            if not _makes_scores(call, logits.shape[-1]):
                pending += _scores_read(call, logits.shape[-1])

    tensors: dict[int, Any] = {}
    made: dict[int, Any] = {}
    names: dict[str, str] = {}
    for call in calls(model):
        if id(call.outputs[0]) not in affected:
            continue
        old = call.operation
        if is_end(old):  # the new activation stands at the end
            tensors[id(call.outputs[0])] = tensors[id(call.inputs[0])]
            continue
        if id(old) not in made:
            taken = {*names.values(), *(x.name for x in model.layers)}
            made[id(old)] = _made_anew(call, classes, taken)
        if made[id(old)].name != old.name:
            names[old.name] = made[id(old)].name
        tensors.update(_applied(call, made[id(old)], tensors, classes))
    return tensors[id(logits)], names


def is_end(operation: Any) -> bool:
    """Whether a layer makes probabilities, or classes, of scores."""
    if isinstance(operation, keras.layers.Activation):
        return getattr(operation.activation, "__name__", "") in _PROBABILITIES
    return isinstance(operation, _ENDS)


def _applied(call: Call, layer: Any, tensors: dict[int, Any], classes: int) -> dict[int, Any]:
    """The outputs of a call with the new layer, which differ from the old in channels alone."""
    args, kwargs = keras.tree.map_structure(
        lambda x: tensors.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
        call.arguments,
    )
    try:
        outputs = keras.tree.flatten(layer(*args, **kwargs))
    except Exception as error:  # whatever a layer raises that is made for the old channels
        raise refused(call, plain_reason(error)) from error
    for before, after in zip(call.outputs, outputs, strict=True):
        if after.shape != (*before.shape[:-1], classes):
            raise refused(
                call, f"gives {tuple(after.shape)}, not {classes} in the place of its channels"
            )
    return dict(zip(map(id, call.outputs), outputs, strict=True))


def refused(call: Call, why: str) -> ModelError:
    """The error that names the layer which stands in the way of other classes."""
    return _refused_layer(call.operation, why)


def _refused_layer(layer: Any, why: str) -> ModelError:
    return ModelError(f"{type(layer).__name__}: {why}. Received: layer {layer.name!r}")


def _size(operation: Any) -> str | None:
    """The argument that sets a layer's channels, if it has one."""
    return next((name for name in _SIZES if hasattr(operation, name)), None)


def _is_upsampling(call: Call) -> bool:
    """Whether a layer with weights takes scores and gives scores."""
    before, after = call.inputs[0].shape[-1], call.outputs[0].shape[-1]
    return isinstance(call.operation, _UPSAMPLING) and before == after


def _makes_scores(call: Call, channels: int) -> bool:
    """Whether a layer makes scores of features: there the walk ends.

    Raises:
        ModelError: the layer's weights are of these classes, and it is none that is known.
    """
    weights = getattr(call.operation, "weights", ())
    if call.inputs and (not weights or _is_upsampling(call)):
        return False
    size = _size(call.operation)
    if not call.inputs or size is None or getattr(call.operation, size) != channels:
        raise ModelError(
            "the layers between features and output must be convolutions that score classes, "
            "their upsampling, and layers without weights. "
            f"Received: {call.operation.name!r} ({type(call.operation).__name__})"
        )
    return True


def _scores_read(call: Call, channels: int) -> list[Any]:
    """The scores that a layer without weights makes its own of.

    Raises:
        ModelError: there are none: it makes the classes of other channels.
    """
    inputs = call.inputs[:1] if isinstance(call.operation, _LIKE_SECOND) else call.inputs
    found = [x for x in inputs if len(x.shape) > 1 and x.shape[-1] == channels]
    if not found:
        read = ", ".join(str(tuple(x.shape)) for x in inputs)
        raise refused(
            call,
            f"it makes the {channels} classes of blobs that have other channels ({read}), so that "
            "which layers to replace is not determined; cut the model before it",
        )
    return found


def config_for(layer: Any, channels: int, classes: int) -> dict[str, Any]:
    """The configuration of a layer without weights, for other scores."""
    config: dict[str, Any] = layer.get_config()
    if isinstance(layer, keras.layers.Reshape) and layer.target_shape[-1:] == (channels,):
        config["target_shape"] = (*layer.target_shape[:-1], classes)
    return config


def _made_anew(call: Call, classes: int, taken: set[str]) -> Any:
    old = call.operation
    if not isinstance(old, keras.layers.Layer):
        return old
    config = config_for(old, call.outputs[0].shape[-1], classes)
    if old.weights:
        config["name"] = name = f"{old.name}_{classes}"
        if name in taken:
            raise ModelError(f"the network already has a layer {name!r}; rename it")
        size = _size(old)
        if _is_upsampling(call):
            each = config.get("groups", 1) > 1
            if "groups" in config:
                config["groups"] = classes if each else 1
            initializer = Bilinear() if each else BilinearOfEach()
            check_kernel(name, (*old.weights[0].shape[:2], classes, 1 if each else classes))
            config["kernel_initializer"] = keras.initializers.serialize(initializer)
        elif isinstance(getattr(old, "kernel_initializer", None), keras.initializers.Zeros):
            config["kernel_initializer"] = "glorot_uniform"  # zeros stood for a file's weights
        if not _is_upsampling(call):
            config["trainable"] = True  # scores of new classes are to be learned
        config[str(size)] = classes
        if "activation" in config:
            config["activation"] = "linear"
    return made_again(old, config)


def made_again(layer: Any, config: dict[str, Any]) -> Any:
    """A layer of the same class and another configuration.

    Raises:
        ModelError: the class cannot be made of it, or the layer has methods that its class lacks.
    """
    if found := exchanged(layer):
        part, method = found
        raise _refused_layer(part, own(method))
    try:
        return type(layer).from_config(config)
    except (TypeError, ValueError) as error:
        raise _refused_layer(layer, plain_reason(error)) from error
