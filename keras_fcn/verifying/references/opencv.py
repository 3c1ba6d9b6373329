"""OpenCV 4, which reads Caffe's files itself."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_fcn.verifying.references.base import (
    NotComparedError,
    Reference,
    Session,
    Subject,
    unlike,
)
from keras_fcn.verifying.report import Array


class OpenCV(Reference):
    """`cv2.dnn.readNetFromCaffe`: the last content of each blob of which a layer is the maker.

    Args:
        subject: the network; of one that was not read of files, files are written.

    Raises:
        NotComparedError: OpenCV 4 is not installed, or does not take the network.
    """

    def __init__(self, subject: Subject) -> None:
        try:
            import cv2
        except ImportError as error:
            raise NotComparedError(
                "the reference opencv needs OpenCV 4: pip install 'opencv-python-headless<5'"
            ) from error
        if not hasattr(cv2.dnn, "readNetFromCaffe"):
            raise NotComparedError(
                f"OpenCV {cv2.__version__} does not read Caffe's files; "
                "pip install 'opencv-python-headless<5'"
            )
        self._failure = cv2.error
        self.description = f"OpenCV {cv2.__version__} (cv2.dnn)"
        self.versions = {"opencv": cv2.__version__}
        with _files(subject) as (prototxt, caffemodel):
            try:
                self._net: Session = cv2.dnn.readNetFromCaffe(prototxt, caffemodel)
            except cv2.error as error:
                raise unlike("OpenCV cannot read the network", error) from error
        self._net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        if hasattr(self._net, "enableWinograd"):
            self._net.enableWinograd(False)  # which is less exact than sums
        self._net.enableFusion(False)
        network = subject.network
        known = set(self._net.getLayerNames())
        read = {blob.key for layer in network.layers for blob in layer.bottoms}
        self._layers, left_out = {}, []
        for name, blob in network.blobs.items():
            if blob.layer in known and blob.index == 0 and name not in network.input_shapes:
                self._layers[name] = blob.layer
            elif name not in network.input_shapes and blob.key in read:
                left_out.append(name)
        if left_out:
            self.notes = (f"OpenCV does not show {', '.join(left_out)}",)

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._layers)

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        try:
            for name, array in inputs.items():
                self._net.setInput(np.ascontiguousarray(array, np.float32), name)
            made = self._net.forward([self._layers[name] for name in names])
        except self._failure as error:
            raise unlike("OpenCV cannot run the network", error) from error
        yield from zip(names, made, strict=True)


@contextlib.contextmanager
def _files(subject: Subject) -> Iterator[tuple[str, str]]:
    """The network's files."""
    if subject.files is not None and all(map(_is_plain, subject.files)):
        yield subject.files
        return
    with tempfile.TemporaryDirectory(prefix="keras_fcn_verify_") as folder:
        paths = Path(folder) / "net.prototxt", Path(folder) / "net.caffemodel"
        subject.net.save(*paths)
        yield str(paths[0]), str(paths[1])


def _is_plain(path: str) -> bool:
    """Whether OpenCV can read a file: not the converter's, and not compressed."""
    return Path(path).suffix in (".prototxt", ".caffemodel", ".txt")
