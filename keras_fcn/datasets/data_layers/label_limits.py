"""The labels that the losses of a network can take, which Caffe does not look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.multibox import MultiBoxLoss
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss, SoftmaxWithLoss
from keras_fcn.caffe.net.network import Network

__all__ = ["LabelLimit", "Limits", "label_limits"]


@dataclass(frozen=True)
class LabelLimit:
    """What one layer takes as a label.

    Attributes:
        classes: labels count from 0 to one less.
        ignored: a label that it passes over; None: there is none.
        reader: the layer, for messages.
    """

    classes: int
    ignored: int | None
    reader: str

    def require(self, labels: np.ndarray, name: str) -> None:
        """Refuse labels that are no class.

        Raises:
            CaffeError: the first of them is told, and `name`.
        """
        if labels.size and labels.min() >= 0 and labels.max() < self.classes:
            return
        right = (labels >= 0) & (labels < self.classes)
        if self.ignored is not None:
            right |= labels == self.ignored
        if right.all():
            return
        besides = "" if self.ignored is None else f", and {self.ignored}, which is ignored"
        raise CaffeError(
            f"{name}: label {float(labels[~right].flat[0]):g} is no class of {self.reader}, which "
            f"takes 0 to {self.classes - 1}{besides}"
        )


@dataclass(frozen=True)
class BoxLimit(LabelLimit):
    """What a loss of boxes takes, rows (image, class, ...); `ignored` is its background."""

    def require(self, labels: np.ndarray, name: str) -> None:
        classes = labels[..., 1]
        right = (classes >= 0) & (classes < self.classes) & (classes != self.ignored)
        if not right.all():
            raise CaffeError(
                f"{name}: a box of class {float(classes[~right].flat[0]):g}, which is no class of "
                f"{self.reader}: it takes 0 to {self.classes - 1}, of which {self.ignored} is the "
                "background"
            )


Limits = Mapping[str, tuple[LabelLimit, ...]]
"""Top of a data layer -> what its readers take."""


def label_limits(network: Network) -> dict[str, tuple[LabelLimit, ...]]:
    """What the losses and accuracies of a network take as labels of its data layers' tops."""
    fed = {top for layer in network.layers if layer.is_source for top in layer.tops}
    found: dict[str, list[LabelLimit]] = defaultdict(list)
    for layer in network.layers:
        params = layer.params
        if isinstance(params, MultiBoxLoss) and layer.bottoms[3] in fed:
            background = params.background_label_id
            limit = BoxLimit(params.num_classes, background, layer.place)
            found[layer.bottoms[3].name].append(limit)
        if not isinstance(params, SoftmaxWithLoss | InfogainLoss | Accuracy):
            continue
        scores, labels = layer.bottoms[0].shape or (), layer.bottoms[1]
        classes = scores[canonical_axis(params.axis, len(scores))] if scores else None
        if labels in fed and classes is not None:
            found[labels.name].append(LabelLimit(classes, params.ignore_label, layer.place))
    return {top: tuple(limits) for top, limits in found.items()}
