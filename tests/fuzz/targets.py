"""What is fuzzed: a file's name and mutations, and everything that is done to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from google.protobuf import text_format
from google.protobuf.message import Message

import convert
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.means import read_mean
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from keras_fcn.caffe.proto import schema
from tests.fuzz.corpus import seeds
from tests.fuzz.mutations import (
    Mutation,
    choose,
    mutate_bytes,
    mutate_fields,
    mutate_message,
    mutate_text,
)

_WRITTEN = 8  # one in so many weights files is converted whole, the others up to the writing


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        suffix: of the file's name.
        mutations: how files are damaged, a kind twice as often where it stands twice.
        work: reads the file; may raise CaffeError and nothing else.
    """

    suffix: str
    mutations: Sequence[Mutation]
    work: Callable[[Path], None]


def make_input(name: str, seed: int, index: int) -> bytes:
    """The file number ``index``; the same for the same numbers."""
    rng = Random(f"{name}/{seed}/{index}")
    files = seeds(name)
    data, other = rng.choice(files), rng.choice(files)
    return choose(rng, TARGETS[name].mutations, data, other)


def _through_schema(parse: Callable[[bytes], Message], write: Callable[[Any], bytes]) -> Mutation:
    parsed = cache(parse)

    def mutate(rng: Random, data: bytes, other: bytes) -> bytes:
        try:
            original = parsed(data)
        except Exception:
            return mutate_bytes(rng, data, other)
        message = type(original)()
        message.CopyFrom(original)
        for _ in range(rng.choice((1, 1, 2, 5))):
            mutate_fields(rng, message)
        return write(message)

    return mutate


def _parse_text(data: bytes) -> Message:
    return text_format.Parse(data.decode(), schema.new("NetParameter"))


def _write_text(message: Message) -> bytes:
    return text_format.MessageToString(message, as_utf8=True).encode("utf-8", "replace")


def _parser_of(message_name: str) -> Callable[[bytes], Message]:
    def parse(data: bytes) -> Message:
        message = schema.new(message_name)
        message.MergeFromString(data)
        return message

    return parse


def _write_binary(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _prototxt(path: Path) -> None:
    phase = ("TEST", "TRAIN")[crc32(path.read_bytes()) % 2]
    network = convert.load_network(path, phase)
    assert network.blobs is not None
    assert network.resizable in (True, False)
    for layer in network.layers:
        assert network.place(layer)


def _caffemodel(path: Path) -> None:
    model = convert.load_weights(path)
    for name, blobs in model.items():
        shapes = [blob.shape for blob in model.layers[name].blobs]
        assert [blob.shape for blob in blobs] == shapes
    if crc32(path.read_bytes()) % _WRITTEN:
        assert str(convert.list_layers(path))
        return
    output = path.with_suffix(".h5")
    report = convert.convert(None, path, output)
    assert str(report)
    with WeightsFile(output) as file:
        assert {row.keras_name for row in report.layers} >= set(file)


def _binaryproto(path: Path) -> None:
    assert read_mean(path).ndim in (1, 3)


def _hdf5(path: Path) -> None:
    with open_weights(path) as file:
        if isinstance(file, CaffeModel):
            assert list(file.values()) is not None
            return
        assert file.attributes() is not None
        for part in (file.mean, lambda: file.text("prototxt")):
            part()
        for name in file:
            assert len(file.weight_names(name)) == len(file.shapes(name))
            assert [array.shape for array in file[name]] == file.shapes(name)
            assert all(array.dtype.kind in "fiu" for array in (*file[name], *file.extra(name)))
            assert file.attributes(name) is not None
            file.caffe_shapes(name)


_BYTES_AND_MESSAGES = (mutate_bytes, mutate_message, mutate_message)
TARGETS = {
    "prototxt": Target(
        ".prototxt",
        (mutate_bytes, mutate_text, mutate_text, _through_schema(_parse_text, _write_text)),
        _prototxt,
    ),
    "caffemodel": Target(
        ".caffemodel",
        (*_BYTES_AND_MESSAGES, _through_schema(_parser_of("NetParameter"), _write_binary)),
        _caffemodel,
    ),
    "binaryproto": Target(
        ".binaryproto",
        (*_BYTES_AND_MESSAGES, _through_schema(_parser_of("BlobProto"), _write_binary)),
        _binaryproto,
    ),
    "hdf5": Target(".h5", (mutate_bytes,), _hdf5),
}
