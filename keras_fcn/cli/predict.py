"""`keras-fcn predict`: what a network is for, done for images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import classify, detect, keypoints, label_files, pictures, segment, tile_options
from keras_fcn.cli.flags import flag
from keras_fcn.cli.label_files import FORMATS, save_arrays
from keras_fcn.cli.output_names import made_place
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keras_fcn.inference import tasks
    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Say what images show. What is done follows from the model, by its card or its layers: a "
    "classifier prints its best classes, a detector its boxes, a pose network parts of bodies; a "
    "network for the classes of a data set labels pixels, another map prints its best class and "
    "draws where it scores. An image that cannot be read is named, and the next ones follow."
)
EXAMPLE = "keras-fcn predict cat.jpg --model caffenet_fcn --weights caffenet.h5 -o out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    parser.add_argument(
        *("-o", "--output"),
        metavar="DIR",
        help="folder for pictures; of maps they are always written, by default here. A .tif or a "
        ".npy is the map of one large image itself",
    )
    parser.add_argument(
        "--class", dest="wanted", metavar="CLASS", help="name or index to draw, not the best class"
    )
    parser.add_argument(
        "--npy", action="store_true", help="also write the best class of each cell, IMAGE_map.npy"
    )
    label_files.add_argument(parser)
    tile_options.add_arguments(parser)
    for command in (classify, detect):
        command.add_own_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Do for each image what the model is for; see `keras_fcn.cli.pictures.run`."""
    if tile_options.goes_to_file(options):
        return _to_file(options)
    tile_options.require_none(options)
    return pictures.run(options, _make)


def _to_file(options: argparse.Namespace) -> int:
    """Write the map of one image, read and written by tiles."""
    from keras_fcn.inference.file_maps import predict_file

    _, found = tile_options.to_file(options, predict_file)
    print("  map of {}x{} cells, {} classes".format(*found.shape))
    if not options.quiet:
        print(f"wrote {found.path}")
    return 0


def _make(model: keras.Model, options: argparse.Namespace, _: bool) -> Task:
    """The task that is the model's.

    Raises:
        ValueError: it is for something else, or gives a vector that nobody says is of classes.
    """
    from keras_fcn.cards.card import card_of
    from keras_fcn.inference.tasks import find_task, function_of

    task = find_task(model)
    classes = card_of(model).classes
    paints = classes is not None and classes.palette is not None
    as_map = task.kind == "map" and (options.wanted is not None or options.npy or not paints)
    _check(model, task, options)
    name = "the map of scores" if as_map else function_of(task)
    hint = "; keras-fcn segment labels every pixel" if as_map else ""
    print(f"task: {name}, as {task.why}{hint}", file=sys.stderr)
    if as_map:
        return _map(model, options)
    if task.kind == "map":
        folder = Path(options.output or ".")
        form = FORMATS[options.format or "png"]

        def place(name: str) -> Path:
            return folder / f"{name}_labels{form.suffix}"

        ways = {"tile": options.tile, "blend": tile_options.blend(options)}
        return segment.task(model, place, form=form, **ways)
    if options.format is not None:
        raise ValueError(f"--format is of maps. Received: {options.format} for {function_of(task)}")
    for way in ("tile", "approximate", "tile_overlap"):
        if given := getattr(options, way):
            raise ValueError(f"{flag(way)} is of maps. Received: {given} for {function_of(task)}")
    if task.kind == "classes":
        return classify.task(model, options, also=options.wanted)
    if task.kind == "keypoints":
        return keypoints.task(model, options)
    return detect.task(model, options)


