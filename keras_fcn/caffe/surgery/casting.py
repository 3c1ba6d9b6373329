"""Inner products become convolutions: a classifier takes images of any size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.shape import Flatten, Reshape
from keras_fcn.caffe.layers.ssd import Permute
from keras_fcn.caffe.net import editing
from keras_fcn.caffe.net.network import Layer
from keras_fcn.caffe.surgery.body import Body
from keras_fcn.caffe.surgery.cells import Moved, moved
from keras_fcn.caffe.surgery.editing import with_blobs_renamed, with_params
from keras_fcn.caffe.surgery.layouts import Layout
from keras_fcn.caffe.surgery.net import TrainedNet, blobs_of, rebuilt

_REARRANGING = (Flatten, Permute, Reshape)
_Kernel = tuple[int, int]


def to_fully_convolutional(
    net: TrainedNet,
    *,
    kernels: Mapping[str, tuple[int, int]] | None = None,
    suffix: str = "-conv",
) -> TrainedNet:
    """Cast every inner product to the convolution that computes the same.

    The first one behind a map of (C, H, W) gets a kernel of H x W, one behind another
    inner product a kernel of 1 x 1; the weights stay, in the order that a convolution
    needs. Flatten, Reshape and Permute layers between the map and the output go, global
    pooling becomes pooling over windows of the same size, and layers behind work along
    the channels. Input sizes stay: see `resize` for another.

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
            one would), the size of a map is not known, a layer before does not do the same
            at every position of its map, or a layer behind cannot do on a map what it did
            on the classifier's vectors.
        ValueError: `kernels` names a layer that is no inner product.
    """
    cast = _Cast(net, dict(kernels or {}))
    for layer in net.network.layers:
        cast.take(layer)
    cast.check_outputs()
    blobs = blobs_of(net)
    gone = {layer.name for layer, place in cast.places if place.dropped}
    tops, names = _Tops(editing.without(net.network.definition, gone)), {}
    for layer, place in cast.places:
        if place.dropped:
            tops.bridge(net, layer)
            continue
        if place.edit is not None:
            changes = {} if place.type is None else {"type": place.type}
            tops.definition = with_params(tops.definition, layer, place.edit, **changes)
        if place.blobs is not None and layer.name in blobs:
            blobs[layer.name] = place.blobs(blobs[layer.name])
        if isinstance(layer.params, InnerProduct):
            names[layer.name] = layer.name + suffix
            if layer.tops[0].name == layer.name:
                tops.rename(layer.name, layer.name + suffix)
    definition = editing.renamed(tops.definition, names)
    named = {names.get(name, name): group for name, group in blobs.items()}
    return rebuilt(net, definition, named)


class _Cast:
    """The blobs that become maps, and their former content.

    Attributes:
        layouts: key of a blob -> what it held, of those that another layer reads as a map
            than made it.
        places: the layers that change, in order.
        body: the layers before the vectors, on a larger image.
    """

    def __init__(self, net: TrainedNet, kernels: dict[str, _Kernel]) -> None:
        self.net = net
        self.kernels = kernels
        self.layouts: dict[tuple[str, int], Layout] = {}
        self.places: list[tuple[Layer, Moved]] = []
        self.body = Body(net.network)
        self.flattened = _read_flat(net.network.layers)
        self.of_maps: set[tuple[str, int]] = set()
        products = [x.name for x in net.network.layers if isinstance(x.params, InnerProduct)]
        for name in kernels:
            if name not in products:
                raise ValueError(f"kernels must name inner products. Received: {name!r}")

    def take(self, layer: Layer) -> None:
        """Find a layer's place in the cast net."""
        bottoms = [self.layouts.get(blob.key) for blob in layer.bottoms]
        if any(len(blob.shape or ()) > 3 or blob.key in self.of_maps for blob in layer.bottoms):
            self.of_maps.update(blob.key for blob in layer.tops)
        try:
            if not any(bottoms):
                bottoms = [self.lifted(layer)]
            place = moved(layer, bottoms) if any(bottoms) else None
            if place is not None and isinstance(layer.params, InnerProduct):
                self.check_kernel(layer.name, layer.params, bottoms[0])
        except NetworkError as error:
            raise NetworkError(f"{self.net.network.place(layer)}: {error}") from error
        if place is None:
            self.body.take(layer)
            return
        self.body.check(layer)
        self.places.append((layer, place))
        for blob, top in zip(layer.tops, place.tops, strict=False):
            if top.is_cell or top != Layout.of("CHW", top.channels, top.window):  # else: a map
                self.layouts[blob.key] = top

    def lifted(self, layer: Layer) -> Layout | None:
        """Layout of the map that a layer turns into the first vector; None for any other layer."""
        if not layer.bottoms:
            return None
        params = layer.params
        product = isinstance(params, InnerProduct)
        pools = isinstance(params, Pooling) and params.global_pooling
        cell = (layer.bottoms[0].shape or ())[2:] == (1, 1)
        flat = isinstance(params, _REARRANGING) and (cell or layer.bottoms[0].key in self.flattened)
        if not (product or pools or flat):
            return None
        blob = layer.bottoms[0]
        if len(blob.shape or ()) != 4:
            if product and blob.key in self.of_maps:
                raise NetworkError(
                    "reads what is made of a map, though not by flattening it alone; it has no cast"
                )
            return None
        _, channels, height, width = blob.shape or ()
        if height is None or width is None:
            height, width = self.wanted(layer) or (None, None)
        if channels is None or height is None or width is None:
            raise NetworkError(
                "the height and width of its bottom are not known; give the input's"
                + (f", or kernels={{{layer.name!r}: (height, width)}}" if product else "")
            )
        return Layout.of("CHW", channels, (height, width))

    def wanted(self, layer: Layer) -> _Kernel | None:
        """The kernel asked for at the inner product that a layer is, or leads to."""
        layers = self.net.network.layers
        later = layers[layers.index(layer) :]
        return next((self.kernels[x.name] for x in later if x.name in self.kernels), None)

    def check_kernel(self, name: str, params: InnerProduct, bottom: Layout | None) -> None:
        """Whether the kernel that is asked for is the one that holds the weights."""
        kernel = self.kernels.get(name)
        if bottom is None or name not in self.net.params:
            return
        inputs = self.net.params.peek(name)[0].size // params.num_output
        fits = inputs == bottom.channels * math.prod(bottom.window)
        if fits and kernel in (None, bottom.window):
            return
        kernel = kernel or bottom.window
        held = params.num_output * bottom.channels * math.prod(kernel)
        better = f"; {bottom.window[0]} x {bottom.window[1]} would fit" if fits else ""
        raise NetworkError(
            f"a kernel of {kernel[0]} x {kernel[1]} holds {held:,} of the layer's "
            f"{params.num_output * inputs:,} weights{better}"
        )

    def check_outputs(self) -> None:
        """Whether every output that became a map has its classes along the channels."""
        for blob in self.net.network.outputs:
            layout = self.layouts.get(blob.key)
            if layout is not None and not layout.is_cell:
                layer = next(x for x in self.net.network.layers if blob in (*x.tops, *x.aliases))
                raise NetworkError(
                    f"{self.net.network.place(layer)}: output {blob.name!r} holds a whole map as a "
                    "vector, which no inner product reads; drop the layer first"
                )


