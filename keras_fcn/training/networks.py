"""The parts of a network that training reaches for: scores, parameters, precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import keras

from keras_fcn.core.card import card_of
from keras_fcn.core.definition import defined_network
from keras_fcn.core.leaves import leaves
from keras_fcn.graph.calls import Call, calls
from keras_fcn.inference.tasks import classifies_at
from keras_fcn.layers import ArgMax, PixelwiseSoftmax
from keras_fcn.layers.known import own, own_method

__all__ = [
    "Multipliers",
    "Scores",
    "caffe_multipliers",
    "computing_in",
    "copy_variables",
    "freeze",
    "leaves",
    "matching",
    "parameters",
    "scores",
    "scores_of",
    "seeds_among",
]


class Scores(NamedTuple):
    """The class scores of a network.

    Attributes:
        tensor: `(N, h, w, classes)`; of whole images `(N, classes)`, or a map of one position.
        are_logits: whether a softmax is still to come; else they are probabilities.
    """

    tensor: Any
    are_logits: bool

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.tensor.shape[-1])


class Multipliers(NamedTuple):
    """Caffe's `lr_mult` and `decay_mult` of one parameter."""

    rate: float = 1.0
    decay: float = 1.0


def scores(model: keras.Model, of_pixels: bool = True) -> Scores:
    """The scores of a network: what its softmax reads, where it ends in one.

    Args:
        model: the network.
        of_pixels: whether they are to be a map; else those of whole images.

    Raises:
        ValueError: it has several outputs, or none of such scores.
    """
    made_by = {id(x): call for call in calls(model) for x in call.outputs}
    tensor, *others = model.outputs
    call = made_by[id(tensor)]
    while isinstance(call.operation, ArgMax):
        tensor = call.inputs[0]
        call = made_by[id(tensor)]
    found = scores_of(call)
    shape = tuple(found.tensor.shape)
    given = f"Received: {model.name!r} with {[tuple(x.shape) for x in model.outputs]}"
    if of_pixels and (others or len(shape) != 4):
        raise ValueError(
            "for masks the network must have one output, a map of class scores (rows, columns, "
            "classes): keras.Model(model.inputs, model.outputs[0]) takes the first of several, "
            "to_fully_convolutional casts a classifier, which itself is for images with one label "
            f"each, such as a folder a class. {given}"
        )
    if not of_pixels and (others or not _is_of_whole_images(model, shape)):
        raise ValueError(
            "for images with one label each the network must have one output, a vector of class "
            f"scores; one that gives a map is for masks, a class for every pixel. {given}"
        )
    if not of_pixels and _squashes(call.operation):
        raise ValueError(
            "for images with one label each the network must end in logits or a softmax. "
            f"{given}, which ends in {call.operation.activation.__name__}"
        )
    return found


def _is_of_whole_images(model: keras.Model, shape: tuple[int | None, ...]) -> bool:
    """Whether scores are a vector, or a map of one position at the size of the images."""
    if len(shape) == 2 or shape[1:-1] == (1, 1):
        return True
    size = card_of(model).size
    return len(shape) == 4 and size is not None and classifies_at(model, size)


def _squashes(operation: Any) -> bool:
    activation = getattr(operation, "activation", None)
    return activation not in (None, keras.activations.linear, keras.activations.softmax)


def scores_of(call: Call) -> Scores:
    """The scores that a layer gives: of a softmax what it reads, else its first output."""
    if _is_softmax(call.operation):
        return Scores(call.inputs[0], True)
    activation = getattr(call.operation, "activation", None)
    return Scores(call.outputs[0], activation is not keras.activations.softmax)


def _is_softmax(operation: Any) -> bool:
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.softmax
    if not isinstance(operation, PixelwiseSoftmax | keras.layers.Softmax):
        return False
    if method := own_method(operation):
        raise ValueError(
            f"the scores of a softmax must be what it reads. Received: layer {operation.name!r} "
            f"({type(operation).__name__}), which {own(method)}"
        )
    return True


def parameters(model: keras.Model) -> dict[str, Any]:
    """The trainable variables by name, `conv1/kernel`.

    Raises:
        ValueError: two have the same name.
    """
    found: dict[str, Any] = {}
    for layer in leaves(model):
        for variable in layer.trainable_variables:
            name = f"{layer.name}/{variable.name}"
            if found.setdefault(name, variable) is not variable:
                raise ValueError(
                    f"layers must have names of their own. Received: two of {name!r} in "
                    f"{model.name!r}"
                )
    return found


def matching(pattern: str, names: Iterable[str], what: str) -> list[str]:
    """The names that fit a shell pattern.

    Raises:
        ValueError: none does.
    """
    names = list(names)
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise ValueError(f"no {what} matches. Received: {pattern!r}; there are {', '.join(names)}")
    return found


def freeze(model: keras.Model, patterns: Sequence[str]) -> None:
    """Freezes the layers whose names fit one of the patterns.

    Raises:
        ValueError: a pattern fits none.
    """
    layers = {layer.name: layer for layer in leaves(model)}
    for pattern in patterns:
        for name in matching(pattern, layers, "layer"):
            layers[name].trainable = False


def caffe_multipliers(model: keras.Model) -> Mapping[str, Multipliers]:
    """Multipliers in the prototxt of a converted network, by parameter such as `conv1/kernel`.

    Empty for a network that was not converted. What is frozen there is frozen already.
    """
    network = defined_network(model)
    if network is None:
        return {}
    layers = {layer.name: layer for layer in leaves(model)}
    return {
        f"{layer.keras_name}/{variable.name}": Multipliers(spec.lr_mult, spec.decay_mult)
        for layer in network.layers
        if layer.keras_name in layers
        for variable, spec in zip(layers[layer.keras_name].weights, layer.param_specs, strict=False)
    }


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Gives a model the variables of another one of the same make, random states included."""
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(keras.ops.convert_to_numpy(old))


def seeds_among(variables: Sequence[Any]) -> list[Any]:
    """The states of the random generators of dropout and the like."""
    return [variable for variable in variables if variable.name == "seed_generator_state"]


@contextlib.contextmanager
def computing_in(model: keras.Model, policy: str | None) -> Iterator[None]:
    """The layers compute in a mixed policy meanwhile; weights and softmax stay float32."""
    before = {
        layer: layer.dtype_policy
        for layer in leaves(model)
        if policy is not None and not _is_softmax(layer) and layer.dtype_policy.name == "float32"
    }
    for layer in before:
        layer.dtype_policy = policy
    try:
        yield
    finally:
        for layer, old in before.items():
            layer.dtype_policy = old
