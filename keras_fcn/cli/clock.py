"""`keras-fcn time`: what each layer of a Caffe net takes, as `caffe time`."""

from __future__ import annotations

import argparse

from keras_fcn.cli import net_options
from keras_fcn.cli.startup import start_tensorflow

SUMMARY = (
    "Measure how long each layer of a net of Caffe takes, forward and backward, and the whole net, "
    "as caffe time does."
)
EXAMPLE = "keras-fcn time train_val.prototxt -n 10"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("prototxt", metavar="NET", help="a net; inputs without data are zeros")
    parser.add_argument("--weights", metavar="W", help="a .caffemodel, an .h5, a published name")
    parser.add_argument(
        "-n",
        "--iterations",
        type=int,
        default=50,
        metavar="N",
        help="passes; by default %(default)s",
    )
    parser.add_argument(
        "--phase",
        type=str.upper,
        choices=("TRAIN", "TEST"),
        default="TRAIN",
        help="whose layers are in; by default %(default)s",
    )
    net_options.add_state(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Log the times.

    Raises:
        CaffeError: a file is wrong, or data cannot be read.
        ValueError: an option does not suit.
    """
    start_tensorflow(options.debug)
    from keras_fcn.solver import time_net

    time_net(
        options.prototxt,
        options.weights,
        options.iterations,
        phase=options.phase,
        level=options.level,
        stages=options.stage,
    )
