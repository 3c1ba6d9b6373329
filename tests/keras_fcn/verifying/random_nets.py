"""Random networks of all kinds of layers that have one bottom, or join two."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

Maps = tuple[int, int, int]
"""Channels, height and width of a blob."""


def _sized(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def networks(draw: Any, layers: int = 8) -> str:
    """The prototxt of a network: maps first, perhaps vectors at its end."""
    channels = draw(st.sampled_from([2, 4, 6]))
    height, width = draw(_sized(6, 13)), draw(_sized(6, 13))
    shape = f"shape {{ dim: 1 dim: {channels} dim: {height} dim: {width} }}"
    data = f'layer {{ name: "data" type: "Input" top: "data" input_param {{ {shape} }} }}'
    text = ['name: "random"', data]
    blobs: list[tuple[str, Maps]] = [("data", (channels, height, width))]
    for number in range(draw(_sized(2, layers))):
        name, of = draw(st.sampled_from(blobs[-3:]))
        kind = draw(st.sampled_from(KINDS))
        made = kind(draw, f"layer{number}", name, of, blobs)
        if made is not None:
            lines, top, size = made
            text.append(lines)
            blobs.append((top, size))
    name, of = blobs[-1]
    if draw(st.booleans()):
        text.append(
            layer("ip", "InnerProduct", name, "ip", f"num_output: 5 {FILLERS}", "inner_product")
        )
        text.append(layer("prob", "Softmax", "ip", "prob"))
    return "\n".join(text)


FILLERS = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" min: -0.5 max: 0.5 }'


def layer(
    name: str,
    type_: str,
    bottom: str | tuple[str, ...],
    top: str,
    fields: str = "",
    message: str = "",
) -> str:
    """One layer's text."""
    bottoms = (bottom,) if isinstance(bottom, str) else bottom
    read = " ".join(f'bottom: "{x}"' for x in bottoms)
    params = f"{message}_param {{ {fields} }}" if message else ""
    return f'layer {{ name: "{name}" type: "{type_}" {read} top: "{top}" {params} }}'


def _convolution(draw: Any, name: str, bottom: str, of: Maps, blobs: Any) -> Any:
    channels, *sizes = of
    kernel, stride = draw(_sized(1, 3)), draw(_sized(1, 2))
    pad, dilation = draw(_sized(0, 2)), draw(_sized(1, 2))
    group = draw(st.sampled_from([x for x in (1, 2, channels) if channels % x == 0]))
    outputs = group * draw(_sized(1, 3))
    reach = dilation * (kernel - 1) + 1
    made = [(size + 2 * pad - reach) // stride + 1 for size in sizes]
    if min(made) < 1:
        return None
    fields = (
        f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad} "
        f"dilation: {dilation} group: {group} {FILLERS}"
    )
    return layer(name, "Convolution", bottom, name, fields, "convolution"), name, (outputs, *made)


def _deconvolution(draw: Any, name: str, bottom: str, of: Maps, blobs: Any) -> Any:
    channels, *sizes = of
    kernel, stride = draw(_sized(2, 4)), draw(_sized(1, 2))
    group = draw(st.sampled_from([1, channels]))
    outputs = group * draw(_sized(1, 2))
    made = [stride * (size - 1) + kernel for size in sizes]
    if max(made) > 30:
        return None
    fields = (
        f"num_output: {outputs} kernel_size: {kernel} stride: {stride} group: {group} {FILLERS}"
    )
    text = layer(name, "Deconvolution", bottom, name, fields, "convolution")
    return text, name, (outputs, *made)


def _pooling(draw: Any, name: str, bottom: str, of: Maps, blobs: Any) -> Any:
    channels, *sizes = of
    pool, kernel = draw(st.sampled_from(["MAX", "AVE"])), draw(_sized(2, 3))
    stride, pad = draw(_sized(1, 3)), draw(_sized(0, 1))
    if min(sizes) < kernel:
        return None
    made = [-(-(size + 2 * pad - kernel) // stride) + 1 for size in sizes]
    made = [
        count - (pad and (count - 1) * stride >= size + pad)
        for count, size in zip(made, sizes, strict=True)
    ]
    fields = f"pool: {pool} kernel_size: {kernel} stride: {stride} pad: {pad}"
    return layer(name, "Pooling", bottom, name, fields, "pooling"), name, (channels, *made)


def _same_size(draw: Any, name: str, bottom: str, of: Maps, blobs: Any) -> Any:
    type_, fields, message = draw(st.sampled_from(SAME_SIZE))
    in_place = bottom != "data" and bottom == blobs[-1][0] and type_ in IN_PLACE
    top = bottom if in_place and draw(st.booleans()) else name
    return layer(name, type_, bottom, top, fields, message), top, of


def _joined(draw: Any, name: str, bottom: str, of: Maps, blobs: Any) -> Any:
    others = [(x, size) for x, size in blobs if size[1:] == of[1:]]
    other, size = draw(st.sampled_from(others))
    if size == of and draw(st.booleans()):
        fields = f"operation: {draw(st.sampled_from(['SUM', 'PROD', 'MAX']))}"
        return layer(name, "Eltwise", (bottom, other), name, fields, "eltwise"), name, of
    made = (of[0] + size[0], *of[1:])
    return layer(name, "Concat", (bottom, other), name), name, made


KINDS = (_convolution, _deconvolution, _pooling, _same_size, _same_size, _joined)
SAME_SIZE = (
    ("ReLU", "", ""),
    ("ReLU", "negative_slope: 0.1", "relu"),
    ("PReLU", "", ""),
    ("ELU", "alpha: 0.7", "elu"),
    ("Sigmoid", "", ""),
    ("TanH", "", ""),
    ("AbsVal", "", ""),
    ("BNLL", "", ""),
    ("Swish", "", ""),
    ("Clip", "min: -2 max: 3", "clip"),
    ("Power", "power: 2 scale: 0.5 shift: 0.1", "power"),
    ("Exp", "scale: 0.01", "exp"),
    ("Dropout", "", ""),
    ("LRN", "local_size: 3 alpha: 0.01", "lrn"),
    ("LRN", "local_size: 3 alpha: 0.01 norm_region: WITHIN_CHANNEL", "lrn"),
    ("BatchNorm", "use_global_stats: true", "batch_norm"),
    ("Scale", "bias_term: true filler { type: 'uniform' min: 0.5 max: 2 }", "scale"),
    ("Bias", "filler { type: 'uniform' min: -1 max: 1 }", "bias"),
    ("MVN", "", ""),
    ("Softmax", "", ""),
)
IN_PLACE = ("ReLU", "Sigmoid", "TanH", "Dropout", "BatchNorm", "Scale", "ELU", "PReLU")


def filled(net: Any, seed: int = 0) -> None:
    """Give batch norms statistics: those of a new one are of no pictures."""
    rng = np.random.default_rng(seed)
    for each in net.network.layers:
        if each.type == "BatchNorm":
            mean, variance, factor = net.params[each.name]
            shapes = mean.shape, variance.shape
            net.params[each.name] = [
                rng.normal(size=shapes[0]).astype(np.float32) * 2,
                rng.uniform(0.5, 2, shapes[1]).astype(np.float32) * 2,
                np.full_like(factor, 2),
            ]
