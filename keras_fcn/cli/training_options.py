"""The options of training, from the command line to `fine_tune`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_fcn.cli.flags import flag
from keras_fcn.cli.preparation_options import factor, size
from keras_fcn.exporting.formats import FORMATS
from keras_fcn.training.config import CLASS_MONITORS, MONITORS, POLICIES, TrainingConfig
from keras_fcn.training.loss_names import LOSSES, loss_terms

if TYPE_CHECKING:
    from keras_fcn.datasets import Augmentation


def multiplier(text: str) -> tuple[str, tuple[float, float]]:
    """`conv1*=0.1` or `*/bias=2,0` as pattern and (lr_mult, decay_mult).

    A pattern without a slash means all parameters of the layers.
    """
    pattern, found, values = text.rpartition("=")
    numbers = tuple(map(factor, values.split(",")))
    if not found or not pattern or len(numbers) > 2:
        raise ValueError(text)
    return pattern if "/" in pattern else f"{pattern}/*", (numbers[0], (*numbers, 1.0)[1])


def auxiliary(text: str) -> tuple[str, float]:
    """`conv4_3=0.4` as layer and weight."""
    layer, found, weight = text.rpartition("=")
    if not found or not layer:
        raise ValueError(text)
    return layer, factor(weight)


def weights(text: str) -> str | tuple[float, ...]:
    """`median_frequency` or `1,0.5,4`."""
    return text if text == "median_frequency" else tuple(map(factor, text.split(",")))


def loss(text: str) -> str:
    """`cross_entropy` or `cross_entropy+0.5*dice`."""
    try:
        loss_terms(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither one of {', '.join(LOSSES)} nor a sum such as "
            "cross_entropy+0.5*dice"
        ) from error
    return text


def integers(text: str) -> tuple[int, ...]:
    """`1000,2000`."""
    return tuple(map(int, text.split(",")))


FIELDS: Mapping[str, Mapping[str, Any]] = {
    "epochs": {"type": int, "metavar": "N", "help": "how often to go through the data"},
    "steps_per_epoch": {"type": int, "metavar": "N", "help": "updates of an epoch"},
    "batch_size": {"type": int, "metavar": "N", "help": "images of a pass"},
    "iter_size": {"type": int, "metavar": "N", "help": "passes of an update"},
    "seed": {"type": int, "metavar": "N", "help": "of all chance"},
    "size": {"type": size, "metavar": "HxW", "help": "bring images and masks to it first"},
    "crop_size": {"type": size, "metavar": "HxW", "help": "cut out for training"},
    "balance_classes": {
        "action": "store_true",
        "help": "draw a class, an image that has it and a crop with it, so that rare ones are seen",
    },
    "freeze": {
        "action": "append",
        "metavar": "LAYERS",
        "help": "layers not to train, such as 'conv1*'; may be repeated",
    },
    "batch_norm": {
        "choices": ("auto", "batch", "stored"),
        "help": "normalize by each batch where layers are not frozen, everywhere, or nowhere",
    },
    "mixed_precision": {
        "choices": ("mixed_bfloat16", "mixed_float16"),
        "help": "what layers compute in",
    },
    "loss": {
        "type": loss,
        "metavar": "NAME",
        "help": f"{', '.join(LOSSES)}, or a sum such as cross_entropy+0.5*dice",
    },
    "focal_gamma": {
        "type": factor,
        "metavar": "X",
        "help": "of focal: 0 is cross entropy",
    },
    "ohem_threshold": {
        "type": factor,
        "metavar": "P",
        "help": "of ohem: pixels are hard whose class has a probability below it",
    },
    "ohem_min_kept": {
        "type": int,
        "metavar": "N",
        "help": "of ohem: pixels of an image to keep at least; by default a 16th of them",
    },
    "dice_smoothing": {"type": factor, "metavar": "X", "help": "of dice: added above and below"},
    "normalization": {
        "choices": ("valid", "full", "batch_size"),
        "help": "what the sum of pixels' losses is divided by: pixels not void, all, or images",
    },
    "class_weights": {
        "type": weights,
        "metavar": "W",
        "help": "median_frequency, or a number a class: 1,0.5,4",
    },
    "loss_on": {
        "choices": ("auto", "pixels", "map"),
        "help": "loss of upsampled scores, or of the map; auto is the map where there are tiles",
    },
    "auxiliary": {
        "type": auxiliary,
        "action": "append",
        "metavar": "LAYER=W",
        "help": "a second head on a layer, and the weight of its loss; may be repeated",
    },
    "optimizer": {
        "metavar": "NAME",
        "help": "sgd is Caffe's; adagrad, rmsprop, adam, ... are Keras', with its defaults",
    },
    "learning_rate": {"type": factor, "metavar": "X", "help": "Caffe's base_lr"},
    "lr_policy": {"choices": POLICIES, "help": "of Caffe's solver"},
    "gamma": {"type": factor, "metavar": "X", "help": "of the policy"},
    "power": {"type": factor, "metavar": "X", "help": "of the policy"},
    "stepsize": {"type": int, "metavar": "N", "help": "of the policy, in updates"},
    "stepvalues": {"type": integers, "metavar": "N,N", "help": "of multistep, in updates"},
    "warmup": {
        "type": int,
        "metavar": "N",
        "help": "updates in which the rate rises to what the policy says",
    },
    "warmup_learning_rate": {"type": factor, "metavar": "X", "help": "the rate that it rises from"},
    "multipliers": {
        "type": multiplier,
        "action": "append",
        "metavar": "P=LR[,DECAY]",
        "help": "lr_mult and decay_mult of layers 'conv1*' or parameters '*/bias'; may be repeated",
    },
    "momentum": {"type": factor, "metavar": "X", "help": "of sgd"},
    "weight_decay": {"type": factor, "metavar": "X", "help": "as in Caffe"},
    "clip_gradients": {"type": factor, "metavar": "X", "help": "largest norm of all gradients"},
    "monitor": {
        "choices": tuple(dict.fromkeys([*MONITORS, *CLASS_MONITORS])),
        "help": "what the best epoch is chosen by, accuracy for images with one label each",
    },
    "patience": {"type": int, "metavar": "N", "help": "stop after as many validations no better"},
    "save_every": {"type": int, "metavar": "N", "help": "updates between checkpoints"},
    "validate_every": {"type": int, "metavar": "N", "help": "epochs between validations"},
    "samples": {"type": int, "metavar": "N", "help": "pictures of the validation data"},
    "tensorboard": {
        "action": argparse.BooleanOptionalAction,
        "help": "scalars and pictures for TensorBoard",
    },
    "exports": {
        "action": "append",
        "choices": FORMATS,
        "help": "a form to write the model in; may be repeated",
    },
    "on_bad_pair": {"choices": ("stop", "skip"), "help": "at a pair that cannot be used"},
}
"""Field of TrainingConfig -> its argument. What is not given keeps the field's own default."""

