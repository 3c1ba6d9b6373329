"""Caffe layer parameters -> the one function that writes their nodes in some form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeVar

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.eval_detection import AnchorEvalDetection, EvalDetection
from keras_fcn.caffe.layers.multibox import DetectionEvaluate, MultiBoxLoss
from keras_fcn.caffe.layers.region_loss import RegionLoss
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.words import either

Writes = Callable[..., Any]
"""`write(layer, graph, *bottoms)`: tensors' names in, a top's name, or a tuple of them, out."""

F = TypeVar("F", bound=Writes)

_TRUE_BOXES = "it compares with true boxes, which is for training and scoring"
NOT_FOR_INFERENCE: Mapping[type[LayerParams], str] = {
    MultiBoxLoss: _TRUE_BOXES,
    RegionLoss: _TRUE_BOXES,
    DetectionEvaluate: _TRUE_BOXES,
    EvalDetection: _TRUE_BOXES,
    AnchorEvalDetection: _TRUE_BOXES,
}
"""Types that no form has, and why."""


@dataclass(frozen=True)
class Registry:
    """What writes each layer type in one form.

    Attributes:
        form: the form's name.
        refused: types that are not written, and why.
        otherwise: what a user can do, in Python and typed; None: nothing.
        writers: type -> its function.
        others: what writes all other types; None: nothing.
    """

    form: str
    refused: Mapping[type[LayerParams], str]
    otherwise: tuple[str, str] | None = None
    writers: dict[type[LayerParams], Writes] = field(default_factory=dict)
    others: Writes | None = None

    def __call__(self, *params: type[LayerParams]) -> Callable[[F], F]:
        """Register what writes one or more layer types."""

        def register(function: F) -> F:
            for cls in params:
                if cls in self.writers:
                    raise ValueError(f"{cls.__name__} is written twice")
                self.writers[cls] = function
            return function

        return register

    def writer_of(self, layer: Layer) -> Writes:
        """What writes a layer.

        Raises:
            UnsupportedLayerError: nothing writes this type.
        """
        write = self.writers.get(type(layer.params), self.others)
        if write is None:
            why = self.refused.get(type(layer.params))
            told = f": {why}" if why else ""
            advice = f"; {either(*self.otherwise)}" if self.otherwise else ""
            raise UnsupportedLayerError(
                f"{layer.place}: this type is not written as {self.form}{told}{advice}"
            )
        return write
