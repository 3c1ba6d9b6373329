"""Rename, drop and replace layers, exchange heads, carry weights from net to net."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import NetworkError, WeightsError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.data import Input
from keras_fcn.caffe.names import place
from keras_fcn.caffe.net import editing
from keras_fcn.caffe.net.input_shapes import with_input_shapes
from keras_fcn.caffe.net.network import Layer
from keras_fcn.caffe.surgery.cells import fitting_kernel
from keras_fcn.caffe.surgery.net import TrainedNet, blobs_of, rebuilt
from keras_fcn.caffe.text import prototxt


def with_blobs_renamed(net: NetDefinition, names: Mapping[str, str]) -> NetDefinition:
    """A net with other names of blobs; a new name that is renamed itself is followed."""

    def final(name: str) -> str:
        seen = {name}
        while (new := names.get(name, name)) not in seen:
            seen.add(new)
            name = new
        return name

    return editing.renamed(net, blobs={name: final(name) for name in names})


def with_params(
    net: NetDefinition, layer: Layer, edit: Callable[[Any], LayerParams], **changes: Any
) -> NetDefinition:
    """A net with a layer's parameters changed, in whatever state a layer has its name.

    Args:
        net: the net.
        layer: the layer.
        edit: old parameters -> new ones.
        **changes: other attributes of the layer's definition, such as its type.

    Raises:
        NetworkError: a layer of another state has its name, and another type.
    """

    def changed(each: LayerDefinition) -> LayerDefinition:
        if each.type != layer.type:
            raise NetworkError(
                f"{place(layer.path, each)} is of type {layer.type} in another state, so that "
                "the two cannot be changed in one way; give one of them another name"
            )
        own = each == layer.definition
        old = layer.params if own else type(layer.params).read(each)
        return editing.changed(each, old, edit(old), **changes)

    layers = tuple(changed(x) if x.name == layer.name else x for x in net.layers)
    return dataclasses.replace(net, layers=layers)


def rename(net: TrainedNet, names: Mapping[str, str]) -> TrainedNet:
    """Give layers other names; a top that has its layer's name follows.

    Args:
        net: the net.
        names: layer name -> new name.

    Raises:
        ValueError: a layer is not there, or two layers or blobs would have one name.
    """
    tops = {}
    for old, new in names.items():
        layer = net.layer(old)
        tops.update({blob.name: new for blob in layer.tops if blob.name == old})
    network = net.network.rename(names, blobs=tops)
    blobs = {names.get(name, name): group for name, group in blobs_of(net).items()}
    return rebuilt(dataclasses.replace(net, network=network), network.definition, blobs)


def drop(net: TrainedNet, names: Collection[str]) -> TrainedNet:
    """Leave layers out; who read the top of one reads its bottom instead.

    Args:
        net: the net.
        names: the layers, of one bottom and one top each where somebody reads them.

    Raises:
        TypeError: `names` is one name.
        ValueError: a layer is not there, or is read and has no single bottom.
        CaffeError: the net does not hold together without them.
    """
    if isinstance(names, str):
        raise TypeError(f"`names` is a collection of layers. Received: {names!r}")
    bridges = {}
    for name in names:
        layer = net.layer(name)
        if (len(layer.bottoms), len(layer.tops)) == (1, 1):
            if layer.tops[0].name != layer.bottoms[0].name:
                bridges[layer.tops[0].name] = layer.bottoms[0].name
            continue
        others = [other for other in net.network.layers if other.name not in names]
        if any(top in other.bottoms for top in layer.tops for other in others):
            raise ValueError(
                f"only layers of one bottom and one top can be dropped while others read them. "
                f"Received: {name!r} with {len(layer.bottoms)} bottoms, {len(layer.tops)} tops"
            )
    rest = editing.without(net.network.definition, names)
    blobs = {name: group for name, group in blobs_of(net).items() if name not in names}
    return rebuilt(net, with_blobs_renamed(rest, bridges), blobs)


def replace(net: TrainedNet, name: str, layers: str, *, seed: int | None = None) -> TrainedNet:
    """Put other layers in a layer's place.

    Args:
        net: the net.
        name: the layer to take out.
        layers: prototxt text, `layer { ... }` once or several times. A layer that
            keeps the name and the shapes keeps its weights; others get what their
            fillers give.
        seed: makes the random fillers repeatable.

    Raises:
        ValueError: there is no such layer.
        CaffeError: the text is wrong, or the net does not hold together.
    """
    old = net.layer(name)
    new = prototxt.parse_net(layers, "<layers>").definition.layers
    new = tuple(dataclasses.replace(layer, line=0) for layer in new)
    definition = net.network.definition
    index = next(i for i, layer in enumerate(definition.layers) if layer.name == name)
    before, behind = definition.layers[:index], definition.layers[index + 1 :]
    others = tuple(layer for layer in behind if layer.name != name)
    definition = dataclasses.replace(definition, layers=(*before, *new, *others))
    blobs = blobs_of(net)
    blobs.pop(name, None)
    if name in [layer.name for layer in new]:
        trial = rebuilt(net, definition, blobs, seed)
        if all(
            x.weight_shapes != old.weight_shapes for x in trial.network.layers if x.name == name
        ):
            return trial
        blobs = blobs_of(net)
    return rebuilt(net, definition, blobs, seed)


def with_classes(
    net: TrainedNet,
    name: str,
    classes: int,
    *,
    new_name: str | None = None,
    seed: int | None = None,
) -> TrainedNet:
    """Give a head another number of outputs, and new weights from its fillers.

    Args:
        net: the net.
        name: an inner product, convolution or deconvolution.
        classes: its outputs.
        new_name: a name for it, so that Caffe does not load the old head's weights.
        seed: makes the random fillers repeatable.

    Raises:
        ValueError: there is no such layer, or it has no outputs to count.
        CaffeError: the net does not hold together with that many.
    """
    params = net.layer(name).params
    if params.message is None or not hasattr(params, "num_output"):
        raise ValueError(f"the layer must have a num_output. Received: {name!r}")
    definition = with_params(
        net.network.definition,
        net.layer(name),
        lambda params: dataclasses.replace(params, num_output=classes),
    )
    blobs = {key: group for key, group in blobs_of(net).items() if key != name}
    changed = rebuilt(net, definition, blobs, seed)
    return changed if new_name is None else rename(changed, {name: new_name})


def resize(net: TrainedNet, shapes: Mapping[str, Sequence[int]]) -> TrainedNet:
    """Give inputs other shapes.

    Args:
        net: the net.
        shapes: input blob -> shape in Caffe's axis order, such as (1, 3, 451, 451).

    Raises:
        ValueError: no such input.
        CaffeError: the net cannot take such inputs.
    """
    inputs = {b.name: x for x in net.network.layers if isinstance(x.params, Input) for b in x.tops}
    for blob in shapes:
        if blob not in inputs:
            raise ValueError(f"the inputs are {', '.join(inputs)}. Received: {blob!r}")
    definition = net.network.definition
    for layer in dict.fromkeys(inputs[blob] for blob in shapes):
        sizes = [tuple(shapes.get(top.name, top.shape or ())) for top in layer.tops]
        new = with_input_shapes(layer.definition, sizes)
        definition = editing.replaced(definition, layer.definition, (new,))
    return rebuilt(net, definition, blobs_of(net))


def transplant(
    net: TrainedNet, source: TrainedNet, names: Mapping[str, str] | None = None
) -> TrainedNet:
    """Take weights over from another net.

    Blobs of other shapes are taken over in their order where they hold as many numbers
    for as many outputs: an inner product of 4096 x 9216 and a convolution of
    4096 x 256 x 6 x 6 are the same.

    Args:
        net: the net to receive them.
        source: the net to give them.
        names: layer of `net` -> layer of `source`; without it, all layers with
            weights whose names are in both.

    Raises:
        ValueError: a layer is not there or has no weights, or no name is in both.
        WeightsError: blobs do not fit; the message has both shapes.
    """
    if names is None:
        names = {name: name for name in source.params if name in net.params}
        if not names:
            raise ValueError(
                "no layer with weights has the same name in both. "
                f"Received: {', '.join(net.params)} and {', '.join(source.params)}"
            )
    blobs = blobs_of(net)
    taken = {}
    for target, origin in names.items():
        for one, name in ((net, target), (source, origin)):
            if name not in one.params:
                raise ValueError(f"{one.network.path}: layer {name!r} has no weights")
        taken[target] = _fitted(net.layer(target), source.layer(origin), blobs, source, net)
    kept = {name: group for name, group in blobs.items() if name not in taken}
    return rebuilt(net, net.network.definition, kept | taken)  # of shared blobs the last counts


def _fitted(
    target: Layer, origin: Layer, blobs: Mapping[str, Any], source: TrainedNet, net: TrainedNet
) -> list[Any]:
    given, wanted = source.params.peek(origin.name), blobs[target.name]
    shapes = [tuple(blob.shape) for blob in given], [tuple(blob.shape) for blob in wanted]
    fits = len(given) == len(wanted) and all(
        old == new or (old[:1] == new[:1] and np.prod(old) == np.prod(new))
        for old, new in zip(*shapes, strict=True)
    )
    if not fits:
        raise WeightsError(
            f"{net.network.place(target)} has blobs of shapes {shapes[1]}, {source.network.path}: "
            f"layer {origin.name!r} gives {shapes[0]}{_hint(target, origin, shapes)}"
        )
    return [np.array(old).reshape(new) for old, new in zip(given, shapes[1], strict=True)]


def _hint(target: Layer, origin: Layer, shapes: Any) -> str:
    """The kernel that a cast needs, where that is the fault."""
    kernel = fitting_kernel(origin) if origin.type == "InnerProduct" else None
    if kernel is None or target.type != "Convolution":
        return ""
    return f"; a kernel of {kernel[0]} x {kernel[1]} would fit"
