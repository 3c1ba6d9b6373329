"""Where numbers come from that are no numbers: the first bad layer of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.solver.nets import RunNet
from keras_fcn.solver.updates import Stepped

__all__ = ["require_finite", "require_finite_parameters"]

_ADVICE = "Lower base_lr, set clip_gradients, or look at the data"


def require_finite(
    net: RunNet,
    found: Stepped,
    batches: Sequence[Sequence[Any]],
    iteration: int,
    last: Path | None,
) -> None:
    """Refuse to go on where a loss or a gradient is not finite; the parameters are as before.

    Args:
        net: the net.
        found: by the step of an iteration.
        batches: of its passes.
        iteration: counted from 0.
        last: the last snapshot.

    Raises:
        CaffeError: it is not; the iteration and the first layer to blame are named.
    """
    kept = f"the last snapshot is {last}" if last else "there is no snapshot yet"
    for loss, batch in zip(found.losses, batches, strict=True):
        if not np.isfinite(loss):
            raise CaffeError(
                f"iteration {iteration}: the loss is {float(loss):g}: {_cause(net, batch)}. "
                f"{_ADVICE}; {kept}"
            )
    if found.unfit is not None:
        mean = float(np.mean(found.losses))
        raise CaffeError(
            f"iteration {iteration}: the loss is {mean:g}, but the gradient of blob "
            f"{found.unfit.index} of {found.unfit.layer.place} has values that are not finite, "
            f"the first on the way back. {_ADVICE}; {kept}"
        )


def require_finite_parameters(net: RunNet) -> None:
    """Refuse parameters that are no numbers, which no snapshot is to hold.

    Raises:
        CaffeError: a blob has some; the first is named.
    """
    bad = _unfit_blob(net)
    if bad is not None:
        raise CaffeError(f"{bad}, which leads nowhere. {_ADVICE}")


def _unfit_blob(net: RunNet) -> str | None:
    for name, params in net.params.items():
        for index, param in enumerate(params):
            if not np.isfinite(param.data).all():
                return f"blob {index} of layer {name!r} has values that are not finite"
    return None


def _cause(net: RunNet, batch: Sequence[Any]) -> str:
    for blob, array in zip(net.network.inputs, batch, strict=False):
        if not np.isfinite(keras.ops.convert_to_numpy(array)).all():
            return f"input {blob.name!r} has values that are not finite"
    bad = _unfit_blob(net)
    if bad is not None:
        return bad
    found = net.contents(batch)
    for layer in net.network.layers:
        for top in layer.tops:
            if not np.isfinite(found[top.key]).all():
                return f"the first values that are not finite are in {top.name!r} of {layer.place}"
    return "no single blob shows why"
