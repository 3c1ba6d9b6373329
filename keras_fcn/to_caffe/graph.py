"""Any Keras graph -> a Caffe network, call by call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.names import keras_names
from keras_fcn.caffe.net.assembly import build_network
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.surgery import Params, TrainedNet
from keras_fcn.graph.calls import Call, calls
from keras_fcn.graph.ends import output_names
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.registry import writer_of
from keras_fcn.to_caffe.sharing import Sharing

_Tensors = dict[int, tuple[Blob, keras.KerasTensor]]
"""Id of a Keras tensor -> the blob, and the tensor's shape with all sizes known."""


def from_graph(
    model: keras.Model, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> TrainedNet:
    """The net of a model, each call written by its layer's writer.

    Raises:
        UnsupportedLayerError: a layer, or a setting of it, has no Caffe equivalent.
        ValueError: a size is open, and not given; or ``input_shapes`` names no input.
    """
    names = [tensor.name for tensor in model.inputs]
    for name in input_shapes or {}:
        if name not in names:
            raise ValueError(f"the inputs are {', '.join(names)}. Received: {name!r}")
    graph = _Graph(model.name)
    tensors = {
        id(tensor): graph.input(tensor, (input_shapes or {}).get(tensor.name))
        for tensor in model.inputs
    }
    graph.run(model, tensors)
    graph.sharing.apply()
    graph.end(model, tensors)
    draft = graph.draft
    network = build_network(draft.message, path=f"model {model.name!r}")
    fitted = fit_weights(network, draft.blobs) if draft.blobs else {}
    return TrainedNet(network, Params(fitted))


class _Graph:
    """The walk over a model and those within it."""

    def __init__(self, name: str) -> None:
        self.draft = Draft(name)
        self.sharing = Sharing(self.draft)

    def input(self, tensor: Any, given: Sequence[int] | None) -> tuple[Blob, keras.KerasTensor]:
        """An Input layer; its batch is 1 unless it is given."""
        shape = channels_first_shape((1, *tensor.shape[1:])) if tensor.shape else ()
        if given is not None:
            known = zip(given, (None, *shape[1:]), strict=False)
            if (shape and len(given) != len(shape)) or any(
                size not in (None, one) for one, size in known
            ):
                raise ValueError(
                    f"input {tensor.name!r} has the shape (N, {', '.join(map(str, shape[1:]))}) in "
                    f"Caffe's axis order. Received: {tuple(given)}"
                )
            shape = tuple(given)
        if None in shape:
            raise ValueError(
                f"a Caffe net has inputs of fixed sizes; give input_shapes={{{tensor.name!r}: (1, "
                f"{', '.join('?' if size is None else str(size) for size in shape[1:])})}}. "
                f"Received: the shape {tuple(tensor.shape)}"
            )
        spec = keras.KerasTensor(channels_last_shape(shape), dtype=tensor.dtype)
        return self.draft.input(tensor.name, shape), spec

    def run(self, model: keras.Model, tensors: _Tensors) -> None:
        """Write all calls of a model whose inputs are among the tensors."""
        for call in calls(model):
            if not call.inputs:
                continue
            operation = call.operation
            if isinstance(operation, keras.Model) and is_graph(operation):
                given = (tensors[id(x)] for x in call.inputs)
                inner = dict(zip(map(id, operation.inputs), given, strict=True))
                self.run(operation, inner)
                made = [inner[id(x)] for x in operation.outputs]
            else:
                made = self.written(call, tensors)
            tensors.update(zip(map(id, call.outputs), made, strict=True))

    def written(self, call: Call, tensors: _Tensors) -> list[tuple[Blob, keras.KerasTensor]]:
        """The blobs of a call's outputs; their shapes must be those that Keras gives."""
        layer = call.operation
        place = f"layer {layer.name!r} ({type(layer).__name__})"
        write = writer_of(layer)
        if write is None:
            raise UnsupportedLayerError(f"{place}: {_reason(layer)}")
        if getattr(layer, "data_format", None) == "channels_first":
            raise UnsupportedLayerError(f"{place}: data_format: only channels_last is written")
        entries = self.draft.message.layer
        before = len(entries)
        try:
            made = write(layer, self.draft, *_arguments(call, tensors))
        except CaffeError as error:
            raise UnsupportedLayerError(f"{place}: {error}") from error
        self.sharing.note(layer, entries[before:])
        made = made if isinstance(made, tuple) else (made,)
        args, kwargs = keras.tree.map_structure(
            lambda x: tensors[id(x)][1] if isinstance(x, keras.KerasTensor) else x, call.arguments
        )
        specs = keras.tree.flatten(layer.compute_output_spec(*args, **kwargs))
        for blob, spec in zip(made, specs, strict=True):
            wanted = channels_first_shape(tuple(spec.shape))
            got = blob.final_shape
            if len(got) != len(wanted) or any(
                size not in (None, one) for one, size in zip(got, wanted, strict=True)
            ):
                raise UnsupportedLayerError(f"{place}: gives {wanted}, in Caffe it would be {got}")
        return list(zip(made, specs, strict=True))

    def end(self, model: keras.Model, tensors: _Tensors) -> None:
        """Name the outputs as Keras does; nobody may read them, and nothing else be left over."""
        draft = self.draft
        inputs = [tensor.name for tensor in model.inputs]
        names = keras_names([*inputs, *output_names(model)])[len(inputs) :]
        ends = []
        for tensor in model.outputs:
            try:
                ends.append(draft.plain(tensors[id(tensor)][0]).name)
            except CaffeError as error:
                maker = tensor._keras_history.operation.name
                raise UnsupportedLayerError(f"output {maker!r}: {error}") from error
        read = Counter(name for entry in draft.message.layer for name in entry.bottom)
        read.update(ends)
        read.update(inputs)
        made = [top for entry in draft.message.layer for top in entry.top if top in ends]
        ordered = made == ends  # else the tops of a layer of several cannot be moved
        ends = [
            draft.one("Power", f"{name}_output", Blob(old, ())).name
            if read[old] > 1 or (not ordered and len(draft.maker(old).top) > 1)
            else old
            for old, name in zip(ends, names, strict=True)
        ]
        for index, name in enumerate(names):
            changes = draft.name_top(ends[index], name)
            ends = [changes.get(end, end) for end in ends]
        draft.move_last(ends)
        consumed = {name for entry in draft.message.layer for name in entry.bottom}
        tops = [name for entry in draft.message.layer for name in entry.top]
        left = [name for name in tops if name not in consumed | set(ends)]
        if left:
            entry = draft.message.layer.add(name=f"{draft.message.name}_silence", type="Silence")
            entry.bottom.extend(left)


def is_graph(model: keras.Model) -> bool:
    """Whether a model is what its graph says, not what a ``call`` of its own does."""
    ours = type(model).call.__module__.partition(".")[0] in ("keras", "keras_fcn")
    return ours and bool(getattr(model, "outputs", None))


def _arguments(call: Call, tensors: _Tensors) -> list[Any]:
    """What a writer gets: a layer's blobs, or an operation's arguments in their order."""
    if isinstance(call.operation, keras.layers.Layer):
        return [tensors[id(x)][0] for x in call.inputs]
    args, kwargs = call.arguments
    return keras.tree.map_structure(
        lambda x: tensors[id(x)][0] if isinstance(x, keras.KerasTensor) else x,
        [*args, *kwargs.values()],
    )


def _reason(layer: Any) -> str:
    """Why a layer without a writer has none."""
    name = type(layer).__name__
    if isinstance(layer, keras.Model):
        return "a model with a call of its own, whose layers cannot be seen; make it functional"
    if not isinstance(layer, keras.layers.Layer):
        return f"keras.ops.{layer.name.rstrip('_0123456789')} has no equivalent in Caffe"
    if type(layer).__module__.startswith(layers.__name__):
        return f"{name} is no layer of BVLC Caffe"
    if type(layer).__module__.startswith("keras."):
        return f"keras.layers.{name} has no equivalent in Caffe"
    return (
        f"a layer of your own; say how it is written: @keras_fcn.to_caffe.writes({name}), or make "
        "it of Keras layers"
    )
