"""SegNet-Basic and its Bayesian form: four levels of one 7 x 7 convolution each.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder
Architecture for Image Segmentation", 2017; `alexgkendall/SegNet-Tutorial`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from keras.layers import Input

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import SampledDropout, UpsampleLike
from keras_fcn.models.blocks import conv, lrn, relu, through
from keras_fcn.models.construction import finish
from keras_fcn.models.segnet import PREPROCESSING, PUBLISHED, conv_bn, pool

_LEVELS = (1, 2, 3, 4)
_DROPPED = (3, 4)


def SegNetBasic(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 11,
    classifier_activation: str | None = "softmax",
    bn_mode: str = "inference",
    name: str = "segnet_basic",
) -> CaffeFunctional:
    """SegNet-Basic; arguments as for `keras_fcn.SegNet`, the scores: conv_classifier."""
    return _segnet_basic(
        "conv_classifier", (), weights, input_shape, classes, classifier_activation, bn_mode, name
    )


def BayesianSegNetBasic(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 11,
    classifier_activation: str | None = "softmax",
    bn_mode: str = "inference",
    name: str = "bayesian_segnet_basic",
) -> CaffeFunctional:
    """SegNet-Basic with dropout that stays active: each pass gives another sample.

    `keras_fcn.monte_carlo` gives mean and variance of many. Arguments as for
    `keras_fcn.SegNet`; the scores are dense_softmax_inner_prod's.
    """
    head = "dense_softmax_inner_prod"
    return _segnet_basic(
        head, _DROPPED, weights, input_shape, classes, classifier_activation, bn_mode, name
    )


def _segnet_basic(
    head: str,
    dropped: Collection[int],
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    bn_mode: str,
    name: str,
) -> CaffeFunctional:
    inputs = Input(input_shape, name="data")
    x = lrn("norm")(inputs)
    pooled = {}
    for level in _LEVELS:
        x = through(x, [*conv_bn(64, 7, f"conv{level}", bn_mode), relu(f"relu{level}")])
        maxima, mask = pool(level)(x)
        pooled[level] = (mask, x)
        x = SampledDropout(0.5, name=f"encdrop{level}")(maxima) if level in dropped else maxima
    for level in reversed(_LEVELS):
        x = UpsampleLike(name=f"upsample{level}")([x, *pooled[level]])
        x = through(x, conv_bn(64, 7, f"conv_decode{level}", bn_mode))
        if level in dropped:
            x = SampledDropout(0.5, name=f"decdrop{level}")(x)
    model = CaffeFunctional(inputs, through(x, conv(classes, 1, head)), name=name)
    return finish(model, weights, head, classifier_activation, PREPROCESSING, PUBLISHED)
