"""Convolution and pooling of maps (N, H, W, C); on PyTorch without Keras' copies.

Keras 3.15 copies a map twice before PyTorch convolves it, channels first and back, and once
before it is pooled. PyTorch takes a map that lies channels last as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Sizes = Sequence[int]


def conv(
    x: Any, kernel: Any, strides: Sizes, padding: str, dilation: Sizes, bias: Any = None
) -> Any:
    """`keras.ops.conv` over two spatial axes or others, and a bias.

    Args:
        x: the images.
        kernel: the taps, then channels of a group and filters.
        strides: one for each spatial axis.
        padding: `"valid"` or `"same"`.
        dilation: one for each spatial axis.
        bias: a number for each filter.
    """
    margins = _margins(x, kernel.shape[:2], strides, padding, dilation)
    if margins is None:
        outputs = ops.conv(
            x,
            kernel,
            strides=tuple(strides) if len(set(strides)) > 1 else max(strides, default=1),
            padding=padding,
            data_format="channels_last",
            dilation_rate=tuple(dilation),
        )
        return outputs if bias is None else ops.add(outputs, bias)
    from torch.nn.functional import conv2d

    kernel, bias = _tensor(kernel), None if bias is None else _tensor(bias)
    groups = x.shape[-1] // kernel.shape[2]
    maps, kernel = x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)
    outputs = conv2d(maps, kernel, bias, tuple(strides), margins, tuple(dilation), groups)
    return outputs.permute(0, 2, 3, 1)


def max_pool(x: Any, size: Sizes, strides: Sizes, padding: str = "valid") -> Any:
    """`keras.ops.max_pool` over two spatial axes."""
    margins = _margins(x, size, strides, padding, (1, 1))
    if margins is None:
        return ops.max_pool(x, size, strides, padding, data_format="channels_last")
    from torch.nn.functional import max_pool2d

    outputs = max_pool2d(x.permute(0, 3, 1, 2), tuple(size), tuple(strides), margins)
    return outputs.permute(0, 2, 3, 1)


def keeps_layout(x: Any) -> bool:
    """Whether this is a map of PyTorch's, with values."""
    if keras.backend.backend() != "torch" or isinstance(x, keras.KerasTensor):
        return False
    return len(x.shape) == 4 and not x.is_meta


def _margins(
    x: Any, size: Sizes, strides: Sizes, padding: str, dilation: Sizes
) -> tuple[int, ...] | None:
    """Zeros before and behind each axis; None where Keras' own operation is to be used."""
    if not keeps_layout(x):
        return None
    if padding == "valid":
        return (0, 0)
    reach = [step * (length - 1) for length, step in zip(size, dilation, strict=True)]
    if max(strides) > 1 or any(length % 2 for length in reach):
        return None
    return tuple(length // 2 for length in reach)


def _tensor(x: Any) -> Any:
    return ops.convert_to_tensor(x)
