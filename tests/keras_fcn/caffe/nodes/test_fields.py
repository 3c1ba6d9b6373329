"""What writes a layer's nodes reads every field of its parameters, or the field is of no effect."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from keras_fcn.caffe import ncnn, onnx
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.base import Filler

WRITERS = {"onnx": onnx.WRITERS, "ncnn": ncnn.WRITERS}

_OF_WEIGHTS = "the shape of the weights tells it"
_TRAINED = "it counts when the network is trained"
_NAMED = "read under a name that is put together, see `Priors._pair`"
NO_EFFECT: dict[str, str] = {
    "BatchNorm.moving_average_fraction": _TRAINED,
    "Bias.num_axes": _OF_WEIGHTS,
    "Convolution.num_output": _OF_WEIGHTS,
    "Deconvolution.num_output": _OF_WEIGHTS,
    "Dropout.dropout_ratio": _TRAINED,
    "Embed.input_dim": _OF_WEIGHTS,
    "Embed.num_output": _OF_WEIGHTS,
    "GRN.dummy_backward": _TRAINED,
    "HDF5Output.file_name": "no file is written",
    "InnerProduct.num_output": _OF_WEIGHTS,
    "Normalize.channel_shared": _OF_WEIGHTS,
    "PReLU.channel_shared": _OF_WEIGHTS,
    "PSPNetBN.momentum": _TRAINED,
    "Parameter.shape": _OF_WEIGHTS,
    **{
        f"{kind}.{name}_{side}": _NAMED
        for kind in ("PriorBox", "PriorBoxClustered")
        for name in ("img", "step")
        for side in "hw"
    },
    "Scale.num_axes": _OF_WEIGHTS,
    "ScaleByBottom.num_axes": "the shape of the second bottom tells it",
    "ScaledBatchNorm.bias_term": "the number of weights tells it",
    "ScaledBatchNorm.moving_average_fraction": _TRAINED,
    "ScaledBatchNorm.nvidia": "it tells in which fields the layer is written",
    "SmoothL1LossOHEM.ignore_label": "the source reads it, and then does not use it",
    "StepsAndStreams.batch_size": "the bottom's shape, which it has shaped, tells it",
    "StepsAndStreams.clipping_threshold": _TRAINED,
    "StepsTimesStreams.clipping_threshold": _TRAINED,
    "YoloDetectionOutput.coords": "it is 4",
}
"""Fields that one of the forms does not read, and why."""


def fields_read(write: Any, kind: type[LayerParams]) -> set[str]:
    """What a function reads of `params`, itself, by what it calls, or by a method of them."""
    names: set[str] = set()
    seen: set[Any] = set()
    todo = [write]
    while todo:
        function = inspect.unwrap(todo.pop())
        if function in seen:
            continue
        seen.add(function)
        new = _names(function)
        todo += _called(function)
        todo += [x for name in new for x in _method(kind, name)]
        names |= new
    return names


@functools.cache
def _tree(function: Any) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


@functools.cache
def _names(function: Any) -> frozenset[str]:
    return frozenset(_found(function))


def _found(function: Any) -> Iterator[str]:
    for node in ast.walk(_tree(function)):
        if isinstance(node, ast.Attribute):
            of = node.value
            name = of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")
            if name in ("params", "self", "same"):
                yield node.attr
            elif name == "layer" and node.attr in ("tops", "weight_shapes", "keras_weights"):
                yield {"tops": "top_shapes"}.get(node.attr, node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name):
            yield from _texts(function.__globals__.get(node.id))


def _texts(value: Any) -> Iterator[str]:
    """The texts in a constant of a module."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list | dict | frozenset):
        for each in value:
            yield from _texts(each)


@functools.cache
def _called(function: Any) -> list[Any]:
    names = {node.id for node in ast.walk(_tree(function)) if isinstance(node, ast.Name)}
    others = (function.__globals__.get(name) for name in sorted(names))
    return [
        x for x in others if inspect.isfunction(x) and x.__module__.startswith("keras_fcn.caffe")
    ]


def _method(kind: type[LayerParams], name: str) -> Iterator[Any]:
    member = inspect.getattr_static(kind, name, None)
    member = getattr(member, "fget", None) or getattr(member, "__func__", member)
    if inspect.isfunction(member) and name not in ("values", "read", "write"):
        yield member


def unread(write: Any, kind: type[LayerParams]) -> set[str]:
    """Fields that are not read, but for fillers, which make the weights."""
    fields = {x.name for x in dataclasses.fields(kind) if not _fills(kind, x)}
    return fields - fields_read(write, kind)


def _fills(kind: type[LayerParams], field: dataclasses.Field) -> bool:
    return isinstance(field.default, Filler)


@pytest.mark.parametrize("form", WRITERS)
def test_every_field_is_read(form):
    left = {
        f"{kind.__name__}.{name}"
        for kind, write in WRITERS[form].items()
        for name in unread(write, kind)
    }
    assert not left - NO_EFFECT.keys()


def test_what_is_of_no_effect_is_not_read():
    left = {
        f"{kind.__name__}.{name}"
        for writers in WRITERS.values()
        for kind, write in writers.items()
        for name in unread(write, kind)
    }
    assert left == NO_EFFECT.keys()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Odd(LayerParams):
    """A kind of which one field is read directly, one by a property, one by a helper."""

    direct: int = 1
    by_property: int = 2
    by_helper: int = 3
    forgotten: bool = False
    filler: Filler = Filler()

    @property
    def twice(self) -> int:
        return 2 * self.by_property


def odd(layer, graph, x):
    return fields_of(layer.params) + layer.params.direct + layer.params.twice


def fields_of(params):
    return params.by_helper


fields_of.__module__ = odd.__module__ = "keras_fcn.caffe.onnx.odd"


def test_a_forgotten_field_is_found():
    assert unread(odd, Odd) == {"forgotten"}
