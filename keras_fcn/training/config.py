"""Configuration of a training run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_fcn.caffe.words import quoted
from keras_fcn.training.described import described
from keras_fcn.training.loss_names import LOSSES, OPTIONS, is_loss, loss_terms

__all__ = ["CLASS_MONITORS", "MONITORS", "POLICIES", "TrainingConfig"]

POLICIES = ("fixed", "step", "multistep", "exp", "inv", "poly", "sigmoid")
"""Those of `keras_fcn.training.schedules`; here without Keras, as the command line needs them."""
MONITORS = ("mean_iou", "pixel_accuracy", "mean_class_accuracy", "val_loss")
CLASS_MONITORS = ("accuracy", "mean_class_accuracy", "val_loss")
"""Those of images with one label each."""

_Rule = tuple[Callable[[Any], bool], str]
_AT_LEAST_1: _Rule = (lambda value: value >= 1, "at least 1")
_POSITIVE: _Rule = (lambda value: value > 0, "above 0")
_NOT_NEGATIVE: _Rule = (lambda value: value >= 0, "at least 0")


def _optional(rule: _Rule) -> _Rule:
    holds, text = rule
    return (lambda value: value is None or holds(value), f"{text}, or None")


def _one_of(*values: Any) -> _Rule:
    return (lambda value: value in values, f"one of {list(values)}")


def _is_size(value: Any) -> bool:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return False
    lengths = list(value)
    return len(lengths) == 2 and min(lengths) >= 1


_SIZE = _optional((_is_size, "(height, width)"))
_RULES: Mapping[str, _Rule] = {
    "epochs": _AT_LEAST_1,
    "steps_per_epoch": _optional(_AT_LEAST_1),
    "batch_size": _AT_LEAST_1,
    "iter_size": _AT_LEAST_1,
    "seed": _NOT_NEGATIVE,
    "size": _SIZE,
    "crop_size": _SIZE,
    "balance_classes": _one_of(True, False),
    "on_bad_pair": _one_of("stop", "skip"),
    "new_head": _one_of("auto", True, False),
    "batch_norm": _one_of("auto", "batch", "stored"),
    "mixed_precision": _one_of(None, "mixed_bfloat16", "mixed_float16"),
    "loss": (
        is_loss,
        f"one of {list(LOSSES)}, a sum of them such as 'cross_entropy+0.5*dice', or a function",
    ),
    "focal_gamma": _NOT_NEGATIVE,
    "ohem_threshold": (lambda value: 0 < value <= 1, "a probability above 0"),
    "ohem_min_kept": _optional(_AT_LEAST_1),
    "dice_smoothing": _NOT_NEGATIVE,
    "loss_on": _one_of("auto", "pixels", "map"),
    "normalization": _one_of("valid", "full", "batch_size"),
    "lr_policy": _one_of(*POLICIES),
    "learning_rate": _POSITIVE,
    "warmup": _NOT_NEGATIVE,
    "warmup_learning_rate": _NOT_NEGATIVE,
    "momentum": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "weight_decay": _NOT_NEGATIVE,
    "regularization": _one_of("L2", "L1"),
    "clip_gradients": _optional(_POSITIVE),
    "monitor": _one_of(*MONITORS, *CLASS_MONITORS),
    "patience": _optional(_AT_LEAST_1),
    "save_every": _optional(_AT_LEAST_1),
    "validate_every": _AT_LEAST_1,
    "samples": _NOT_NEGATIVE,
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The options of `fine_tune` that a run's `config.json` keeps.

    Patterns are those of a shell (`fnmatch`): of layers `conv1*`, of parameters `conv1/kernel`,
    `*/bias`. One that matches nothing is an error.

    Args:
        epochs: how often the training data is gone through. A run that is given more goes on.
        steps_per_epoch: updates of an epoch; by default as many as it takes to see each image once,
            rounded up. Order goes on across the ends of epochs.
        batch_size: images of a pass, over all workers and devices.
        iter_size: passes of an update, whose gradients are averaged, as in Caffe's solver.
        seed: of order, augmentation, new layers and dropout.
        size: (height, width) images are brought to first; see `LabelledImages.to_tf`.
        crop_size: (height, width) of what is cut out for training; see `to_tf`. Validation is on
            whole images. A network with tiles gets its margin around it: the 500 pixels of
            DilatedNet's authors are 128 here, less 186 on each side.
        balance_classes: draws for each example a class of those that the data has, all alike
            likely, a pair that holds it, and a crop with a pixel of it, so that rare classes are
            seen; an epoch has as many examples as there are pairs.
        on_bad_pair: `"stop"` ends training at an image or mask that cannot be used, with its name;
            `"skip"` leaves it out, and counts it in the history.
        new_head: replaces the layers that score classes, see `keras_fcn.replace_head`: `"auto"`
            where the network has another number of classes than the data.
        freeze: patterns of the layers that are not trained.
        batch_norm: what layers normalize by in training. `"auto"`: by each batch, but for those
            that are frozen, or always use stored statistics (`use_global_stats: true`);
            `"batch"`: these too; `"stored"`: none, all such layers are frozen, with their scale and
            shift; a Scale behind one of Caffe's is a layer of its own, see `freeze`. A trained
            SegNet or ENet is always given with statistics of the training data, those of up to 200
            batches.
        mixed_precision: policy that layers compute in; weights, loss and softmax stay float32.
        loss: `"cross_entropy"`, `"focal"`, `"dice"`, `"lovasz"` (Lovasz-softmax), `"ohem"` (cross
            entropy of the hardest pixels), a sum such as `"cross_entropy+0.5*dice"`, a loss of
            `keras_fcn.training`, or a function of (labels, logits), see
            `keras_fcn.training.loss_choice.FunctionLoss`; a run knows it by its name. Of each head;
            void pixels give no loss and no gradient.
        focal_gamma: see `FocalLoss`.
        ohem_threshold: probability below which a pixel is hard; see `OhemCrossEntropy`.
        ohem_min_kept: pixels of an image that are kept at least; None for a 16th of them.
        dice_smoothing: see `DiceLoss`.
        class_weights: None; a number a class; or `"median_frequency"` of the training data. Of
            Dice and Lovasz-softmax they are factors of the classes' losses.
        loss_on: `"pixels"` compares the upsampled scores with the labels, `"map"` the scores with
            the labels at their positions. `"auto"` is `"map"` for a network with tiles, as
            DilatedNet was trained, else `"pixels"`.
        normalization: what the sum over pixels is divided by: `"valid"` ones, `"full"` all,
            `"batch_size"` images; Caffe's names. Not of Dice and Lovasz-softmax.
        auxiliary: layer -> weight of the loss of a second head on it, which the finished model
            does not have. A map of class scores is such a head itself: of a network with several
            outputs all but one are named here.
        optimizer: `"sgd"`, the name of another Keras optimizer, or its serialized form. A
            serialized one keeps its own learning rate, a named one follows `lr_policy`. Only
            `"sgd"` is Caffe's solver. `"adagrad"`, `"rmsprop"`, `"adadelta"` and `"adam"` are
            Keras', with Keras' defaults: its Adagrad starts from accumulated squares of 0.1, not
            0, its RMSprop forgets by 0.9, not 0.99, and all add an epsilon of 1e-7 where Caffe's
            `delta` is 1e-8. Give a serialized one to choose these.
        lr_policy: one of `schedules.POLICIES`, which say what the next fields mean.
        learning_rate: Caffe's `base_lr`.
        gamma: of the policies that have one.
        power: of the policies that have one.
        stepsize: of the policies that have one, in updates.
        stepvalues: of `"multistep"`, in updates.
        warmup: updates in which the rate rises in equal steps to where the policy has got to by
            then; the policy's updates count from the beginning of the run. Extended runs too.
        warmup_learning_rate: the rate of the first update of the warm-up.
        momentum: of `"sgd"`.
        nesterov: of `"sgd"`.
        weight_decay: factor of the weights that is added to their gradients, as in Caffe.
        regularization: `"L2"`, or `"L1"`, which adds the weights' signs.
        multipliers: pattern of parameters -> (`lr_mult`, `decay_mult`); a later pattern overrides
            an earlier one, and all override the prototxt. `lr_mult` 0 freezes.
        caffe_multipliers: takes `lr_mult` and `decay_mult` from the prototxt of a converted net.
        clip_gradients: largest norm of all gradients together, as in Caffe's solver.
        monitor: what the best epoch has most of (least, for `"val_loss"`); see `MONITORS`, and
            `CLASS_MONITORS` for images with one label each, of which `"accuracy"` is the default.
        patience: stops after as many validations without a better one; None never.
        save_every: updates from one checkpoint to the next, beside those of every epoch.
        validate_every: epochs from one validation to the next; the last is always validated.
        samples: how many pictures of the validation data the run folder gets.
        tensorboard: writes scalars and pictures for TensorBoard.
        exports: formats of `keras_fcn.export` that the finished model is written in.

    Raises:
        ValueError: an option out of its range.
    """

    epochs: int = 50
    steps_per_epoch: int | None = None
    batch_size: int = 4
    iter_size: int = 1
    seed: int = 0
    size: tuple[int, int] | None = None
    crop_size: tuple[int, int] | None = None
    balance_classes: bool = False
    on_bad_pair: str = "stop"
    new_head: str | bool = "auto"
    freeze: tuple[str, ...] = ()
    batch_norm: str = "auto"
    mixed_precision: str | None = None
    loss: str | Callable[..., Any] = "cross_entropy"
    focal_gamma: float = 2.0
    ohem_threshold: float = 0.7
    ohem_min_kept: int | None = None
    dice_smoothing: float = 0.0
    class_weights: str | tuple[float, ...] | None = None
    loss_on: str = "auto"
    normalization: str = "valid"
    auxiliary: Mapping[str, float] = dataclasses.field(default_factory=dict)
    optimizer: str | Mapping[str, Any] = "sgd"
    lr_policy: str = "poly"
    learning_rate: float = 0.01
    gamma: float | None = None
    power: float | None = None
    stepsize: int | None = None
    stepvalues: tuple[int, ...] = ()
    warmup: int = 0
    warmup_learning_rate: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    regularization: str = "L2"
    multipliers: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    caffe_multipliers: bool = True
    clip_gradients: float | None = None
    monitor: str = "mean_iou"
    patience: int | None = None
    save_every: int | None = None
    validate_every: int = 1
    samples: int = 4
    tensorboard: bool = True
    exports: tuple[str, ...] = ("keras", "saved_model")

    def __post_init__(self) -> None:
        for name, (holds, rule) in _RULES.items():
            if not holds(getattr(self, name)):
                raise ValueError(
                    f"{quoted(name)} must be {rule}. Received: {getattr(self, name)!r}"
                )
        for name in ("freeze", "exports"):
            if isinstance(getattr(self, name), str):
                raise ValueError(  # noqa: TRY004  as for every other option
                    f"{quoted(name)} must be a sequence of names. Received: {getattr(self, name)!r}"
                )
        for name in ("size", "crop_size", "freeze", "class_weights", "stepvalues", "exports"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))
        self._require_options_of_the_loss()
        if self.warmup and not isinstance(self.optimizer, str):
            raise ValueError(
                f"{quoted('warmup')} is of the policies; an optimizer that is given as an object "
                f"has a rate of its own. Received: warmup={self.warmup}"
            )
        if self.warmup_learning_rate and not self.warmup:
            raise ValueError(
                f"{quoted('warmup_learning_rate')} needs {quoted('warmup')}. "
                f"Received: {self.warmup_learning_rate!r}, warmup=0"
            )

    def to_dict(self) -> dict[str, Any]:
        """The options as values that JSON knows."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return values | {"loss": self.loss if isinstance(self.loss, str) else described(self.loss)}

    def _require_options_of_the_loss(self) -> None:
        named = isinstance(self.loss, str)
        terms = loss_terms(self.loss) if isinstance(self.loss, str) else {}
        for field in dataclasses.fields(self):
            if field.name not in OPTIONS or getattr(self, field.name) == field.default:
                continue
            _, losses = OPTIONS[field.name]
            if not terms.keys() & set(losses) and (named or field.name != "normalization"):
                names = " or ".join(map(repr, losses))
                raise ValueError(
                    f"{quoted(field.name)} is an option of the loss {names}. "
                    f"Received: {field.name}={getattr(self, field.name)!r}, loss={self.loss!r}"
                )
