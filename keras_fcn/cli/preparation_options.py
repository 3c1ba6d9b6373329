"""Options on how images are prepared, for commands whose model is to keep them."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def add_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the options; those of ``keras-fcn predict``."""
    from keras_fcn.cli.predict import factor

    parser.add_argument(
        "--mean",
        help="subtracted: pixel values in the net's channel order (BGR) such as 104,117,123, a "
        ".npy or .binaryproto file, ilsvrc_2012, ilsvrc_2012_pixel, or none",
    )
    parser.add_argument("--rgb", action="store_true", help="the net takes RGB, not BGR")
    parser.add_argument("--raw-scale", type=factor, metavar="X", help="white, before the mean")
    parser.add_argument("--input-scale", type=factor, metavar="X", help="factor after the mean")


def prepared(
    load: Callable[[], keras.Model], options: argparse.Namespace
) -> Callable[[], keras.Model]:
    """A loader whose model carries the preparation that the command line asks for.

    Raises:
        CaffeError: a file of the mean cannot be read.
        ValueError: the text of ``--mean`` is none of the forms.
    """
    changes = _changes(options)
    if not changes:
        return load

    def load_prepared() -> keras.Model:
        from keras_fcn.cli.preparation import describe, prepare_as
        from keras_fcn.model import CaffeInfo

        model = load()
        preprocessing = prepare_as(model, changes)
        print(describe(preprocessing), file=sys.stderr)
        info = getattr(model, "caffe", None) or CaffeInfo(model.name)
        model.caffe = dataclasses.replace(info, preprocessing=preprocessing.to_config())
        return model

    return load_prepared


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """The preprocessing's options that the command line, or else the weights file, sets."""
    from keras_fcn.cli.preparation import read_mean, stored_mean

    given = {
        "raw_scale": options.raw_scale,
        "input_scale": options.input_scale,
        "channel_order": "rgb" if options.rgb else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if options.mean is not None:
        return changes | {"mean": read_mean(options.mean)}
    mean = stored_mean(options.weights)
    return changes if mean is None else changes | {"mean": mean}
