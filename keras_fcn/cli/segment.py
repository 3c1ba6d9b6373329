"""`keras-fcn segment`: a label for each pixel of images."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.words import parts
from keras_fcn.cli import label_files, pictures, tile_options
from keras_fcn.cli.flags import flag
from keras_fcn.cli.label_files import FORMATS, LabelFormat
from keras_fcn.cli.output_names import made_place, require_apart
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.blending import Blend
    from keras_fcn.inference.exact_tiles import Tile
    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Label each pixel of images. Writes a PNG for each whose pixels are the classes, in the data "
    "set's colours, and prints what share of the image each class has."
)
EXAMPLE = "keras-fcn segment street.jpg --model dilation8_camvid -o street.png"

Place = Callable[[str], Path]
"""From a picture's name to a file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    parser.add_argument(
        *("-o", "--output"),
        metavar="PNG",
        help="the labels; of several images a folder, for IMAGE.png; of a large one a .tif or .npy",
    )
    label_files.add_argument(parser)
    parser.add_argument(
        "--picture",
        metavar="PNG",
        help="also write the image, its classes over it, and a legend; of several a folder",
    )
    parser.add_argument(
        "--scales",
        metavar="X,X,...",
        type=_scales,
        default=(1.0,),
        help="average the scores of these sizes of each image, such as 0.75,1,1.25",
    )
    parser.add_argument("--flip", action="store_true", help="and of its mirror image")
    tile_options.add_arguments(parser)


def _scales(text: str) -> tuple[float, ...]:
    return tuple(map(float, parts(text)))


def run(options: argparse.Namespace) -> int:
    """Segment the images, write the labels; see `keras_fcn.cli.pictures.run`."""
    if options.output is None and options.json is None and options.jsonl is None:
        raise ValueError("-o names where the labels go; --json or --jsonl can be enough, too")
    if tile_options.goes_to_file(options):
        if options.flip or options.scales != (1.0,):
            raise ValueError("--scales and --flip are for labels written as pictures")
        return _to_file(options)
    tile_options.require_none(options)
    return pictures.run(options, _make)


def _to_file(options: argparse.Namespace) -> int:
    """Write the labels of one image, read and written by tiles."""
    import numpy as np

    from keras_fcn.inference.file_maps import segment_file
    from keras_fcn.inference.segmentation import label_classes

    model, found = tile_options.to_file(options, segment_file)
    counts = np.array(found.counts)
    names = label_classes(model, np.arange(len(counts)), option=flag)
    for index in np.argsort(-counts, kind="stable"):
        if counts[index]:
            print(_line(counts[index] / counts.sum(), index, names[index]))
    if not options.quiet:
        print(f"wrote {found.path}")
    return 0


def _line(share: float, index: int, name: str) -> str:
    return f"  {share:7.2%}  {index:4}  {name}"


def _make(model: keras.Model, options: argparse.Namespace, several: bool) -> Task:
    form = label_files.format_of(options)
    labels = _place(options.output, several, form.suffix)
    picture = _place(options.picture, several, ".png")
    if picture is not None and labels is not None and picture("x") == labels("x"):
        raise ValueError(f"-o and --picture must differ. Received: {options.output} for both")
    require_apart(options.images, options.picture, "--picture")
    ways = (options.tile, options.scales, options.flip, tile_options.blend(options))
    return task(model, labels, picture, form, *ways)


def task(
    model: keras.Model,
    labels: Place | None,
    picture: Place | None = None,
    form: LabelFormat = FORMATS["png"],
    tile: Tile = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    blend: Blend | None = None,
) -> Task:
    """The command's task.

    Args:
        model: the network.
        labels: where the labels of a picture go; None for nowhere.
        picture: where its picture goes; None for nowhere.
        form: the format of the labels.
        tile: see `keras_fcn.segment`.
        scales: see there.
        flip: see there.
        blend: that tiles may be blended.
    """
    from keras_fcn.cards.card import card_of
    from keras_fcn.inference.coco import label_masks
    from keras_fcn.inference.prediction import model_preprocessing
    from keras_fcn.inference.segmentation import label_classes, segmenting, shares
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.visualize import save_png, segmentation_picture, voc_palette

    own = card_of(model).classes

    def found(result: Result) -> list[dict[str, Any]]:
        names = label_classes(model, result.answer, option=flag)
        return [
            {"label": names[index], "index": index, "share": float(share)}
            for index, share in shares(result.answer)
        ]

    def lines(result: Result) -> list[str]:
        return [_line(x["share"], x["index"], x["label"]) for x in found(result)]

    def record(result: Result) -> dict[str, Any]:
        masks = label_masks(result.answer) if form.masks else {}
        classes = [x | masks.get(x["index"], {}) for x in found(result)]
        told = tile_options.told(model, blend, tile, result)
        return {"classes": classes, **told}

    def write(result: Result, name: str) -> list[Path]:
        names = label_classes(model, result.answer, option=flag)
        palette = voc_palette(len(names)) if own is None or own.palette is None else own.palette
        written = []
        if labels is not None:
            written.append(made_place(labels(name), result))
            told = {"image": result.name, **record(result)} if form.masks else {}
            form.save(written[0], label_files.Labels(result.answer, names, palette, told))
        if picture is not None:
            written.append(made_place(picture(name), result))
            seen = visible(result.pixels)
            drawn = segmentation_picture(seen, result.answer, names, palette, ignore=None)
            save_png(written[-1], drawn)
        return written

    job = segmenting(model, model_preprocessing(model), tile, scales, flip, blend)
    return Task(job, lines, record, write, heading=False)


def _place(text: str | None, several: bool, suffix: str) -> Place | None:
    """A file of this name for one picture; a folder of files for several."""
    if text is None:
        return None
    path = Path(text)
    if not several and not path.is_dir() and not text.endswith(("/", os.sep)):
        return lambda _: path
    if path.suffix.lower() == suffix or path.is_file():
        raise ValueError(f"the labels of several images go to a folder. Received: {text}")
    return lambda name: path / f"{name}{suffix}"
