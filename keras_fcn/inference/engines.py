"""The engines that a network is asked for in: built, compared, and for `"auto"` chosen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.layers.upsample import SegNetUpsample
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.engines.kinds import TENSORFLOW, Asked, choice, forms
from keras_fcn.engines.running import Engine, checked
from keras_fcn.inference.optimized import Array, Ready, Runs

__all__ = ["in_engine", "labels_changed", "prepared", "told_why"]

_MOST_CHANGED = 0.05
"""The share of labels from which on a lower precision is refused."""


def in_engine(
    net: TrainedNet,
    asked: Asked,
    images: Mapping[str, Array],
    reference: Runs | None,
    names: Sequence[str],
    by: str = "the model",
) -> tuple[Ready, float | None]:
    """A network in the engine that is asked for, compared with what it should give.

    Args:
        net: the network.
        asked: the engine; `"auto"` goes by the layers.
        images: inputs to compare by, channels last.
        reference: what gives the right outputs; None: there is nothing to compare with.
        names: of the outputs.
        by: what the reference is called.

    Returns:
        The engine, and the largest difference.

    Raises:
        CaffeError: the engine is not installed, lacks a layer, or gives other numbers.
    """
    one = several = asked.engine
    if asked.engine == "auto":
        one, several = choice(net.network)

    def built(engine: str, right: Runs | None, by: str) -> tuple[Runs, float | None]:
        run = Engine(net, forms(net, asked._replace(engine=engine)), list(images))
        if right is None or asked.precision != "float32":
            return run, None
        told = {"engine": engine, "by": by}
        given = list(images.values())
        return run, checked(run, right, given, names, ties=_unpools(net), **told)

    run, apart = built(one, reference, by)
    if several == one:
        return Ready(one, run), apart
    batches: list[Runs] = []
    lock = Lock()

    def by_batch(arrays: Sequence[Array]) -> Sequence[Array]:
        if not arrays[0].ndim or len(arrays[0]) < 2:
            return run(arrays)
        with lock:
            if not batches:  # the model may have been trained by now
                batches.append(built(several, run, one)[0])
        return batches[0](arrays)

    return Ready(one, by_batch), apart


def labels_changed(
    net: TrainedNet, run: Runs, reference: Runs, batches: Sequence[Sequence[Array]]
) -> float:
    """The share of labels that a lower precision changes.

    Args:
        net: the network.
        run: it in that precision.
        reference: it in float32.
        batches: inputs of some batches.

    Raises:
        CaffeError: they are too many.
    """
    if _unpools(net):
        raise CaffeError(
            f"{net.network.path}: precision='bfloat16' moves the places that its unpooling puts "
            "values back to, which changes a sixth of the labels; take 'float32'"
        )
    changed = total = 0
    for arrays in batches:
        for found, expected in zip(run(arrays), reference(arrays), strict=True):
            if found.shape != expected.shape or found.ndim not in (2, 4):
                continue
            differ = np.argmax(found, -1) != np.argmax(expected, -1)
            changed, total = changed + int(differ.sum()), total + differ.size
    share = changed / max(total, 1)
    if share > _MOST_CHANGED and changed > 1:  # one image may be a near tie
        raise CaffeError(
            f"{net.network.path}: precision='bfloat16' changes {share:.1%} of the labels; take "
            "'float32'"
        )
    return share


def _unpools(net: TrainedNet) -> bool:
    return any(isinstance(layer.params, SegNetUpsample) for layer in net.network.layers)


def prepared(model: Any, images: Any) -> list[list[Array]]:
    """Pictures as a model takes them, each for itself."""
    from keras_fcn.inference.jobs import Job, answers
    from keras_fcn.inference.prediction import model_preprocessing, require_one_image

    require_one_image(model)
    preprocessing = model_preprocessing(model)
    job = Job(preprocessing.channels, preprocessing, lambda x: x[np.newaxis], lambda x, _: [x])
    found = answers(job, images)
    return found if isinstance(found[0], list) else [found]


def told_why(why: Any) -> None:
    """Warn that `engine="auto"` is TensorFlow, and why."""
    warnings.warn(f"engine={TENSORFLOW!r}: {why}", CaffeWarning, stacklevel=5)
