"""Correlation of two maps, for optical flow and disparity.

Source: `correlation_layer.cpp` and `correlation_layer1d.cpp` of lmb-freiburg/flownet2.
"""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import Spatial, Windows
from keras_fcn.caffe.records import dataclass

_MOST_STEPS = 127  # of displacement, to each side


@caffe_layer("Correlation")
@dataclass(frozen=True, kw_only=True)
class Correlation(LayerParams):
    """`CorrelationParameter`: correlation of each position with its neighbours in another map."""

    message: ClassVar[str | None] = "correlation_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"do_abs", "single_direction"})
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    in_place: ClassVar[bool] = False

    kernel_size: int
    max_displacement: int
    pad: int = 0
    stride_1: int = 1
    stride_2: int = 1
    correlation_type: str = "MULTIPLY"

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise NetworkError(f"kernel_size: {self.kernel_size} must be odd")
        for field in ("stride_1", "stride_2"):
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")
        if self.max_displacement // self.stride_2 > _MOST_STEPS:
            raise NetworkError(
                f"max_displacement: {self.max_displacement} is more than {_MOST_STEPS} times "
                f"stride_2: {self.stride_2}"
            )

    @property
    def steps(self) -> range:
        """Displacements along an axis, in units of `stride_2`."""
        radius = self.max_displacement // self.stride_2
        return range(-radius, radius + 1)

    @property
    def displacements(self) -> tuple[tuple[int, int], ...]:
        """Pixels down and right, one pair for each channel of the top."""
        steps = [step * self.stride_2 for step in self.steps]
        return tuple((down, right) for down in steps for right in steps)

    @property
    def vertical(self) -> tuple[int, int]:
        """Padding and border of the height."""
        return self.pad, self.max_displacement

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        first, second = bottoms
        expect_rank(first, 4)
        if len(second) != 4 or any(
            None not in pair and pair[0] != pair[1]
            for pair in zip(first[1:], second[1:], strict=True)
        ):
            raise NetworkError(f"needs two bottoms of one shape, got {first} and {second}")
        rules = (self.vertical, (self.pad, self.max_displacement))
        sizes = (self._size(size, *rule) for size, rule in zip(first[2:], rules, strict=True))
        return ((first[0], len(self.displacements), *sizes),)

    def _size(self, size: int | None, pad: int, border: int) -> int | None:
        if size is None:
            return None
        room = size + 2 * pad - 2 * border - (self.kernel_size - 1)
        if room < 1:
            raise NetworkError(
                f"kernel_size: {self.kernel_size} and max_displacement: {self.max_displacement} "
                f"do not fit into {size} + 2 * {pad} positions"
            )
        return -(-room // self.stride_1)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        own, other = [], []
        margins = (self.vertical, (self.pad, self.max_displacement))
        for (pad, border), steps in zip(
            margins, zip(*self.displacements, strict=True), strict=True
        ):
            least, most = min(steps), max(steps)
            own.append(Windows(self.kernel_size, self.stride_1, pad - border))
            reach = self.kernel_size + most - least
            other.append(Windows(reach, self.stride_1, pad - border - least))
        return Spatial((tuple(own), tuple(other)))


@caffe_layer("Correlation1D")
@dataclass(frozen=True, kw_only=True)
class Correlation1D(Correlation):
    """As Correlation, along the width only; `single_direction` -1 looks left, 1 right."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"do_abs"})

    single_direction: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.single_direction not in (-1, 0, 1):
            raise NetworkError(f"single_direction: {self.single_direction} must be -1, 0 or 1")

    @property
    def steps(self) -> range:
        radius = self.max_displacement // self.stride_2
        # To the left it is one step farther, as in Caffe, and the middle is left out.
        ranges = {-1: range(-radius - 1, 0), 0: super().steps, 1: range(radius + 1)}
        return ranges[self.single_direction]

    @property
    def displacements(self) -> tuple[tuple[int, int], ...]:
        return tuple((0, step * self.stride_2) for step in self.steps)

    @property
    def vertical(self) -> tuple[int, int]:
        return 0, 0
