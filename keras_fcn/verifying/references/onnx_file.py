"""An ONNX file, whoever wrote it, in onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras_fcn.caffe.onnx import messages
from keras_fcn.caffe.onnx.reading import has_weights_beside, made_tensors
from keras_fcn.caffe.onnx.running import opened, runtime
from keras_fcn.verifying.references.base import (
    Reference,
    Session,
    Subject,
    unlike,
)
from keras_fcn.verifying.references.matching import (
    back,
    blobs_among,
    inputs_among,
    outputs_among,
    require_blobs,
    takes_channels_last,
    turned,
)
from keras_fcn.verifying.report import Array

_GRAPH, _OUTPUT, _NAME = 7, 12, 1  # of ModelProto, GraphProto and ValueInfoProto


class OnnxFile(Reference):
    """The tensors of an ONNX file that have blobs' names, and its outputs.

    Args:
        path: the file.
        subject: the network.

    Raises:
        NotComparedError: onnxruntime is not installed or does not load the file, or it has no
            blob of the network.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        self._path, network = path, subject.network
        self._blobs = network.blobs
        self.versions = {"onnxruntime": runtime().__version__}
        self.description = f"{path} in onnxruntime {self.versions['onnxruntime']}"
        outputs = self._open(path)
        self._outputs = names = [x.name for x in outputs.get_outputs()]
        self._tensors = outputs_among(names, network) | blobs_among(made_tensors(path), network)
        require_blobs(self._tensors, names, str(path))
        fed = inputs_among([x.name for x in outputs.get_inputs()], network, str(path))
        inner = {x: y for x, y in self._tensors.items() if y not in names}
        self._session = outputs
        if inner and not has_weights_beside(path):
            self._session = self._open(_with_outputs(path, list(inner.values())))
        elif inner:
            self._tensors = {x: y for x, y in self._tensors.items() if y in names}
            self.notes = ("its weights lie in another file, so its outputs alone are compared",)
        self._inputs = {x: (fed[x.name], x.shape) for x in outputs.get_inputs()}

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._tensors)

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        last = any(takes_channels_last(s, inputs[blob]) for blob, s in self._inputs.values())
        fed = {x.name: turned(inputs[blob], last) for x, (blob, _) in self._inputs.items()}
        asked = list(dict.fromkeys(self._tensors[name] for name in names))
        try:
            found = dict(zip(asked, self._session.run(asked, fed), strict=True))
        except Exception as error:  # of many kinds, all of onnxruntime's own
            raise unlike(f"onnxruntime does not run {self._path}", error) from error
        for name in names:
            tensor = self._tensors[name]
            yield name, back(found[tensor], self._blobs[name], last and tensor in self._outputs)

    def _open(self, file: bytes | Path) -> Session:
        try:
            return opened(file)
        except Exception as error:  # of many kinds, all of onnxruntime's own
            raise unlike(f"onnxruntime does not load {self._path}", error) from error


def _with_outputs(path: Path, names: Sequence[str]) -> bytes:
    """A file's content with more outputs: a message that comes twice is one of both."""
    infos = [messages.nested(_OUTPUT, messages.text(_NAME, name)) for name in names]
    more = messages.nested(_GRAPH, [part for info in infos for part in info])
    return b"".join([path.read_bytes(), *map(bytes, more)])
