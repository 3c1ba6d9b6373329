"""The run of a command over many pictures in processes of Ray."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import engine
from keras_fcn.cli.output_names import Names
from keras_fcn.cli.showing import Asked, Shown, shower

if TYPE_CHECKING:
    from keras_fcn.cli.journal import Journal
    from keras_fcn.cli.pictures import Make

__all__ = ["add_arguments", "over_ray"]

_FILES_A_TASK = 16


def add_arguments(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """Add the options of runs in processes of Ray."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run in processes of a Ray cluster, which must find all files under the same names; "
        "local starts one on this machine",
    )
    parser.add_argument(
        "--ray-workers", type=count, default=2, metavar="N", help="how many processes, 2"
    )


def over_ray(
    options: argparse.Namespace,
    make: Make,
    files: Sequence[Path],
    names: Names,
    asked: Asked,
    journal: Journal,
) -> Iterator[Shown]:
    """What there is to show of each picture, in the files' order.

    The workers load the model and write the files; a worker that dies is replaced. A video goes to
    one worker as a whole.

    Args:
        options: the command line.
        make: makes the command's task.
        files: the pictures.
        names: what their results are named after.
        asked: what is to be shown.
        journal: what is done already.
    """
    from keras_fcn.batch.over_ray import imported_ray
    from keras_fcn.inference.pictures import of_files
    from keras_fcn.preprocessing.videos import is_video

    ray = imported_ray()
    done = [not is_video(file) and all(map(journal.is_done, of_files([file]))) for file in files]
    left = [str(file) for file, is_done in zip(files, done, strict=True) if not is_done]
    items = [{"index": index, "file": file} for index, file in enumerate(left)]
    with _connected(ray, options.ray):
        shown = _by_index(_rows(ray, items, _Worker, (options, make, names, asked)))
        for file, is_done in zip(files, done, strict=True):
            yield from [Shown(str(file), None, done=True)] if is_done else next(shown)
        next(shown, None)  # lets Ray end the run


def _rows(
    ray: Any, items: list[dict[str, Any]], worker: type, arguments: tuple[Any, ...]
) -> Iterator[Mapping[str, Any]]:
    """What workers make of items, as it comes.

    Raises:
        CaffeError: a worker raises an error.
    """
    if not items:
        return
    data = ray.data.from_items(items, override_num_blocks=-(-len(items) // _FILES_A_TASK))
    workers = ray.data.ActorPoolStrategy(size=arguments[0].ray_workers)
    found = data.map_batches(
        worker,
        fn_constructor_args=arguments,
        batch_size=_FILES_A_TASK,
        compute=workers,
        num_cpus=1,
    )
    try:
        yield from found.iter_rows()
    except ray.exceptions.RayError as error:
        raise CaffeError(f"a worker of Ray stopped: {str(error).splitlines()[-1]}") from error


def _by_index(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Shown]]:
    """What rows have to show, in the order of their index."""
    early: dict[int, bytes] = {}
    index = 0
    for row in rows:
        early[row["index"]] = row["shown"]
        while index in early:
            yield pickle.loads(early.pop(index))
            index += 1


class _Worker:
    """What a process of Ray does with files."""

    def __init__(self, options: argparse.Namespace, make: Make, names: Names, asked: Asked) -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # it was told where the command runs
            self._task = make(engine.prepared_model(options), options, asked.several)
        self._show = shower(self._task, names, asked)
        self._batch = options.batch

    def __call__(self, items: Mapping[str, Any]) -> dict[str, Any]:
        from keras_fcn.inference.jobs import results
        from keras_fcn.inference.pictures import of_files

        shown: dict[str, list[Shown]] = {str(file): [] for file in items["file"]}
        pictures = of_files(map(Path, shown))
        for each in results(self._task.job, pictures, self._show, batch=self._batch):
            shown[each.name if each.frame is None else each.frame.file].append(each)
        return {
            "index": items["index"],
            "shown": [pickle.dumps(shown[str(file)]) for file in items["file"]],
        }


@contextlib.contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """A connection to Ray, without its bars; it ends with the process, as iterators may hold it."""
    if not ray.is_initialized():
        where = {} if address == "local" else {"address": address}
        ray.init(**where, log_to_driver=False, logging_level="ERROR")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    bars, context.enable_progress_bars = context.enable_progress_bars, False
    try:
        yield
    finally:
        context.enable_progress_bars = bars
