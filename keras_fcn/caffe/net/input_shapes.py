"""The argument ``input_shapes``: sizes that a user gives to a network's inputs."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Shape
from keras_fcn.caffe.layers.data import Input
from keras_fcn.caffe.proto.definitions import layer_definition

Sizes = tuple[int | None, ...]
"""One item of a batch in Caffe's axis order; None where a size stays open."""

_IMAGE_AXES = 4
_COLOURS = (1, 3)  # what stands second in a shape that begins with the batch


def check_input_shapes(given: Mapping[str, Sequence[int | None]] | None) -> dict[str, Sizes]:
    """The argument ``input_shapes`` as plain tuples.

    Raises:
        ValueError: it is no mapping of names to sizes of at least 1, or None.
    """
    result = {}
    for name, sizes in dict(given or {}).items():
        plain = None if isinstance(sizes, str | numbers.Number) or sizes is None else tuple(sizes)
        if plain is None or not all(
            size is None or (isinstance(size, numbers.Integral) and size > 0) for size in plain
        ):
            raise ValueError(
                "input_shapes maps an input to its sizes without the batch, such as "
                f'{{"data": (3, 227, 227)}}. Received: {name!r}: {sizes!r}'
            )
        result[name] = tuple(None if size is None else int(size) for size in plain)
    return result


def check_names(
    given: Mapping[str, Sizes], inputs: Sequence[str], elsewhere: Callable[[str], str]
) -> None:
    """Refuse shapes for what is no input.

    Args:
        given: input -> its sizes.
        inputs: the network's inputs.
        elsewhere: says of a blob in which other state a layer makes it; empty if in none.

    Raises:
        NetworkError: the inputs are listed.
    """
    for name in given:
        if name not in inputs:
            listed = ", ".join(map(repr, inputs)) or "none"
            hint = elsewhere(name)
            raise NetworkError(
                f"input_shapes: {name!r} is no input; the inputs are {listed}{hint and f'; {hint}'}"
            )


def with_sizes(name: str, declared: Shape, sizes: Sizes, is_open: bool) -> Shape:
    """An input's whole shape from given sizes; they may begin with the batch.

    Args:
        name: the input.
        declared: the shape so far; None where a size is not known.
        sizes: what the user gives.
        is_open: whether the prototxt leaves the number of axes open.

    Raises:
        NetworkError: the sizes do not suit the declared ones.
    """
    axes = len(declared)
    if is_open or axes < 2:
        if len(sizes) == _IMAGE_AXES and sizes[1] in _COLOURS:
            raise NetworkError(
                f"input_shapes: {name!r}: {sizes} seems to begin with the batch, which is left "
                f"out; give {sizes[1:]}"
            )
        return (*declared[:1], *sizes)
    batch, rest = (sizes[:1], sizes[1:]) if len(sizes) == axes else (declared[:1], sizes)
    if len(rest) != axes - 1:
        raise NetworkError(
            f"input_shapes: {name!r} has {axes} axes; give {axes - 1} sizes, in Caffe's order and "
            f"without the batch. Received: {sizes}"
        )
    return (*(declared[:1] if declared[0] is None else batch), *rest)


def check_declared(name: str, declared: Shape, shape: Shape) -> None:
    """Refuse sizes other than those that a data layer's parameters tell.

    Raises:
        NetworkError: both shapes are named.
    """
    if len(declared) > 1 and any(
        None not in (own, given) and own != given
        for own, given in zip(declared[1:], shape[1:], strict=False)
    ):
        raise NetworkError(
            f"input_shapes: {name!r} is given {shown(shape)}, but the layer's parameters "
            f"(transform_param and its own) make it {shown(declared)}"
        )


def shown(shape: Shape) -> str:
    """One item's sizes for messages: ``(3, ?, ?)``."""
    sizes = ["?" if size is None else str(size) for size in shape[1:]]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def declare(net: Any, given: Mapping[str, Sizes], keeps: Callable[[Any], bool]) -> None:
    """Write given shapes into a NetParameter's Input layers.

    A blob that is read, but made by no layer in any state, gets an Input layer of its own:
    DIGITS' networks leave theirs to the program.
    """
    kept = [layer for layer in net.layer if keeps(layer)] if given else []
    for layer in kept:
        if layer.type != "Input" or not given.keys() & set(layer.top):
            continue
        declared = Input.read(layer_definition(layer)).top_shapes((), len(layer.top))
        del layer.input_param.shape[:]
        for name, shape in zip(layer.top, declared, strict=True):
            if name in given:
                shape = with_sizes(name, shape, given[name], is_open=False)
            layer.input_param.shape.add().dim.extend(_whole(name, shape))
    made = {name for layer in net.layer for name in layer.top}
    read = {name for layer in kept for name in layer.bottom}
    new = type(net)()
    for name in given:
        if name in read - made:
            layer = new.layer.add(name=name, type="Input", top=[name])
            shape = with_sizes(name, (1,), given[name], is_open=True)
            layer.input_param.shape.add().dim.extend(_whole(name, shape))
    if new.layer:
        new.MergeFrom(net)
        net.CopyFrom(new)


def _whole(name: str, shape: Shape) -> list[int]:
    """An Input layer's sizes; the batch is 1 where it is not known."""
    sizes = [1, *shape[1:]] if shape[:1] == (None,) else [*shape]
    if None in sizes:
        raise NetworkError(f"input_shapes: an Input layer has all its sizes; give {name!r} in full")
    return [size for size in sizes if size is not None]
