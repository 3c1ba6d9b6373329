"""A graph of operators as it grows, and one layer's part of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import Shape

Array = npt.NDArray[Any]

_FEW = 4096
"""Bytes of a constant that is compared by value; larger ones are told apart by their memory."""


class NeedsSizes(UnsupportedLayerError):  # noqa: N818  it says what of
    """A layer is written for known sizes of its bottoms only."""


@dataclass
class Node:
    """One operator; names of tensors in and out."""

    op_type: str
    inputs: list[str]
    outputs: list[str]
    name: str
    attributes: Mapping[Any, Any]
    weights: Sequence[Array] = ()
    """Arrays of its own, where the form has such."""
    domain: str = ""
    """Of its operator, where that is none of the form's own."""


@dataclass
class Graph:
    """Nodes, in an order in which they can run, and the constants that they read."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Names of tensors."""
    node_names: set[str] = field(default_factory=set)
    _known: dict[Any, str] = field(default_factory=dict, repr=False)

    def free_name(self, name: str) -> str:
        """A name that no tensor has, and that none gets from now on."""
        return free(name, self.names)

    def constant(self, array: Array, name: str) -> str:
        """The name of a constant; equal small ones, and the same memory, are kept once."""
        array = np.asarray(array)
        key: Any = (array.dtype.name, array.shape)
        if array.nbytes <= _FEW:
            key = (*key, array.tobytes())
        else:
            key = (*key, array.__array_interface__["data"][0], array.strides)
        if key not in self._known:
            self._known[key] = self.free_name(name)
            self.constants[self._known[key]] = array
        return self._known[key]

    def rename(self, old: str, new: str) -> None:
        """Give a tensor that a node makes another name."""
        for node in self.nodes:
            if old in node.inputs:
                node.inputs = [new if name == old else name for name in node.inputs]
            if old in node.outputs:
                node.outputs = [new if name == old else name for name in node.outputs]

    def without_unread(self, outputs: Sequence[str]) -> Graph:
        """The graph of what leads to some tensors."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        constants = {name: array for name, array in self.constants.items() if name in wanted}
        return dataclasses.replace(self, nodes=kept[::-1], constants=constants)

    def makes(self, name: str) -> bool:
        """Whether a node makes a tensor."""
        return any(name in node.outputs for node in self.nodes)


@dataclass
class Scope:
    """The graph as one layer adds to it.

    Attributes:
        graph: the whole.
        layer: the layer's name, from which those of its nodes derive.
        blobs: its parameter blobs in Caffe's layout.
        declared: shapes of its bottoms for the input sizes that the network declares.
        training: whether the network is in the phase TRAIN.
        batch: the first input, and the batch that it declares; None: there are no inputs.
    """

    graph: Graph
    layer: str
    blobs: Sequence[Array] = ()
    declared: Sequence[Shape] = ()
    training: bool = False
    batch: tuple[str, int | None] | None = None

    def node(
        self,
        count: int,
        op_type: str,
        inputs: Sequence[str],
        attributes: Mapping[Any, Any],
        weights: Sequence[Array] = (),
        domain: str = "",
    ) -> tuple[str, ...]:
        """Add a node that makes so many tensors; returns their names."""
        name = free(self.layer, self.graph.node_names, op_type)
        made = [self.graph.free_name(f"{name}:{index}") for index in range(count)]
        self.graph.nodes.append(
            Node(op_type, list(inputs), made, name, attributes, weights, domain)
        )
        return tuple(made)

    def copied(self, x: str) -> str:
        """The same tensor under another name."""
        raise NotImplementedError

    def like(self, x: str, other: str, shape: Shape) -> str:
        """A tensor with the sizes of another one, those of a blob of this shape."""
        raise NotImplementedError


def free(name: str, taken: set[str], hint: str = "") -> str:
    """A name that is not taken: as it is, else with the hint, else numbered."""
    number, base = 1, f"{name}/{hint}" if hint else name
    found = name if name not in taken else base
    while found in taken:
        number += 1
        found = f"{base}_{number}"
    taken.add(found)
    return found
