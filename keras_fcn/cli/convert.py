"""`keras-fcn convert`, which is `python -m convert` too."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.cli import net_options
from keras_fcn.cli.guard import guarded
from keras_fcn.version import __version__

if TYPE_CHECKING:
    from keras_fcn.caffe.keras_hdf5.conversion import ConversionReport

SUMMARY = (
    "Convert a Caffe network's weights to HDF5 that Keras loads by layer name. "
    "Needs no Caffe and no TensorFlow."
)

EXAMPLE = "keras-fcn convert deploy.prototxt net.caffemodel -o net.h5 --mean mean.binaryproto"

_PROGRESS_BYTES = 32 << 20
_UNEXPECTED_LENGTH = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "prototxt",
        nargs="?",
        help="the network's definition; without it the layers that the caffemodel carries are used",
    )
    parser.add_argument("caffemodel", help="the trained weights")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("-o", "--output", metavar="H5", help="the HDF5 file to write")
    action.add_argument("--list", action="store_true", help="print the layers and stop")
    parser.add_argument("--mean", metavar="FILE", help="store this .binaryproto or .npy mean")
    parser.add_argument(
        "--fully-convolutional",
        action="store_true",
        help="store inner products as convolutions, named <layer>-conv",
    )
    net_options.add_arguments(parser)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="also where the caffemodel lacks layers of the prototxt that have weights",
    )
    parser.add_argument(
        "--rename",
        metavar="OLD=NEW",
        action="append",
        default=[],
        help="take the weights of the caffemodel's layer OLD for the layer NEW; may be repeated",
    )
    parser.add_argument("--quiet", action="store_true", help="print notes and errors only")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Convert, or list the layers, as the options say.

    Raises:
        CaffeError: see `convert.convert`.
    """
    rename = _renames(options.rename)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaffeWarning)  # the notes say the same
        report = _list(options, rename) if options.list else _convert(options, rename)
    if not options.quiet:
        print(report)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    if report.output and not options.quiet:
        print(f"wrote {report.output}")


def _list(options: argparse.Namespace, rename: dict[str, str]) -> ConversionReport:
    from keras_fcn.caffe.keras_hdf5.conversion import list_layers

    net = net_options.given(options)
    return list_layers(options.caffemodel, options.prototxt, rename=rename, **net)


def _convert(options: argparse.Namespace, rename: dict[str, str]) -> ConversionReport:
    with SourceFile(options.caffemodel) as caffemodel:
        # The hash takes as long as all the rest: it starts before numpy is imported.
        caffemodel.hash_ahead()
        from keras_fcn.caffe.keras_hdf5.conversion import convert

        return convert(
            options.prototxt,
            caffemodel,
            options.output,
            mean=options.mean,
            fully_convolutional=options.fully_convolutional,
            rename=rename,
            partial=options.partial,
            **net_options.given(options),
            progress=None if options.quiet else _progress,
        )


def _renames(pairs: Sequence[str]) -> dict[str, str]:
    """`old=new` words as a mapping; a name may hold `=` only as the new one."""
    for pair in pairs:
        if "" in pair.partition("="):
            raise ValueError(f"--rename takes OLD=NEW. Received: {pair}")
    return dict(pair.split("=", 1) for pair in pairs)


def _progress(done: int, total: int) -> None:
    if total < _PROGRESS_BYTES or not sys.stderr.isatty():
        return
    end = "\n" if done == total else ""
    print(f"\rwriting {done >> 20} of {total >> 20} MB", end=end, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m convert", description=SUMMARY)
    parser.add_argument("--version", action="version", version=f"keras-fcn {__version__}")
    add_arguments(parser)
    return guarded(run, parser.parse_intermixed_args(arguments))
