"""The pass that finds a network's inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.net.layer import AUTOMATIC, Blob, Layer

Blobs = tuple[Blob, ...]


def ends(layers: Sequence[Layer], asked: Sequence[str] | None = None) -> tuple[Blobs, Blobs]:
    """The inputs and the outputs.

    Outputs are the asked blobs, else those nobody reads, else those that sinks (Silence) alone
    read. A loss with a weight is an output though layers read it: Caffe splits it.
    """
    current = _final(layers)
    read = _read(layers)
    inputs = tuple(blob for layer in layers if layer.is_source for blob in layer.tops)
    if asked is not None:
        outputs = tuple(current[name] for name in asked)
        return tuple(blob for blob in inputs if blob in read or blob in outputs), outputs
    losses = {
        top
        for layer in layers
        for top, weight in zip(layer.tops, layer.loss_weights, strict=False)
        if weight
    }
    unread = tuple(blob for blob in current.values() if blob not in read or blob in losses)
    if unread or any(top.name == AUTOMATIC for layer in layers for top in layer.tops):
        return inputs, unread
    others = {*inputs, *(blob for layer in layers if layer.tops for blob in layer.bottoms)}
    return inputs, tuple(blob for blob in current.values() if blob not in others)


def _final(layers: Sequence[Layer]) -> dict[str, Blob]:
    """Blob name -> its last version, in the order that the names come up."""
    current: dict[str, Blob] = {}
    for layer in layers:
        for blob in layer.bottoms:
            current.setdefault(blob.name, blob)
        if layer.definition.tops:
            current.update((blob.name, blob) for blob in (*layer.tops, *layer.aliases))
    return current


def _read(layers: Sequence[Layer]) -> set[Blob]:
    """The blobs that layers read; a new version of one that was read counts too."""
    read: set[Blob] = set()
    for layer in layers:
        read.update(layer.bottoms)
        pairs = zip(layer.overwritten, layer.aliases, strict=True)
        read.update(new for old, new in pairs if old in read)
    return read
