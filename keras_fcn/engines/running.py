"""A network in an engine on arrays as Keras has them, checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.learning import OpenInputs
from keras_fcn.caffe.net.shapes import shaped
from keras_fcn.caffe.surgery.editing import resize
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.engines.comparing import difference, made_up
from keras_fcn.engines.forms import Array, Form, Forms

__all__ = ["Engine", "channels_first", "channels_last", "checked", "small_images"]

_SIDES = (32, 64, 96, 128, 192, 256, 320, 384)
_MOST_SIZES = 256
"""Sizes of inputs that are known to fit."""
_WEAKER = 4
"""How often images are made ten times weaker, where the outputs for them tell too little."""
_WIDER = 32
"""Pixels that a made-up image is wider than it is high, so that none takes one for the other."""
Runs = Callable[[Sequence[Array]], Sequence[Array]]


def channels_last(array: Array) -> Array:
    """(N, C, ...) -> (N, ..., C), as Keras has it; arrays of one or two axes stay."""
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def channels_first(array: Array) -> Array:
    """The inverse of `channels_last`, in its own memory."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1) if array.ndim > 2 else array)


class Engine:
    """An engine that takes and gives arrays with the channels last, in a model's order.

    Args:
        net: the network.
        forms: it in the engine.
        inputs: names of the inputs, in their order; what the network does not read is left out.
    """

    def __init__(self, net: TrainedNet, forms: Forms[Form], inputs: Sequence[str]) -> None:
        self._network, self._forms, self._inputs = net.network, forms, inputs
        self._fitting: dict[Any, None] = {}

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs for some inputs.

        Raises:
            CaffeError: the network cannot take these sizes.
        """
        given = zip(self._inputs, arrays, strict=True)
        fed = {x: channels_first(array) for x, array in given if x in self._forms.first.inputs}
        self._check_sizes({name: array.shape for name, array in fed.items()})
        form = self._forms.of(fed)
        made = form.run(fed)
        return [channels_last(made[name]) for name in form.outputs]

    def _check_sizes(self, given: Mapping[str, Sequence[int]]) -> None:
        """Refuse images that Caffe's network cannot take, whatever an engine makes of them."""
        key = tuple((name, *shape[1:]) for name, shape in given.items())
        if key in self._fitting:
            return
        declared = self._network.input_shapes
        sizes = {name: (*declared[name][:1], *shape[1:]) for name, shape in given.items()}
        layers = shaped(self._network.layers, OpenInputs({**declared, **sizes}))
        for old, new in zip(self._network.layers, layers, strict=True):
            if old.weight_shapes != new.weight_shapes:
                raise CaffeError(f"{old.place}: its weights are not for inputs of {sizes}")
            if any(0 in (blob.shape or ()) for blob in new.tops):
                raise CaffeError(f"{old.place}: nothing is left of inputs of {sizes}")
        self._fitting[key] = None
        if len(self._fitting) > _MOST_SIZES:
            del self._fitting[next(iter(self._fitting))]


def small_images(net: TrainedNet, *, resizable: bool = True, seed: int = 0) -> dict[str, Array]:
    """Made-up inputs of a network, channels last: images as small as it takes them.

    Args:
        net: the network.
        resizable: whether images may have other sizes than the network declares.
        seed: of the numbers.
    """
    declared = net.network.input_shapes
    shapes = {name: tuple(size or 1 for size in shape) for name, shape in declared.items()}
    if len({shape[:1] for shape in shapes.values()}) == 1:  # no more boxes than images, say
        shapes = {name: (1, *shape[1:]) if shape[1:] else shape for name, shape in shapes.items()}
    rng = np.random.default_rng(seed)
    small = _small(net, shapes) if resizable and net.network.resizable else shapes
    return {name: channels_last(made_up(shape, rng)) for name, shape in small.items()}


def _small(net: TrainedNet, declared: Mapping[str, Sequence[int]]) -> Mapping[str, Sequence[int]]:
    images = [name for name, shape in declared.items() if len(shape) == 4]
    if len(images) != 1:
        return declared
    _, channels, *whole = declared[images[0]]
    for side in _SIDES:
        if side * (side + _WIDER) >= math.prod(whole):
            break
        shapes = {**declared, images[0]: (1, channels, side, side + _WIDER)}
        try:
            sized = resize(net, shapes)
        except (CaffeError, ValueError):  # a data layer has the size that it has
            continue
        tops = (blob.shape or () for layer in sized.network.layers for blob in layer.tops)
        if not any(0 in shape for shape in tops):
            return shapes
    return declared


def _tells(output: Array) -> bool:
    """Whether there is more to an output than a winner, of which a softmax makes 1."""
    largest = np.abs(output).max(initial=0)
    return bool(np.mean(np.abs(output) > 1e-3 * largest) > 2 / max(output.shape[-1:] or (1,)))


def checked(
    run: Runs,
    reference: Runs,
    images: Sequence[Array],
    names: Sequence[str],
    *,
    engine: str,
    by: str,
    ties: bool = False,
) -> float:
    """Run an engine on images, and compare its outputs with what they should be.

    Args:
        run: the engine.
        reference: what gives the right numbers.
        images: the inputs.
        names: of the outputs.
        engine: the engine's name.
        by: what the reference is called.
        ties: see `difference`.

    Returns:
        The largest difference, as a share of an output's largest value.

    Raises:
        CaffeError: more than 1e-4 of it, or no number.
    """
    expected = reference(images)
    for _ in range(_WEAKER):
        if any(map(_tells, expected)):
            break
        images = [image * np.float32(0.1) for image in images]
        expected = reference(images)
    found = run(images)
    if len(found) != len(expected):
        raise CaffeError(f"engine={engine!r} gives {len(found)} outputs, {by} {len(expected)}")
    return max(
        difference(
            name,
            channels_first(np.asarray(one)),
            channels_first(np.asarray(other)),
            place=f"engine={engine!r}",
            engine=engine,
            reference=by,
            advice="take engine='tensorflow'",
            ties=ties,
        )
        for name, one, other in zip(names, found, expected, strict=True)
    )
