"""The registry's entries: one a published weights file."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from keras_fcn.hints import did_you_mean
from keras_fcn.published import data

if TYPE_CHECKING:
    from keras_fcn.preprocessing import Preprocessing
    from keras_fcn.preprocessing.tiles import Tiles

HASHES = ("sha256", "sha1", "md5")
"""Kinds of hashes that the registry may have, the one to rely on first."""

_NO_MEAN = "none"


@dataclass(frozen=True)
class RemoteFile:
    """A file somewhere, and how to know it.

    Attributes:
        urls: where it lies, to be tried in this order.
        size: bytes, or None where not known.
        hashes: kind of hash -> its hexadecimal digits.
    """

    urls: tuple[str, ...] = ()
    size: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def proof(self) -> str | None:
        """The kind of hash to rely on; mirrors may hold copies that only a weaker one names."""
        return next((kind for kind in HASHES if kind in self.hashes), None)


@dataclass(frozen=True)
class Figure:
    """A published result, in percent."""

    metric: str
    value: float
    on: str
    source: str

    def __str__(self) -> str:
        return f"{self.metric} {self.value:g} % on {self.on} ({self.source})"


@dataclass(frozen=True)
class PublishedModel:
    """A published weights file and its network; what is not known is empty.

    Attributes:
        name: the registry's name.
        title: what it is.
        constructor: name of the function of `keras_fcn.models`.
        options: the constructor's arguments besides `weights`.
        weights: the caffemodel.
        prototxt: the published deploy file.
        licence: of the weights.
        dataset: name of the data set, see `keras_fcn.preprocessing.data_sets`.
        input: (height, width) the network was published with.
        resize: (height, width) of the whole image before the crop to `input`.
        mean: what is subtracted, in `channel_order`, 0..255; `"none"` for nothing.
        channel_order: `"bgr"` or `"rgb"`.
        scale: factor after the mean.
        tiles: margin and zoom of `keras_fcn.preprocessing.tiles.Tiles`.
        published: figures.
    """

    name: str
    title: str
    constructor: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: RemoteFile = RemoteFile()
    prototxt: RemoteFile = RemoteFile()
    licence: str = ""
    dataset: str = ""
    input: tuple[int, int] | None = None
    resize: tuple[int, int] | None = None
    mean: tuple[float, ...] | str | None = None
    channel_order: str = "bgr"
    scale: float = 1.0
    tiles: Mapping[str, int] | None = None
    published: tuple[Figure, ...] = ()

    def preprocessing(
        self, base: Preprocessing | None = None, channels: int = 3
    ) -> Preprocessing | None:
        """Preparation of images for these weights.

        Args:
            base: the network's own preprocessing, whose sizes stay.
            channels: how many the network takes, where there is no base.

        Returns:
            None where the mean is not known and there is no base.
        """
        if self.mean is None:
            return base
        import dataclasses

        from keras_fcn.preprocessing import Preprocessing

        known: dict[str, Any] = {
            "mean": None if self.mean == _NO_MEAN else self.mean,
            "channel_order": self.channel_order,
            "input_scale": self.scale,
        }
        if base is not None:
            return dataclasses.replace(base, **known)
        crop = self.input if self.resize else None
        return Preprocessing(size=self.resize, crop=crop, channels=channels, **known)

    def tiling(self) -> Tiles | None:
        """Tiles of the images, where they are cut."""
        if self.tiles is None or self.input is None:
            return None
        from keras_fcn.preprocessing.tiles import Tiles

        return Tiles(size=self.input, **self.tiles)


@functools.cache
def published() -> Mapping[str, PublishedModel]:
    """All entries of `data/models.toml`, by name."""
    text = resources.files(data).joinpath("models.toml").read_text("utf-8")
    return {name: _entry(name, table) for name, table in tomllib.loads(text).items()}


def published_model(name: str) -> PublishedModel:
    """An entry by its name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in published():
        raise ValueError(
            f"no published model has this name{did_you_mean(name, published())} "
            f"(keras-fcn models lists them). Received: {name!r}"
        )
    return published()[name]


def _entry(name: str, table: dict[str, Any]) -> PublishedModel:
    table = dict(table)
    weights = _remote({key: table.pop(key) for key in ("urls", "size", *HASHES) if key in table})
    prototxt = _remote(table.pop("prototxt", {}))
    figures = tuple(Figure(**figure) for figure in table.pop("published", ()))
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return PublishedModel(name, weights=weights, prototxt=prototxt, published=figures, **values)


def _remote(table: Mapping[str, Any]) -> RemoteFile:
    hashes = {kind: table[kind] for kind in HASHES if kind in table}
    return RemoteFile(tuple(table.get("urls", ())), table.get("size"), hashes)
