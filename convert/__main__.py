"""Command line: ``python -m convert deploy.prototxt net.caffemodel -o net.h5``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from convert.errors import CaffeError
from convert.files import Sha256
from convert.version import __version__

_PROGRESS_BYTES = 32 << 20


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    result = argparse.ArgumentParser(
        prog="python -m convert",
        description="Convert a Caffe network's weights to HDF5 that Keras loads by layer name. "
        "Needs no Caffe and no TensorFlow.",
    )
    result.add_argument("files", nargs="+", metavar="FILE", help="[deploy.prototxt] net.caffemodel")
    result.add_argument("-o", "--output", metavar="H5", help="the HDF5 file to write")
    result.add_argument("--list", action="store_true", help="print the layers and stop")
    result.add_argument("--mean", metavar="FILE", help="store this .binaryproto or .npy mean")
    result.add_argument(
        "--fully-convolutional",
        action="store_true",
        help="store inner products as convolutions, named <layer>-conv",
    )
    result.add_argument("--quiet", action="store_true", help="print errors only")
    result.add_argument("--debug", action="store_true", help="show the traceback of an error")
    result.add_argument("--version", action="version", version=f"keras-fcn {__version__}")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    command = parser()
    options = command.parse_args(arguments)
    if len(options.files) > 2:
        command.error("give at most a prototxt and a caffemodel")
    if not options.list and not options.output:
        command.error("give the file to write with -o, or --list to see the layers")
    try:
        return _run(options)
    except CaffeError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    prototxt = options.files[0] if len(options.files) == 2 else None
    caffemodel = options.files[-1]
    if options.list:
        from convert.conversion import list_layers

        report = list_layers(caffemodel, prototxt)
    else:
        # The hash takes as long as all the rest: it starts before numpy is imported.
        sha256 = Sha256(caffemodel)
        from convert.conversion import convert

        report = convert(
            prototxt,
            caffemodel,
            options.output,
            mean=options.mean,
            fully_convolutional=options.fully_convolutional,
            progress=None if options.quiet else _progress,
            sha256=sha256,
        )
    if not options.quiet:
        print(report)
        for note in report.notes:
            print(f"note: {note}", file=sys.stderr)
        if report.output:
            print(f"wrote {report.output}")
    return 0


def _progress(done: int, total: int) -> None:
    if total < _PROGRESS_BYTES or not sys.stderr.isatty():
        return
    end = "\n" if done == total else ""
    print(f"\rwriting {done >> 20} of {total >> 20} MB", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
