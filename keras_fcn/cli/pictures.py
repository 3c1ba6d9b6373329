"""Commands that look at pictures: their options, and the run over all that they are given."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.cli import engine, net_options, over_ray, preparation_options
from keras_fcn.cli.loading import require_files
from keras_fcn.cli.showing import SKIPPED, Asked, Task, left_out, show_all, shower
from keras_fcn.loading.names import KINDS

if TYPE_CHECKING:
    import keras

__all__ = ["SKIPPED", "Task", "add_arguments", "are_several", "run"]

_JOURNAL = ".keras-fcn-run.jsonl"

Make = Callable[["keras.Model", argparse.Namespace, bool], Task]
"""Makes a command's task of the model and the options; told whether there are several pictures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that all these commands have."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG, ...; folders, patterns in quotes, lists of files (a .txt, or @FILE), and "
        "videos, whose frames are pictures",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", metavar="M", help=KINDS)
    source.add_argument("--prototxt", metavar="P", dest="model", help="the network's definition")
    parser.add_argument(
        "--weights", metavar="W", help="an .h5 of the converter, a .caffemodel, a published name"
    )
    engine.add_argument(parser)
    machine = parser.add_mutually_exclusive_group()
    machine.add_argument("--json", metavar="FILE", help="also write all as one JSON list; - prints")
    machine.add_argument("--jsonl", metavar="FILE", help="a line of JSON for each image; - prints")
    bad = parser.add_mutually_exclusive_group()
    bad.add_argument(
        "--skip-bad",
        action="store_true",
        help=f"images that cannot be used are no error: they are listed at the end, and the exit "
        f"status is {SKIPPED} instead of 1",
    )
    bad.add_argument("--strict", action="store_true", help="stop at the first of these")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run that was stopped: images that -o or the file of JSON has are left",
    )
    parser.add_argument(
        "--batch",
        type=_count,
        default=1,
        metavar="N",
        help="images of one size that go through the network together, 1",
    )
    over_ray.add_arguments(parser, _count)
    parser.add_argument("--quiet", action="store_true", help="no notes: results and errors only")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    net_options.add_arguments(parser.add_argument_group("network of a prototxt"), outputs=True)
    preparation_options.add_arguments(parser)


def run(options: argparse.Namespace, make: Make) -> int:
    """Look at all pictures.

    Args:
        options: of `add_arguments`, and the command's own; `output` is where files go.
        make: makes the command's task.

    Returns:
        The exit status: 0, or `SKIPPED`.

    Raises:
        CaffeError: a file is wrong, or an output cannot be written.
        OSError: a file cannot be read.
        ValueError: an option, a picture or the model does not suit.
    """
    from keras_fcn.cli.journal import Journal, described_run
    from keras_fcn.cli.output_names import output_names, require_apart
    from keras_fcn.inference.jobs import results
    from keras_fcn.inference.pictures import of_files
    from keras_fcn.preprocessing.files import is_one_file, picture_files

    if len(options.images) == 1:
        require_files(*filter(is_one_file, options.images))
    files = [file for image in options.images for file in picture_files(image)]
    several = are_several(files)
    place = _journal_place(options) if several else None
    require_apart(options.images, options.output, "-o")
    described = {} if place is None else described_run(options)
    asked = Asked.by(options, several)
    notes = contextlib.redirect_stderr(io.StringIO()) if options.quiet else contextlib.nullcontext()
    with notes:
        names = output_names(files)
        task = make(engine.prepared_model(options), options, several)
        with Journal(place, described, options.resume, asked.records) as journal:
            if options.ray is not None:
                every = over_ray.over_ray(options, make, files, names, asked, journal)
            else:
                ways = {"batch": options.batch, "is_done": journal.is_done}
                every = results(task.job, of_files(files), shower(task, names, asked), **ways)
            bad, count = show_all(options, every, journal, asked)
    return left_out(bad, count, options.skip_bad)


def are_several(files: Sequence[Path]) -> bool:
    """Whether files are more than one picture: frames of a video are."""
    from keras_fcn.preprocessing.videos import is_video

    return len(files) > 1 or any(map(is_video, files))


def _journal_place(options: argparse.Namespace) -> Path | None:
    """Where a run over several pictures notes what is done."""
    if options.output is not None:
        return Path(options.output) / _JOURNAL
    file = options.jsonl or options.json
    if file is not None and file != "-":
        return Path(file).with_name(f".{Path(file).name}.run")
    if options.resume:
        raise ValueError("--resume goes on with files; give -o, or --json or --jsonl with a file")
    return None


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count
