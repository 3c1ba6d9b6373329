"""SavedModels and LiteRT files: what shows its outputs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras_fcn.exporting.runtimes import opened_litert, opened_saved_model
from keras_fcn.verifying.references.base import Reference, Subject, unlike
from keras_fcn.verifying.references.matching import (
    back,
    inputs_among,
    outputs_among,
    require_blobs,
    takes_channels_last,
    turned,
)
from keras_fcn.verifying.report import Array


class Runtime(Reference):
    """The outputs of a file in its own runtime.

    Args:
        path: a SavedModel's folder, or a `.tflite` file.
        subject: the network.

    Raises:
        NotComparedError: the file is not loaded, or its outputs are not those of the network.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        what = "LiteRT file" if path.is_file() else "SavedModel"
        self._what = f"the {what} {path}"
        try:
            program = opened_litert(path) if path.is_file() else opened_saved_model(path)
        except Exception as error:  # TensorFlow's and LiteRT's have no common class
            raise unlike(f"cannot load {self._what}", error) from error
        self.description = self._what
        self.versions, self._program = program.versions, program
        self._tensors = outputs_among(program.outputs, subject.network)
        require_blobs(self._tensors, program.outputs, self.description)
        self._inputs = inputs_among(list(program.inputs), subject.network, self.description)
        self._blobs = subject.network.blobs

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._tensors)

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        images = {x: y for x, y in self._inputs.items() if inputs[y].ndim > 2}
        last = any(
            takes_channels_last(self._program.inputs[x], inputs[y]) for x, y in images.items()
        )
        fed = {name: turned(inputs[blob], last) for name, blob in self._inputs.items()}
        try:
            found = self._program.run(fed)
        except Exception as error:  # TensorFlow's and LiteRT's have no common class
            raise unlike(f"{self._what} does not run", error) from error
        for name in names:
            yield name, back(found[self._tensors[name]], self._blobs[name], last or not images)
