"""The losses that a configuration asks for: by name, as objects, or as functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_fcn.caffe.words import quoted
from keras_fcn.core.pixel_loss import DEFAULT_VOID, PixelLoss
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.described import described
from keras_fcn.training.loss_names import OPTIONS, loss_terms
from keras_fcn.training.losses import (
    NORMALIZATIONS,
    FocalLoss,
    OhemCrossEntropy,
    PixelwiseCrossEntropy,
)
from keras_fcn.training.region_losses import DiceLoss, LovaszSoftmaxLoss

__all__ = ["NAMED", "OF_WHOLE_IMAGES", "FunctionLoss", "Term", "chosen_losses"]

NAMED: Mapping[str, type[PixelLoss]] = {
    "cross_entropy": PixelwiseCrossEntropy,
    "focal": FocalLoss,
    "dice": DiceLoss,
    "lovasz": LovaszSoftmaxLoss,
    "ohem": OhemCrossEntropy,
}


class Term(NamedTuple):
    """A loss and its factor in a sum of losses."""

    loss: PixelLoss
    factor: float = 1.0


def chosen_losses(
    config: TrainingConfig,
    ignore_index: int,
    class_weights: Sequence[float] | None,
    from_logits: bool,
) -> list[Term]:
    """The terms of the loss of a head.

    Args:
        config: `loss` and its options.
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class, or None.
        from_logits: whether the head's scores are logits.

    Raises:
        ValueError: class weights or a normalization beside a loss that has its own, or one that
            is made for other scores or labels.
        TypeError: a class in place of its object.
    """
    common: dict[str, Any] = {"ignore_index": ignore_index, "from_logits": from_logits}
    chosen: Any = config.loss
    if isinstance(chosen, type):
        raise TypeError(
            f"{quoted('loss')} is a name, an object or a function; write {chosen.__name__}(). "
            f"Received: the class {chosen.__name__}"
        )
    if isinstance(chosen, keras.losses.Loss):
        _check_object(chosen, ignore_index)
    if isinstance(chosen, PixelLoss):
        if config.normalization != "valid":
            raise ValueError(
                "a loss of this package has a normalization of its own. "
                f"Received: normalization={config.normalization!r}, loss={chosen.get_config()}"
            )
        if class_weights is not None and chosen.class_weights is not None:
            raise ValueError(
                f"{quoted('class_weights')} must be those of the loss or of the run, not both. "
                f"Received: {chosen.class_weights} and {tuple(class_weights)}"
            )
        weights = chosen.class_weights if class_weights is None else class_weights
        return [Term(chosen.adapted(ignore_index, weights, from_logits))]
    common["class_weights"] = class_weights
    if not isinstance(chosen, str):
        return [Term(FunctionLoss(chosen, normalization=config.normalization, **common))]
    return [
        Term(NAMED[name](**common, **_options(config, name)), factor)
        for name, factor in loss_terms(chosen).items()
    ]


def _check_object(loss: keras.losses.Loss, ignore_index: int) -> None:
    """Refuse a loss whose own settings say something else than it will be given.

    Raises:
        ValueError: it takes probabilities, while it gets logits; or another label is its void.
    """
    if isinstance(loss, PixelLoss):
        if loss.ignore_index not in (DEFAULT_VOID, ignore_index):
            raise ValueError(
                f"the data's void has the label {ignore_index}. "
                f"Received: {type(loss).__name__}(ignore_index={loss.ignore_index})"
            )
        return
    config = loss.get_config()
    arguments = {**config, **(config.get("fn_kwargs") or {})}
    if arguments.get("from_logits") is False:
        name = type(loss).__name__
        raise ValueError(
            f"a loss gets logits, whatever the network ends in; write {name}(from_logits=True). "
            f"Received: {name}(from_logits=False)"
        )
    if arguments.get("ignore_class") is not None:
        raise ValueError(
            "void is left out already, and not counted; leave out ignore_class. "
            f"Received: {type(loss).__name__}(ignore_class={arguments['ignore_class']})"
        )


def _options(config: TrainingConfig, loss: str) -> dict[str, Any]:
    """The arguments of a loss that are options."""
    fields = {argument: name for name, (argument, losses) in OPTIONS.items() if loss in losses}
    return {argument: getattr(config, name) for argument, name in fields.items()}


class FunctionLoss(PixelLoss):
    """The loss that a function gives, of labels and logits.

    A function of (labels, logits) gets the pixels that count alone: int32 `(P,)` and float32
    `(P, classes)`. One that names an argument `ignore_index` gets whole maps, `(N, h, w)` and
    `(N, h, w, classes)`, and must leave void out itself; no gradient goes to void pixels. Either
    gives one number, or one for each pixel, of which class weights are factors. Of a
    `keras.losses.Loss` the values before reduction are taken.

    JAX fixes the number of pixels before it knows which count. There a function of the first kind
    gets all of them, and must give a value for each that depends on that pixel alone, which is
    tried out.

    Args:
        function: of these.
        normalization: see `PixelwiseCrossEntropy`; of values of pixels.
        **kwargs: arguments of `PixelLoss`.
    """

    def __init__(
        self, function: Callable[..., Any], normalization: str = "valid", **kwargs: Any
    ) -> None:
        super().__init__(name="function_loss", **kwargs)
        self.normalization = normalization
        self._function = function.call if isinstance(function, keras.losses.Loss) else function
        self._takes_maps = _names(self._function, "ignore_index")
        self._alone = False

    def parts(self, labels: Any, scores: Any) -> tuple[Any, Any]:
        """The sum over pixels, and what divides it; see `PixelLoss.parts`."""
        counted, known, logits = self._read(labels, scores)
        weights = ops.cast(counted, "float32")
        divisor = NORMALIZATIONS[self.normalization](weights)
        if self.class_weights is not None:
            weights = weights * ops.take(self._weights(logits.shape[-1]), known)
        if self._takes_maps:
            logits = ops.where(counted[..., None], logits, ops.stop_gradient(logits))
            labels = ops.cast(labels, "int32")
            values = self._function(labels, logits, ignore_index=self.ignore_index)
        elif keras.backend.backend() == "jax":
            self._require_pixels_alone(logits.shape[-1])
            logits = ops.where(counted[..., None], logits, ops.stop_gradient(logits))
            known, logits, weights = map(_flat, (known, logits, weights), (0, 1, 0))
            values = self._function(known, logits)
        else:
            known, logits, weights = self._pixels(counted, known, logits, weights)
            values = self._function(known, logits)
        values = ops.cast(values, "float32")
        if len(values.shape) == 0:
            self._require_values_of_pixels(values)
            # Of nothing a mean is NaN; no gradient comes of it either, as all pixels are void.
            return ops.where(divisor > 0, values, 0.0) * divisor, divisor
        if len(values.shape) != len(weights.shape):
            raise ValueError(
                f"`loss` must give one number, or one for each pixel {tuple(weights.shape)}. "
                f"Received: {tuple(values.shape)}"
            )
        return ops.sum(ops.where(weights > 0, values, 0.0) * weights), divisor

    def _pixels(self, counted: Any, *maps: Any) -> list[Any]:
        """The values of pixels that count; zeros for one pixel where none does."""
        chosen = _flat(counted, 0)
        none = ops.logical_not(ops.any(chosen, keepdims=True))
        chosen = ops.concatenate([chosen, none])
        found = []
        for values in maps:
            flat = _flat(values, len(values.shape) - len(counted.shape))
            found.append(ops.concatenate([flat, ops.zeros_like(flat[:1])])[chosen])
        return found

    def _require_pixels_alone(self, classes: int) -> None:
        """Refuse a function that looks at several pixels together, where all are given to it.

        Raises:
            ValueError: its values change with the pixels beside.
        """
        import jax

        if self._alone:
            return
        rng = np.random.default_rng(0)
        labels = rng.integers(classes, size=8).astype("int32")
        logits = rng.normal(size=(8, classes)).astype("float32")
        with jax.ensure_compile_time_eval():
            whole, part = (
                np.asarray(self._function(*map(ops.convert_to_tensor, (labels[:n], logits[:n]))))
                for n in (8, 5)
            )
        if whole.shape != (8,) or not np.allclose(whole[:5], part, rtol=1e-4, atol=1e-6):
            raise ValueError(
                "on JAX a `loss` of (labels, logits) must give a value for each pixel, by that "
                "pixel alone; one that looks at several together takes whole maps and names "
                f"`ignore_index`. Received: {described(self._function)}"
            )
        self._alone = True

    def _require_values_of_pixels(self, value: Any) -> None:
        if self.class_weights is not None or self.normalization != "valid":
            raise ValueError(
                "`class_weights` and `normalization` need a loss that gives a value for each "
                f"pixel. Received: `loss` that gives one number, {value}"
            )


def _flat(values: Any, own_axes: int) -> Any:
    """Values of pixels in one row, with so many axes of their own."""
    return ops.reshape(values, (-1, *values.shape[len(values.shape) - own_axes :]))


def _names(function: Callable[..., Any], argument: str) -> bool:
    """Whether a function has an argument of this name."""
    try:
        return argument in inspect.signature(function).parameters
    except ValueError:  # built-in functions may not tell
        return False


OF_WHOLE_IMAGES = (PixelwiseCrossEntropy, FocalLoss, FunctionLoss)
"""Losses of single labels too; the others are of the pixels of a map together."""
