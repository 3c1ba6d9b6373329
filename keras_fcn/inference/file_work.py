"""The work between two files: an image read tile by tile, and what a network gives of it."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_fcn.caffe.words import either
from keras_fcn.cards.card import card_of
from keras_fcn.inference.exact_tiles import Tile, image_plan
from keras_fcn.inference.optimized import InferenceModel, structure_of
from keras_fcn.inference.ordered import in_order, taken_ahead
from keras_fcn.inference.prediction import (
    forward,
    model_preprocessing,
    require_numbers,
    sized,
)
from keras_fcn.inference.score_maps import added_cells, centres
from keras_fcn.inference.segmentation import labels_at
from keras_fcn.inference.strips import Part, cells_of, pixels_of
from keras_fcn.inference.structure import ends_in_labels, fitting_size_of, keras_structure
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.rasters.geotiff import write_geotiff
from keras_fcn.rasters.opening import open_source
from keras_fcn.rasters.source import Band, Picked
from keras_fcn.rasters.unfinished import Unfinished
from keras_fcn.version import __version__

if TYPE_CHECKING:
    import keras

    from keras_fcn.graph.tile_plans import TilePlan

__all__ = ["FileWork", "MapFile", "Progress"]

_AHEAD = _BEHIND = 2
Block = tuple[Part, Part]
_BYTE = 255
_ROWS = 256


class MapFile(NamedTuple):
    """What was written.

    Attributes:
        path: the file.
        shape: of its array, (rows, columns) or (rows, columns, classes).
        dtype: the name of its type.
        nodata: the value where the image has no data; None where it has data everywhere.
        tile: (height, width) that the network was given at a time.
        tiles: how many.
        resumed: how many of them an earlier run had done.
        counts: of labels, the pixels of each class; None of scores.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    nodata: float | None
    tile: tuple[int, int]
    tiles: int
    resumed: int
    counts: tuple[int, ...] | None


Progress = Callable[[int, int], Any]
"""Told of the tiles that are done, and of all, after each."""


