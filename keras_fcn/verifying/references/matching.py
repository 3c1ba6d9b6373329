"""What another program's tensors are in Caffe: by name, and else by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.names import keras_name
from keras_fcn.caffe.net.network import Blob, Network
from keras_fcn.inference.inspection import to_caffe_order, to_channels_last
from keras_fcn.verifying.references.base import NotComparedError
from keras_fcn.verifying.report import Array


def fed_blobs(network: Network) -> frozenset[str]:
    """Inputs that no layer changes in place: what a reference has of them is what it was fed."""
    return frozenset(x.name for x in network.inputs if network.blobs[x.name].key == x.key)


def blobs_among(names: Sequence[str], network: Network) -> dict[str, str]:
    """Blob -> the name of it among those of another program.

    A blob that layers change in place is best known by the last of these, `relu1`; else it has
    its own name. Keras and others have names without `/`, which mean the same. Inputs are none of
    them: what a program is fed proves nothing.
    """
    fed = fed_blobs(network)
    plain = {keras_name(name.partition(":")[0]): name for name in names}
    plain |= {name: name for name in names}
    found = {}
    for blob, version in network.blobs.items():
        if blob in fed:
            continue
        ways = (version.layer, blob) if version.index == 0 else (blob,)
        for name in (x for way in ways for x in (way, keras_name(way))):
            if name in plain:
                found[blob] = plain[name]
                break
    return found


def outputs_among(names: Sequence[str], network: Network) -> dict[str, str]:
    """As `blobs_among`, for outputs alone: where none has a known name, the order tells."""
    found = blobs_among(names, network)
    if not found and len(names) == len(network.outputs):
        return dict(zip((blob.name for blob in network.outputs), names, strict=True))
    return found


def inputs_among(names: Sequence[str], network: Network, what: str) -> dict[str, str]:
    """Input of another program -> the input blob that it is.

    Raises:
        NotComparedError: they are not as many, and not of the same names.
    """
    blobs = list(network.input_shapes)
    plain = {keras_name(blob): blob for blob in blobs}
    found = {name: plain.get(keras_name(name.partition(":")[0])) for name in names}
    if None not in found.values():
        return {name: blob for name, blob in found.items() if blob is not None}
    if len(names) != len(blobs):
        raise NotComparedError(
            f"{what} takes {', '.join(map(repr, names)) or 'nothing'}, and the network "
            f"{', '.join(map(repr, blobs)) or 'nothing'}"
        )
    return dict(zip(names, blobs, strict=True))


def takes_channels_last(shape: Sequence[object], blob: Array) -> bool:
    """Whether an input of some shape is (N, ..., C), where the blob is (N, C, ...)."""
    if blob.ndim < 3 or len(shape) != blob.ndim:
        return False
    channels = blob.shape[1]
    return bool(shape[-1] == channels and (shape[1] != channels or blob.shape[-1] == channels))


def turned(array: Array, last: bool) -> Array:
    """A blob in another program's order."""
    return np.ascontiguousarray(to_channels_last(array) if last else array, np.float32)


def back(array: Any, blob: Blob, last: bool) -> Array:
    """What another program gave for a blob, in Caffe's axis order.

    Args:
        array: what it gave.
        blob: the blob, whose channels tell the order where they can.
        last: the order where they cannot: whether channels are last.
    """
    found = np.asarray(array)
    shape = blob.shape or ()
    if found.ndim < 3 or found.ndim != len(shape):
        return found
    is_first, is_last = (found.shape[axis] == shape[1] for axis in (1, -1))
    return to_caffe_order(found) if (last if is_first == is_last else is_last) else found


def require_blobs(found: Mapping[str, str], names: Sequence[str], what: str) -> None:
    """Require that a reference has blobs of the network.

    Raises:
        NotComparedError: it has none; some of its names are told.
    """
    if not found:
        shown = ", ".join(map(repr, list(names)[:4]))
        raise NotComparedError(
            f"{what} is of another network, or its layers have other names: it has {shown}"
        )