def _check(model: keras.Model, task: tasks.Task, options: argparse.Namespace) -> None:
    """Refuse a network for which there is nothing to do, or that nobody says is of classes."""
    from keras_fcn.cards.card import card_of

    if task.kind == "other" and len(model.outputs) > 1:
        from keras_fcn.inference.structure import output_names_of

        raise ValueError(
            f"predict takes one output, the model gives {', '.join(output_names_of(model))}; of a "
            "prototxt, --output-blob takes any blob, such as the scores that a loss reads. "
            f"Received: {model.name}"
        )
    if task.kind == "other":
        raise ValueError(
            f"predict is for networks that give classes, boxes or heat maps of parts; {task.why}. "
            f"keras-fcn embed gives the values of any layer. Received: {model.name}"
        )
    known = (options.wanted, card_of(model).classes) != (None, None)
    if task.kind == "classes" and not (task.scored or known or model.outputs[0].shape[-1] == 1000):
        raise ValueError(
            f"{task.why}, so its {model.outputs[0].shape[-1]} values may be anything; if they "
            f"are scores of classes, name them with --labels. Received: {model.name}"
        )


def _map(model: keras.Model, options: argparse.Namespace) -> Task:
    """Maps of class scores: the best class, and where it scores."""
    import numpy as np

    from keras_fcn.cli import results
    from keras_fcn.inference.classification import names_of
    from keras_fcn.inference.decoding import decode_predictions
    from keras_fcn.inference.jobs import Job
    from keras_fcn.inference.prediction import fitted_to, model_preprocessing, predict_prepared
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.preprocessing.labels import find_class

    if options.format == "rle":
        raise ValueError("--format rle is of labels; keras-fcn segment gives them for any map")
    preprocessing = model_preprocessing(model)
    blend = tile_options.blend(options)
    folder = Path(options.output or ".")

    def prepare(pixels: np.ndarray) -> np.ndarray:
        return fitted_to(model, preprocessing, blend, pixels.shape[:2])(pixels)

    def answer(scores: np.ndarray, _: np.ndarray) -> dict[str, Any]:
        names = names_of(model, scores.shape[-1], None, flag)
        wanted = None if options.wanted is None else find_class(options.wanted, names, option=flag)
        (best,) = decode_predictions(scores[np.newaxis], options.top, names)
        shown = results.shown_class(scores, names, wanted)
        return {"scores": scores, "best": best, "shown": shown, "name": names[shown]}

    def lines(result: Result) -> list[str]:
        found = result.answer
        if _is_one_cell(result):
            return results.class_lines(
                found["scores"], found["best"], found["shown"], found["name"]
            )
        return results.map_lines(found["scores"], found["name"], found["shown"])

    def write(result: Result, name: str) -> list[Path]:
        found = result.answer
        if _is_one_cell(result):
            return []

        def place(ending: str) -> Path:
            return made_place(folder / f"{name}{ending}", result)

        written = []
        if options.npy:
            written.append(results.write_map(found["scores"], place("_map.npy")))
        if options.format == "npz":
            names = names_of(model, found["scores"].shape[-1], None, flag)
            written.append(place("_map.npz"))
            save_arrays(written[-1], scores=found["scores"], classes=names)
            return written
        own = fitted_to(model, preprocessing, blend, result.pixels.shape[:2])
        seen = visible(own.inverse(own(result.pixels)))
        heat = found["scores"][..., found["shown"]]
        heat_map = place("_heat_map.png")
        return [*written, results.write_heat_map(model, seen, heat, found["name"], heat_map)]

    def record(result: Result) -> dict[str, Any]:
        return _map_record(result) | tile_options.told(model, blend, options.tile, result)

    job = Job(
        preprocessing.channels,
        prepare,
        lambda prepared: predict_prepared(model, prepared, options.tile, blend),
        answer,
    )
    return Task(job, lines, record, write)


def _is_one_cell(result: Result) -> bool:
    """Whether a network that could give a map gave one score for each class."""
    scores = result.answer["scores"]
    return bool(scores.size == scores.shape[-1])


def _map_record(result: Result) -> dict[str, Any]:
    rows, columns, _ = result.answer["scores"].shape
    best = [
        {
            "label": x.name,
            "index": x.class_index,
            "score": x.score,
            "row": x.row,
            "column": x.column,
        }
        for x in result.answer["best"]
    ]
    return {"rows": rows, "columns": columns, "classes": best}
