"""The work between two files: an image read tile by tile, and what a network gives of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_fcn.caffe.words import either
from keras_fcn.cards.card import card_of
from keras_fcn.inference.blending import Approximation, Blend, mixed, needed_behind
from keras_fcn.inference.exact_tiles import Tile, image_plan, is_blended
from keras_fcn.inference.file_held import FileMaps
from keras_fcn.inference.file_runs import fingerprint, require_pixelwise, require_place
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.ordered import in_order, taken_ahead
from keras_fcn.inference.prediction import (
    fitted_to,
    forward,
    model_preprocessing,
    require_numbers,
)
from keras_fcn.inference.score_maps import added_cells, centres
from keras_fcn.inference.segmentation import labels_at
from keras_fcn.inference.strips import Part, cells_of, pixels_of
from keras_fcn.inference.structure import ends_in_labels, fitting_size_of, keras_structure
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.rasters.arrays import write_note
from keras_fcn.rasters.geotiff import write_geotiff
from keras_fcn.rasters.opening import open_source
from keras_fcn.rasters.source import Band, Picked
from keras_fcn.rasters.stamps import stamp
from keras_fcn.rasters.unfinished import Unfinished
from keras_fcn.version import __version__

if TYPE_CHECKING:
    import keras

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
        approximation: how tiles were blended; None where the map is that of one pass.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    nodata: float | None
    tile: tuple[int, int]
    tiles: int
    resumed: int
    counts: tuple[int, ...] | None
    approximation: Approximation | None = None


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
        blend: Blend | None,
        *,
        labels: bool,
    ) -> None:
        self.model, self.labels = model, labels
        if card_of(model).tiles is not None:
            raise ValueError(
                f"{model.name!r} is given images in the tiles that it was published with, and that "
                f"is done in memory; {either('keras_fcn.segment', '-o FILE.png')} does it"
            )
        self.source = open_source(source)
        own = preprocessing or model_preprocessing(model)
        self.preprocessing = fitted_to(model, own, blend, self.source.size)
        require_pixelwise(self.preprocessing)
        self.image = Picked(self.source, self.preprocessing.channels, bands, value_range)
        size = self.source.size
        self.whole = fitting_size_of(structure_of(model), size)
        from keras_fcn.graph.tile_plans import one_tile

        network = keras_structure(model)
        plan = image_plan(network, self.whole, tile, int(labels), blend)
        plan = plan or one_tile(network, self.whole)
        self.tile, self.blended, self.approximation = plan.tile, None, None
        if is_blended(plan):
            self.blended, self.whole = plan, plan.whole
            self.approximation = Approximation.of(plan)
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
            "source": stamp(source),
            "model": fingerprint(model, self.tile),
            "preprocessing": self.preprocessing.to_config(),
            "bands": list(self.image.bands),
            "value_range": value_range,
            "tile": self.tile,
            "version": __version__,
        }
        if self.approximation is not None:
            self.described["overlap"] = self.approximation.overlap

    def into(self, destination: Path, resume: bool, progress: Progress | None) -> MapFile:
        """Do what is not done, and finish the file."""
        require_place(destination, self.source.path)
        nodata = self.nodata if self.source.has_holes else None
        down, self.columns = ([part for part in axis if part.places.size] for axis in self.parts)
        blocks: list[Block] = [*itertools.product(down, self.columns)]
        ring = self._ring()
        asked = (self.described, resume, FileMaps.size(*ring))
        with Unfinished(destination, self.shape, self.dtype, *asked) as unfinished:
            held = FileMaps(unfinished, *ring)
            resumed = unfinished.done
            if progress is not None:
                progress(resumed, len(blocks))
            for (rows, columns), answer in self._answers(blocks, resumed, held):
                unfinished.write(rows.out, columns.out, answer)
                if progress is not None:
                    progress(unfinished.done, len(blocks))
            counts = _counted(unfinished, nodata) if self.labels else None
            told = None if self.approximation is None else self.approximation.to_json()
            if destination.suffix.lower() == ".npy":
                write_note(destination, told)
                unfinished.rename()
            else:
                ways = (self.shape, self.dtype, unfinished.read, self.place, nodata, told)
                write_geotiff(destination, *ways)
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
            self.approximation,
        )

    def _ring(self) -> tuple[int, tuple[int, int, int]]:
        """How many maps of tiles are kept to be blended, and their shape."""
        plan = self.blended
        if plan is None:
            return 0, (0, 0, 0)
        # Those that are blended ahead of what is noted as done take no place that this may need.
        count = needed_behind(plan, len(self.columns)) + _BEHIND + 2
        sizes = (plan.rows[-1].own.stop, plan.columns[-1].own.stop)
        return count, (*sizes, keras_structure(self.model).outputs[0].shape[-1])

    def _answers(
        self, blocks: Sequence[Block], done: int, held: FileMaps
    ) -> Iterator[tuple[Block, np.ndarray]]:
        """What each tile gives; one is read before its turn, and one answered behind it."""
        given = taken_ahead(map(self._given, blocks[done:]), _AHEAD)
        found = (
            (blocks[index], self._own(index, blocks[index], prepared, held), valid)
            for index, (prepared, valid) in enumerate(given, done)
        )
        answers = in_order(lambda one: self._answer(*one), found, _BEHIND, threads=1)
        yield from zip(blocks[done:], answers, strict=True)

    def _own(self, index: int, block: Block, prepared: np.ndarray, held: FileMaps) -> np.ndarray:
        """The positions that a tile gives, (rows, columns, classes)."""
        rows, columns = block
        tile_map = forward(self.model, prepared[np.newaxis])[0]
        if self.blended is None:
            return np.asarray(tile_map[rows.own, columns.own])
        held.put(index, tile_map)
        count = len(self.columns)
        given = mixed(self.blended, held, *divmod(index, count), count)
        strips = self.blended.rows[index // count], self.blended.columns[index % count]
        down, across = (
            slice(part.own.start - strip.own.start, part.own.stop - strip.own.start)
            for part, strip in zip(block, strips, strict=True)
        )
        return given[down, across]

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
        answer = found.astype(np.float32)
        if self.labels:
            require_numbers(self.model, answer)
            answer = labels_at(self.model, answer, rows.places, columns.places).astype(self.dtype)
        if valid is not None:
            answer[~valid] = self.nodata
        return answer


def _label_type(network: keras.Model) -> tuple[float, np.dtype[Any]]:
    """The label for no data, and the type of labels."""
    from keras_fcn.graph.ends import class_count

    count = class_count(network)
    few = count is not None and count <= _BYTE
    dtype: np.dtype[Any] = np.dtype(np.uint8 if few else np.uint16)
    return int(np.iinfo(dtype).max), dtype


def _mirrored(pixels: slice, size: int) -> np.ndarray:
    """Which of an image's pixels stand in a range that goes on behind it, where it is reflected."""
    index = np.arange(pixels.start, pixels.stop)
    if pixels.stop <= size or size == 1:
        return np.minimum(index, size - 1)
    index %= 2 * size - 2
    return np.asarray(np.minimum(index, 2 * size - 2 - index))


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
