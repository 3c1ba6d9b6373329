"""What the numbers of a blob are like, beyond how far apart two of them lie."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keras_fcn.engines.differences import Difference
from keras_fcn.verifying.report import Array
from keras_fcn.verifying.wording import NOTHING

_STEP = 2.0**-24
"""Half a step of float32."""


def alike(theirs: Array, ours: Array) -> Array:
    """The reference's array in our shape, where they differ by axes of one alone."""
    sizes = [[size for size in x.shape if size != 1] for x in (theirs, ours)]
    return theirs.reshape(ours.shape) if sizes[0] == sizes[1] else theirs


def moved(array: Array) -> Array:
    """An array whose elements are moved by one rounding each, up and down by turns."""
    signs = np.where(np.arange(array.size) * 2654435761 % 7 < 3, 1.0, -1.0)
    return np.asarray(array * (1 + 2 * _STEP * signs.reshape(array.shape)), np.float32)


def told(ours: Array, theirs: Array, found: Difference) -> str:
    """A note on numbers that prove little or cannot be; empty where there are none."""
    if found.not_finite:
        counts = [int((~np.isfinite(x)).sum()) for x in (theirs, ours)]
        return (
            f"NaN or infinite in {counts[0]} entries of the reference, {counts[1]} of ours, "
            f"first at {found.place}"
        )
    kinds = [(found.nan, "NaN"), (found.infinite, "infinite")]
    odd = [f"{what} in {count} of {theirs.size} entries" for count, what in kinds if count]
    if odd:
        return f"{' and '.join(odd)} on both sides, which proves nothing of them"
    return "" if ours.any() or theirs.any() else NOTHING


def taken_over(top: Array, bottoms: Iterable[Array]) -> bool:
    """Whether each value of an array is 0 or one of others', as concatenating and cutting give."""
    values = np.concatenate([np.ravel(x) for x in bottoms])
    return bool(np.isin(top, values).all(where=top != 0))


def coarse(ours: Array, theirs: Array) -> str:
    """A note on a reference whose numbers are stored with fewer digits than float32 has."""
    if theirs.dtype.kind == "f" and theirs.dtype.itemsize < 4:
        rounding = float(np.finfo(theirs.dtype).eps) / 2
        return f"the reference is {theirs.dtype}: its rounding is {rounding:.0e}"
    if not theirs.any() or not ours.any():
        return ""
    whole = theirs.dtype.kind in "iu" or bool((theirs == np.rint(theirs)).all())
    if not whole or bool((ours == np.rint(ours)).all()):
        return ""
    rounding = 0.5 / float(np.abs(theirs.astype(np.float64)).max())
    return (
        f"the reference has whole numbers ({theirs.dtype}), and ours are not: rounding to them is "
        f"{rounding:.0e} of its largest"
    )
