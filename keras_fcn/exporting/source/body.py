"""Statements of the functions that build a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras

from keras_fcn.exporting.source.arguments import Arguments
from keras_fcn.exporting.source.expressions import Expressions
from keras_fcn.exporting.source.layout import (
    Bracketed,
    Code,
    Verbatim,
    applied,
    marked,
    one_or_list,
    statement,
)
from keras_fcn.exporting.source.names import Variables
from keras_fcn.exporting.source.patterns import Helper, HelperCall, Item, Loop, Part
from keras_fcn.exporting.source.steps import Owner, Step, Steps, Tensor

_INDENT = 4
_MOST_NAMED = 5


class Body:
    """Writes parts of a network as the statements of one function.

    Args:
        expressions: turns values into code.
        variables: the names of the function.
        named: layers that get a variable.
    """

    def __init__(
        self, expressions: Expressions, variables: Variables, named: frozenset[str] = frozenset()
    ) -> None:
        self._expressions = expressions
        self._variables = variables
        self._named = named
        self._layers: dict[str, str] = {}
        self._tensors: dict[Tensor, str] = {}
        self._noted: set[str] = set()

    def functional(self, found: Steps, parts: Sequence[Part], name: str) -> list[str]:
        """A whole model, from its inputs to `model = keras.Model(...)`."""
        lines = []
        for tensor, arguments in found.inputs:
            wish = "inputs" if len(found.inputs) == 1 else arguments["name"]
            self._tensors[tensor] = self._variables.new(wish, "inputs")
            code = self._input(arguments).prefixed(f"{self._tensors[tensor]} = ")
            lines += statement(code, _INDENT)
        lines += self._statements(parts, found.outputs)
        tensors = [tensor for tensor, _ in found.inputs], found.outputs
        ends = [one_or_list([self._tensors[x] for x in end]) for end in tensors]
        code = Bracketed("model = keras.Model(", [*ends, self._named_argument(name)])
        return [*lines, *statement(code, _INDENT)]

    def chain(self, found: Steps, parts: Sequence[Part], name: str) -> list[str]:
        """A whole model that is a chain: a list of its layers, or one by one with loops."""
        ((_, arguments),) = found.inputs
        first = self._input(arguments)
        named = self._named_argument(name)
        if all(isinstance(part, Step) and not part.caffe + part.note for part in parts):
            layers = [self._layer(step) for step in found.steps]
            stack = Bracketed("[", [first, *layers], "]", literal=True)
            return statement(Bracketed("model = keras.Sequential(", [stack, named]), _INDENT)
        lines = [f"    model = keras.Sequential({named})"]
        lines += statement(Bracketed("model.add(", [first]), _INDENT)
        items: tuple[Item, ...]
        for part in parts:
            if isinstance(part, Loop):
                lines += self._head(part)
                indent, items = 2 * _INDENT, part.pattern.steps
            else:
                indent, items = _INDENT, (part,)
            for item in items:
                lines += self._comments(item, indent)
                lines += statement(Bracketed("model.add(", [self._layer(item)]), indent)
        return lines

    def helper(self, helper: Helper) -> list[str]:
        """A helper function."""
        steps = helper.pattern.steps
        first, (output,) = steps[0].inputs[0], steps[-1].outputs
        read_once = [x for step in steps for x in step.inputs].count(first) == 1
        given = self._tensors[first] = "x" if read_once else self._variables.new("inputs", "x")
        head = Bracketed(f"def {helper.name}(", [given, *helper.pattern.parameters], "):")
        return [
            *statement(head, 0),
            f'    """Build one of the {len(helper.pattern.rows)} parts that are alike."""',
            *self._statements(steps, [output], returned=True),
        ]

    def _statements(
        self, parts: Sequence[Part], outputs: Sequence[Tensor], *, returned: bool = False
    ) -> list[str]:
        """Statements for all parts; what they make gets variables, `x` what is read at once.

        With `returned` the last one returns what it makes.
        """
        readers = Counter([*outputs, *(x for part in parts for x in set(part.inputs))])
        lines = []
        for index, part in enumerate(parts):
            following = parts[index + 1].inputs if index + 1 < len(parts) else outputs
            names = []
            for tensor in part.outputs:
                at_once = len(part.outputs) == 1 and readers[tensor] == 1 and tensor in following
                name = "x" if at_once else self._variables.new(part.title, "x")
                names.append(name if readers[tensor] else "_")
            last = returned and index + 1 == len(parts)
            made = f"({names[0]},)" if isinstance(part, Step) and part.listed else ", ".join(names)
            target = "return " if last else f"{made} = "
            if isinstance(part, Loop):
                lines += self._loop(part, target)
            else:
                lines += self._item(part, target, _INDENT)
            self._tensors.update(zip(part.outputs, names, strict=True))
        return lines

    def _loop(self, loop: Loop, target: str) -> list[str]:
        before = self._tensors[loop.inputs[0]]
        lines = [] if before == "x" else [f"    x = {before}"]
        lines += self._head(loop)
        for item in loop.pattern.steps:
            self._tensors[item.inputs[0]] = "x"
            lines += self._item(item, "x = ", 2 * _INDENT)
        self._tensors[loop.inputs[0]] = before  # for those who read it later
        return lines if target == "x = " else [*lines, f"    {target}x"]

    def _head(self, loop: Loop) -> list[str]:
        """`for name, filters in (("conv1", 64), ("conv2", 128)):`, with lines to be long."""
        parameters, rows = loop.pattern.parameters, loop.pattern.rows
        values = [row[0] if len(row) == 1 else row for row in rows]
        table = [self._expressions.value(value, "a loop") for value in values]
        opening = f"for {', '.join(parameters)} in ("
        return statement(Bracketed(opening, table, "):", literal=True), _INDENT)

    def _item(self, item: Item, target: str, indent: int) -> list[str]:
        if isinstance(item, HelperCall):
            given = {"x": Verbatim(self._tensors[item.inputs[0]]), **item.arguments}
            unnamed = 2 if [*given][1] == "name" else 1
            if len(given) > _MOST_NAMED:
                unnamed = len(given)  # one line, which reads as the row of a table
            code = self._expressions.call(item.helper.name, given, unnamed, item.helper.name)
            return statement(code.prefixed(target), indent)
        return [*self._comments(item, indent), *self._step(item, target, indent)]

    def _comments(self, item: Item, indent: int) -> list[str]:
        """Caffe's name, in ASCII, where Keras has another; and what a call does, the first time."""
        texts = [f"Caffe: {ascii(item.caffe)[1:-1]}"] if item.caffe else []
        if item.note and item.note not in self._noted:
            self._noted.add(item.note)
            texts.append(item.note)
        return [marked(f"{' ' * indent}# {text}") for text in texts]

    def _step(self, step: Step, target: str, indent: int) -> list[str]:
        made = self._layer(step)
        if not step.given:  # a function
            return statement(made.prefixed(target), indent)
        given = [self._value(x, step) for x in step.given]
        given += [f"{key}={self._value(x, step)}" for key, x in step.options.items()]
        if step.layer not in self._named:
            return statement(applied(made, given, target), indent)
        lines = []
        if step.layer not in self._layers:
            variable = self._layers[step.layer] = self._variables.new(step.layer, "layer")
            lines = statement(made.prefixed(f"{variable} = "), indent)
        call = Bracketed(f"{target}{self._layers[step.layer]}(", given)
        return [*lines, *statement(call, indent)]

    def _layer(self, step: Any) -> Bracketed:
        arguments = {key: self._filled(value) for key, value in step.arguments.items()}
        return self._expressions.call(step.path, arguments, step.positional, step.layer)

    def _input(self, arguments: Arguments) -> Bracketed:
        unnamed = int("shape" in arguments)
        return self._expressions.call("keras.Input", arguments, unnamed, arguments["name"])

    def _named_argument(self, name: str) -> str:
        return f"name={self._expressions.value(name, 'the model')}"

    def _value(self, value: Any, step: Step) -> Code:
        return self._expressions.value(self._filled(value), step.layer)

    def _filled(self, value: Any) -> Any:
        """A value with the variables of tensors and layers in their places."""

        def found(x: Any) -> Any:
            if isinstance(x, Tensor):
                return Verbatim(self._tensors[x])
            return Verbatim(self._layers[x.name]) if isinstance(x, Owner) else x

        holds = any(isinstance(x, Tensor | Owner) for x in keras.tree.flatten(value))
        return keras.tree.map_structure(found, value) if holds else value
