"""PriorBox and PriorBoxClustered: the boxes that SSD's predictions are relative to.

Sources: github.com/weiliu89/caffe, branch ssd, `src/caffe/layers/prior_box_layer.cpp`;
github.com/openvinotoolkit/training_toolbox_caffe,
`src/caffe/layers/prior_box_clustered_layer.cpp`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, product
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.limits import check_sizes
from keras_fcn.caffe.records import dataclass

Pair = tuple[float, float]

_SAME_RATIO = 1e-6


def laid(
    boxes: Sequence[Sequence[float]],
    cells: Sequence[Any],
    image: Sequence[Any],
    steps: Sequence[Any] | None,
    offset: float,
    clip: bool,
    array: Any = np,
) -> Any:
    """Boxes around every position of a map, as parts of the image.

    Args:
        boxes: width and height of each box of a position, in pixels.
        cells: rows and columns of the map.
        image: height and width in pixels.
        steps: pixels between positions, (down, across); None: the image's size over the map's.
        offset: where in its position, in positions, a centre is.
        clip: whether boxes are kept within the image.
        array: the library that computes, `numpy` or `keras.ops`; sizes may be its tensors.

    Returns:
        float32 (rows, columns, boxes, 4): xmin, ymin, xmax, ymax.
    """
    image = [array.array(size, "float32") for size in image]
    if steps is None:
        counts = (array.array(count, "float32") for count in cells)
        steps = [size / count for size, count in zip(image, counts, strict=True)]
    rows, columns = (
        (array.arange(count, dtype="float32") + offset) * step
        for count, step in zip(cells, steps, strict=True)
    )
    half = array.array(boxes, "float32") / 2
    centres = array.stack(array.meshgrid(columns, rows), axis=-1)[:, :, None]
    corners = array.concatenate([centres - half, centres + half], axis=-1)
    corners = corners / array.stack([image[1], image[0]] * 2)
    return array.clip(corners, 0.0, 1.0) if clip else corners


@dataclass(frozen=True, kw_only=True)
class Priors(LayerParams):
    """`PriorBoxParameter`: some boxes, in pixels of the image, around every position of a map.

    Bottoms: the map, and the image that the positions lie on.
    """

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "prior_box_param"
    always: ClassVar[frozenset[str]] = frozenset({"clip"})  # some forks' default is true
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = nowhere("boxes")

    clip: bool = False
    variance: tuple[float, ...] = ()
    img_size: int | None = None
    img_h: int | None = None
    img_w: int | None = None
    step: float | None = None
    step_h: float | None = None
    step_w: float | None = None
    offset: float = 0.5

    def __post_init__(self) -> None:
        if len(self.variance) not in (0, 1, 4) or min(self.variance, default=1) <= 0:
            raise NetworkError(f"variance: {self.variance} must be 1 or 4 positive numbers")
        for field in ("img_size", "step"):
            self._pair(field)

    @property
    def boxes(self) -> tuple[Pair, ...]:
        """Width and height of each box of a position."""
        raise NotImplementedError

    @property
    def variances(self) -> tuple[float, ...]:
        """One for each of xmin, ymin, xmax and ymax."""
        return self.variance if len(self.variance) == 4 else (self.variance or (0.1,)) * 4

    @property
    def image(self) -> Pair | None:
        """Height and width of the image, None for the second bottom's."""
        return self._pair("img_size")

    @property
    def steps(self) -> Pair | None:
        """Pixels between positions, (down, across); None: the image's size over the map's."""
        return self._pair("step")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        if len(bottoms[0]) != 4 or len(bottoms[1]) != 4:
            raise NetworkError(f"needs a map and an image of 4 axes each, got shapes {bottoms}")
        return ((1, 2, product((*bottoms[0][2:], len(self.boxes), 4))),)

    def _pair(self, field: str) -> Pair | None:
        """A size given by one number, or by one for each axis."""
        both = getattr(self, field)
        stem = field.removesuffix("_size")
        pair = tuple(getattr(self, f"{stem}_{axis}") for axis in "hw")
        if pair == (None, None):
            pair = (both, both)
        elif both is not None:
            raise NetworkError(f"give either {field!r} or '{stem}_h' and '{stem}_w', not both")
        if pair == (None, None):
            return None
        if None in pair or min(pair) <= 0:
            raise NetworkError(f"{field}: height and width {pair} must both be positive")
        return pair


@caffe_layer("PriorBox")
@dataclass(frozen=True, kw_only=True)
class PriorBox(Priors):
    """Boxes by size and aspect ratio.

    For each `min_size`: a square, with `max_size` another one of the geometric mean of
    the two, then the first square at each aspect ratio, with `flip` upright too. Sizes
    are cut to whole pixels.
    """

    without_effect: ClassVar[frozenset[str]] = frozenset({"width", "height"})

    min_size: tuple[float, ...]
    max_size: tuple[float, ...] = ()
    aspect_ratio: tuple[float, ...] = ()
    flip: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("min_size", "max_size", "aspect_ratio"):
            check_sizes(field, getattr(self, field))
        if len(self.max_size) not in (0, len(self.min_size)):
            raise NetworkError(f"max_size: {self.max_size} must match min_size: {self.min_size}")
        if any(high <= low for low, high in zip(self.min_size, self.max_size, strict=False)):
            raise NetworkError(f"max_size: {self.max_size} must be above min_size: {self.min_size}")

    @property
    def boxes(self) -> tuple[Pair, ...]:
        boxes: list[Pair] = []
        for index, size in enumerate(map(int, self.min_size)):
            boxes.append((size, size))
            if self.max_size:
                mean = math.sqrt(size * int(self.max_size[index]))
                boxes.append((mean, mean))
            roots = (math.sqrt(ratio) for ratio in self.ratios)
            boxes.extend((size * root, size / root) for root in roots)
        return tuple(boxes)

    @property
    def ratios(self) -> list[float]:
        """Aspect ratios other than 1, each once; a flipped one is not compared."""
        ratios = [1.0]
        for ratio in self.aspect_ratio:
            if all(abs(ratio - known) >= _SAME_RATIO for known in ratios):
                ratios.extend((ratio, 1 / ratio) if self.flip else (ratio,))
        return ratios[1:]


@caffe_layer("PriorBoxClustered")
@dataclass(frozen=True, kw_only=True)
class PriorBoxClustered(Priors):
    """Boxes by width and height."""

    without_effect: ClassVar[frozenset[str]] = frozenset(
        {"min_size", "max_size", "aspect_ratio", "flip"}
    )

    width: tuple[float, ...]
    height: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.width) != len(self.height):
            raise NetworkError(f"width: {self.width} and height: {self.height} must be as many")
        for field in ("width", "height"):
            check_sizes(field, getattr(self, field))

    @property
    def boxes(self) -> tuple[Pair, ...]:
        return tuple(zip(self.width, self.height, strict=True))
