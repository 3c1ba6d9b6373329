"""Weights laid out otherwise, lost, or those of another layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_fcn.caffe.layers.base_convolution import BaseConvolution
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.scale import Broadcast, Scale
from keras_fcn.caffe.layers.shape import Flatten, Reshape
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_MOST_GROUPS = 8  # whose orders are tried one by one


@hypothesis(
    "kernel flipped",
    "the reference's kernel of {layer} is turned around ({detail}), as where a convolution is "
    "taken for a correlation",
    BaseConvolution,
)
def flipped(step: Step, chain: Chain) -> Iterator[Step]:
    """SciPy's and Theano's convolutions turn the kernel around, Caffe's do not."""
    kernel = step.blobs[0]
    if kernel.ndim == 4:
        yield step.with_blob(0, kernel[..., ::-1, ::-1], "along height and width")
        yield step.with_blob(0, kernel[..., ::-1, :], "along height")
        yield step.with_blob(0, kernel[..., ::-1], "along width")


@hypothesis(
    "kernel transposed",
    "the reference's kernel of {layer} has its axes in another order: {detail}",
    BaseConvolution,
    InnerProduct,
)
def transposed(step: Step, chain: Chain) -> Iterator[Step]:
    """Weights laid out for another framework, without transposing or with too much of it."""
    kernel = step.blobs[0]
    outputs, inputs, *spatial = kernel.shape
    if len(spatial) > 1 and len(set(spatial)) == 1:
        yield step.with_blob(0, kernel.swapaxes(-1, -2), "height and width are exchanged")
    if outputs == inputs:
        yield step.with_blob(0, kernel.swapaxes(0, 1), "inputs and outputs are exchanged")
    behind = tuple(range(len(spatial)))
    read = kernel.reshape(*spatial, inputs, outputs)
    yield step.with_blob(
        0,
        read.transpose(len(spatial) + 1, len(spatial), *behind),
        "its memory is read with the outputs as last axis, without transposing",
    )
    if spatial:
        read = kernel.reshape(*spatial, outputs, inputs)
        yield step.with_blob(
            0,
            read.transpose(len(spatial), len(spatial) + 1, *behind),
            "its memory is read with height and width first, without transposing",
        )


@hypothesis(
    "HWC for CHW flattening",
    "{detail}; Caffe flattens maps as channels, height, width",
    InnerProduct,
    Flatten,
    Reshape,
)
def flattened(step: Step, chain: Chain) -> Iterator[Step]:
    """Channels-last frameworks flatten maps as height, width, channels."""
    if isinstance(step.params, InnerProduct):
        for array, detail in _reordered(step.bottom, step.layer.flattened):
            yield step.with_bottom(array, f"the reference's {step.layer.name!r} reads {detail}")
    elif step.bottom.ndim == 4:
        shape = step.bottom.shape
        detail = f"the reference's {step.layer.name!r} flattens maps as height, width, channels"
        yield step.then(lambda top: _as_hwc(top, shape), detail)


def _reordered(
    flat: Array, flattened: tuple[int | None, ...] | None
) -> Iterator[tuple[Array, str]]:
    if flat.ndim == 4:
        shape = flat.shape
    elif flattened is not None and len(flattened) == 4 and None not in flattened[1:]:
        shape = (flat.shape[0], *flattened[1:])
    else:
        return
    if np.prod(shape) != flat.size:
        return
    count, channels, height, width = shape
    yield (
        _as_hwc(flat, shape),
        "a map flattened as height, width, channels with weights for Caffe's order",
    )
    turned = flat.reshape(count, height, width, channels).transpose(0, 3, 1, 2)
    yield (
        turned.reshape(flat.shape),
        "Caffe's order with weights for a map flattened as height, width, channels",
    )


def _as_hwc(array: Array, shape: tuple[int, ...]) -> Array:
    """The elements of maps in the order height, width, channels, in an array of its own shape."""
    return array.reshape(shape).transpose(0, 2, 3, 1).reshape(array.shape)


