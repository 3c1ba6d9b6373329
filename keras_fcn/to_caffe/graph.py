"""Any Keras graph -> a Caffe network, call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.names import keras_names
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.network import Network, Reading
from keras_fcn.caffe.surgery import Params, TrainedNet
from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.graph.calls import Call, calls, is_graph
from keras_fcn.graph.ends import output_names
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.to_caffe import finishing
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.forks import tell_of_forks
from keras_fcn.to_caffe.registry import why_not, writer_of
from keras_fcn.to_caffe.sharing import Sharing

_Tensors = dict[int, tuple[Blob, keras.KerasTensor]]
"""Id of a Keras tensor -> the blob, and the tensor's shape with all sizes known."""


def from_graph(
    model: keras.Model,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    rounds_down: bool = False,
) -> TrainedNet:
    """The net of a model, each call written by its layer's writer.

    Raises:
        UnsupportedLayerError: a layer, or a setting of it, has no Caffe equivalent.
        ValueError: a size is open, and not given; or `input_shapes` names no input.
    """
    names = [tensor.name for tensor in model.inputs]
    for name in input_shapes or {}:
        if name not in names:
            raise ValueError(f"the inputs are {', '.join(names)}. Received: {name!r}")
    card = card_of(model)
    graph = _Graph(model.name, card.size)
    graph.draft.rounds_down = rounds_down
    tensors = {
        id(tensor): graph.input(tensor, (input_shapes or {}).get(tensor.name))
        for tensor in model.inputs
    }
    graph.run(model, tensors)
    graph.sharing.apply()
    graph.end(model, tensors)
    draft = graph.draft
    finishing.freeze_weights(draft, model)
    finishing.name_as_in_caffe(draft, card)
    reading = Reading(dialect=draft.dialect)
    network = Network.of(draft.definition, reading, path=f"model {model.name!r}")
    tell_of_forks(network)
    fitted = fit_weights(network, draft.blobs) if draft.blobs else {}
    return TrainedNet(network, Params(fitted))


class _Graph:
    """The walk over a model and those within it.

    Args:
        name: the model's name.
        size: (height, width) of images whose size the model leaves open, if it is known.
    """

    def __init__(self, name: str, size: tuple[int, int] | None = None) -> None:
        self._size = size
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
        if len(shape) == 4 and None in shape[2:] and self._size is not None:
            shape = (*shape[:2], *self._size)
        if None in shape:
            sizes = ", ".join("?" if size is None else str(size) for size in shape[1:])
            asked = either(f"input_shapes={{{tensor.name!r}: (1, {sizes})}}", "--size HxW")
            raise ValueError(
                f"a Caffe net has inputs of fixed sizes; give {asked}. "
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
            raise UnsupportedLayerError(f"{place}: {why_not(layer)}")
        if getattr(layer, "data_format", None) == "channels_first":
            raise UnsupportedLayerError(f"{place}: data_format: only channels_last is written")
        before = len(self.draft.layers)
        arguments = _arguments(call, tensors)
        try:
            made = write(layer, self.draft, *arguments)
        except CaffeError as error:
            raise UnsupportedLayerError(f"{place}: {error}") from error
        entries = self.draft.layers[before:]
        self.sharing.note(layer, entries)
        if not getattr(layer, "trainable", True):
            for entry in entries:
                self.draft.freeze(entry.name)
        made = list(made) if isinstance(made, tuple) else [made]
        args, kwargs = keras.tree.map_structure(
            lambda x: tensors[id(x)][1] if isinstance(x, keras.KerasTensor) else x, call.arguments
        )
        specs = keras.tree.flatten(layer.compute_output_spec(*args, **kwargs))
        # What Caffe's layer does not give may not be read.
        made += [Blob("", ())] * (len(specs) - len(made))
        for blob, spec in zip(made, specs, strict=True):
            if not blob.name:
                continue
            wanted = channels_first_shape(tuple(spec.shape))
            got = blob.final_shape
            if len(got) != len(wanted) or any(
                size not in (None, one) for one, size in zip(got, wanted, strict=True)
            ):
                raise UnsupportedLayerError(f"{place}: gives {wanted}, in Caffe it would be {got}")
        return list(zip(made, specs, strict=True))

    def end(self, model: keras.Model, tensors: _Tensors) -> None:
        """Name the outputs as Keras does."""
        inputs = [tensor.name for tensor in model.inputs]
        names = keras_names([*inputs, *output_names(model)])[len(inputs) :]
        ends = []
        for tensor in model.outputs:
            try:
                ends.append(self.draft.plain(_given(tensor, tensors)).name)
            except CaffeError as error:
                maker = tensor._keras_history.operation.name
                raise UnsupportedLayerError(f"output {maker!r}: {error}") from error
        finishing.name_outputs(self.draft, inputs, ends, names)


def _arguments(call: Call, tensors: _Tensors) -> list[Any]:
    """Arguments of a writer: a layer's blobs, or an operation's arguments in their order."""
    if isinstance(call.operation, keras.layers.Layer):
        return [_given(x, tensors) for x in call.inputs]
    args, kwargs = call.arguments
    given: list[Any] = keras.tree.map_structure(
        lambda x: _given(x, tensors) if isinstance(x, keras.KerasTensor) else x,
        [*args, *kwargs.values()],
    )
    return given


def _given(tensor: Any, tensors: _Tensors) -> Blob:
    """The blob of a tensor."""
    blob = tensors[id(tensor)][0]
    if not blob.name:
        made = tensor._keras_history
        raise UnsupportedLayerError(
            f"output {made.tensor_index} of layer {made.operation.name!r}, which Caffe's does not "
            "give, is read"
        )
    return blob
