"""The objective: the losses of a network's scores, and of heads beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.words import quoted
from keras_fcn.core.card import card_of
from keras_fcn.graph.calls import calls
from keras_fcn.layers import _stock
from keras_fcn.training.alignment import Alignment
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.loss_choice import OF_WHOLE_IMAGES, Term, chosen_losses
from keras_fcn.training.networks import Scores, matching, scores, scores_of
from keras_fcn.training.outputs import main_network
from keras_fcn.training.runtime.interface import Part

__all__ = ["Head", "Objective", "main_head"]


@dataclass(frozen=True)
class Head:
    """Scores, and how they are compared with labels.

    Attributes:
        tensor: `(N, h, w, classes)`, symbolic.
        alignment: where its positions lie over the image; None for scores of the whole of it.
        losses: of the scores; they are added up.
        ignore_index: label of the pixels that do not count.
        on_map: compares at the positions; else at the pixels.
        weight: of this head's loss.
    """

    tensor: Any
    alignment: Alignment | None
    losses: Sequence[Term]
    ignore_index: int
    on_map: bool = False
    weight: float = 1.0

    def parts(self, labels: Any, values: Any) -> list[Part]:
        """The losses of scores `(N, h, w, classes)`, given labels `(N, H, W)`, or `(N,)`."""
        values = ops.cast(values, "float32")
        if self.alignment is None:
            values = ops.reshape(values, (-1, values.shape[-1]))
        elif self.on_map:
            cells = ops.shape(values)[1:3]
            labels = self.alignment.pick(labels, cells, self.ignore_index)
        else:
            values = self.alignment.enlarge(values, ops.shape(labels)[1:3])
        return [
            Part(*loss.parts(labels, values), self.weight * factor) for loss, factor in self.losses
        ]


def main_head(
    model: keras.Model,
    ignore_index: int,
    config: TrainingConfig,
    class_weights: Sequence[float] | None = None,
    of_pixels: bool = True,
) -> Head:
    """The head that the network itself has.

    Raises:
        ValueError: see `networks.scores`; or options of maps for scores of whole images.
    """
    found = scores(model, of_pixels)
    losses = chosen_losses(config, ignore_index, class_weights, found.are_logits)
    if not of_pixels:
        _require_whole_images(config, losses)
        return Head(found.tensor, None, losses, ignore_index)
    tiles = card_of(model).tiles
    alignment = Alignment.of_tiles(tiles) if tiles else Alignment.of(model.inputs, found.tensor)
    on_map = config.loss_on == "map" or (config.loss_on == "auto" and tiles is not None)
    return Head(found.tensor, alignment, losses, ignore_index, on_map)


def _require_whole_images(config: TrainingConfig, losses: Sequence[Term]) -> None:
    """Refuse what is for maps of classes alone, where an image has one label.

    Raises:
        ValueError: an option is.
    """
    of_maps = {
        "loss_on": config.loss_on != "auto",
        "auxiliary": bool(config.auxiliary),
        "loss": not all(type(term.loss) in OF_WHOLE_IMAGES for term in losses),
    }
    given = [name for name, is_given in of_maps.items() if is_given]
    if given:
        received = ", ".join(f"{name}={getattr(config, name)!r}" for name in given)
        raise ValueError(
            f"{', '.join(quoted(name) for name in given)}: for maps of classes; these images have "
            "one label each, for which there are the losses 'cross_entropy' and 'focal', their sum "
            f"and functions. Received: {received}"
        )


class Objective:
    """The loss of a network in training.

    Args:
        model: the network; auxiliary heads are made on its layers.
        config: of the run.
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class, or None.
        of_pixels: whether each pixel has a label; else the whole image has one.

    Raises:
        ValueError: no layer of an auxiliary head's name, or one that gives no map.
    """

    def __init__(
        self,
        model: keras.Model,
        config: TrainingConfig,
        ignore_index: int,
        class_weights: Sequence[float] | None = None,
        of_pixels: bool = True,
    ) -> None:
        network = main_network(model, config.auxiliary) if of_pixels else model
        main = main_head(network, ignore_index, config, class_weights, of_pixels)
        tiles = card_of(model).tiles
        self._heads = [main]
        for name, weight in config.auxiliary.items():
            found = _auxiliary_scores(model, name, main.tensor.shape[-1], config.seed)
            losses = chosen_losses(config, ignore_index, class_weights, found.are_logits)
            alignment = Alignment.of(model.inputs, found.tensor, tiles.margin if tiles else 0)
            head = Head(found.tensor, alignment, losses, ignore_index, main.on_map, weight)
            self._heads.append(head)
        #: The network up to its scores, with the auxiliary heads.
        self.model = keras.Model(model.inputs, [head.tensor for head in self._heads])

    def __call__(self, images: Any, labels: Any) -> list[Part]:
        """The parts of the loss; what layers add themselves (regularizers) is one more."""
        outputs = keras.tree.flatten(self.model(images, training=True))
        parts = [
            part
            for head, values in zip(self._heads, outputs, strict=True)
            for part in head.parts(labels, values)
        ]
        return [*parts, *(Part(loss, 1.0) for loss in self.model.losses)]


def _auxiliary_scores(model: keras.Model, name: str, classes: int, seed: int) -> Scores:
    maps = {call.operation.name: call for call in calls(model)}
    (found, *_) = matching(name, maps, "layer")
    tensor = maps[found].outputs[0]
    if len(tensor.shape) != 4:
        raise ValueError(f"an auxiliary head needs a map (N, H, W, C). Received: layer {found!r}")
    if tensor.shape[-1] == classes:
        return scores_of(maps[found])
    # With a seed of its own it begins alike on any number of devices.
    initializer = keras.initializers.GlorotUniform(seed)
    head = _stock.Conv2D(classes, 1, kernel_initializer=initializer, name=f"aux_{found}")
    return Scores(head(tensor), True)
