"""The model classes: Keras' own, with a direct `predict` and a card."""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from keras_fcn.core.batches import RowRule, predict_rows, row_rule
from keras_fcn.core.card import Card
from keras_fcn.core.compiled import passes_are_eager
from keras_fcn.core.direct import direct_batches, joined
from keras_fcn.core.model_table import model_table
from keras_fcn.core.passes import passes_are_free, passes_of
from keras_fcn.core.refused_inputs import concerns_inputs, refusal
from keras_fcn.device import has_gpu
from keras_fcn.layers.tied import Tied
from keras_fcn.preprocessing.input_arrays import check_arrays

CaffeInfo = Card
"""The card's name in earlier versions."""

# A plain class at run time: Keras rewrites the bases of functional subclasses of Model.
_Model: Any = keras.Model if TYPE_CHECKING else object


class _CaffeModel(_Model):
    """Behaviour that the functional and the sequential model share.

    `predict` on arrays, and the model called on arrays or eager tensors, use compiled
    functions, see `keras_fcn.core.compiled`. Keras' own `predict` builds a data pipeline
    at each call and compiles with XLA, which on a CPU costs more than a small network:
    154 ms against 41 ms for one 227 x 227 image; its models are called layer by layer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        card = _stored_card(kwargs)
        super().__init__(*args, **kwargs)
        _relink(self)
        self.card = card
        self._passes = passes_of(self)
        self.before_use: Callable[[], None] | None = None
        self._rows: tuple[tuple[int, ...], RowRule | None] | None = None

    @property
    def card(self) -> Card:
        """The model's knowledge of its job; saved with it.

        Setting it freezes the weights that it names; it names those that still are frozen.
        """
        self.keep_in_step()
        named = self._card.frozen
        layers = {layer.name: layer for layer in self.layers} if named else {}
        still = tuple(
            (layer, index)
            for layer, index in named
            if layer in layers and not layers[layer].weights[index].trainable
        )
        return self._card if still == named else dataclasses.replace(self._card, frozen=still)

    @card.setter
    def card(self, card: Card) -> None:
        if not isinstance(card, Card):
            raise TypeError(f"`card` must be a Card. Received: {card!r}")
        for layer, index in card.frozen:
            weights = self.get_layer(layer).weights
            if not 0 <= index < len(weights):
                raise ValueError(
                    f"layer {layer!r} has {len(weights)} weights. "
                    f"Received: `frozen` with ({layer!r}, {index})"
                )
            weights[index].trainable = False
        self._card = card

    @property
    def caffe(self) -> Card:
        """The card's name in earlier versions."""
        return self.card

    @caffe.setter
    def caffe(self, card: Card) -> None:
        self.card = card

    def keep_in_step(self) -> None:
        """Exchange weights with what shows them in another form, see `keras_fcn.Net`."""
        exchange = getattr(self, "before_use", None)
        if exchange is not None and passes_are_eager():
            exchange()

    def _repr_html_(self) -> str:
        """A table for notebooks: sizes of the network, and what its card knows."""
        return model_table(self)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        if self.card != Card():
            config["card"] = self.card.to_config()
        return config

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As `keras.Model`'s, compiled where only outputs are asked for.

        No images give no rows, whatever TensorFlow makes of them.
        """
        tensors = keras.tree.flatten(inputs)
        if not all(tensor.shape and tensor.shape[0] == 0 for tensor in tensors):
            plain = not training and all(x is None for x in keras.tree.flatten(mask))
            try:
                outputs = self.compiled_pass(inputs, training=False) if plain else None
                if outputs is None:
                    outputs = super().call(inputs, training=training, mask=mask)
            except Exception as error:  # Keras' and TensorFlow's have no common class
                if not concerns_inputs(error):
                    raise
                raise refusal(self, inputs, error) from error
            return outputs
        one = keras.tree.map_structure(
            lambda x: keras.ops.zeros((1, *x.shape[1:]), x.dtype), inputs
        )
        outputs = super().call(one, training=training)
        return keras.tree.map_structure(lambda y: y[:0] if y.shape else y, outputs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """As `keras.Model.predict`; fast for arrays and `tf.data`, whatever the images' size.

        Detections of all images are one list, whose image numbers count through the batches;
        so do regions. Where rows are found of which no output tells the image, several
        batches raise a ValueError; so do arrays of another shape than an input's.
        """
        check_arrays(self, x)
        rule = self._row_rule()
        if rule is not None:
            if callbacks:
                raise ValueError("callbacks are not called for a network that finds things")
            return predict_rows(rule, self._forward, x, batch_size or 32, steps)
        if isinstance(x, np.ndarray) and len(x) == 0:
            return keras.tree.map_structure(keras.ops.convert_to_numpy, self(x, training=False))
        direct = (
            _is_graph(self)
            and steps is None
            and not callbacks
            and not self.run_eagerly
            and keras.distribution.distribution() is None
            and _replicas(self) == 1
        )
        batches = direct_batches(self, x, batch_size or 32) if direct else None
        if batches is None:
            return super().predict(x, batch_size, verbose, steps, callbacks)
        return joined(map(self._predicted, batches.shown(verbose)))

    def _predicted(self, batch: Any) -> Any:
        """The outputs of a batch, by a compiled function where there can be one."""
        outputs = self._passes(batch, training=False, any_layers=True)
        if outputs is None:
            outputs = self(batch, training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    def compiled_pass(self, inputs: Any, training: bool, kept_only: bool = False) -> Any:
        """The outputs for arrays or eager tensors by a compiled function.

        None where there can be none: some layers are neither Keras' nor of this package, or
        more than the outputs is asked for (gradients, masks, losses). With `kept_only` none
        is compiled now.
        """
        if self.run_eagerly or not passes_are_free() or not _is_graph(self):
            return None
        return self._passes(inputs, training, kept_only=kept_only)

    def _row_rule(self) -> RowRule | None:
        """See `keras_fcn.core.batches`; looked up again when the outputs have changed."""
        if not _is_graph(self):
            return None
        outputs = tuple(map(id, self.outputs))
        if self._rows is None or self._rows[0] != outputs:
            self._rows = (outputs, row_rule(self))
        return self._rows[1]

    def _forward(self, batch: Any) -> Any:
        """The outputs of one batch."""
        if len(keras.tree.flatten(batch)[0]) == 0:
            outputs = self(batch, training=False)
        else:
            outputs = self.predict_on_batch(batch)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    def _resolve_auto_jit_compile(self) -> bool:
        # TensorFlow's XLA pays on accelerators only; on a CPU it was a third slower than without.
        if keras.backend.backend() == "tensorflow" and not has_gpu():
            return False
        return bool(super()._resolve_auto_jit_compile())


def _is_graph(model: keras.Model) -> bool:
    """Whether a model knows its outputs; a sequential one does not before it is built."""
    return bool(getattr(model, "outputs", None))


def _replicas(model: keras.Model) -> int:
    """How many devices TensorFlow's strategy computes on; the other backends have none."""
    strategy = getattr(model, "distribute_strategy", None)
    return 1 if strategy is None else strategy.num_replicas_in_sync


