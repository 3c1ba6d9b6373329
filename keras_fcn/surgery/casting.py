"""Net surgery on Keras models: a classifier becomes a fully convolutional network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_fcn.caffe.surgery.layouts import Layout
from keras_fcn.core.card import Card, card_of
from keras_fcn.core.definition import defined_network
from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import Call, calls, shapes_at
from keras_fcn.graph.positions import sized, unlike, unlike_on_larger
from keras_fcn.graph.spatial import UNKNOWN
from keras_fcn.layers.known import own, own_method
from keras_fcn.surgery.cells import makes_vectors, rule_of
from keras_fcn.surgery.output_strides import with_output_stride
from keras_fcn.surgery.rebuilding import Rebuild

Shape = tuple[int | None, ...]


def to_fully_convolutional(model: keras.Model, *, output_stride: int | None = None) -> keras.Model:
    """Cast a classifier to a network that takes any image and gives a map of classes.

    The first Dense after Flatten becomes a convolution as large as the map that was
    flattened; each further Dense becomes a 1 x 1 convolution. Global pooling becomes
    pooling over windows of the size of the map it had, so that every position is what the
    classifier gives on its crop. Layers behind work along the channels of the map.
    Weights are carried over, under `<name>-conv`; all other layers keep their names
    and weights.

    Args:
        model: a classifier of images, sequential or functional, with a Flatten or a
            global pooling layer, such as `CaffeNet()` or
            `keras.applications.ResNet50()`. Where its height and width are free, as
            may be after `keras_fcn.from_caffe`, its prototxt tells them.
        output_stride: pixels from one position of the map to the next, where it shall be
            denser than the classifier's own; see `with_output_stride`.

    Returns:
        A new model with its own variables; input (None, None, channels), output (batch,
        rows, columns, classes).

    Raises:
        ModelError: (a `CaffeError` and a `ValueError`) nothing becomes a vector, the
            size of a map is not known, a layer before does not do the same at every
            position of its map, or is not known to, or a layer behind cannot do on a map
            what it did on vectors; the message names the layer.
    """
    cast = Cast(model)
    for call in calls(model):
        cast.take(call)
    fcn = cast.checked()
    return fcn if output_stride is None else with_output_stride(fcn, output_stride)


class Cast(Rebuild):
    """The new graph, and what the old tensors held of it.

    Attributes:
        layouts: id of an old tensor that became another map -> what it held of a window.
        maps: ids of old tensors that are maps of the image still.
        body: ids of the new layers and operations before the vectors.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(model)
        self.layouts: dict[int, Layout] = {}
        self.maps: set[int] = set()
        self.body: set[int] = set()
        self.sizes = _declared(model)
        self._shapes = shapes_at(model, self.sizes) if self.sizes else {}

    def card(self, new: keras.Model, card: Card, places: Mapping[str, Any]) -> Card:
        return card.for_cast(places)

    def shape(self, tensor: Any) -> Shape:
        """An old tensor's shape for the images that the classifier is for."""
        return self._shapes.get(id(tensor), tuple(tensor.shape))

    def take(self, call: Call) -> None:
        """Carry one call over."""
        if not call.inputs:
            shape = call.outputs[0].shape
            image = len(shape) == 4
            self.start(call, (None, None, shape[-1]) if image else shape[1:])
            if image:
                self.maps.add(id(call.outputs[0]))
            return
        inputs: list[Any] = [self.layouts.get(id(x)) for x in call.inputs]
        if not any(inputs) and len(inputs) == 1 and self.lifts(call):
            inputs = [self.lifted(call)]
        if not any(inputs):
            self.keep(call)
            return
        if not all(inputs):
            raise self.refused(
                call,
                "reads a map, or another input, beside what becomes one cell of the map for each "
                "window",
            )
        rule = rule_of(call.operation)
        if rule is None or getattr(call.operation, "data_format", "") == "channels_first":
            raise self.refused(call, own(own_method(call.operation)) or "has no form on a map")
        found = rule(self, call, inputs)
        after = [found] * len(call.outputs) if isinstance(found, Layout) else list(found)
        for tensor, layout in zip(call.outputs, after, strict=True):
            self.keep_layout(call, tensor, layout)

    def keep_layout(self, call: Call, tensor: Any, layout: Layout) -> None:
        """Remember what a tensor held; a map in its own axes is a map again."""
        if self.tensors[id(tensor)].shape[-1] != layout.channels:
            raise self.refused(call, "does not give the classifier's channels on a map")
        own = Layout.of("HWC", layout.channels, layout.window)
        if not layout.is_cell and layout == own:
            self.maps.add(id(tensor))
        else:
            self.layouts[id(tensor)] = layout

    def lifts(self, call: Call) -> bool:
        """Whether a call makes vectors of a map."""
        return id(call.inputs[0]) in self.maps and makes_vectors(call)

    def lifted(self, call: Call) -> Layout:
        """A map of the classifier, as its own window of the new map."""
        _, height, width, channels = self.shape(call.inputs[0])
        if height is None or width is None or channels is None:
            raise self.refused(
                call, "the height and width that are flattened or pooled must be known"
            )
        return Layout.of("HWC", channels, (height, width))

    def keep(self, call: Call) -> None:
        """Copy a call that is before the vectors."""
        of_map = any(id(x) in self.maps for x in call.inputs)
        sizes = {id(x): self.shape(x) for x in (*call.inputs, *call.outputs)}
        if of_map and (why := unlike(sized(call, sizes))):
            raise self.refused_before(call, why)
        layer = self.copy(call.operation)
        self.apply(call, layer)
        if of_map:
            if any(len(x.shape) != 4 for x in call.outputs):
                raise self.refused(call, "makes of the map what has no place on a larger one")
            self.maps.update(id(x) for x in call.outputs)
            self.body.add(id(layer))

    def refused_before(self, call: Call, why: str) -> ModelError:
        """The error for a layer before the vectors."""
        unknown = not isinstance(call.operation, keras.Model) and UNKNOWN in why
        return self.refused(
            call,
            f"{why}; before the vectors each layer must be known to do the same at every position"
            + (", as keras.layers.Activation(function) is for each element" if unknown else ""),
        )

    def refused(self, call: Call, why: str) -> ModelError:
        """The error that names a call's layer."""
        kind, shapes = type(call.operation).__name__, [self.shape(x) for x in call.inputs]
        return ModelError(
            f"{kind}: {why}. Received: layer {call.operation.name!r} of {self.model.name!r} on "
            f"{', '.join(map(str, shapes))}"
        )

    def checked(self) -> keras.Model:
        """The new model, if it is a classifier's."""
        for tensor in self.model.outputs:
            layout = self.layouts.get(id(tensor))
            if layout is not None and not layout.is_cell:
                raise ModelError(
                    "a Dense layer must follow what Flatten makes. Received: layer "
                    f"{tensor._keras_history.operation.name!r} of {self.model.name!r}, an output"
                )
        if not self.layouts:
            names = [layer.name for layer in self.model.layers]
            raise ModelError(
                "the model needs a Flatten or a global pooling layer before its Dense layers. "
                f"Received: {self.model.name!r} with layers {names}"
            )
        new = self.result(f"{self.model.name}_fcn")
        self.check_growth(new)
        return new

    def check_growth(self, new: keras.Model) -> None:
        """Whether the maps still fit each other for a larger image, and for the same.

        Raises:
            ModelError: branches have positions that are not equally far apart.
        """
        # A multiple of every branch's stride; of more than 2 ** 20 pixels none has.
        step = min(math.prod(_stride(layer) for layer in new.layers), 1 << 20)
        small, large = (self.grown(new, more) for more in (0, 8 * step))
        for old, tensor in zip(self.model.outputs, new.outputs, strict=True):
            layout = self.layouts.get(id(old))
            wanted = None if layout is None else (1, 1, layout.channels)
            if wanted and small[id(tensor)][1:] != wanted:
                raise ModelError(
                    f"the cast of {self.model.name!r} does not give one cell for the "
                    f"classifier's image. Received: {small[id(tensor)]}"
                )
        for call in calls(new):
            if id(call.operation) in self.body and (why := unlike_on_larger(call, small, large)):
                raise self.refused_before(call, why)

    def grown(self, new: keras.Model, more: int) -> dict[int, Shape]:
        """The shapes of the new model's tensors, by id, for an image that is so much larger."""
        sizes: dict[str, Shape] = {}
        for old, tensor in zip(self.model.inputs, new.inputs, strict=True):
            shape = self.shape(old)
            if len(shape) == 4 and None not in shape[1:3]:
                height, width = ((size or 0) + more for size in shape[1:3])
                sizes[tensor.name] = (1, height, width, shape[3])
        return shapes_at(new, sizes)


def _stride(layer: Any) -> int:
    strides = getattr(layer, "strides", 1)
    return math.lcm(*strides) if isinstance(strides, Sequence) else int(strides or 1)


def _declared(model: keras.Model) -> dict[str, Shape]:
    """Input name -> shape by the prototxt, of images whose size the model leaves open."""
    free = [x for x in model.inputs if len(x.shape) == 4 and None in x.shape[1:3]]
    network = defined_network(model) if free else None
    if network is None:
        return {}
    blobs = {blob.name: blob.shape or () for blob in network.inputs}
    names = {x.name: card_of(model).inputs.get(x.name, x.name) for x in free}
    found = {name: blobs.get(blob, ()) for name, blob in names.items()}
    return {name: (None, *shape[2:], shape[1]) for name, shape in found.items() if len(shape) == 4}
