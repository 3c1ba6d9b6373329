"""Eltwise. Source: `src/caffe/layers/eltwise_layer.cpp`."""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer
from keras_fcn.caffe.records import dataclass


@caffe_layer("Eltwise")
@dataclass(frozen=True, kw_only=True)
class Eltwise(LayerParams):
    """`EltwiseParameter`: product, weighted sum or maximum of blobs of one shape.

    `stable_prod_grad` chooses between two ways to the same gradient of a product.
    """

    message: ClassVar[str | None] = "eltwise_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"stable_prod_grad"})
    elementwise: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (2, None)

    operation: str = "SUM"
    coeff: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.coeff and self.operation == "PROD":
            raise NetworkError(f"coeff: {self.coeff} is for SUM, the operation is PROD")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        if self.coeff and len(self.coeff) != len(bottoms):
            raise NetworkError(
                f"coeff: {self.coeff} must have one number for each of {len(bottoms)} bottoms"
            )
        return (_common_shape(bottoms),)


def _common_shape(shapes: Shapes) -> Shape:
    """The one shape of all, with every size that any of them knows."""
    known = [{*sizes} - {None} for sizes in zip(*shapes, strict=False)]
    if len({len(shape) for shape in shapes}) > 1 or any(len(sizes) > 1 for sizes in known):
        raise NetworkError(f"needs bottoms of one shape, got {', '.join(map(str, shapes))}")
    return tuple(sizes.pop() if sizes else None for sizes in known)
