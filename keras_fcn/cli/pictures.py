"""Commands that look at pictures: their options, and what is printed, written and left out."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_fcn.cli import engine, net_options, preparation_options
from keras_fcn.cli.loading import require_files
from keras_fcn.loading.names import KINDS

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.jobs import Job, Result

SKIPPED = 3
"""Exit status where all is done but for pictures that were left out."""


@dataclass(frozen=True)
class Task:
    """A command's way with pictures.

    Attributes:
        job: from pictures to answers.
        lines: what is printed of a result.
        record: what is written of it as JSON, beside the picture's name and size.
        write: makes files of it and tells which; None where there are none.
        heading: whether a line with the picture's name comes before its lines.
    """

    job: Job
    lines: Callable[[Result], Sequence[str]]
    record: Callable[[Result], Mapping[str, Any]]
    write: Callable[[Result], list[Path]] | None = None
    heading: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that all these commands have."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG, ...; folders, patterns in quotes, .txt lists of files, and videos, whose "
        "frames are pictures",
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
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help=f"images that cannot be used are no error: they are listed at the end, and the exit "
        f"status is {SKIPPED} instead of 1",
    )
    parser.add_argument("--quiet", action="store_true", help="no notes: results and errors only")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    net_options.add_arguments(parser.add_argument_group("network of a prototxt"), outputs=True)
    preparation_options.add_arguments(parser)


def run(
    options: argparse.Namespace,
    make: Callable[[keras.Model, list[Path]], Task],
    *,
    writes: bool = False,
) -> int:
    """Look at all pictures.

    Args:
        options: of `add_arguments`.
        make: makes the command's task of the model and the pictures' files, see `are_several`.
        writes: whether files are named after the pictures.

    Returns:
        The exit status: 0, or `SKIPPED`.

    Raises:
        CaffeError: a file is wrong, or an output cannot be written.
        OSError: a file cannot be read.
        ValueError: an option, a picture or the model does not suit.
    """
    from keras_fcn.preprocessing.files import is_one_file, picture_files

    require_files(*filter(is_one_file, options.images))
    files = [file for image in options.images for file in picture_files(image)]
    if writes:
        require_different_stems(files)
    notes = contextlib.redirect_stderr(io.StringIO()) if options.quiet else contextlib.nullcontext()
    with notes:
        task = make(engine.prepared_model(options), files)
        shown = list(_show(options, task, files))
    return _left_out([bad for bad in shown if bad is not None], len(shown), options.skip_bad)


def are_several(files: Sequence[Path]) -> bool:
    """Whether files are more than one picture: frames of a video are."""
    from keras_fcn.preprocessing.videos import is_video

    return len(files) > 1 or any(map(is_video, files))


def require_different_stems(files: Sequence[str | Path]) -> None:
    """Refuse files of one name, as what is written is named after them.

    Raises:
        ValueError: two have the same name, whatever their folders and endings.
    """
    seen: dict[str, str | Path] = {}
    for file in files:
        other = seen.setdefault(Path(file).stem, file)
        if other is not file:
            raise ValueError(
                "what is written is named after the images, so they must differ in more than "
                f"folder and suffix. Received: {other} and {file}"
            )


class _Bad(NamedTuple):
    """A picture that is left out.

    Attributes:
        name: the picture's.
        error: why.
        read: whether it could be read.
    """

    name: str
    error: Exception
    read: bool


def _show(options: argparse.Namespace, task: Task, files: Sequence[Path]) -> Iterator[_Bad | None]:
    """Print and write the result of each picture; None where it is good."""
    from keras_fcn.inference.jobs import results

    def shown(result: Result) -> tuple[Result, Sequence[str], list[Path]]:
        if result.error is not None:
            return result, (), []
        written = [] if task.write is None else task.write(result)
        return result, task.lines(result), written

    several = are_several(files)
    asked = options.json or options.jsonl
    text = asked != "-" and not (options.quiet and asked)
    with _records(options) as keep:
        for result, lines, written in results(task.job, files, shown):
            if result.error is not None:
                yield _Bad(result.name, result.error, result.pixels is not None)
                if several:
                    print(f"error: {result.error}", file=sys.stderr)
                keep({**_place(result), "error": str(result.error)})
                continue
            yield None
            if text:
                _print(result.name, lines, task.heading or several)
                for path in () if options.quiet else written:
                    print(f"wrote {path}")
            height, width = result.pixels.shape[:2]
            size = {**_place(result), "height": height, "width": width}
            files_of = {"files": [str(path) for path in written]} if written else {}
            keep({**size, **task.record(result), **files_of})


def _place(result: Result) -> dict[str, Any]:
    """What a record says of where a picture is from."""
    if result.frame is None:
        return {"image": result.name}
    file, number, time = result.frame
    return {"image": file, "frame": number, "time": time}


def _print(name: str, lines: Sequence[str], heading: bool) -> None:
    if heading:
        print(name)
    for line in lines:
        print(line)


@contextlib.contextmanager
def _records(options: argparse.Namespace) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that keeps a record of each picture, where and as the options say."""
    from keras_fcn.caffe.io.files import atomic_write

    if options.jsonl is not None:
        with contextlib.ExitStack() as stack:
            file = sys.stdout
            if options.jsonl != "-":
                file = stack.enter_context(Path(options.jsonl).open("w", encoding="utf-8"))
            yield lambda record: print(json.dumps(record, allow_nan=False), file=file, flush=True)
        return
    kept: list[Mapping[str, Any]] = []
    yield kept.append
    if options.json is None:
        return
    text = json.dumps(kept, indent=1, allow_nan=False)
    if options.json == "-":
        print(text)
        return
    with atomic_write(Path(options.json)) as output:
        output.write(text.encode() + b"\n")


def _left_out(bad: Sequence[_Bad], count: int, skip_bad: bool) -> int:
    """The exit status; an error where pictures are bad and may not be, or all are."""
    if not bad:
        return 0
    if count == 1:
        raise bad[0].error
    how = "used" if any(x.read for x in bad) else "read"
    names = ", ".join(x.name for x in bad)
    if not skip_bad or len(bad) == count:
        raise ValueError(f"{len(bad)} of {count} images cannot be {how}: {names}")
    print(f"skipped {len(bad)} of {count} images, which cannot be {how}: {names}", file=sys.stderr)
    return SKIPPED
