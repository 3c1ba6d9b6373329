"""Pooling. Source: `src/caffe/layers/pooling_layer.cpp`."""

from __future__ import annotations

from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial, Windows
from keras_fcn.caffe.records import dataclass

_SIDES = {"kernel_size": "kernel", "stride": "stride", "pad": "pad"}


@caffe_layer("Pooling")
@dataclass(frozen=True, kw_only=True)
class Pooling(LayerParams):
    """`PoolingParameter`; kernel, stride and pad are (height, width) pairs.

    `kernel_size` is None for global pooling. The second top is the mask: where in the
    plane of its channel each maximum is. `AVE_EXC_PAD` and `AVE_TF`, of Synopsys' Caffe,
    are means of the positions inside the map only, which Intel's asks for by
    `avg_include_pad: false`. With `dilation` so many steps lie between the positions of a
    window.
    """

    restriction: ClassVar[str] = "a dilation for `MAX` alone, and then no mask"
    message: ClassVar[str | None] = "pooling_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})
    top_count: ClassVar[tuple[int, int | None]] = (1, 2)

    pool: str = "MAX"
    kernel_size: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    global_pooling: bool = False
    round_mode: str = "CEIL"
    dilation: tuple[int, int] = (1, 1)

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        fields, pairs = layer.fields.message("pooling_param"), {}
        for field, side in _SIDES.items():
            pair = _pair(fields, field, f"{side}_h", f"{side}_w")
            fields = fields.without(field, f"{side}_h", f"{side}_w")
            if pair is not None:
                pairs[field] = pair
        if "dilation" in fields:
            pairs["dilation"] = _dilation(fields["dilation"])
        params = cls(**(cls.values(fields) | pairs))
        params._check()
        return params

    def write(self) -> Fields:
        fields = super().write().message("pooling_param")
        for field, side in _SIDES.items():
            if field in fields and len(set(fields[field])) == 1:
                fields = fields.with_(**{field: fields[field][0]})
            elif field in fields:
                height, width = fields[field]
                sides = {f"{side}_h": height, f"{side}_w": width}
                fields = fields.without(field).with_(**sides)
        return fields.within("pooling_param")

    def _check(self) -> None:
        if self.global_pooling:
            if self.kernel_size is not None:
                raise NetworkError("global_pooling takes no kernel_size: it covers the whole map")
            if self.pad != (0, 0) or self.stride != (1, 1):
                raise NetworkError("global_pooling needs pad: 0 and stride: 1")
            return
        if self.kernel_size is None:
            raise NetworkError("field 'kernel_size' is missing")
        if min(self.kernel_size) < 1 or min(self.stride) < 1:
            raise NetworkError(
                f"kernel_size {self.kernel_size} and stride {self.stride} must be at least 1"
            )
        if any(p >= k for p, k in zip(self.pad, self.kernel_size, strict=True)):
            raise NetworkError(
                f"pad {self.pad} must be smaller than kernel_size {self.kernel_size}"
            )
        if self.dilation != (1, 1) and self.pool != "MAX":
            raise NetworkError(f"dilation: {self.dilation} is built for pool: MAX only")
        if any(self.pad) and self.pool == "STOCHASTIC":
            raise NetworkError(f"pad: {self.pad} must be 0 for pool: STOCHASTIC")

    @property
    def extents(self) -> tuple[int, ...]:
        """Positions from the first to the last one of a window, both included."""
        sides = zip(self.kernel_size or (), self.dilation, strict=False)
        return tuple(step * (kernel - 1) + 1 for kernel, step in sides)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        expect_rank(bottom, 4)
        if tops > 1 and self.pool != "MAX":
            raise NetworkError(f"has {tops} tops, but pool: {self.pool} gives no mask, only MAX")
        if tops > 1 and self.dilation != (1, 1):
            raise NetworkError(f"has {tops} tops, but no mask is built with a dilation")
        if self.global_pooling or self.kernel_size is None:
            top: Shape = (*bottom[:2], 1, 1)
        else:
            clip = any(self.pad)
            rules = zip(bottom[2:], self.extents, self.stride, self.pad, strict=True)
            top = (*bottom[:2], *(pool_size(*rule, self.round_mode, clip) for rule in rules))
        return (top, top)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        if self.global_pooling or self.kernel_size is None:
            return WHOLE_MAP
        clips, axes = any(self.pad), []
        fields = (self.kernel_size, self.stride, self.pad, self.dilation, self.extents)
        for length, stride, pad, step, extent in zip(*fields, strict=True):
            over = 0 if self.round_mode == "FLOOR" else stride - 1
            # With padding Caffe drops windows that begin behind the map.
            over = max(min(over, extent - 1 - pad), 0) if clips else over
            axes.append(Windows(length, stride, pad, step, over))
        return Spatial((tuple(axes),))


def pool_size(
    size: int | None, kernel: int, stride: int, pad: int, round_mode: str, clip: bool
) -> int | None:
    """Caffe's output size of a pooling along one axis.

    Rounded up by default; with any padding the last window must start inside the
    image or its leading padding.
    """
    if size is None:
        return None
    room = size + 2 * pad - kernel
    out = (room // stride if round_mode == "FLOOR" else -(-room // stride)) + 1
    if clip and (out - 1) * stride >= size + pad:
        out -= 1
    if out < 1:
        raise NetworkError(f"a kernel of {kernel} does not fit into {size} + 2 * {pad} positions")
    return out


def _dilation(steps: tuple[int, ...]) -> tuple[int, int]:
    if len(steps) > 2 or min(steps) < 1:
        raise NetworkError(f"dilation: {steps} must be one number of at least 1, or two")
    return steps[0], steps[-1]


def _pair(fields: Fields, field: str, field_h: str, field_w: str) -> tuple[int, int] | None:
    """The pair of a size, or of its `_h`/`_w` forms; None where neither is set."""
    given = [name for name in (field_h, field_w) if name in fields]
    square = field in fields
    if square and given:
        raise NetworkError(f"give either {field!r} or {field_h!r} and {field_w!r}, not both")
    if len(given) == 1:
        raise NetworkError(f"{given[0]!r} needs {field_h!r} and {field_w!r} together")
    if not square and not given:
        return None
    return (fields[field],) * 2 if square else (fields[field_h], fields[field_w])