_PAIRS = ("auxiliary", "multipliers")

_AUGMENTATION: Mapping[str, tuple[str, str]] = {
    "flip": ("P", "probability of left and right changing places"),
    "rotation": ("DEGREES", "to either side"),
    "brightness": ("X", "added to all pixels, to either side, as a share of white"),
    "contrast": ("X", "how far contrast changes, 0..1"),
    "saturation": ("X", "how far saturation changes, 0..1"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of training and of augmentation."""
    training = parser.add_argument_group("training")
    for name, settings in FIELDS.items():
        told = {**settings, "help": f"{settings['help']}{_default(name)}"}
        training.add_argument(flag(name), dest=name, default=argparse.SUPPRESS, **told)
    augmented = parser.add_argument_group("augmentation")
    augmented.add_argument(
        "--scale",
        type=factor,
        nargs=2,
        default=(1.0, 1.0),
        metavar=("LOW", "HIGH"),
        help="zoom; by default none",
    )
    for name, (metavar, text) in _AUGMENTATION.items():
        default = "0.5, or 0 for images with one label each" if name == "flip" else "0"
        augmented.add_argument(
            f"--{name}", type=factor, metavar=metavar, help=f"{text}; by default {default}"
        )


def _default(name: str) -> str:
    """The default of a field, as the help ends with it; nothing where it is none."""
    field = next(field for field in dataclasses.fields(TrainingConfig) if field.name == name)
    value = field.default
    if value is dataclasses.MISSING or value is False or value in (None, ()):
        return ""
    return f"; by default {' '.join(value) if isinstance(value, tuple) else value}"


def config(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `TrainingConfig` that the command line gives."""
    given = {name: value for name, value in vars(options).items() if name in FIELDS}
    return given | {name: dict(given[name]) for name in _PAIRS if name in given}


def augmentation(options: argparse.Namespace, of_pixels: bool) -> Augmentation:
    """The augmentation of the command line; whole images, such as letters, are not mirrored.

    Raises:
        ValueError: an option out of its range.
    """
    from keras_fcn.datasets import Augmentation

    given = {name: getattr(options, name) for name in _AUGMENTATION}
    amounts: dict[str, Any] = {"flip": 0.5 if of_pixels else 0.0}
    amounts |= {name: value for name, value in given.items() if value is not None}
    return Augmentation(scale=tuple(options.scale), **amounts)
