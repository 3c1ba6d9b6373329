"""Losses of pixels: cross entropy, focal, and of the hardest pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.core.pixel_loss import PixelLoss

__all__ = [
    "NORMALIZATIONS",
    "FocalLoss",
    "OhemCrossEntropy",
    "PixelLoss",
    "PixelwiseCrossEntropy",
]

# Whose powers below 1 still have finite derivatives.
_LEAST_DOUBT = 1e-12
# BiSeNet keeps at least a 16th of the pixels.
_LEAST_SHARE = 16

#: Name -> divisor of the sum over pixels, of the mask of counted pixels (N, ...).
NORMALIZATIONS: Mapping[str, Callable[[Any], Any]] = {
    "valid": ops.sum,
    "full": lambda counted: ops.sum(ops.ones_like(counted)),
    "batch_size": lambda counted: ops.cast(ops.shape(counted)[0], counted.dtype),
}


@keras.saving.register_keras_serializable(package="keras_fcn")
class PixelwiseCrossEntropy(PixelLoss):
    """Cross entropy of the classes of pixels, computed in float32 whatever the policy.

    With class weights a pixel's loss is multiplied by the weight of its label, the divisor stays
    the same, as in the Caffe of SegNet.

    Source: Caffe's `softmax_loss_layer.cpp`; `weight_by_label_freqs` of alexgkendall/caffe-segnet.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        normalization: what the sum is divided by: `"valid"` pixels, `"full"` all pixels, or
            `"batch_size"` images.
        name: of the loss.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: no such normalization, or a weight below 0.
    """

    arguments = (*PixelLoss.arguments, "normalization")

    def __init__(
        self,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        normalization: str = "valid",
        name: str = "pixelwise_cross_entropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, class_weights, from_logits, name=name, **kwargs)
        self.normalization = normalization
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {list(NORMALIZATIONS)}. "
                f"Received: {normalization!r}"
            )

    def parts(self, labels: Any, scores: Any) -> tuple[Any, Any]:
        """The sum over pixels, and what divides it; see `PixelLoss.parts`."""
        counted, known, logits = self._read(labels, scores)
        entropies = ops.sparse_categorical_crossentropy(known, logits, from_logits=True)
        kept = ops.cast(self._kept(entropies, counted), "float32")
        losses = self._of_entropies(entropies) * kept
        if self.class_weights is not None:
            losses = losses * ops.take(self._weights(logits.shape[-1]), known)
        return ops.sum(losses), NORMALIZATIONS[self.normalization](kept)

    def _kept(self, entropies: Any, counted: Any) -> Any:
        """Which of the pixels that count are looked at."""
        return counted

    def _of_entropies(self, entropies: Any) -> Any:
        """Losses of pixels with these cross entropies, `-log` of the label's probability."""
        return entropies


@keras.saving.register_keras_serializable(package="keras_fcn")
class FocalLoss(PixelwiseCrossEntropy):
    """Cross entropy times `(1 - p) ** gamma`, `p` the probability of the pixel's label.

    Its alpha are the class weights. The sum is divided as that of `PixelwiseCrossEntropy`.

    Source: Lin, Goyal, Girshick, He and Dollar, "Focal Loss for Dense Object Detection", 2017.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        normalization: see `PixelwiseCrossEntropy`.
        gamma: how little pixels count that are right already; 0 is cross entropy.
        name: of the loss.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: no such normalization, or a number below 0.
    """

    arguments = (*PixelwiseCrossEntropy.arguments, "gamma")

    def __init__(
        self,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        normalization: str = "valid",
        gamma: float = 2.0,
        name: str = "focal_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, class_weights, from_logits, normalization, name, **kwargs)
        self.gamma = gamma
        if not 0 <= gamma < np.inf:
            raise ValueError(f"`gamma` must be at least 0. Received: {gamma!r}")

    def _of_entropies(self, entropies: Any) -> Any:
        if self.gamma == 0:
            return entropies
        doubt = ops.maximum(-ops.expm1(-entropies), _LEAST_DOUBT)
        return doubt**self.gamma * entropies


@keras.saving.register_keras_serializable(package="keras_fcn")
class OhemCrossEntropy(PixelwiseCrossEntropy):
    """Cross entropy of the hardest pixels of each image: online hard example mining.

    Those whose label has a probability below `threshold`, and where they are fewer than `min_kept`,
    the `min_kept` of least probability, with all that are as hard as the last of them. By images
    and not by batches, so that batch sizes and devices do not matter.

    Source: Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors with Online
    Hard Example Mining", 2016, for pixels as in Wu, Shen and van den Hengel, "High-performance
    Semantic Segmentation Using Very Deep Fully Convolutional Networks", 2016.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        normalization: see `PixelwiseCrossEntropy`; `"valid"` divides by the pixels that are kept.
        threshold: probability.
        min_kept: pixels of an image; None for a 16th of them all.
        name: of the loss.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: an argument out of its range.
    """

    arguments = (*PixelwiseCrossEntropy.arguments, "threshold", "min_kept")

    def __init__(
        self,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        normalization: str = "valid",
        threshold: float = 0.7,
        min_kept: int | None = None,
        name: str = "ohem_cross_entropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, class_weights, from_logits, normalization, name, **kwargs)
        self.threshold = threshold
        self.min_kept = min_kept
        if not 0 < threshold <= 1:
            raise ValueError(f"`threshold` must be a probability above 0. Received: {threshold!r}")
        if min_kept is not None and min_kept < 1:
            raise ValueError(f"`min_kept` must be at least 1, or None. Received: {min_kept!r}")

    def _kept(self, entropies: Any, counted: Any) -> Any:
        images = ops.shape(entropies)[0]
        known = ops.where(counted, entropies, -1.0)
        rising = ops.sort(ops.reshape(known, (images, -1)), axis=1)
        pixels = ops.shape(rising)[1]
        least = pixels // _LEAST_SHARE if self.min_kept is None else self.min_kept
        place = pixels - ops.clip(ops.convert_to_tensor(least, "int32"), 1, pixels)
        last = ops.take(rising, place, axis=1)
        last = ops.reshape(last, (-1, *[1] * (len(entropies.shape) - 1)))
        hard = (entropies > -math.log(self.threshold)) | (entropies >= last)
        return counted & hard
