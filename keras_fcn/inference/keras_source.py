"""A Keras model in an engine, or a copy of it in TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import quoted
from keras_fcn.core.card import card_of
from keras_fcn.core.leaves import leaves
from keras_fcn.device import has_gpu
from keras_fcn.engines.kinds import TENSORFLOW, Asked
from keras_fcn.engines.running import small_images
from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.graph.ends import output_names
from keras_fcn.inference.engines import in_engine, labels_changed, prepared, told_why
from keras_fcn.inference.optimized import Array, InferenceModel, Ready, Runs, Tensor
from keras_fcn.inference.structure import OPAQUE
from keras_fcn.surgery.cards import of_this_package
from keras_fcn.to_caffe.open_sizes import open_net

__all__ = ["of_keras"]


def of_keras(model: Any, asked: Asked, images: Any) -> InferenceModel:
    """A Keras model for inference; see `keras_fcn.optimize_for_inference`."""
    model = of_this_package(model)
    ready, apart, changed = None, None, None
    if _is_opaque(model):
        asked = _in_tensorflow(model, asked)
    if asked.engine == "auto" and has_gpu():
        told_why("TensorFlow sees a GPU; the other engines run on the CPU")
    elif asked.engine != TENSORFLOW:
        try:
            ready, apart, changed = _in_engine(model, asked, images)
        except CaffeError as error:
            if asked.engine != "auto":
                raise
            told_why(error)
    if ready is None:
        ready = Ready(TENSORFLOW, _copied(model))
    made = InferenceModel(
        ready,
        model,
        card_of(model),
        [Tensor(x.name, tuple(x.shape)) for x in model.inputs],
        [Tensor(*pair) for pair in zip(output_names(model), _shapes(model), strict=True)],
        rows=model._row_rule() is not None,
        precision=asked.precision,
        difference=apart,
    )
    made.changed_labels = changed
    return made


def _in_engine(model: Any, asked: Asked, images: Any) -> tuple[Ready, float | None, float | None]:
    net, _ = open_net(model)
    free = any(None in x.shape[1:] for x in model.inputs)
    blobs = [card_of(model).inputs.get(x.name, x.name) for x in model.inputs]
    made_up = small_images(net, resizable=free)
    given = {name: made_up.get(name, np.zeros(1, np.float32)) for name in blobs}

    def reference(arrays: Sequence[Array]) -> list[Array]:
        outputs = model(arrays[0] if len(arrays) == 1 else list(arrays), training=False)
        return list(map(keras.ops.convert_to_numpy, keras.tree.flatten(outputs)))

    ready, apart = in_engine(net, asked, given, reference, output_names(model))
    if asked.precision == "float32":
        return ready, apart, None
    batches = [list(given.values())] if images is None else prepared(model, images)
    return ready, apart, labels_changed(net, ready.run, reference, batches)


def _is_opaque(layer: Any) -> bool:
    """Whether a layer, or one within a model, is a SavedModel's."""
    inner = leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return any(type(each).__name__ in OPAQUE for each in inner)


def _in_tensorflow(model: Any, asked: Asked) -> Asked:
    """What is asked for, of a model with a SavedModel in it, which has no choice of engines.

    Raises:
        ModelError: another engine than TensorFlow.
    """
    if asked.engine not in ("auto", TENSORFLOW):
        raise ModelError(
            f"{quoted('engine')}: a SavedModel's layers are not known, so TensorFlow alone runs "
            f"{model.name!r}; for another engine give the .keras or Caffe file that it is of. "
            f"Received: {asked.engine!r}"
        )
    return asked._replace(engine=TENSORFLOW)


def _copied(model: Any) -> Runs:
    """What runs a model as it is now, whatever becomes of its weights.

    A SavedModel's layer stays the same one: Keras makes none from its config.
    """
    as_it_is = {"clone_function": _cloned} if _is_opaque(model) else {}
    try:
        copy = keras.models.clone_model(model, **as_it_is)
        copy.set_weights(model.get_weights())
    except (TypeError, ValueError) as error:
        raise ModelError(f"cannot copy {model.name!r}: {plain_reason(error)}") from error

    def run(arrays: Sequence[Array]) -> list[Array]:
        count = max(len(arrays[0]) if arrays[0].ndim else 1, 1)
        given = arrays[0] if len(arrays) == 1 else list(arrays)
        return list(keras.tree.flatten(copy.predict(given, batch_size=count, verbose=0)))

    return run


def _cloned(layer: Any) -> Any:
    return layer if _is_opaque(layer) else type(layer).from_config(layer.get_config())


def _shapes(model: Any) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in model.outputs]
