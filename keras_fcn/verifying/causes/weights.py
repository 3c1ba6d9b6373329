"""A layer that computes as ours does, with weights of its own: another training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.engines.differences import SAME
from keras_fcn.verifying.causes.fitting import linear_entries
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_MOST_INPUTS = 1024  # numbers in a window, which are solved for
_LEAST_TOLD = 1 / 4  # of the outputs
_ROWS = 3  # windows for each of these


@hypothesis(
    "other weights",
    "the reference's {layer} computes as this network's does, with weights of its own ({detail}): "
    "it comes from another training, or its weights were changed",
    Convolution,
    freedom=3,
)
def retrained(step: Step, chain: Chain) -> Iterator[Step]:
    """The kernel that fits, where it is told by more windows than it has numbers."""
    found = linear_entries(chain) if step.bottom.ndim == 4 else None
    if found is None or found[0] > 1 or step.params.group > 1:
        return
    entries, theirs, kernel = found[1], chain.theirs, step.blobs[0]
    outputs, inputs = kernel.shape[0], kernel[0].size
    if theirs.shape[1] != outputs or theirs.ndim != 4 or inputs > _MOST_INPUTS:
        return
    has_bias = len(step.blobs) > 1
    bias = np.array(step.blobs[1] if has_bias else np.zeros(outputs), np.float64).reshape(-1)
    solved = np.array(kernel, np.float32)
    told = np.zeros(outputs, bool)
    windows = None
    for output in range(outputs):
        places = np.flatnonzero(entries[:, output])
        if len(places) < 2 * (inputs + 1):
            continue  # too few entries tell it, as where a ReLU leaves zeros
        told[output] = True
        places = places[:: max(len(places) // (_ROWS * (inputs + 1)), 1)]
        if windows is None:
            windows = _Windows(step, theirs.shape[2:])
        rows = np.column_stack([windows(places), np.ones(len(places))])
        wanted = theirs[:, output].reshape(-1)[places].astype(np.float64)
        own = np.append(np.asarray(kernel[output], np.float64).reshape(-1), bias[output])
        # What the windows do not tell, as where a channel is always 0, stays ours.
        own += np.linalg.lstsq(rows, wanted - rows @ own, rcond=None)[0]
        solved[output] = np.reshape(own[:-1], kernel.shape[1:])
        bias[output] = own[-1]
    size = max(float(np.linalg.norm(kernel[told])), np.finfo(float).tiny)
    change = float(np.linalg.norm(solved[told] - kernel[told])) / size
    moved = 0.0
    if has_bias:
        moved = float(np.abs(bias - np.reshape(step.blobs[1], -1))[told].max(initial=0))
        step = step.with_blob(1, bias)
    if told.sum() < max(_LEAST_TOLD * outputs, 1):
        return
    shown = told.reshape(-1, 1, 1)
    detail = f"its kernel is {_size(change)} of ours' size away"
    if change <= SAME < moved:
        detail = f"its bias is up to {moved:.1e} away, its kernel the same"
    detail += "" if told.all() else f", as {told.sum()} of {outputs} outputs tell"
    yield step.with_blob(0, solved).then(lambda top: np.where(shown, top, theirs), detail)


def _size(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1e}"


class _Windows:
    """The numbers under the kernel at places of the top, a row each."""

    def __init__(self, step: Step, size: Sequence[int]) -> None:
        fields = ("kernel_size", "stride", "pad", "dilation")
        self._kernel, self._stride, pad, self._step = (step.params.along(f, 2) for f in fields)
        self._map = np.pad(step.bottom, [(0, 0), (0, 0), *((p, p) for p in pad)])
        self._size = size

    def __call__(self, places: Array) -> Array:
        image, row, column = np.unravel_index(places, (len(self._map), *self._size))
        rows, columns = (
            start[:, None] * stride + np.arange(kernel) * step
            for start, stride, kernel, step in zip(
                (row, column), self._stride, self._kernel, self._step, strict=True
            )
        )
        found = self._map.transpose(0, 2, 3, 1)[
            image[:, None, None], rows[:, :, None], columns[:, None, :]
        ]
        told: Array = found.transpose(0, 3, 1, 2).reshape(len(places), -1)
        return told.astype(np.float64)
