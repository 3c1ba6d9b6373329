"""An ONNX graph as one layer adds to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.nodes.graph import Graph, Scope
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True)
class Subgraph:
    """A graph that is an attribute of a node; what goes in and out are matrices."""

    name: str
    graph: Graph
    inputs: Sequence[str]
    outputs: Sequence[str]


class LayerGraph(Scope):
    """ONNX' operators; tensors have all axes of their blobs."""

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node that makes one tensor.

        Args:
            op_type: the operator's name.
            *inputs: names of tensors; an empty one stands for an input that is left out.
            **attributes: the operator's.

        Returns:
            The name of the tensor.
        """
        (made,) = self.add_several(1, op_type, *inputs, **attributes)
        return made

    def add_several(
        self, count: int, op_type: str, *inputs: str, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node that makes so many tensors; returns their names."""
        return self.node(count, op_type, inputs, attributes)

    def copied(self, x: str) -> str:
        return self.add("Identity", x)

    def like(self, x: str, other: str, shape: Shape) -> str:
        return self.add("Reshape", x, self.add("Shape", other))

    def weight(self, index: int, shape: Sequence[int] | None = None) -> str:
        """A parameter blob, perhaps in another shape."""
        blob = self.blobs[index]
        array = blob if shape is None else blob.reshape(tuple(shape))
        return self.graph.constant(array, f"{self.layer}/{index}")

    def floats(self, values: Any) -> str:
        """A constant of float32."""
        return self.graph.constant(np.asarray(values, np.float32), f"{self.layer}/constant")

    def ints(self, values: Any) -> str:
        """A constant of int64."""
        return self.graph.constant(np.asarray(values, np.int64), f"{self.layer}/constant")

    def scan(
        self,
        step: Callable[..., Sequence[str]],
        states: Sequence[str],
        sequences: Sequence[str],
    ) -> tuple[str, ...]:
        """Take a step for each position along the first axis of some tensors.

        Args:
            step: `step(body, *states, *elements)`: adds nodes to a graph of its own, which
                reads no tensor from outside; returns the next states, and what is collected.
            states: those before the first step, matrices.
            sequences: tensors of three axes.

        Returns:
            The states after the last step, and what the steps collected, one behind the
            other along a first axis.
        """
        body = Graph(names=self.graph.names, node_names=self.graph.node_names)
        given = [body.free_name(f"{self.layer}/step") for _ in (*states, *sequences)]
        made = step(LayerGraph(body, self.layer), *given)
        return self.add_several(
            len(made),
            "Scan",
            *states,
            *sequences,
            body=Subgraph(self.layer, body, given, list(made)),
            num_scan_inputs=len(sequences),
        )

    # Operators that take several nodes

    def reshape(self, x: str, *sizes: int | str) -> str:
        """With other sizes: 0 keeps the one at its place, -1 takes the rest."""
        return self.add("Reshape", x, self.listed(*sizes))

    def listed(self, *numbers: int | str) -> str:
        """Whole numbers as a list, some perhaps tensors of one."""
        if all(isinstance(number, int) for number in numbers):
            return self.ints(numbers)
        parts = (self.ints([x]) if isinstance(x, int) else x for x in numbers)
        return self.add("Concat", *parts, axis=0)

    def unsqueeze(self, x: str, *axes: int) -> str:
        """With axes of size 1 at these places."""
        for axis in sorted(axes):  # OpenCV 4 takes one at a time
            x = self.add("Unsqueeze", x, self.ints([axis]))
        return x

    def squeeze(self, x: str, *axes: int) -> str:
        """Without these axes of size 1."""
        return self.add("Squeeze", x, self.ints(axes)) if axes else x

    def cut(self, x: str, axis: int, start: int, stop: int | None = None) -> str:
        """Positions `start` to `stop` (not included) along an axis."""
        end = np.iinfo(np.int64).max if stop is None else stop
        return self.add("Slice", x, self.ints([start]), self.ints([end]), self.ints([axis]))

    def reversed(self, x: str, *axes: int) -> str:
        """Turned round along some axes."""
        if not axes:
            return x
        starts, ends, steps = ([value] * len(axes) for value in (-1, -(2**62), -1))
        return self.add("Slice", x, *(self.ints(values) for values in (starts, ends, axes, steps)))

    def pad(self, x: str, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> str:
        """With positions added before and behind, one number an axis."""
        if not any((*before, *after)):
            return x
        return self.add("Pad", x, self.ints([*before, *after]), self.floats(value))

    def sizes(self, x: str, first: int = 0, last: int | None = None) -> str:
        """The sizes of axes `first` to `last` (not included), as int64."""
        shape = self.add("Shape", x)
        return shape if (first, last) == (0, None) else self.cut(shape, 0, first, last)

    def size(self, x: str, axis: int) -> str:
        """The size of one axis, as an int64 without axes."""
        return self.squeeze(self.sizes(x, axis, axis + 1), 0)

    def as_floats(self, x: str) -> str:
        """The same numbers as float32."""
        return self.add("Cast", x, to=1)

    def reduced(self, op_type: str, x: str, axes: Sequence[int]) -> str:
        """What a reduction makes of some axes, which stay with size 1.

        Not for ReduceSum, whose axes are an input.
        """
        if len(axes) > 2 and axes[0] == 1:  # all of an image, which OpenCV 4 gets wrong
            flat = self.add(op_type, self.add("Flatten", x, axis=1), axes=[1], keepdims=1)
            return self.unsqueeze(flat, *axes[1:])
        return self.add(op_type, x, axes=list(axes), keepdims=1)

    def total(self, x: str) -> str:
        """The sum of all elements, without axes."""
        return self.add("ReduceSum", x, keepdims=0)

    def shifted(self, x: str, shift: int) -> str:
        """Whole numbers plus another."""
        return self.add("Add", x, self.ints(shift))

    def scaled(self, x: str, scale: float = 1.0, shift: float = 0.0) -> str:
        """Times a number, plus another."""
        if scale != 1:
            x = self.add("Mul", x, self.floats(scale))
        return x if shift == 0 else self.add("Add", x, self.floats(shift))
