"""A small Caffe network with its weights and a picture for it, to try things on."""

from __future__ import annotations

import shutil
from pathlib import Path

from keras_fcn.caffe.io.files import atomic_write

__all__ = ["FILES", "sample_path", "write_samples"]

FILES = {
    "lenet_plate.prototxt": "a LeNet for the 36 characters of licence plates, A to Z and 0 to 9",
    "lenet_plate.caffemodel": "its weights",
    "plate.png": "a photograph of a car park with a licence plate",
}
"""The files, and what they are."""


def sample_path(name: str) -> Path:
    """Where one of `FILES` lies in the package.

    Raises:
        ValueError: there is no such file.
    """
    if name not in FILES:
        raise ValueError(f"the samples are {', '.join(FILES)}. Received: {name!r}")
    return Path(__file__).parent / name


def write_samples(folder: str | Path) -> list[Path]:
    """Copy the files into a folder, which is made where there is none.

    Returns:
        The copies.

    Raises:
        FileExistsError: the folder has another file of such a name; nothing is written.
    """
    folder = Path(folder)
    copies = {sample_path(name): folder / name for name in FILES}
    for own, copy in copies.items():
        if copy.exists() and (not copy.is_file() or copy.read_bytes() != own.read_bytes()):
            raise FileExistsError(f"{copy} is there already, and is another file")
    folder.mkdir(parents=True, exist_ok=True)
    for own, copy in copies.items():
        with own.open("rb") as source, atomic_write(copy) as file:
            shutil.copyfileobj(source, file)
    return list(copies.values())
