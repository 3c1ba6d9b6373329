"""Options on how images are prepared, for commands whose model is to keep them."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_fcn.cli.flags import flag

if TYPE_CHECKING:
    import keras

    from keras_fcn.datasets import SegmentationDataset


def add_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the options; those of `keras-fcn predict`."""
    from keras_fcn.cli.predict import factor

    parser.add_argument(
        "--mean",
        help="subtracted: pixel values in the net's channel order (BGR) such as 104,117,123, a "
        ".npy or .binaryproto file, ilsvrc_2012, ilsvrc_2012_pixel, or none",
    )
    parser.add_argument("--rgb", action="store_true", help="the net takes RGB, not BGR")
    parser.add_argument(
        "--raw-scale",
        type=factor,
        metavar="X",
        help="white, before the mean; by default 255, and floats of HDF5 files are fed as they are",
    )
    parser.add_argument("--input-scale", type=factor, metavar="X", help="factor after the mean")


def prepared(
    load: Callable[[], keras.Model], options: argparse.Namespace, *datasets: SegmentationDataset
) -> Callable[[], keras.Model]:
    """A loader whose model carries the preparation that the command line asks for.

    Where all data are floats of HDF5 files, and white is not said, nothing is known of pictures.

    Raises:
        CaffeError: a file of the mean cannot be read.
        ValueError: the text of `--mean` is none of the forms.
    """
    from keras_fcn.datasets.ready import all_ready

    changes = _changes(options)
    without_pictures = bool(datasets) and all(map(all_ready, datasets))
    if not changes or (without_pictures and None in (options.raw_scale, options.mean)):
        return load

    def load_prepared() -> keras.Model:
        from keras_fcn.core.card import update_card
        from keras_fcn.inference.preparation import describe, prepare_as

        model = load()
        preprocessing = prepare_as(model, changes, option=flag)
        print(describe(preprocessing), file=sys.stderr)
        update_card(model, preprocessing=preprocessing)
        return model

    return load_prepared


def prepared_data(dataset: SegmentationDataset, options: argparse.Namespace) -> SegmentationDataset:
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
    """The preprocessing's options that the command line sets.

    Raises:
        CaffeError: there is no such file of the mean.
        ValueError: the text of `--mean` is none of the forms.
    """
    from keras_fcn.preprocessing.told_means import checked_mean

    given = {
        "raw_scale": options.raw_scale,
        "input_scale": options.input_scale,
        "channel_order": "rgb" if options.rgb else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if options.mean is None:
        return changes
    return changes | {"mean": checked_mean(options.mean, option=flag)}


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of the command line, or else of the weights file."""
    from keras_fcn.preprocessing.told_means import stored_mean

    changes = asked(options)
    mean = None if options.mean is not None else stored_mean(options.weights)
    return changes if mean is None else changes | {"mean": mean}
