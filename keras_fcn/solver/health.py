"""Where numbers end that are no numbers: the first bad layer of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.solver.nets import RunNet

__all__ = ["require_finite"]


def require_finite(
    net: RunNet,
    losses: Sequence[np.float32],
    batches: Sequence[Sequence[Any]],
    iteration: int,
    last: Path | None,
) -> None:
    """Refuse to go on where a loss is not finite; the parameters are those of before.

    Args:
        net: the net.
        losses: of the passes of an iteration.
        batches: of these passes.
        iteration: counted from 0.
        last: the last snapshot.

    Raises:
        CaffeError: it is not; the iteration and the first layer to blame are named.
    """
    for loss, batch in zip(losses, batches, strict=True):
        if not np.isfinite(loss):
            kept = f"the last snapshot is {last}" if last else "there is no snapshot yet"
            raise CaffeError(
                f"iteration {iteration}: the loss is {float(loss):g}: {_cause(net, batch)}. "
                f"Lower base_lr, set clip_gradients, or look at the data; {kept}"
            )


def _cause(net: RunNet, batch: Sequence[Any]) -> str:
    for blob, array in zip(net.network.inputs, batch, strict=False):
        if not np.isfinite(keras.ops.convert_to_numpy(array)).all():
            return f"input {blob.name!r} has values that are not finite"
    for name, params in net.params.items():
        for index, param in enumerate(params):
            if not np.isfinite(param.data).all():
                return f"blob {index} of layer {name!r} has values that are not finite"
    found = net.contents(batch)
    for layer in net.network.layers:
        for top in layer.tops:
            if not np.isfinite(found[top.key]).all():
                return f"the first values that are not finite are in {top.name!r} of {layer.place}"
    return "no single blob shows why"
