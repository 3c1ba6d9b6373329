"""`keras-fcn verify`: whether a network is the same network elsewhere, and why not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import net_options, preparation_options
from keras_fcn.cli.guard import one_line
from keras_fcn.cli.loading import model_loader
from keras_fcn.cli.startup import start_tensorflow

if TYPE_CHECKING:
    import keras

    from keras_fcn.verifying.references import Subject
    from keras_fcn.verifying.summary import Entry

SUMMARY = (
    "Prove that a network gives a reference's numbers. Compares blob by blob with your own "
    "pycaffe's dump, OpenCV, an ONNX file, a port to Keras, or the network's own ONNX form, and "
    "tells where it departs and why. Exits with 0; 1 where it differs; 2 where it cannot compare, "
    "or prove all: as where a blob is apart as noise is, which float32 does not explain."
)
EXAMPLE = "keras-fcn verify deploy.prototxt net.caffemodel --reference dump.npz -o report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", nargs="?", help="a prototxt, or whatever keras_fcn.load takes")
    parser.add_argument("weights", nargs="?", help="the weights of a prototxt")
    parser.add_argument(
        "--reference",
        action="append",
        metavar="R",
        help="a folder or .npz of blobs, opencv, an .onnx file, a SavedModel's folder, a .keras or "
        ".tflite file, or self: the network's own ONNX form, the default; may be repeated",
    )
    parser.add_argument(
        "--image",
        action="append",
        metavar="PICTURE",
        help="feed this picture, not random numbers or a dump's own inputs; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=0, help="of random inputs; by default 0")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        help="write report.json and report.html there; of several references or networks "
        "summary.json and summary.html, with a folder for each",
    )
    parser.add_argument(
        "--float64",
        action=argparse.BooleanOptionalAction,
        help="compute all of the network in float64 too, or none of it, to tell rounding; by "
        "default what takes seconds, with self or where a blob is apart",
    )
    parser.add_argument(
        "--all", metavar="FOLDER", help="all pairs of prototxt and caffemodel in a folder"
    )
    parser.add_argument(
        "--dump-script",
        action="store_true",
        help="print the script that writes a dump with your own pycaffe, Python 2.7 or 3",
    )
    network = parser.add_argument_group("network of a prototxt")
    net_options.add_arguments(network, outputs=True)
    preparation_options.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(failure=2)


def run(options: argparse.Namespace) -> int:
    """Compare, print the table and write the report.

    Returns:
        0: the same; 1: it differs; 2: it cannot be compared.

    Raises:
        CaffeError: a file is wrong, or the reference cannot be compared with.
        ValueError: the arguments do not go together.
    """
    if options.dump_script:
        from keras_fcn.verifying.dump_script import DUMP_SCRIPT

        print(DUMP_SCRIPT, end="")
        return 0
    if (options.model is None) == (options.all is None):
        raise ValueError("give a prototxt with its weights, or --all with a folder of them")
    if options.all is None:
        model_loader(options.model, options.weights, net_options.given(options))  # refuse it now
    start_tensorflow(options.debug)
    from keras_fcn.verifying.summary import Summary, write_report, write_summary

    entries = list(
        _of_folder(options)
        if options.all
        else _of_one(options, options.model, options.weights, Path(options.model).name)
    )
    alone = entries[0].report if len(entries) == 1 and not options.all else None
    summary = Summary(tuple(entries))
    print(alone or summary)
    if options.output:
        folder = Path(options.output)
        files = write_report(alone, folder) if alone else write_summary(summary, folder)
        for file in files:
            print(f"wrote {file}")
    return summary.exit_code


def _of_one(
    options: argparse.Namespace, model: str, weights: str | None, name: str
) -> Iterator[Entry]:
    """The comparisons of one network; what is wrong with one reference does not end the others."""
    references = options.reference or ["self"]
    try:
        subject = _subject(options, model, weights)
    except (CaffeError, OSError, ValueError) as error:
        if not options.all:
            raise
        yield _failed(name, references[0], error)
        return
    for reference in references:
        try:
            yield _compared(options, subject, reference, name)
        except (CaffeError, OSError, ValueError) as error:
            if len(references) == 1 and not options.all:
                raise
            yield _failed(name, reference, error)


def _of_folder(options: argparse.Namespace) -> Iterator[Entry]:
    from keras_fcn.verifying.folders import pairs_in

    pairs, notes = pairs_in(Path(options.all))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    for name, prototxt, weights in pairs:
        yield from _of_one(options, str(prototxt), str(weights), name)


def _failed(name: str, reference: str, error: Exception) -> Entry:
    from keras_fcn.verifying.summary import Entry

    return Entry(name, reference, None, one_line(error))


def _compared(options: argparse.Namespace, subject: Subject, reference: str, name: str) -> Entry:
    from rich.console import Console

    from keras_fcn.verifying.summary import Entry
    from keras_fcn.verifying.verifying import verify_subject

    with Console(stderr=True).status(f"verifying {name}") as status:
        report = verify_subject(
            subject,
            reference,
            image=options.image,
            seed=options.seed,
            keep=options.output is not None,
            float64=options.float64,
            progress=lambda blob: status.update(f"verifying {name}: {blob}"),
        )
    return Entry(name, reference, report)


def _subject(options: argparse.Namespace, model: str, weights: str | None) -> Subject:
    """The network, which knows what the command line says of pictures."""
    from keras_fcn.verifying.verifying import subject_of

    def load(model: str, weights: str | None, **net: Any) -> keras.Model:
        loader = model_loader(model, weights, net)
        return preparation_options.prepared(loader, options, needed=bool(options.image))()

    return subject_of(model, weights, loader=load, **net_options.given(options))