def _in_step(name: str) -> Callable[..., Any]:
    """A method that uses or changes weights, with the model in step before and after."""
    own = vars(_CaffeModel).get(name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.keep_in_step()
        if own is not None:
            result = own(self, *args, **kwargs)
        else:
            result = getattr(super(_CaffeModel, self), name)(*args, **kwargs)
        self.keep_in_step()
        return result

    return functools.update_wrapper(method, own or getattr(keras.Model, name))


for _name in (
    "__call__",
    "evaluate",
    "export",
    "fit",
    "get_layer",
    "get_weights",
    "load_weights",
    "predict",
    "predict_on_batch",
    "save",
    "save_weights",
    "set_weights",
    "test_on_batch",
    "train_on_batch",
):
    setattr(_CaffeModel, _name, _in_step(_name))


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeFunctional(_CaffeModel, keras.Model):
    """A functional model; made as `CaffeFunctional(inputs, outputs, name=...)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cloned = _cloned_from(args[1] if len(args) > 1 else kwargs.get("outputs"))
        if cloned is not None and not {"card", "caffe"} & kwargs.keys():
            kwargs["card"] = cloned.card
        super().__init__(*args, **kwargs)

    def _run_through_graph(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # So that a clone knows what this model does: Keras makes it of the outputs alone.
        outputs = super()._run_through_graph(inputs, *args, **kwargs)
        for tensor in keras.tree.flatten(outputs):
            made = getattr(tensor, "_keras_history", None)
            if made is not None and made.operation not in self.operations:
                tensor._cloned_from = weakref.ref(self)
        return outputs

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """As Keras', which warns where a model of one input gets `{name: tensor}`."""
        if isinstance(inputs, Mapping) and len(self.inputs) == 1 and self.inputs[0].name in inputs:
            inputs = inputs[self.inputs[0].name]
            mask = None
        return super().call(inputs, training=training, mask=mask)


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeSequential(_CaffeModel, keras.Sequential):
    """A sequential model; made as `CaffeSequential(layers, name=...)`."""

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = dict(config)
        card = _stored_card(config)
        model: Self = super().from_config(config, custom_objects=custom_objects)
        model.card = card
        return model


# In an HDF5 file Keras names a model's class without its package.
keras.saving.get_custom_objects().update(
    {kind.__name__: kind for kind in (CaffeFunctional, CaffeSequential)}
)


def _relink(model: Any) -> None:
    """Let layers that use others' weights use those of this model's layers."""
    for layer in model.layers:
        if isinstance(layer, Tied):
            layer.relink(model.layers)


def _cloned_from(outputs: Any) -> CaffeFunctional | None:
    """The model that Keras has cloned to make some outputs, if all are of one."""
    made = {getattr(tensor, "_cloned_from", None) for tensor in keras.tree.flatten(outputs)}
    (original,) = made if len(made) == 1 else (None,)
    return None if original is None else original()


def _stored_card(config: dict[str, Any]) -> Card:
    """The card that a model's configuration holds, taken out of it."""
    found = [config.pop(key, None) for key in ("card", "caffe")]  # the latter in older files
    card = next((x for x in found if x is not None), Card())
    return card if isinstance(card, Card) else Card.from_config(card)
