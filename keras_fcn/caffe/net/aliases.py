"""Blobs that share memory: what changes one in place changes all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keras_fcn.caffe.net.network import Blob


class Aliases:
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

    def overwritten(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> list[str]:
        """Other names of the memory that a layer changes, where its first top is in place."""
        return [
            name
            for top, bottom in zip(tops[:1], bottoms, strict=False)
            if top.name == bottom.name
            for name in sorted(self._groups.get(top.name, ()))
            if name != top.name
        ]
