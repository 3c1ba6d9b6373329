"""The pass that finds which blobs share memory: what changes one in place changes all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from keras_fcn.caffe import limits
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.net.layer import Blob, Layer


def with_aliases(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with the blobs that an in-place layer changes beside its top.

    Each of these is a new version of its blob, which later layers read.

    Raises:
        NetworkError: there are too many of them.
    """
    memory = SharedMemory()
    current: dict[str, Blob] = {}
    count = 0
    result = []
    for layer in layers:
        bottoms = tuple(current.setdefault(blob.name, blob) for blob in layer.bottoms)
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        overwritten: tuple[Blob, ...] = ()
        if layer.params.shares_memory(shapes, len(layer.tops)):
            memory.share((*bottoms, *layer.tops))
        else:
            overwritten = tuple(current[name] for name in memory.overwritten(bottoms, layer.tops))
        aliases = tuple(
            replace(old, layer=layer.name, index=len(layer.tops) + index, maker=layer.keras_name)
            for index, old in enumerate(overwritten)
        )
        if overwritten or bottoms != layer.bottoms:
            layer = replace(layer, bottoms=bottoms, aliases=aliases, overwritten=overwritten)
        if layer.definition.tops:
            current.update((blob.name, blob) for blob in (*layer.tops, *aliases))
        count += len(layer.tops) + len(aliases)
        try:
            limits.check_tops(count)
        except NetworkError as error:
            raise NetworkError(f"{layer.place}: {error}") from error
        result.append(layer)
    return tuple(result)


class SharedMemory:
    """Groups of blob names whose blobs are one memory in Caffe."""

    def __init__(self) -> None:
        self._groups: dict[str, set[str]] = {}

    def share(self, blobs: Iterable[Blob]) -> None:
        """Note that blobs share memory, and so do those that shared it with one of them."""
        blobs = tuple(blobs)
        group: set[str] = set()
        for blob in blobs:
            other = self._groups.get(blob.name, {blob.name})
            if other is not group:
                small, group = sorted((group, other), key=len)
                group |= small
                self._groups.update(dict.fromkeys(small, group))
        self._groups.update((blob.name, group) for blob in blobs)

    def of(self, name: str) -> frozenset[str]:
        """The names of the memory that a blob is, its own among them."""
        return frozenset(self._groups.get(name, {name}))

    def overwritten(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> list[str]:
        """Other names of the memory that a layer changes, where its first top is in place."""
        return [
            name
            for top, bottom in zip(tops[:1], bottoms, strict=False)
            if top.name == bottom.name
            for name in sorted(self._groups.get(top.name, ()))
            if name != top.name
        ]
