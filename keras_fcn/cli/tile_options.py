"""`--tile`, and the runs of `segment` and `predict` from an image file to a file of its map."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import engine
from keras_fcn.cli.flags import flag
from keras_fcn.cli.loading import require_files

if TYPE_CHECKING:
    from keras_fcn.inference.blending import Blend
    from keras_fcn.inference.exact_tiles import Tile
    from keras_fcn.inference.file_work import MapFile, Progress
    from keras_fcn.inference.jobs import Result

__all__ = ["add_arguments", "blend", "goes_to_file", "require_none", "to_file", "told"]

EXACT = "exact: the map is that of one pass over the image; --approximate changed nothing"
_SUFFIXES = (".tif", ".tiff", ".npy")
_OF_FILES = ("bands", "value_range")
_NOT_OF_FILES = (
    *("batch", "format", "json", "jsonl", "npy", "picture"),
    *("ray", "skip_bad", "strict", "wanted"),
)
_NAMES = {"wanted": "--class"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options on tiles, and on images that are read by them."""
    group = parser.add_argument_group(
        "large images", "with -o FILE.tif or FILE.npy one image goes from disk to disk, by tiles"
    )
    group.add_argument(
        "--tile",
        type=tile,
        metavar="T",
        help="the largest part of an image that the network is given at once, the map being that "
        "of the whole: pixels as 1000 or 800x1200, the memory of its maps as 500MB or 4GB, or "
        "auto, which is 2GB",
    )
    group.add_argument(
        "--approximate",
        action="store_true",
        help="give tiles also to a network that sees more than a tile, such as one with a global "
        "pooling or of images of one size, blend their maps, and say so",
    )
    group.add_argument(
        "--tile-overlap",
        type=int,
        metavar="PIXELS",
        help="of these tiles, at least; by default what the other layers see, and some more",
    )
    group.add_argument(
        "--bands",
        type=bands,
        metavar="B,...",
        help="bands of a .tif or .npy that the network is given, in the order of red, green and "
        "blue: numbers from 1, or names",
    )
    group.add_argument(
        "--value-range",
        type=value_range,
        metavar="BLACK,WHITE",
        help="values of black and white, of a file of other than 8 bits",
    )


def tile(text: str) -> Any:
    """`1000` and `800x1200` as (height, width); others as they are."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        return text
    return int(sides[0]), int(sides[-1])


def bands(text: str) -> tuple[int | str, ...]:
    """`4,3,2` or `red,green,blue`."""
    from keras_fcn.caffe.words import parts

    return tuple(int(part) if part.isdecimal() else part for part in parts(text))


def value_range(text: str) -> tuple[float, float]:
    """`0,10000`."""
    low, high = map(float, text.split(","))
    return low, high


def blend(options: argparse.Namespace) -> Blend | None:
    """Whether tiles may be blended.

    Raises:
        ValueError: see `keras_fcn.inference.blending.blend_of`.
    """
    from keras_fcn.inference.blending import blend_of

    return blend_of(options.approximate, options.tile_overlap)


def told(model: Any, blend: Blend | None, tile: Tile, result: Result) -> dict[str, Any]:
    """What a record says of tiles that may be blended: how it was done; None where it is exact."""
    if blend is None:
        return {}
    from keras_fcn.inference.prediction import approximation_of, model_preprocessing

    size = result.pixels.shape[:2]
    found = approximation_of(model, model_preprocessing(model), blend, tile, size)
    return {"approximation": None if found is None else found.to_json()}


def goes_to_file(options: argparse.Namespace) -> bool:
    """Whether the map of one image is to be a file of its own, not a picture."""
    return options.output is not None and Path(options.output).suffix.lower() in _SUFFIXES


def require_none(options: argparse.Namespace) -> None:
    """Refuse the options of such files where there is none.

    Raises:
        ValueError: one is given.
    """
    for name in _OF_FILES:
        if getattr(options, name) is not None:
            raise ValueError(f"{flag(name)} is for -o FILE.tif or FILE.npy")


def to_file(options: argparse.Namespace, write: Callable[..., MapFile]) -> tuple[Any, MapFile]:
    """Write the map of one image.

    Args:
        options: the command line.
        write: `keras_fcn.segment_file` or `keras_fcn.predict_file`.

    Returns:
        The model, and what was written.

    Raises:
        CaffeError, OSError, ValueError: see `write`; or an option is not of such files.
    """
    from keras_fcn.preprocessing.files import is_one_file
    from keras_fcn.rasters.unfinished import left_over

    destination = Path(options.output)
    given = [x for x in _NOT_OF_FILES if getattr(options, x, None) not in (None, False, 1)]
    if given:
        name = _NAMES.get(given[0], flag(given[0]))
        raise ValueError(f"{name} is of pictures, not of -o {destination}")
    if len(options.images) != 1 or not is_one_file(options.images[0]):
        raise ValueError(f"-o {destination} takes one image. Received: {' '.join(options.images)}")
    require_files(*options.images)
    if left_over(destination) and not options.resume and not options.quiet:
        print("begins anew; --resume goes on with the run that was stopped", file=sys.stderr)
    ways = {name: getattr(options, name) for name in (*_OF_FILES, "resume", "approximate")}
    ways["overlap"] = options.tile_overlap
    with contextlib.redirect_stderr(io.StringIO()) if options.quiet else contextlib.nullcontext():
        model = engine.prepared_model(options)
    with _bar(options.quiet) as progress:
        try:
            found = write(
                *(model, options.images[0], destination),
                **{"tile": options.tile or "auto", "progress": progress, **ways},
            )
        except KeyboardInterrupt:
            print("--resume goes on from here", file=sys.stderr)
            raise
    if options.approximate and not options.quiet:
        print(found.approximation or EXACT, file=sys.stderr)
    if found.resumed and not options.quiet:
        print(f"{found.resumed} of {found.tiles} tiles were done before", file=sys.stderr)
    return model, found


@contextlib.contextmanager
def _bar(quiet: bool) -> Iterator[Progress]:
    """A bar of tiles with the time left, which shows itself at the first call."""
    from keras_fcn.training.progress import Display

    with contextlib.ExitStack() as stack:
        advance: list[Callable[..., None]] = []

        def progress(done: int, total: int) -> None:
            if advance:
                advance[0]()
            else:
                counting = Display(not quiet).counting(total, "tiles", done)
                advance.append(stack.enter_context(counting))

        yield progress
