"""The layers of a Caffe network as the tasks ask a Keras model for them, without Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.names import keras_names
from keras_fcn.caffe.net.fields import Positions, output_positions
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.learning import OpenInputs
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.shapes import shaped
from keras_fcn.cards.card import Card
from keras_fcn.preprocessing.fitting import next_fitting

__all__ = ["NetworkStructure", "Tensor", "channels_last_shape", "declared_size"]

Size = tuple[int, int]

_NAMES: Mapping[str, str] = {
    "LRN": "LocalResponseNormalization",
    "Reshape": "CaffeReshape",
    "Permute": "CaffePermute",
}
"""Caffe's type -> the class of its Keras layer, where that has another name."""
_ACTIVATIONS = {"Sigmoid": "sigmoid", "TanH": "tanh"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A blob: its name, and its shape in Keras' axis order."""

    name: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Activation:
    """The name of a function."""

    __name__: str


@dataclass(frozen=True, eq=False)
class Operation:
    """A layer.

    Attributes:
        name: Caffe's.
        kind: the class of its Keras layer.
        params: its parameters.
        weights: shapes of its parameter blobs.
        activation: what it applies to each element; None for a layer of another kind.
    """

    name: str
    kind: str
    params: Any
    weights: Sequence[Any] = ()
    activation: Activation | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer; see `keras_fcn.graph.calls.Call`."""

    operation: Operation
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(eq=False)
class NetworkStructure:
    """A network's layers, and the questions that its tasks have.

    Attributes:
        network: the network.
        name: its name, as the Keras model has it.
        card: what it knows of its job.
        any_size: whether images may have any size that the network takes, not the declared one.
    """

    network: Network
    name: str
    card: Card = field(default_factory=Card)
    any_size: bool = True

    def __post_init__(self) -> None:
        made: dict[Any, Tensor] = {}
        self.steps: list[Step] = []
        self.inputs: list[Tensor] = []
        for layer in self.network.open_layers if self.any_size else self.network.layers:
            tops = tuple(
                Tensor(blob.name, channels_last_shape(blob.shape or ())) for blob in layer.tops
            )
            made.update(zip((blob.key for blob in layer.tops), tops, strict=True))
            if layer.is_source:
                self.inputs += tops
            bottoms = tuple(made[blob.key] for blob in layer.bottoms)
            self.steps.append(Step(_operation(layer), bottoms, tops))
            for old, new in zip(layer.overwritten, layer.aliases, strict=True):
                made[new.key] = made[old.key]
        ends = (*self.network.outputs, *self.network.unnamed)
        self.outputs = [made[blob.key] for blob in ends]

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that make the outputs, as Keras has them."""
        makers = {id(x): step.operation.name for step in self.steps for x in step.outputs}
        return keras_names(makers[id(x)] for x in self.outputs)

    @cached_property
    def positions(self) -> Positions | None:
        """Where the positions of the (first) output's map lie on the image."""
        return output_positions(self.network)

    def _flatten_layers(self, include_self: bool = True) -> Sequence[Any]:
        return ()

    @property
    def ends_in_labels(self) -> bool:
        """Whether the last layer gives labels, not scores."""
        return self.steps[-1].operation.kind == "ArgMax"

    @property
    def class_count(self) -> int | None:
        """How many classes the network tells apart; see `keras_fcn.graph.ends.class_count`."""
        output, *others = self.outputs
        if others:
            return None
        last = next(step for step in self.steps if output in step.outputs)
        if last.operation.kind == "DetectionOutput":
            return int(last.operation.params.num_classes)
        scores = last.inputs[0] if last.operation.kind == "ArgMax" else output
        return scores.shape[-1] if len(scores.shape) in (2, 4) else None

    def fitting_size(self, size: Size) -> Size:
        """As `keras_fcn.graph.sizes.fitting_size`."""
        images = [x for x in self.inputs if len(x.shape) == 4]
        if len(self.inputs) != 1 or not images or None not in images[0].shape[1:3]:
            return size
        free = [length is None for length in images[0].shape[1:3]]
        return next_fitting(size, free, lambda found: self.shapes_at(found) is not None)

    def shapes_at(self, size: Size) -> dict[int, tuple[int | None, ...]] | None:
        """Id of a tensor -> its shape for an image of some size; None: it cannot take it."""
        ((name, declared),) = self.network.input_shapes.items()
        layers = self._layers({name: (*declared[:2], *size)})
        if layers is None:
            return None
        shapes = [
            [channels_last_shape(blob.shape or ()) for blob in layer.tops] for layer in layers
        ]
        if any(0 in shape for each in shapes for shape in each):
            return None
        pairs = zip(self.steps, shapes, strict=True)
        return {id(x): y for step, each in pairs for x, y in zip(step.outputs, each, strict=True)}

    def _layers(self, shapes: Mapping[str, Shape]) -> tuple[Layer, ...] | None:
        try:
            return shaped(self.network.layers, OpenInputs(shapes))
        except CaffeError:
            return None


def declared_size(network: Network) -> tuple[int, int] | None:
    """The size of images that a network of any size declares; None where there is not one."""
    images = [blob.shape[2:] for blob in network.inputs if blob.shape and len(blob.shape) == 4]
    if not network.resizable or len(images) != 1:
        return None
    height, width = images[0]
    return None if height is None or width is None else (height, width)


def channels_last_shape(shape: Shape) -> tuple[int | None, ...]:
    """A shape in Caffe's axis order as Keras has it."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else tuple(shape)


def _operation(layer: Layer) -> Operation:
    kind = _NAMES.get(layer.type, layer.type)
    if isinstance(layer.params, Pooling):
        average = str(layer.params.pool).upper() == "AVE"
        kind = "CaffeAveragePooling2D" if average else "CaffeMaxPooling2D"
    name = _ACTIVATIONS.get(layer.type)
    activation = None if name is None else Activation(name)
    kind = kind if name is None else "Activation"
    return Operation(layer.name, kind, layer.params, layer.weight_shapes or (), activation)
