"""Fields of layers with windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError


def convolution(
    kernel: Any,
    margins: Sequence[tuple[int, int]],
    bias: Any = None,
    *,
    strides: Sequence[int] = (),
    dilation: Sequence[int] = (),
    groups: int = 1,
) -> dict[str, Any]:
    """Blobs and fields of a convolution with zeros around, which may differ from side to side.

    Caffe pads both sides alike. Where they differ, the kernel gets zeros on the side
    with less padding, and the larger padding serves both.

    Args:
        kernel: (outputs, inputs / groups, *spatial).
        margins: zeros (before, after) along each spatial axis.
        bias: (outputs,), or None.
        strides: along each spatial axis; empty: 1.
        dilation: along each spatial axis; empty: 1.
        groups: number of groups.

    Raises:
        UnsupportedLayerError: the difference is no multiple of the dilation.
    """
    strides, dilation = (given or (1,) * len(margins) for given in (strides, dilation))
    more = [(0, 0), (0, 0)]
    for (before, after), step in zip(margins, dilation, strict=True):
        missing = max(before, after) - before, max(before, after) - after
        if any(cells % step for cells in missing):
            raise UnsupportedLayerError(
                f"padding {tuple(margins)} with dilation {tuple(dilation)} has no equivalent in "
                "Caffe, which pads both sides alike"
            )
        more.append((missing[0] // step, missing[1] // step))
    kernel = np.pad(kernel, more)
    fields: dict[str, Any] = {"num_output": kernel.shape[0], "bias_term": bias is not None}
    fields |= sizes("kernel", "kernel_size", kernel.shape[2:])
    fields |= sizes("pad", "pad", [max(side) for side in margins], 0)
    fields |= sizes("stride", "stride", strides, 1)
    if set(dilation) != {1}:
        fields["dilation"] = list(dilation[:1] if len(set(dilation)) == 1 else dilation)
    if groups > 1:
        fields["group"] = groups
    return fields | {"blobs": [kernel] if bias is None else [kernel, bias]}


def sizes(
    side: str, field: str, values: Sequence[int], default: int | None = None
) -> dict[str, Any]:
    """Caffe's fields for a size along each spatial axis."""
    values = [int(value) for value in values]
    if len(set(values)) == 1:
        return {} if values[0] == default else {field: values[:1]}
    if len(values) == 2:
        return {f"{side}_h": values[0], f"{side}_w": values[1]}
    return {field: values}


def pooling(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]) -> dict[str, Any]:
    """The fields of a pooling window, whose sizes are not repeated ones."""
    fields = sizes("kernel", "kernel_size", kernel)
    fields |= sizes("stride", "stride", stride, 1) | sizes("pad", "pad", pad, 0)
    return {name: value[0] if isinstance(value, list) else value for name, value in fields.items()}


def same_padding(size: int, reach: int, stride: int) -> int:
    """All zeros that `padding="same"` puts around an axis."""
    return max((-(-size // stride) - 1) * stride + reach - size, 0)
