"""Maps that are enlarged or cut otherwise: offsets, where pixels lie, masks that are not used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from keras_fcn.caffe.layers.crop import Crop
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.interp import Interp
from keras_fcn.caffe.layers.upsample import NearestUpsample, SegNetUpsample
from keras_fcn.preprocessing.resampling import half_pixel, resample
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_MOST_OFFSETS = 32  # along each axis

Positions = Callable[[int, int], Array]
_MODES: dict[str, Positions] = {
    "bilinear between the centres of pixels (half-pixel)": half_pixel,
    "bilinear with the corners kept": lambda n, m: np.linspace(0, n - 1, m),
    "bilinear from the first pixel's corner on": lambda n, m: np.arange(m) * n / m,
    "nearest, each pixel repeated": lambda n, m: np.floor(np.arange(m) * n / m),
    "nearest, between centres of pixels": lambda n, m: np.floor((np.arange(m) + 0.5) * n / m),
}


@hypothesis(
    "alignment of upsampling",
    "the reference's {layer} puts its map elsewhere: {detail}",
    Deconvolution,
    Interp,
    NearestUpsample,
)
def resized(step: Step, chain: Chain) -> Iterator[Step]:
    """Deconvolutions cut elsewhere; bilinear resizing, whose pixels lie otherwise."""
    size = chain.wanted(step)[2:]
    if len(size) != 2 or step.bottom.ndim != 4:
        return
    if isinstance(step.params, Deconvolution):
        pads = step.params.along("pad", 2)
        whole = chain.run(step.with_fields(pad=(0,)))
        for window, offset in _cut(whole, size, pads):
            told = f"it is cut from position {offset} on, not from {tuple(pads)}"
            yield step.giving(window, told)
        if chain.wanted(step)[1] != step.bottom.shape[1]:
            return
    last = np.moveaxis(step.bottom, 1, -1)
    for detail, positions in _MODES.items():
        rows, columns = map(positions, step.bottom.shape[2:], size)
        made = np.moveaxis(resample(last, rows, columns), -1, 1)
        yield step.giving(np.ascontiguousarray(made), f"it resizes {detail}")


@hypothesis(
    "offset of the crop",
    "the reference's {layer} cuts from position {detail}",
    Crop,
)
def cropped(step: Step, chain: Chain) -> Iterator[Step]:
    """Offsets lost, or taken for the middle."""
    size = chain.wanted(step)[2:]
    if step.bottom.ndim != 4 or step.params.axis % 4 != 2 or len(size) != 2:
        return
    own = step.params.offsets(4)
    for window, offset in _cut(step.bottom, size, own):
        yield step.giving(window, f"{offset} on, not from {own}")


def _cut(
    whole: Array, size: Sequence[int], own: Sequence[int]
) -> Iterator[tuple[Array, tuple[int, int]]]:
    """Windows of a size, with where they begin, from the own place outwards."""
    room = [have - want for have, want in zip(whole.shape[2:], size, strict=True)]
    if min(room) < 0:
        return
    near = [_nearest(*pair) for pair in zip(room, own, strict=True)]
    for top in near[0]:
        for left in near[1]:
            if (top, left) != tuple(own):
                yield whole[..., top : top + size[0], left : left + size[1]], (top, left)


def _nearest(most: int, place: int) -> list[int]:
    """Positions from 0 on, those near a place first, as many as are tried."""
    return sorted(range(most + 1), key=lambda at: abs(at - place))[:_MOST_OFFSETS]


@hypothesis(
    "mask of the pooling not used",
    "the reference's {layer} does not put its elements where the mask says: {detail}",
    SegNetUpsample,
)
def unmasked(step: Step, chain: Chain) -> Iterator[Step]:
    """Unpooling without the places of the maxima."""
    values, mask = step.bottoms
    size = chain.wanted(step)[2:]
    if len(size) != 2 or any(
        want < have for want, have in zip(size, values.shape[2:], strict=True)
    ):
        return
    by = [-(-want // have) for want, have in zip(size, values.shape[2:], strict=True)]
    spread = values.repeat(by[0], axis=2).repeat(by[1], axis=3)
    for row in range(by[0]):
        for column in range(by[1]):
            placed = np.zeros_like(spread)
            placed[..., row :: by[0], column :: by[1]] = values
            where = f"each stands at ({row}, {column}) of its window"
            yield step.giving(placed[..., : size[0], : size[1]], where)
    yield step.giving(spread[..., : size[0], : size[1]], "each is repeated over its window")
    for detail, places in _masks(mask, size):
        if places.min() >= 0 and places.max() < size[0] * size[1]:
            placed = np.zeros((*values.shape[:2], size[0] * size[1]), np.float32)
            flat = places.reshape(*places.shape[:2], -1)
            np.put_along_axis(placed, flat, values.reshape(flat.shape), axis=2)
            yield step.giving(placed.reshape(*values.shape[:2], *size), detail)


def _masks(mask: Array, size: Sequence[int]) -> Iterator[tuple[str, Array]]:
    """Masks as another program may read them."""
    places = mask.astype(np.int64)
    row, column = np.divmod(places, size[1])
    yield "rows and columns of the mask are exchanged", column * size[1] + row
    yield (
        "the mask of the first channel is used for all",
        np.broadcast_to(places[:, :1], places.shape).copy(),
    )