def _read_flat(layers: Iterable[Layer]) -> set[tuple[str, int]]:
    """Blobs that an inner product reads, through layers that keep or rearrange elements."""
    found: set[tuple[str, int]] = set()
    for layer in reversed(tuple(layers)):
        passes = layer.params.elementwise or isinstance(layer.params, _REARRANGING)
        if isinstance(layer.params, InnerProduct) or (
            passes and any(blob.key in found for blob in layer.tops)
        ):
            found.update(blob.key for blob in layer.bottoms)
    return found


class _Tops:
    """Renames blobs of a definition one after the other; `now`: old name -> new name."""

    def __init__(self, definition: NetDefinition) -> None:
        self.definition = definition
        self.now: dict[str, str] = {}

    def rename(self, old: str, new: str) -> None:
        """Give a blob, by the name it began with, another name."""
        before = self.now.get(old, old)
        self.definition = with_blobs_renamed(self.definition, {before: new})
        self.now |= {name: new for name, now in self.now.items() if now == before}
        self.now[old] = new

    def bridge(self, net: TrainedNet, layer: Layer) -> None:
        """Join what stands on both sides of a layer that is gone; an output keeps its name."""
        bottom, top = layer.bottoms[0], layer.tops[0]
        final = net.network.blobs.get(top.name)
        if final in net.network.outputs and bottom not in net.network.inputs:
            self.rename(bottom.name, top.name)
        else:
            self.rename(top.name, self.now.get(bottom.name, bottom.name))