class FileWork:
    """An image, the tiles that it is cut into, and what each gives."""

    def __init__(
        self,
        model: keras.Model,
        source: Path,
        tile: Tile,
        bands: Sequence[Band] | None,
        value_range: tuple[float, float] | None,
        preprocessing: Preprocessing | None,
        *,
        labels: bool,
    ) -> None:
        self.model, self.labels = model, labels
        if card_of(model).tiles is not None:
            raise ValueError(
                f"{model.name!r} is given images in the tiles that it was published with, and that "
                f"is done in memory; {either('keras_fcn.segment', '-o FILE.png')} does it"
            )
        self.preprocessing = sized(preprocessing or model_preprocessing(model), model)
        _require_pixelwise(self.preprocessing)
        self.source = open_source(source)
        self.image = Picked(self.source, self.preprocessing.channels, bands, value_range)
        size = self.source.size
        self.whole = fitting_size_of(structure_of(model), size)
        network = keras_structure(model)
        plan = image_plan(network, self.whole, tile, again=int(labels))
        plan = plan or _one_tile(network, self.whole)
        self.tile = plan.tile
        offset, stride = zip(*centres(model, plan.cells, self.whole), strict=True)
        ends = ends_in_labels(structure_of(model))
        axes = zip((plan.rows, plan.columns), size, offset, stride, strict=True)
        if labels:
            self.nodata, self.dtype = _label_type(network)
            self.shape: tuple[int, ...] = size
            self.place = self.source.place
            places = ((s, (np.arange(n) - first) / step) for s, n, first, step in axes)
            self.parts = [[*pixels_of(s, np.rint(x) if ends else x)] for s, x in places]
        else:
            self.nodata, self.dtype = float("nan"), np.dtype(np.float32)
            added = added_cells(plan.cells, self.whole, size)
            rows, columns = (n - more for n, more in zip(plan.cells, added, strict=True))
            self.shape = (rows, columns, network.outputs[0].shape[-1])
            self.place = self.source.place and self.source.place.of_map(offset, stride)
            self.parts = [
                [*cells_of(s, cells, first, step, n)]
                for (s, n, first, step), cells in zip(axes, self.shape, strict=False)
            ]
        self.described = {
            "source": _stamp(source),
            "model": _fingerprint(model, self.tile),
            "preprocessing": self.preprocessing.to_config(),
            "bands": list(self.image.bands),
            "value_range": value_range,
            "tile": self.tile,
            "version": __version__,
        }

    def into(self, destination: Path, resume: bool, progress: Progress | None) -> MapFile:
        """Do what is not done, and finish the file."""
        _require_place(destination, self.source.path)
        nodata = self.nodata if self.source.has_holes else None
        blocks = [
            (rows, columns)
            for rows, columns in itertools.product(*self.parts)
            if rows.places.size and columns.places.size
        ]
        with Unfinished(destination, self.shape, self.dtype, self.described, resume) as unfinished:
            resumed = unfinished.done
            if progress is not None:
                progress(resumed, len(blocks))
            for (rows, columns), answer in self._answers(blocks[resumed:]):
                unfinished.write(rows.out, columns.out, answer)
                if progress is not None:
                    progress(unfinished.done, len(blocks))
            counts = _counted(unfinished, nodata) if self.labels else None
            if destination.suffix.lower() == ".npy":
                unfinished.rename()
            else:
                write_geotiff(
                    *(destination, self.shape, self.dtype, unfinished.read, self.place, nodata)
                )
                unfinished.remove()
        return MapFile(
            destination,
            self.shape,
            self.dtype.name,
            nodata,
            self.tile,
            len(blocks),
            resumed,
            counts,
        )

    def _answers(self, blocks: Sequence[Block]) -> Iterator[tuple[Block, np.ndarray]]:
        """What each tile gives; one is read before its turn, and one answered behind it."""
        given = taken_ahead(map(self._given, blocks), _AHEAD)
        found = (
            (block, forward(self.model, prepared[np.newaxis])[0], valid)
            for block, (prepared, valid) in zip(blocks, given, strict=True)
        )
        answers = in_order(lambda one: self._answer(*one), found, _BEHIND, threads=1)
        yield from zip(blocks, answers, strict=True)

    def _given(self, block: Block) -> tuple[np.ndarray, np.ndarray | None]:
        """What the network is given of a tile, and which values of its result there are."""
        reads, seen, spans = [], [], []
        for part, size in zip(block, self.source.size, strict=True):
            read = _mirrored(part.pixels, size)
            first = int(min(read.min(), part.seen.min()))
            spans.append(slice(first, int(max(read.max(), part.seen.max())) + 1))
            reads.append(read - first)
            seen.append(part.seen - first)
        window = self.image.read(*spans)
        try:
            prepared = self.preprocessing(window.pixels[np.ix_(*reads)])
        except ValueError as error:
            raise ValueError(f"{self.source.path}: {error}") from error
        if window.valid is None or window.valid.all():
            return prepared, None
        prepared[~window.valid[np.ix_(*reads)]] = 0
        return prepared, window.valid[np.ix_(*seen)]

    def _answer(self, block: Block, found: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        rows, columns = block
        answer = found[rows.own, columns.own].astype(np.float32)
        if self.labels:
            require_numbers(self.model, answer)
            answer = labels_at(self.model, answer, rows.places, columns.places).astype(self.dtype)
        if valid is not None:
            answer[~valid] = self.nodata
        return answer


def _one_tile(network: keras.Model, size: tuple[int, int]) -> TilePlan:
    """The plan that gives the network the whole image."""
    from keras_fcn.graph.sizes import tensor_shapes
    from keras_fcn.graph.tile_plans import Strip, TilePlan

    shapes = tensor_shapes(network, ((1, *size, network.inputs[0].shape[-1]),))
    if shapes is None:
        raise ValueError(f"{network.name!r} takes no images of {size[0]} x {size[1]} pixels")
    _, rows, columns, _ = shapes[id(network.outputs[0])]
    down, across = (
        (Strip(slice(0, pixels), slice(0, cells), slice(0, cells)),)
        for pixels, cells in zip(size, (rows, columns), strict=True)
    )
    return TilePlan(size, down, across, (rows or 0, columns or 0))


def _label_type(network: keras.Model) -> tuple[float, np.dtype[Any]]:
    """The label for no data, and the type of labels."""
    from keras_fcn.graph.ends import class_count

    count = class_count(network)
    few = count is not None and count <= _BYTE
    dtype: np.dtype[Any] = np.dtype(np.uint8 if few else np.uint16)
    return int(np.iinfo(dtype).max), dtype


def _require_pixelwise(preprocessing: Preprocessing) -> None:
    """Require a preparation that does with each pixel the same wherever it lies."""
    if preprocessing.size or preprocessing.crop:
        how = either("preprocessing.for_any_size()", "--size free")
        raise ValueError(
            f"a file is taken at its own size, but the preprocessing resizes or crops it; {how} "
            f"keeps it. Received: size={preprocessing.size}, crop={preprocessing.crop}"
        )
    mean = preprocessing.mean_at((1, 1))
    if mean is not None and mean.ndim > 1:
        how = either("preprocessing.for_any_size()", "--mean with a value for each channel")
        raise ValueError(f"a mean image covers images of its own size only; {how} takes its pixel")


def _require_place(destination: Path, source: Path) -> None:
    if destination.suffix.lower() not in (".tif", ".tiff", ".npy"):
        raise ValueError(f"the map goes to a .tif or a .npy. Received: {destination}")
    if os.path.realpath(destination) == os.path.realpath(source):
        raise ValueError(f"the map would be written over the image {source}; name another file")


def _mirrored(pixels: slice, size: int) -> np.ndarray:
    """Which of an image's pixels stand in a range that goes on behind it, where it is reflected."""
    index = np.arange(pixels.start, pixels.stop)
    if pixels.stop <= size or size == 1:
        return np.minimum(index, size - 1)
    index %= 2 * size - 2
    return np.asarray(np.minimum(index, 2 * size - 2 - index))


def _stamp(path: Path) -> list[Any]:
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]


def _fingerprint(model: Any, tile: tuple[int, int]) -> str:
    """What tells a model from others: its layers and weights, or what it gives for noise."""
    digest = hashlib.sha256()
    if isinstance(model, InferenceModel):
        channels = model.inputs[0].shape[-1]
        noise = np.random.default_rng(0).uniform(-100, 100, (1, *tile, channels or 1))
        digest.update(f"{model.engine} {model.precision}".encode())
        digest.update(np.ascontiguousarray(forward(model, noise.astype(np.float32))).tobytes())
        return digest.hexdigest()
    import keras

    digest.update(model.to_json().encode())
    for variable in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()


def _counted(labels: Unfinished, nodata: float | None) -> tuple[int, ...]:
    """The pixels of each class."""
    counts = np.zeros(np.iinfo(labels.dtype).max + 1, np.int64)
    height, width = labels.shape
    for start in range(0, height, _ROWS):
        part = labels.read(slice(start, start + _ROWS), slice(0, width))
        counts += np.bincount(part.reshape(-1), minlength=len(counts))
    if nodata is not None:
        counts[int(nodata)] = 0
    return tuple(np.trim_zeros(counts, "b").tolist())
