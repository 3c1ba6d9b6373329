"""Options on what a model is told of its images and classes, the same for every command."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras_fcn.cli.flags import flag

if TYPE_CHECKING:
    import keras

    from keras_fcn.datasets import LabelledImages


def size(text: str) -> tuple[int, int]:
    """`256` or `360x480` as (height, width)."""
    numbers = [int(part) for part in text.lower().split("x")]
    if len(numbers) > 2 or min(numbers) < 1:
        raise ValueError(text)
    return numbers[0], numbers[-1]


def size_or_free(text: str) -> tuple[int, int] | str:
    """As `size`, or `free`."""
    return text if text == "free" else size(text)


def factor(text: str) -> float:
    """`255`, `0.00390625`, `1/256` or `1/127.5`."""
    over, _, under = text.partition("/")
    if under and float(under) == 0:
        raise ValueError(text)
    return float(over) / float(under or 1)


def interpolation(text: str) -> str:
    """The name of a way to resize; NumPy is loaded only where one is given."""
    from keras_fcn.preprocessing.resampling import INTERPOLATIONS

    if text not in INTERPOLATIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(INTERPOLATIONS)}")
    return text


_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "mean": {
        "help": "subtracted: pixel values in the net's channel order such as 104,117,123, a .npy "
        "or .binaryproto file, ilsvrc_2012, ilsvrc_2012_pixel, or none"
    },
    "input-scale": {"type": factor, "metavar": "X", "help": "factor after the mean, such as 1/256"},
    "raw-scale": {"type": factor, "metavar": "X", "help": "white, before the mean; 255 or 1"},
    "rgb": {"action": argparse.BooleanOptionalAction, "help": "the net takes RGB, or else BGR"},
    "size": {
        "type": size_or_free,
        "metavar": "HxW",
        "help": "resize images; a network of one size crops its input then. free keeps each "
        "image's own. By default the size that the prototxt of a classifier or detector declares",
    },
    "interpolation": {
        "type": interpolation,
        "metavar": "NAME",
        "help": "how images are resized: bilinear (pycaffe's), bilinear_corners, or opencv, which "
        "gives cv2.resize's 8-bit values",
    },
    "crop": {"type": size, "metavar": "HxW", "help": "centre of the resized image"},
    "labels": {
        "metavar": "FILE",
        "help": "class names: a file with one a line, or SSD's label map; or a data set, "
        "such as pascal_voc",
    },
    "palette": {
        "metavar": "P",
        "help": "colours of the classes: a file with one a line, as 128,64,128 or #804080, or the "
        "name of a data set such as pascal_voc",
    },
}


def add_arguments(parser: argparse.ArgumentParser, *, without: tuple[str, ...] = ()) -> None:
    """Add the options, as a group; but for those that the command has with more meaning."""
    group = parser.add_argument_group("images and classes, where they are not as the model says")
    for name, settings in _OPTIONS.items():
        if name not in without:
            group.add_argument(f"--{name}", **settings)


def given(options: argparse.Namespace) -> list[str]:
    """The options of these that the command line sets."""
    values = {name: getattr(options, name.replace("-", "_"), None) for name in _OPTIONS}
    return [f"--{name}" for name, value in values.items() if value is not None]


def prepared(
    load: Callable[[], keras.Model],
    options: argparse.Namespace,
    *datasets: LabelledImages,
    needed: bool = True,
) -> Callable[[], keras.Model]:
    """A loader whose model knows what the command line says; its card holds it.

    What the card has and the command line does not say is kept; what neither says is assumed,
    and told in the one line that describes how images are prepared. Files that the options name
    are read now, before TensorFlow starts.

    Args:
        load: makes the model.
        options: the command line, see `add_arguments`.
        *datasets: what a model is trained or measured on; it tells names and colours of the
            classes. Where all data are floats of HDF5 files, and white is not said, nothing is
            known of pictures.
        needed: whether a model must know how images are prepared, though no option says it.

    Raises:
        CaffeError: there is no such file of a mean.
        OSError: a file of names or colours cannot be read.
        ValueError: an option's text is none of its forms.
    """
    from keras_fcn.datasets.ready import all_ready
    from keras_fcn.preprocessing.labels import read_labels, read_palette

    changes = asked(options)
    names = palette = None
    if not datasets:
        names = None if options.labels is None else read_labels(options.labels)
        palette = None if options.palette is None else read_palette(options.palette)
    without_pictures = bool(datasets) and all(map(all_ready, datasets))
    if without_pictures and None in (options.raw_scale, options.mean):
        return load
    size = getattr(options, "size", None)
    asks = bool(changes) or size is not None or options.crop is not None

    def load_prepared() -> keras.Model:
        from keras_fcn.cards.card import update_card
        from keras_fcn.inference.optimized import InferenceModel
        from keras_fcn.inference.preparation import describe_all, prepare_as

        model = load()
        if not needed and not asks and names is None and palette is None:
            return model
        if not isinstance(model, InferenceModel):
            from keras_fcn.surgery.cards import of_this_package, tell

            model = of_this_package(model)
            # Maps may be of anything; who gives anchors says that they are of boxes.
            boxes = "boxes" if getattr(options, "anchors", None) else None
            tell(model, classes=names, palette=palette, task=boxes, option=flag)
        if not needed and not asks:
            return model
        preprocessing = prepare_as(model, changes, size, options.crop, option=flag)
        named = not datasets
        for line in describe_all(model, preprocessing, changes, option=flag, names=named):
            print(line, file=sys.stderr)
        free = {"size": None} if size == "free" else {}
        update_card(model, preprocessing=preprocessing, **free)
        return model

    return load_prepared


def prepared_data(dataset: LabelledImages, options: argparse.Namespace) -> LabelledImages:
    """A data set whose ready images, floats of HDF5 files, get what the command line asks for.

    Raises:
        CaffeError: the mean's file cannot be read, or does not fit; or an image.
        ValueError: the text of `--mean` is none of the forms.
    """
    pair = next((pair for pair in dataset.pairs if pair.ready), None)
    if pair is None:
        return dataset
    from keras_fcn.preprocessing import Preprocessing
    from keras_fcn.preprocessing.told_means import read_mean

    channels = pair.image.read().shape[-1]
    mean = None if options.mean is None else read_mean(options.mean, channels, option=flag)
    scales = {"raw_scale": options.raw_scale, "input_scale": options.input_scale}
    given: dict[str, Any] = {
        name: 1.0 if scale is None else scale for name, scale in scales.items()
    }
    asked = Preprocessing(channels=channels, mean=mean, **given)
    steps = [
        None if options.raw_scale is None else f"times {options.raw_scale:g}",
        None if mean is None else f"less the mean {options.mean}",
        None if options.input_scale is None else f"times {options.input_scale:.6g}",
    ]
    done = ", ".join(step for step in steps if step) or "fed as they are"
    print(f"floats of {dataset.name}: {done}", file=sys.stderr)
    return dataclasses.replace(dataset, preprocessing=asked)


def asked(options: argparse.Namespace) -> dict[str, Any]:
    """The preprocessing's options that the command line sets, but for sizes.

    Raises:
        CaffeError: there is no such file of the mean.
        ValueError: the text of `--mean` is none of the forms.
    """
    from keras_fcn.preprocessing.told_means import checked_mean

    orders = {True: "rgb", False: "bgr", None: None}
    given = {
        "interpolation": options.interpolation,
        "raw_scale": options.raw_scale,
        "input_scale": options.input_scale,
        "channel_order": orders[options.rgb],
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if options.mean is None:
        return changes
    return changes | {"mean": checked_mean(options.mean, option=flag)}
