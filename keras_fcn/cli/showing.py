"""Results of pictures: printed, written, noted as JSON, and those that are left out."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_fcn.cli.guard import described
from keras_fcn.cli.journal import Journal
from keras_fcn.cli.output_names import Names, name_of
from keras_fcn.errors import UnfitSizeError

if TYPE_CHECKING:
    from keras_fcn.inference.jobs import Job, Result
    from keras_fcn.preprocessing.videos import Frame

SKIPPED = 3
"""Exit status where all is done but for pictures that were left out."""


@dataclass(frozen=True)
class Task:
    """A command's way with pictures.

    Attributes:
        job: from pictures to answers.
        lines: what is printed of a result.
        record: what is written of it as JSON, beside the picture's name and size.
        write: makes files of it, named as it is told, and tells which; None where there are none.
        heading: whether a line with the picture's name comes before its lines.
    """

    job: Job
    lines: Callable[[Result], Sequence[str]]
    record: Callable[[Result], Mapping[str, Any]]
    write: Callable[[Result, str], list[Path]] | None = None
    heading: bool = True


class Asked(NamedTuple):
    """What a command line asks to be shown of each picture.

    Attributes:
        text: whether lines are printed.
        records: whether records are kept.
        notes: whether more than results is told.
        several: whether there is more than one picture.
        stop: whether the first bad picture ends all.
    """

    text: bool
    records: bool
    notes: bool
    several: bool
    stop: bool

    @classmethod
    def by(cls, options: argparse.Namespace, several: bool) -> Asked:
        """What options ask for."""
        asked = options.json or options.jsonl
        text = asked != "-" and not (options.quiet and asked)
        return cls(text, asked is not None, not options.quiet, several, options.strict)


class Shown(NamedTuple):
    """What there is to show of a picture; can be sent from one process to another.

    Attributes:
        name: the picture's.
        frame: which frame of a video it is.
        lines: to be printed.
        heading: whether its name is to stand above them.
        written: its files.
        record: of JSON; None where none is asked for.
        error: why it is left out; None where it is not.
        read: whether it could be read.
        done: whether all of this was done by an earlier run.
    """

    name: str
    frame: Frame | None
    lines: Sequence[str] = ()
    heading: bool = False
    written: Sequence[Path] = ()
    record: Mapping[str, Any] | None = None
    error: Exception | None = None
    read: bool = False
    done: bool = False


def shower(task: Task, names: Names, asked: Asked) -> Callable[[Result], Shown]:
    """What writes the files of a result, and makes what is to be shown of it."""

    def show(result: Result) -> Shown:
        shown = Shown(result.name, result.frame, read=result.pixels is not None, done=result.done)
        if result.error is not None:
            return shown._replace(error=result.error)
        if result.done:
            return shown
        written = [] if task.write is None else task.write(result, name_of(result, names))
        return shown._replace(
            lines=task.lines(result) if asked.text else (),
            heading=task.heading or asked.several,
            written=written,
            record=_record(task, result, written) if asked.records else None,
        )

    return show


def _record(task: Task, result: Result, written: Sequence[Path]) -> Mapping[str, Any]:
    height, width = result.pixels.shape[:2]
    files = {"files": [str(path) for path in written]} if written else {}
    size = {"height": height, "width": width}
    return {**_place(result.name, result.frame), **size, **task.record(result), **files}


def show_all(
    options: argparse.Namespace, every: Iterable[Shown], journal: Journal, asked: Asked
) -> tuple[list[Shown], int]:
    """Print results, keep their records, and note them in the journal.

    Returns:
        The pictures that are left out, and how many there are in all.

    Raises:
        Exception: the error of the first bad picture, where that stops all.
    """
    bad: list[Shown] = []
    count = done = unfit = 0
    with _records(options) as keep:
        for shown in every:
            count, done = count + 1, done + shown.done
            record = shown.record
            if shown.error is not None:
                bad.append(shown)
                if asked.stop:
                    raise shown.error
                unfit += isinstance(shown.error, UnfitSizeError)
                if asked.several and (unfit < 2 or not isinstance(shown.error, UnfitSizeError)):
                    print(f"error: {printable(described(shown.error))}", file=sys.stderr)
                record = {**_place(shown.name, shown.frame), "error": described(shown.error)}
            elif shown.done:
                record = journal.record(shown.name, shown.frame)
            else:
                journal.note(shown.name, shown.frame, shown.written, record)
                _print(shown, asked)
            if record is not None:
                keep(record)
    if unfit > 1:  # which is said once
        print(f"error: {unfit} images have sizes that the network cannot take", file=sys.stderr)
    if done and asked.notes:
        print(f"{done} of {count} images were done before", file=sys.stderr)
    return bad, count


def printable(text: object) -> str:
    """A text without what a terminal cannot show: names of files may hold any bytes."""
    return str(text).encode(errors="backslashreplace").decode()


def _place(name: str, frame: Frame | None) -> dict[str, Any]:
    """What a record says of where a picture is from."""
    if frame is None:
        return {"image": name}
    file, number, time = frame
    return {"image": file, "frame": number, "time": time}


def _print(shown: Shown, asked: Asked) -> None:
    if not asked.text:
        return
    for line in (*([shown.name] if shown.heading else []), *shown.lines):
        print(printable(line))
    for path in shown.written if asked.notes else ():
        print(f"wrote {printable(path)}")


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


def left_out(bad: Sequence[Shown], count: int, skip_bad: bool) -> int:
    """The exit status; an error where pictures are bad and may not be, or all are."""
    if not bad:
        return 0
    if count == 1 and bad[0].error is not None:
        raise bad[0].error
    how = "used" if any(x.read for x in bad) else "read"
    names = printable(", ".join(x.name for x in bad))
    if not skip_bad or len(bad) == count:
        raise ValueError(f"{len(bad)} of {count} images cannot be {how}: {names}")
    print(f"skipped {len(bad)} of {count} images, which cannot be {how}: {names}", file=sys.stderr)
    return SKIPPED
