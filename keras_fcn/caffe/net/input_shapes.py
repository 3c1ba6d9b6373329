"""The argument `input_shapes`: sizes that a user gives to a network's inputs."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Shape
from keras_fcn.caffe.layers.data import Input
from keras_fcn.caffe.net.states import NetState
from keras_fcn.caffe.words import argument

Sizes = tuple[int | None, ...]
"""One item of a batch in Caffe's axis order; None where a size stays open."""

_IMAGE_AXES = 4
_COLOURS = (1, 3)  # what stands second in a shape that begins with the batch


def check_input_shapes(given: Mapping[str, Sequence[int | None]] | None) -> dict[str, Sizes]:
    """The argument `input_shapes` as plain tuples.

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
                f"{argument('input_shapes')}: {name!r} is no input; the inputs are {listed}"
                f"{hint and f'; {hint}'}"
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
                f"{argument('input_shapes')}: {name!r}: {sizes} seems to begin with the batch, "
                f"which is left out; give {sizes[1:]}"
            )
        return (*declared[:1], *sizes)
    batch, rest = (sizes[:1], sizes[1:]) if len(sizes) == axes else (declared[:1], sizes)
    if len(rest) != axes - 1:
        raise NetworkError(
            f"{argument('input_shapes')}: {name!r} has {axes} axes; give {axes - 1} sizes, "
            f"in Caffe's order and without the batch. Received: {sizes}"
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
            f"{argument('input_shapes')}: {name!r} is given {shown(shape)}, but the layer's "
            f"parameters (transform_param and its own) make it {shown(declared)}"
        )


def shown(shape: Shape) -> str:
    """One item's sizes for messages: `(3, ?, ?)`."""
    sizes = ["?" if size is None else str(size) for size in shape[1:]]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def declare(net: NetDefinition, given: Mapping[str, Sizes], state: NetState) -> NetDefinition:
    """Write given shapes into a network's Input layers.

    A blob that is read, but made by no layer in any state, gets an Input layer of its own:
    DIGITS' networks leave theirs to the program.

    Raises:
        NetworkError: the sizes do not suit the declared ones.
    """
    if not given:
        return net
    kept = [state.keeps(layer) for layer in net.layers]
    layers = tuple(
        _declared(layer, given) if is_in else layer
        for layer, is_in in zip(net.layers, kept, strict=True)
    )
    made = {name for layer in layers for name in layer.tops}
    read = {
        name for layer, is_in in zip(layers, kept, strict=True) if is_in for name in layer.bottoms
    }
    new = tuple(
        input_layer(name, [with_sizes(name, (1,), sizes, is_open=True)])
        for name, sizes in given.items()
        if name in read - made
    )
    return replace(net, layers=(*new, *layers))


def _declared(layer: LayerDefinition, given: Mapping[str, Sizes]) -> LayerDefinition:
    if layer.type != "Input" or not given.keys() & set(layer.tops):
        return layer
    shapes = Input.read(layer).top_shapes((), len(layer.tops))
    return with_input_shapes(
        layer,
        [
            with_sizes(name, shape, given[name], is_open=False) if name in given else shape
            for name, shape in zip(layer.tops, shapes, strict=True)
        ],
    )


def input_layer(name: str, shapes: Sequence[Shape]) -> LayerDefinition:
    """An Input layer whose one top has its name."""
    return with_input_shapes(LayerDefinition(name, "Input", tops=(name,)), shapes)


def with_input_shapes(layer: LayerDefinition, shapes: Sequence[Shape]) -> LayerDefinition:
    """An Input layer that declares these shapes, one for each top."""
    whole = [_whole(name, shape) for name, shape in zip(layer.tops, shapes, strict=True)]
    return replace(layer, fields=layer.fields.with_(**Input(shape=tuple(whole)).write()))


def _whole(name: str, shape: Shape) -> tuple[int, ...]:
    """An Input layer's sizes; the batch is 1 where it is not known."""
    sizes = [1, *shape[1:]] if shape[:1] == (None,) else [*shape]
    if None in sizes:
        raise NetworkError(
            f"{argument('input_shapes')}: an Input layer has all its sizes; give {name!r} in full"
        )
    return tuple(size for size in sizes if size is not None)
