"""Any Keras graph -> a Caffe network, call by call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from convert.assembly import build_network
from convert.errors import CaffeError, UnsupportedLayerError
from convert.fitting import fit_weights
from convert.surgery import Params, TrainedNet
from keras_fcn.calls import Call, calls
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.registry import writer_of


def from_graph(
    model: keras.Model, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> TrainedNet:
    """The net of a model, each call written by its layer's writer.

    Raises:
        UnsupportedLayerError: a layer, or a setting of it, has no Caffe equivalent.
        ValueError: a size is open, and not given; or ``input_shapes`` names no input.
    """
    draft = Draft(model.name)
    names = [tensor.name for tensor in model.inputs]
    for name in input_shapes or {}:
        if name not in names:
            raise ValueError(f"the inputs are {', '.join(names)}. Received: {name!r}")
    walk = list(calls(model))
    times = Counter(id(call.operation) for call in walk)
    blobs: dict[int, Blob] = {}
    specs: dict[int, keras.KerasTensor] = {}
    for call in walk:
        if not call.inputs:
            _input(draft, call, dict(input_shapes or {}), blobs, specs)
            continue
        made = _written(draft, call, blobs, specs)
        if times[id(call.operation)] > 1 and made:
            draft.share(call.operation, made[0])
        blobs.update(zip(map(id, call.outputs), made, strict=True))
    _close(draft, model, walk, blobs)
    network = build_network(draft.message, path=f"model {model.name!r}")
    fitted = fit_weights(network, draft.blobs) if draft.blobs else {}
    return TrainedNet(network, Params(fitted))


def _input(
    draft: Draft,
    call: Call,
    shapes: dict[str, Sequence[int]],
    blobs: dict[int, Blob],
    specs: dict[int, Any],
) -> None:
    (tensor,) = call.outputs
    name = tensor.name
    shape = channels_first_shape((1, *tensor.shape[1:])) if tensor.shape else ()
    if name in shapes:
        given = tuple(shapes[name])
        known = zip(given, (None, *shape[1:]), strict=False)
        if (shape and len(given) != len(shape)) or any(
            size not in (None, one) for one, size in known
        ):
            raise ValueError(
                f"input {name!r} has the shape (N, {', '.join(map(str, shape[1:]))}) in Caffe's "
                f"axis order. Received: {given}"
            )
        shape = given
    if None in shape:
        raise ValueError(
            f"a Caffe net has inputs of fixed sizes; give input_shapes={{{name!r}: (1, "
            f"{', '.join('?' if size is None else str(size) for size in shape[1:])})}}. "
            f"Received: the shape {tuple(tensor.shape)}"
        )
    blobs[id(tensor)] = _input_layer(draft, name, shape)
    last = (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape
    specs[id(tensor)] = keras.KerasTensor(last, dtype=tensor.dtype)


def _input_layer(draft: Draft, name: str, shape: Sequence[Any]) -> Blob:
    entry = draft.message.layer.add()
    entry.name, entry.type = name, "Input"
    entry.top.append(name)
    entry.input_param.shape.add().dim.extend(shape)
    return Blob(name, tuple(shape))


def _written(
    draft: Draft, call: Call, blobs: Mapping[int, Blob], specs: dict[int, Any]
) -> tuple[Blob, ...]:
    """The blobs of a call's outputs; their shapes must be those that Keras gives."""
    layer = call.operation
    place = f"layer {layer.name!r} ({type(layer).__name__})"
    write = writer_of(layer)
    if write is None:
        raise UnsupportedLayerError(f"{place}: keras-fcn cannot write this kind as a Caffe layer")
    try:
        made = write(layer, draft, *(blobs[id(x)] for x in call.inputs))
    except CaffeError as error:
        raise UnsupportedLayerError(f"{place}: {error}") from error
    made = made if isinstance(made, tuple) else (made,)
    args, kwargs = keras.tree.map_structure(
        lambda x: specs[id(x)] if isinstance(x, keras.KerasTensor) else x, call.arguments
    )
    outputs = keras.tree.flatten(layer.compute_output_spec(*args, **kwargs))
    specs.update(zip(map(id, call.outputs), outputs, strict=True))
    for blob, spec in zip(made, outputs, strict=True):
        wanted = channels_first_shape(tuple(spec.shape))
        got = blob.final_shape
        if got != wanted:
            raise UnsupportedLayerError(f"{place}: gives {wanted}, in Caffe it would be {got}")
    return made


def _close(draft: Draft, model: keras.Model, walk: Sequence[Call], blobs: dict[int, Blob]) -> None:
    """Outputs must be read by nobody, and nothing else may be left over."""
    read = Counter({id(x): 2 for call in walk for x in call.inputs})
    read.update(map(id, model.outputs))
    ends = set()
    for tensor in model.outputs:
        blob = draft.made(blobs[id(tensor)])
        if blob.channels is not None:
            raise UnsupportedLayerError(
                f"output {blob.name!r} is a flattened map, whose order differs in Caffe; let it "
                "end before its Flatten"
            )
        if read[id(tensor)] > 1:
            blob = draft.one("Power", f"{blob.name}_output", blob)
        ends.add(blob.name)
    consumed = {name for entry in draft.message.layer for name in entry.bottom}
    tops = [name for entry in draft.message.layer for name in entry.top]
    left = [name for name in tops if name not in consumed | ends]
    if left:
        entry = draft.message.layer.add(name=f"{draft.message.name}_silence", type="Silence")
        entry.bottom.extend(left)
