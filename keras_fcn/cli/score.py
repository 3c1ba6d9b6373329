"""`keras-fcn test`: scores of a Caffe net over batches of its data layers, as `caffe test`."""

from __future__ import annotations

import argparse

from keras_fcn.cli import net_options
from keras_fcn.cli.startup import start_tensorflow

SUMMARY = (
    "Score a net of Caffe, in phase TEST, over batches of its own data layers, as caffe test does: "
    "the mean of each output, in Caffe's lines."
)
EXAMPLE = "keras-fcn test train_val.prototxt snap_iter_10000.caffemodel -n 100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("prototxt", metavar="NET", help="a net with data layers for phase TEST")
    parser.add_argument("weights", metavar="W", help="a .caffemodel, an .h5, a published name")
    parser.add_argument(
        "-n",
        "--iterations",
        type=int,
        default=50,
        metavar="N",
        help="batches; by default %(default)s",
    )
    net_options.add_state(parser)
    parser.add_argument("--skip-bad", action="store_true", help="leave out records that are bad")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Log each batch, and the means.

    Raises:
        CaffeError: a file is wrong, or data cannot be read.
        ValueError: an option does not suit.
    """
    start_tensorflow(options.debug)
    from keras_fcn.solver import score_net

    score_net(
        options.prototxt,
        options.weights,
        options.iterations,
        level=options.level,
        stages=options.stage,
        skip_bad=options.skip_bad,
    )
