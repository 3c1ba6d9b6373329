"""Other classes for networks that score them in several places, such as FCN-8s."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.calls import Call, calls
from keras_fcn.initializers import Bilinear, BilinearOfEach
from keras_fcn.layers import ArgMax, Crop, Deconvolution, Interp, PixelwiseSoftmax

_SIZES = ("filters", "units")
_UPSAMPLING = (Deconvolution, keras.layers.Conv2DTranspose)
_ENDS = (ArgMax, PixelwiseSoftmax, keras.layers.Activation, keras.layers.Softmax)
# Their second input gives a size only.
_LIKE_SECOND = (Crop, Interp)


def new_scores(model: keras.Model, classes: int) -> tuple[Any, dict[str, str]]:
    """The logits of a network whose scoring layers are made anew for other classes.

    From the output back, what has as many channels as there are classes is made again: layers
    without weights as they are, upsampling of scores as bilinear, up to the layers that make
    scores of features. Everything before is the network's own.

    Args:
        model: a functional network with one output, scores or their softmax.
        classes: how many there shall be.

    Returns:
        The logits, symbolic; and the replaced layers, old name -> new name. New names are the old
        with the number of classes.

    Raises:
        ValueError: between features and output there is a layer that cannot be made anew.
    """
    makers = {id(tensor): call for call in calls(model) for tensor in call.outputs}
    (logits,) = model.outputs
    while isinstance(makers[id(logits)].operation, _ENDS):
        logits = makers[id(logits)].inputs[0]
    affected: dict[int, Call] = {}
    pending = [logits]
    while pending:
        call = makers[id(pending.pop())]
        affected[id(call.operation)] = call
        if not _makes_scores(call, logits.shape[-1]):
            pending += _scores_read(call, logits.shape[-1])

    tensors: dict[int, Any] = {}
    names: dict[str, str] = {}
    for call in calls(model):
        if id(call.operation) not in affected:
            continue
        layer = _made_anew(call, classes, {*names.values(), *(x.name for x in model.layers)})
        if layer.name != call.operation.name:
            names[call.operation.name] = layer.name
        args, kwargs = keras.tree.map_structure(
            lambda x: tensors.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
            call.arguments,
        )
        outputs = keras.tree.flatten(layer(*args, **kwargs))
        tensors.update(zip(map(id, call.outputs), outputs, strict=True))
    return tensors[id(logits)], names


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
        ValueError: the layer's weights are of these classes, and it is none that is known.
    """
    weights = getattr(call.operation, "weights", ())
    if call.inputs and (not weights or _is_upsampling(call)):
        return False
    size = _size(call.operation)
    if not call.inputs or size is None or getattr(call.operation, size) != channels:
        raise ValueError(
            "the layers between features and output must be convolutions that score classes, "
            "their upsampling, and layers without weights. "
            f"Received: {call.operation.name!r} ({type(call.operation).__name__})"
        )
    return True


def _scores_read(call: Call, channels: int) -> list[Any]:
    inputs = call.inputs[:1] if isinstance(call.operation, _LIKE_SECOND) else call.inputs
    return [tensor for tensor in inputs if tensor.shape[-1] == channels]


def _made_anew(call: Call, classes: int, taken: set[str]) -> Any:
    old = call.operation
    if not isinstance(old, keras.layers.Layer):
        return old
    config = old.get_config()
    if old.weights:
        config["name"] = name = f"{old.name}_{classes}"
        if name in taken:
            raise ValueError(f"the network already has a layer {name!r}; rename it")
        size = _size(old)
        if _is_upsampling(call):
            each = config.get("groups", 1) > 1
            config["groups"] = classes if each else 1
            initializer = Bilinear() if each else BilinearOfEach()
            config["kernel_initializer"] = keras.initializers.serialize(initializer)
        config[str(size)] = classes
        if "activation" in config:
            config["activation"] = "linear"
    return type(old).from_config(config)
