"""Inner products become convolutions: a classifier takes images of any size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from convert.errors import NetworkError
from convert.layers.inner_product import InnerProduct
from convert.layers.pooling import Pooling
from convert.layers.shape import Flatten, Reshape
from convert.network import Layer
from convert.surgery.editing import renamed_blobs
from convert.surgery.net import TrainedNet, blobs_of, copied, rebuilt


def to_fully_convolutional(
    net: TrainedNet,
    *,
    kernels: Mapping[str, tuple[int, int]] | None = None,
    suffix: str = "-conv",
) -> TrainedNet:
    """Cast every inner product to the convolution that computes the same.

    The first one behind a map of (C, H, W) gets a kernel of H x W, one behind another
    inner product a kernel of 1 x 1; the weights stay, in their order. A Flatten before
    them goes, and global pooling becomes pooling over windows of the same size. Input
    sizes stay: see :func:`resize` for another.

    Args:
        net: a classifier; several heads may be.
        kernels: layer name -> (height, width) of the kernel, where it is not to be
            taken from the layer's bottom.
        suffix: appended to the names of the cast layers, and of tops that have the
            layer's name.

    Returns:
        The new net; outputs have the shape (N, classes, H', W').

    Raises:
        NetworkError: a kernel does not hold the layer's weights (the message says which
            one would), the size of a map is not known, or a layer behind cannot work
            on a map.
        ValueError: ``kernels`` names a layer that is no inner product.
    """
    kernels = dict(kernels or {})
    casts = [layer for layer in net.network.layers if isinstance(layer.params, InnerProduct)]
    for name in kernels:
        if name not in [layer.name for layer in casts]:
            raise ValueError(f"kernels must name inner products. Received: {name!r}")
    _refuse_reshapes(net, casts)
    message, blobs = copied(net.network.message), blobs_of(net)
    new_names = {layer.name: layer.name + suffix for layer in casts}
    dropped = {layer.name: layer for cast in casts for layer in _flattens(net, cast)}
    for layer in casts:
        params: InnerProduct = layer.params  # type: ignore[assignment]
        kernel = _kernel(net, layer, kernels.get(layer.name))
        for entry in (entry for entry in message.layer if entry.name == layer.name):
            _cast(entry, params, kernel)
        weight, *bias = blobs.pop(layer.name)
        if params.transpose:
            weight = weight.transpose()
        weight = weight.reshape(params.num_output, -1, *kernel)
        blobs[new_names[layer.name]] = [weight, *bias]
    for layer in net.network.layers:
        if isinstance(layer.params, Pooling) and layer.params.global_pooling:
            for entry in (entry for entry in message.layer if entry.name == layer.name):
                _pool_windows(entry, _sizes(net, layer))
    kept = [entry for entry in message.layer if entry.name not in dropped]
    blob_names = {flat.tops[0].name: flat.bottoms[0].name for flat in dropped.values()}
    blob_names |= {x.name: new_names[x.name] for x in casts if x.tops[0].name == x.name}
    del message.layer[:]
    message.layer.extend(kept)
    for entry in message.layer:
        entry.name = new_names.get(entry.name, entry.name)
    renamed_blobs(message, blob_names)
    return rebuilt(net, message, blobs)


def fitting_kernel(layer: Layer) -> tuple[int, int] | None:
    """(height, width) of the map that an inner product reads; None where it is not known."""
    if layer.flattened is None:
        return (1, 1) if len(layer.bottoms[0].shape or ()) == 2 else None
    sizes = layer.flattened[2:]
    return None if None in sizes or len(sizes) != 2 else (sizes[0], sizes[1])  # type: ignore[return-value]


def _kernel(net: TrainedNet, layer: Layer, wanted: tuple[int, int] | None) -> tuple[int, int]:
    params: InnerProduct = layer.params  # type: ignore[assignment]
    place = net.network.place(layer)
    if params.axis != 1:
        raise NetworkError(f"{place}: axis: {params.axis} must be 1 for a cast")
    fitting = fitting_kernel(layer)
    kernel = wanted or fitting
    if kernel is None:
        raise NetworkError(
            f"{place}: the height and width of its bottom are not known; give "
            f"kernels={{{layer.name!r}: (height, width)}}"
        )
    channels = layer.flattened[1] if layer.flattened else None
    inputs = net.params.peek(layer.name)[0].size // params.num_output
    if inputs % math.prod(kernel) or (channels and inputs != channels * math.prod(kernel)):
        held = params.num_output * (channels or inputs // math.prod(kernel)) * math.prod(kernel)
        better = f"; {fitting[0]} x {fitting[1]} would fit" if fitting else ""
        raise NetworkError(
            f"{place}: a kernel of {kernel[0]} x {kernel[1]} holds {held:,} of the layer's "
            f"{params.num_output * inputs:,} weights{better}"
        )
    return kernel


def _sizes(net: TrainedNet, layer: Layer) -> tuple[int, int]:
    sizes = (layer.bottoms[0].shape or ())[2:]
    if len(sizes) != 2 or None in sizes:
        raise NetworkError(
            f"{net.network.place(layer)}: the size of its bottom is not known; give the input's"
        )
    return sizes[0], sizes[1]  # type: ignore[return-value]


def _cast(entry: Any, params: InnerProduct, kernel: tuple[int, int]) -> None:
    old = copied(entry.inner_product_param)
    entry.type = "Convolution"
    entry.ClearField("inner_product_param")
    new = entry.convolution_param
    new.num_output = params.num_output
    for field in ("bias_term", "weight_filler", "bias_filler"):
        if old.HasField(field):
            if old.DESCRIPTOR.fields_by_name[field].message_type is None:
                setattr(new, field, getattr(old, field))
            else:
                getattr(new, field).CopyFrom(getattr(old, field))
    if kernel[0] == kernel[1]:
        new.kernel_size.append(kernel[0])
    else:
        new.kernel_h, new.kernel_w = kernel


def _pool_windows(entry: Any, sizes: tuple[int, int]) -> None:
    entry.pooling_param.ClearField("global_pooling")
    entry.pooling_param.kernel_h, entry.pooling_param.kernel_w = sizes


def _flattens(net: TrainedNet, cast: Layer) -> Iterator[Layer]:
    """The Flatten layers between a map and the inner product that reads it."""
    makers = {blob: layer for layer in net.network.layers for blob in layer.tops}
    layer = makers.get(cast.bottoms[0])
    while layer is not None and (layer.params.elementwise or isinstance(layer.params, Flatten)):
        if isinstance(layer.params, Flatten):
            yield layer
        layer = makers.get(layer.bottoms[0])


def _refuse_reshapes(net: TrainedNet, casts: list[Layer]) -> None:
    """A layer behind a cast that rearranges the elements would do something else on a map."""
    maps = {blob for layer in casts for blob in layer.tops}
    for layer in net.network.layers:
        if not maps.intersection(layer.bottoms):
            continue
        if isinstance(layer.params, Flatten | Reshape):
            raise NetworkError(
                f"{net.network.place(layer)}: reads what becomes a map, and would rearrange it; "
                "drop it first"
            )
        maps.update(layer.tops)
