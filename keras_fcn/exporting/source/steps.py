"""The calls of a model as data that code is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from keras_fcn.exporting.source.arguments import Arguments
from keras_fcn.exporting.source.layout import Verbatim
from keras_fcn.layers.pooling import LOWEST_FLOAT32


@dataclass(frozen=True)
class Tensor:
    """Stands for a symbolic tensor among arguments; `index` tells it from the others."""

    index: int


@dataclass(frozen=True)
class Owner:
    """Stands for the variable of a layer among arguments."""

    name: str


@dataclass(frozen=True)
class Step:
    """One call of a layer, or of a function of `keras.ops`.

    Attributes:
        path: the class or function as code.
        arguments: those of the class, or of the function; tensors are `Tensor`.
        positional: how many of them stand without names.
        given: what the layer is called on, lists of `Tensor` among it; () for a function.
        options: named arguments of the layer's call.
        outputs: the tensors made.
        caffe: Caffe's name of the layer, where Keras refuses it; else "".
        layer: name of the layer, which other layers may refer to.
        listed: whether it gives a list though it makes one tensor.
    """

    path: str
    arguments: Arguments
    positional: int
    given: tuple[Any, ...]
    options: Arguments
    outputs: tuple[Tensor, ...]
    caffe: str = ""
    layer: str = ""
    listed: bool = False

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors that it reads."""
        leaves = keras.tree.flatten([self.given, self.options, [*self.arguments.values()]])
        return [x for x in leaves if isinstance(x, Tensor)]

    @property
    def note(self) -> str:
        """What the call does where its arguments hardly tell; else ""."""
        if self.arguments.get("constant_values") == LOWEST_FLOAT32:
            return "Margins that never win."
        equation = self.arguments.get("equation")
        if isinstance(equation, str) and equation.endswith(f",c->{equation.partition(',')[0]}"):
            return "Caffe's Scale: a factor of each channel" + (
                ", then a bias." if "bias_axes" in self.arguments else "."
            )
        return ""

    @property
    def title(self) -> str:
        """What a variable of what it makes is named after."""
        name = self.arguments.get("name")
        if isinstance(name, Verbatim):  # within a helper: what stands behind its own name
            return name.code.rpartition("}")[2]
        return self.layer or self.path.removeprefix("ops.")

    @property
    def owners(self) -> set[str]:
        """Layers whose weights it uses."""
        leaves = keras.tree.flatten([*self.arguments.values()])
        return {x.name for x in leaves if isinstance(x, Owner)}


@dataclass(frozen=True)
class Steps:
    """A model's inputs, calls and outputs.

    Attributes:
        inputs: each input's tensor and its arguments of `keras.Input`.
        steps: the calls, each behind those that it reads from and the owners of its weights.
        outputs: the tensors that the model gives.
        named: layers that need a variable: they are called again, or others have their weights.
    """

    inputs: list[tuple[Tensor, Arguments]]
    steps: list[Step]
    outputs: list[Tensor]
    named: frozenset[str]
