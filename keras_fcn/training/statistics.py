"""Statistics of the training data for layers that normalize.

Source: `Scripts/compute_bn_statistics.py` of alexgkendall/SegNet-Tutorial, which averages the means
and variances of the training's batches and works them into scale and shift; Ioffe and Szegedy,
"Batch Normalization", 2015, algorithm 2, whose variance is the unbiased one, as the script means
to have it (the integers of Python 2 leave its factor m / (m - 1) at 1).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.datasets import LabelledImages
from keras_fcn.layers import BN, BatchNorm
from keras_fcn.training.networks import leaves
from keras_fcn.training.runtime.choice import current_runtime
from keras_fcn.training.runtime.interface import Runtime

__all__ = ["Measurement", "Moments", "normalizations", "normalizes_by_batch", "update_statistics"]

#: Of each layer the average mean and variance of its batches, (C,) each.
Moments = list[tuple[np.ndarray, np.ndarray]]

#: Class of a layer -> its attribute that says what remains of the stored statistics at a pass.
_FORGETTING: Mapping[type, str] = {
    BatchNorm: "moving_average_fraction",
    keras.layers.BatchNormalization: "momentum",
}


def normalizations(model: keras.Model) -> list[Any]:
    """The layers of a model that normalize by statistics of a batch, or by stored ones."""
    kinds = (BN, *_FORGETTING)
    return [layer for layer in leaves(model) if isinstance(layer, kinds)]


def update_statistics(
    model: keras.Model,
    dataset: LabelledImages,
    *,
    batch_size: int = 4,
    batches: int | None = None,
    seed: int = 0,
    augmentation: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None,
    size: tuple[int, int] | None = None,
    crop_size: tuple[int, int] | None = None,
) -> None:
    """Gives a trained model the statistics of its training data, for use.

    The averages over batches of their means and unbiased variances. In SegNet's and ENet's `BN`
    they are worked into scale and shift, and the layers go over from `"learn"` to `"inference"`,
    as the authors' `compute_bn_statistics.py` does. Caffe's BatchNorm and Keras'
    BatchNormalization store them in place of their moving averages, which a short training leaves
    behind the weights; theirs are measured in training, dropout included, Keras' by its own biased
    variance. Layers that are frozen, or always normalize by stored statistics, stay as they are.

    Args:
        model: a network that was trained, and knows its preprocessing; it is changed.
        dataset: what it was trained on.
        batch_size: images of a batch, as in training.
        batches: how many; None for as many as it takes to see each image once.
        seed: of order and crops.
        augmentation: as in training, see `LabelledImages.to_tf`.
        size: as in training.
        crop_size: as in training.

    Raises:
        ValueError: no layer of the model normalizes by batches, or a bad pair.
    """
    layers = _by_batch(model)
    if not layers:
        raise ValueError(
            "the model must have a layer that normalizes by batches and is not frozen: BN in the "
            f"mode 'learn', BatchNorm or BatchNormalization. Received: {model.name!r}"
        )
    runtime = current_runtime()
    data = runtime.read(
        dataset,
        model,
        batch_size,
        augmentation=augmentation,
        shuffle=True,
        seed=seed,
        size=size,
        crop_size=crop_size,
        repeat=True,
    )
    taken = data.take(batches or -(-len(dataset) // batch_size))
    with dataset.naming_bad_pairs():
        moments = Measurement(model, layers, runtime)(images for images, _ in taken)
    for layer, (mean, variance) in zip(layers, moments, strict=True):
        if isinstance(layer, BN):
            layer.work_in(mean, variance)
        else:
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
        if isinstance(layer, BatchNorm):
            layer.finalize_state()


def _by_batch(model: keras.Model) -> list[Any]:
    """The layers whose statistics training makes."""
    return [layer for layer in normalizations(model) if normalizes_by_batch(layer)]


def normalizes_by_batch(layer: Any) -> bool:
    """Whether a layer normalizes by the batch in training, and can do without it in use."""
    if isinstance(layer, BN):
        return layer.mode == "learn" and not layer.statistics
    return bool(layer.trainable) and not getattr(layer, "use_global_stats", False)


class Measurement:
    """Average mean and variance of what layers normalize, measured again and again.

    Args:
        model: the network.
        layers: of `normalizations`.
        runtime: what computes.
    """

    def __init__(self, model: keras.Model, layers: Sequence[Any], runtime: Runtime) -> None:
        self._layers = list(layers)
        self._storing = [layer for layer in layers if not isinstance(layer, BN)]
        self._net = keras.Model(model.inputs, model.outputs)
        self._notes: dict[str, list[Any]] = {}
        self._run = runtime.compiled(self._passed, self._net.variables)

    def __call__(self, batches: Iterable[Any]) -> Moments:
        """Measures.

        Args:
            batches: images (N, H, W, channels), prepared.

        Returns:
            Of each layer the averages over batches, of BN of the unbiased variances.
        """
        sums: dict[str, Any] = {}
        count = 0
        with ExitStack() as changes:
            for layer in self._layers:
                changes.enter_context(_having(layer, **self._changes(layer)))
            for images in batches:
                for name, found in self._run(images).items():
                    # A layer that is called several times has the average of its calls.
                    calls = [list(map(ops.convert_to_numpy, pair)) for pair in found]
                    one = np.mean(calls, axis=0, dtype=np.float64)
                    sums[name] = sums.get(name, 0.0) + one
                count += 1
        averages = (sums[layer.path] / count for layer in self._layers)
        return [(mean, variance) for mean, variance in averages]

    def _changes(self, layer: Any) -> dict[str, Any]:
        if isinstance(layer, BN):
            return {"recorder": functools.partial(self._note, layer.path)}
        return {next(name for kind, name in _FORGETTING.items() if isinstance(layer, kind)): 0.0}

    def _passed(self, images: Any) -> dict[str, list[Any]]:
        """What the layers tell as the pass is traced, and what they store in it."""
        self._notes = {layer.path: [] for layer in self._layers}
        self._net(images, training=bool(self._storing))
        for layer in self._storing:
            moments = layer.moving_mean, layer.moving_variance
            self._notes[layer.path].append([ops.convert_to_tensor(value) for value in moments])
        return self._notes

    def _note(self, name: str, mean: Any, variance: Any, size: Any) -> None:
        size = ops.cast(size, variance.dtype)
        unbiased = variance * size / ops.maximum(size - 1, 1)
        self._notes[name].append([ops.reshape(mean, [-1]), ops.reshape(unbiased, [-1])])


@contextmanager
def _having(layer: Any, **attributes: Any) -> Iterator[None]:
    """A layer has other attributes meanwhile."""
    before = {name: getattr(layer, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(layer, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)