@hypothesis(
    "group split",
    "the reference's {layer} treats its groups otherwise: {detail}",
    BaseConvolution,
)
def grouped(step: Step, chain: Chain) -> Iterator[Step]:
    """Groups in other order, or read as if there were none."""
    x, groups = step.bottom, step.params.group
    if groups < 2 or x.ndim < 3 or x.shape[1] % groups:
        return
    parts = np.split(x, groups, axis=1)
    first = np.concatenate([parts[0]] * groups, axis=1)
    yield step.with_bottom(first, "all groups read the channels of the first")
    mixed = np.concatenate([sum(parts)] * groups, axis=1)
    yield step.with_bottom(mixed, "every output reads all channels, the split is lost")
    yield step.with_bottom(_dealt(x, groups), "groups read every n-th channel")
    yield step.with_bottom(_dealt(x, x.shape[1] // groups), "groups read every n-th channel")
    orders = [np.roll(np.arange(groups), by) for by in range(1, min(groups, _MOST_GROUPS))]
    if groups > 2:
        orders.append(np.arange(groups)[::-1])
    for order in orders:
        named = ", ".join(map(str, order)) if groups <= _MOST_GROUPS else "another order"
        yield step.with_bottom(
            np.concatenate([parts[i] for i in order], axis=1), f"the groups read {named}"
        )
        yield from _outputs(step, order, f"the groups' outputs stand in the order {named}")
    count = step.params.num_output
    dealt = _dealt(np.arange(count)[None], groups)[0]
    yield from _reordered_outputs(step, dealt, "outputs of the groups take turns")


def _dealt(x: Array, count: int) -> Array:
    """Channels dealt out in turn: from (count, rest) to (rest, count)."""
    shape = x.shape
    return x.reshape(shape[0], count, shape[1] // count, *shape[2:]).swapaxes(1, 2).reshape(shape)


def _outputs(step: Step, order: Array, detail: str) -> Iterator[Step]:
    size = step.params.num_output // len(order)
    places = np.concatenate([np.arange(i * size, (i + 1) * size) for i in order])
    yield from _reordered_outputs(step, places, detail)


def _reordered_outputs(step: Step, places: Array, detail: str) -> Iterator[Step]:
    """Outputs in another order, each with its bias or with that of its place."""
    yield step.then(lambda top: top[:, places], detail)
    if len(step.blobs) > 1:
        bias = np.empty_like(step.blobs[1])
        bias[places] = step.blobs[1]
        yield step.with_blob(1, bias).then(lambda top: top[:, places], detail)


@hypothesis(
    "bias lost",
    "the reference's {layer} {detail}",
    BaseConvolution,
    InnerProduct,
    Broadcast,
)
def unbiased(step: Step, chain: Chain) -> Iterator[Step]:
    """A bias lost, or added by two layers."""
    index = _bias(step)
    if index is not None:
        yield step.with_blob(index, np.zeros_like(step.blobs[index]), "adds no bias")
        yield step.with_blob(index, 2 * step.blobs[index], "adds its bias twice")
        yield step.with_blob(index, -step.blobs[index], "subtracts its bias")


def _bias(step: Step) -> int | None:
    """Which of a layer's blobs is added; None: it has none."""
    if isinstance(step.params, BaseConvolution | InnerProduct | Scale):
        return 1 if len(step.blobs) > 1 else None
    return len(step.blobs) - 1 if step.blobs else None


@hypothesis(
    "scale and bias exchanged",
    "the reference's {layer} multiplies by the bias and adds the scale",
    Scale,
)
def exchanged(step: Step, chain: Chain) -> Iterator[Step]:
    """Gamma and beta in the wrong order."""
    if len(step.blobs) == 2:
        yield step.with_blob(0, step.blobs[1]).with_blob(1, step.blobs[0])


@hypothesis("weights of another layer", "the reference's {layer} has {detail}")
def borrowed(step: Step, chain: Chain) -> Iterator[Step]:
    """Layers matched by order or by shape, not by name."""
    shapes = [blob.shape for blob in step.blobs]
    if not shapes:
        return
    for name, blobs in chain.departure.weights.items():
        if name == step.layer.name:
            continue
        others = [np.shape(blob) for blob in blobs]
        if others == shapes:
            own = step
            for index, blob in enumerate(blobs):
                own = own.with_blob(index, blob)
            yield own.with_blob(0, blobs[0], f"the weights of layer {name!r}")
        for index, (other, shape) in enumerate(zip(others, shapes, strict=False)):
            if other == shape and len(shapes) > 1:
                yield step.with_blob(index, blobs[index], f"blob {index} of layer {name!r}")
