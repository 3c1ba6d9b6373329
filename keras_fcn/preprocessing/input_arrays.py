"""Arrays against the inputs of a model, told in a line where they do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Shape = tuple[int | None, ...]


def check_arrays(model: Any, data: Any) -> None:
    """Refuse arrays that a model cannot take; what gives batches in turn is not looked at.

    Args:
        model: functional or sequential; one that is not built takes anything.
        data: an array, or arrays in a list or by the inputs' names; channels-last.

    Raises:
        ValueError: names or shapes are not those of the inputs.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return
    names = [tensor.name for tensor in inputs]
    if isinstance(data, Mapping):
        if isinstance(model.input, Mapping):
            names, inputs = list(model.input), list(model.input.values())
        if not set(names) <= set(data):
            raise ValueError(f"the model has inputs {names}. Received: {sorted(data)}")
        arrays = [data[name] for name in names]
    elif hasattr(data, "shape"):
        arrays = [data]
    elif isinstance(data, list | tuple) and all(hasattr(x, "shape") for x in data):
        arrays = list(data)
    else:
        return
    if len(arrays) != len(inputs):
        count = f"{len(arrays)} array{'s' if len(arrays) > 1 else ''}"
        raise ValueError(f"the model has inputs {names}. Received: {count}")
    for name, tensor, array in zip(names, inputs, arrays, strict=True):
        if hasattr(array, "shape") and getattr(tensor, "shape", None) is not None:
            check_shape(name, tuple(tensor.shape), tuple(array.shape))


def check_shape(name: str, wanted: Shape, given: Sequence[int], caffe: bool = False) -> None:
    """Refuse an array of another shape than an input's; the batch may be any.

    Args:
        name: the input's.
        wanted: its shape, channels-last.
        given: the array's, in the same order.
        caffe: tell shapes in Caffe's axis order.
    """
    given = tuple(given)
    if _fits(wanted, given):
        return
    order = _caffe_order if caffe else tuple
    hint = ""
    if _fits(wanted, (1, *given)):
        hint = "; a batch of one is x[np.newaxis]"
    elif not caffe and any(_is_turned(wanted, x) for x in (given, (1, *given))):
        hint = "; channels come last"
    raise ValueError(
        f"input {name!r} takes {described(wanted, caffe)}. Received: shape {order(given)}{hint}"
    )


def _fits(wanted: Shape, given: Shape) -> bool:
    """Keras adds or takes a last axis of one; not where that makes the first one the batch."""
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    elif len(given) == len(wanted) - 1 and wanted[-1] == 1:
        if len(given) > 1 and given[-1] == 1:
            return False
        given = (*given, 1)
    return len(given) == len(wanted) and all(
        size in (None, other) for size, other in zip(wanted[1:], given[1:], strict=True)
    )


def _is_turned(wanted: Shape, given: Shape) -> bool:
    """Whether a shape is the wanted one in Caffe's axis order."""
    return 2 < len(given) == len(wanted) and _fits(wanted, (given[0], *given[2:], given[1]))


def _caffe_order(shape: Shape) -> Shape:
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else tuple(shape)


def described(shape: Shape, caffe: bool = False) -> str:
    """An input's shape, in words where it is free, in Keras' or Caffe's axis order."""
    words = ["batch", "height", "width", "channels"] if len(shape) == 4 else ["any"] * len(shape)
    sizes: Any = tuple(size or word for size, word in zip(shape[1:], words[1:], strict=True))
    sizes = ("batch", *sizes)
    ordered = _caffe_order(sizes) if caffe else sizes
    return f"({', '.join(map(str, ordered))}{',' if len(shape) == 1 else ''})"


def holds_boxes(tensor: Any) -> bool:
    """Whether a tensor has the form of DetectionOutput's: (1, rows, 7 or 10, 1)."""
    shape = tuple(tensor.shape)
    return len(shape) == 4 and shape[0] == 1 and shape[2:] in ((7, 1), (10, 1))
