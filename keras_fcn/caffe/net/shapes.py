"""The pass that gives blobs their shapes, from the inputs on; open sizes go in and come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keras_fcn.caffe import limits
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape, Shapes, UnknownLayer
from keras_fcn.caffe.net import rules
from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.caffe.net.learning import InputShapes, OpenInputs, ShapeLearnt
from keras_fcn.caffe.net.reading import STRICT, Policy, Reading, any_batch, any_size
from keras_fcn.caffe.words import argument


def learnt(layers: Sequence[Layer], reading: Reading, path: str) -> tuple[Layer, ...]:
    """The layers with shapes; those of inputs that the definition leaves open are learnt.

    Raises:
        NetworkError: a layer cannot work on what it reads; it is named.
    """
    known = dict(reading.known)
    stored = None if reading.policy.lenient else reading.shapes
    for _ in range(limits.MAX_LEARNT):
        try:
            return shaped(layers, InputShapes(reading.given, known, stored), reading.policy)
        except ShapeLearnt as found:
            known[found.name] = found.shape
    raise NetworkError(
        f"{path}: the shapes of too many inputs are not told; give them with "
        f"{argument('input_shapes')}"
    )


def shaped(
    layers: Sequence[Layer], inputs: InputShapes, policy: Policy = STRICT
) -> tuple[Layer, ...]:
    """The layers with shapes of their blobs and parameters.

    Args:
        layers: layers with blobs, in order.
        inputs: what is known of the inputs' shapes.
        policy: how strictly.

    Raises:
        ShapeLearnt: a layer tells more of an input.
        NetworkError: a layer cannot work on what it reads; it is named.
    """
    made: dict[tuple[str, int], Blob] = {}
    result = []
    for layer in layers:
        bottoms = tuple(made.get(blob.key, blob) for blob in layer.bottoms)
        try:
            inputs.learn_from_reader(layer.params, bottoms)
            top_shapes, weight_shapes = _shapes(layer, bottoms, inputs, policy)
            known = (None,) * len(layer.tops) if top_shapes is None else top_shapes
            tops = tuple(
                Blob(blob.name, known[blob.index], blob.layer, blob.index, blob.maker)
                for blob in layer.tops
            )
            if layer.is_source:
                inputs.watch(layer.params, tops)
            elif top_shapes is not None:
                inputs.learn_channels(layer.name, layer.params, bottoms, tops)
        except NetworkError as error:
            raise NetworkError(f"{layer.place}: {error}{inputs.advice(bottoms)}") from error
        made.update((blob.key, blob) for blob in tops)
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            made[new.key] = replace(new, shape=made.get(old.key, old).shape)
        aliases = tuple(made[blob.key] for blob in layer.aliases)
        changed = replace(layer, bottoms=bottoms, tops=tops, weight_shapes=weight_shapes)
        result.append(replace(changed, aliases=aliases) if aliases else changed)
    return tuple(result)


def _shapes(
    layer: Layer, bottoms: Sequence[Blob], inputs: InputShapes, policy: Policy
) -> tuple[Shapes | None, Shapes | None]:
    """Shapes of a layer's tops and of its parameter blobs; None where they are not known."""
    params = layer.params
    shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
    if len(shapes) < len(bottoms) or isinstance(params, UnknownLayer):
        return None, None
    try:
        rules.check_counts(layer)  # which not every reading does before
        tops = params.top_shapes(shapes, len(layer.tops))
        weights = params.weight_shapes(shapes) if params.tells_weights else None
        if layer.is_source:
            tops = inputs.of_layer(params, [blob.name for blob in layer.tops], tops)
        for shape in {*tops, *(weights or ())}:
            limits.check_blob(shape)
    except NetworkError as error:
        policy.unknown(error)
        return None, None
    return policy.tops(tops), None if weights is None else policy.weights(weights)


def are_resizable(layers: Sequence[Layer], input_shapes: Mapping[str, Shape]) -> bool:
    """Whether the inputs of layers may have any height and width.

    No weight depends on them, and no layer makes maps of a size of its own.
    """
    free = opened(layers, input_shapes, sizes=True)
    return free is not None and not any(
        layer.fixes_size or any(None in shape for shape in layer.weight_shapes or ())
        for layer in free
    )


def opened(
    layers: Sequence[Layer], input_shapes: Mapping[str, Shape], *, sizes: bool
) -> tuple[Layer, ...] | None:
    """The layers for inputs of any batch; None where they cannot take them.

    Args:
        layers: layers with blobs, in order.
        input_shapes: input -> its shape.
        sizes: whether height and width are left open too.
    """
    free = any_size if sizes else any_batch
    try:
        return shaped(layers, OpenInputs({x: free(y) for x, y in input_shapes.items()}))
    except NetworkError:
        return None
