"""Identification of a file as a published model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.weights import OpenWeights, open_weights
from keras_fcn.caffe.io.source import SourceFile, opened
from keras_fcn.published.entries import PublishedModel, RemoteFile, published


@dataclass(frozen=True)
class Identity:
    """Identity of a file.

    Attributes:
        entry: the published model.
        part: `"weights"` or `"prototxt"`.
        converted: whether the file is our own, made from the published one.
    """

    entry: PublishedModel
    part: str
    converted: bool = False

    def __str__(self) -> str:
        made = ", converted" if self.converted else ""
        return f"{self.entry.name} ({self.entry.title}), {self.part}{made}"


_Candidate = tuple[PublishedModel, str, RemoteFile]


def identify(file: str | Path | SourceFile | OpenWeights) -> Identity | None:
    """Tell which published model a file is by its hash, whatever its name.

    Args:
        file: a caffemodel, a prototxt, or a `.h5` of the converter; or one that is open.

    Returns:
        None where the registry has no such hash.

    Raises:
        WeightsError: the file cannot be read.
    """
    if isinstance(file, WeightsFile):
        sha256 = str(file.attributes().get("source_sha256", ""))
        return _named({"sha256": sha256}, _candidates(None), converted=True)
    if isinstance(file, CaffeModel):
        return None if file.source is None else _of_bytes(file.source)
    with opened(file) as source:
        if not source.is_hdf5:
            return _of_bytes(source)
        with open_weights(source) as weights:
            return identify(weights)


def hash_ahead(weights: OpenWeights | None) -> None:
    """Begin to compute the hashes that an open file is recognised by, in the background."""
    if isinstance(weights, CaffeModel) and weights.source is not None:
        weights.source.hash_ahead({"sha256", *_kinds(_candidates(len(weights.source.data)))})


def _of_bytes(source: SourceFile) -> Identity | None:
    candidates = list(_candidates(len(source.data)))
    return _named(source.digests(_kinds(candidates)), candidates)


def _kinds(candidates: Iterable[_Candidate]) -> set[str]:
    return {kind for _, _, remote in candidates for kind in remote.hashes}


def _candidates(size: int | None) -> Iterator[_Candidate]:
    """The files of the registry that have a hash, and this size where both are known."""
    for entry in published().values():
        for part, remote in (("weights", entry.weights), ("prototxt", entry.prototxt)):
            if remote.hashes and (size is None or remote.size in (None, size)):
                yield entry, part, remote


def _named(
    digests: Mapping[str, str],
    candidates: Iterator[_Candidate] | list[_Candidate],
    converted: bool = False,
) -> Identity | None:
    for entry, part, remote in candidates:
        if any(remote.hashes.get(kind) == digest for kind, digest in digests.items()):
            return Identity(entry, part, converted)
    return None
