"""The folder of downloaded and converted weights."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from keras_fcn.caffe.blobs.weights import OpenWeights, open_weights
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.hints import did_you_mean
from keras_fcn.published.download import download, mismatch
from keras_fcn.published.entries import PublishedModel, published, published_model
from keras_fcn.published.progress import download_bar
from keras_fcn.published.transfer import Progress

HOME = "KERAS_FCN_HOME"
"""Environment variable that names the folder; `~/.cache/keras-fcn` without it."""
_SUFFIXES = (".caffemodel", ".h5", ".hdf5")


def home() -> Path:
    """The folder that keeps weights."""
    return Path(os.environ.get(HOME) or Path("~", ".cache", "keras-fcn")).expanduser()


def caffemodel_path(name: str) -> Path:
    """Cache path of a published model's caffemodel, whether it is there or not."""
    return home() / "models" / f"{name}.caffemodel"


def fetch(name: str, *, progress: Progress | None = None) -> Path:
    """The caffemodel of a published model, downloaded unless it is in the cache.

    Another process that fetches the same file is waited for.

    Args:
        name: the registry's name.
        progress: called with (bytes there, bytes in all or None) as the download goes on;
            None for a bar on stderr.

    Returns:
        The file, whose size and hash are those of the registry where it knows them.

    Raises:
        ValueError: no published model has this name.
        CaffeError: the file cannot be had, or what is in the cache is another file.
    """
    entry = published_model(name)
    path = caffemodel_path(name)
    with _locked(path):
        return _fetch(entry, path, progress)


def weights_path(weights: str | Path, *, progress: Progress | None = None) -> Path:
    """The file that `weights=` means.

    A file is itself. A published model's name is its file in Keras' layout: fetched and
    converted the first time, then taken from the cache without a network.

    Args:
        weights: what `weights=` was given.
        progress: see `fetch`.

    Raises:
        ValueError: it is neither a file nor a published model's name.
        CaffeError: the file cannot be had.
    """
    path = Path(weights)
    if published_name(weights) is None:
        if path.exists() or path.suffix in _SUFFIXES or path.name != str(weights):
            return path  # whoever reads it says what is wrong with it
        raise ValueError(
            "`weights` must be a file or the name of a published model"
            f"{did_you_mean(str(weights), published())} (keras-fcn models lists them). "
            f"Received: {weights!r}"
        )
    return _converted(published_model(str(weights)), progress)


def opened_weights(
    weights: str | Path | OpenWeights | None,
) -> AbstractContextManager[OpenWeights | None]:
    """Open `weights=` once for all that is done with it; None stays None.

    See `weights_path`, `keras_fcn.caffe.blobs.weights.open_weights`.
    """
    if weights is None:
        return nullcontext()
    return open_weights(weights_path(weights) if isinstance(weights, str | Path) else weights)


def published_name(weights: object) -> str | None:
    """The published model that `weights=` names; None for files, which go first."""
    known = isinstance(weights, str) and weights in published() and not Path(weights).is_file()
    return str(weights) if known else None


def _converted(entry: PublishedModel, progress: Progress | None) -> Path:
    caffemodel = caffemodel_path(entry.name)
    converted = caffemodel.with_suffix(".h5")
    if _is_current(converted, entry):
        return converted
    with _locked(caffemodel):
        if not _is_current(converted, entry):
            from keras_fcn.caffe.conversion.convert import convert

            convert(None, _fetch(entry, caffemodel, progress), converted)
    return converted


def _fetch(entry: PublishedModel, path: Path, progress: Progress | None) -> Path:
    if path.exists():
        problem = mismatch(entry.weights, path)
        if problem is not None:
            raise CaffeError(
                f"{path} is not the published {entry.name}: {problem}. Delete it, and it is "
                "downloaded again"
            )
        return path
    if not entry.weights.urls:
        raise CaffeError(
            f"no address is known where {entry.name} can be downloaded; put the file here: {path}"
        )
    try:
        with download_bar(entry.name) if progress is None else nullcontext(progress) as report:
            download(entry.weights, path, progress=report)
    except CaffeError as error:
        raise CaffeError(
            f"{error}\nGet the file elsewhere and put it here, under this name: {path} "
            f"({HOME} names another folder)"
        ) from error
    return path


def _is_current(path: Path, entry: PublishedModel) -> bool:
    """Whether a converted file is of these weights, and in this version's form."""
    if not path.exists():
        return False
    from keras_fcn.caffe.keras_hdf5.writing import FORMAT, WeightsFile

    with WeightsFile(path) as file:
        facts = file.attributes()
    sha256 = entry.weights.hashes.get("sha256")
    return facts.get("keras_fcn_format") == FORMAT and sha256 in (None, facts.get("source_sha256"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from the same file; the lock goes with the process that holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process to fetch {path.name}", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        place = error.filename or lock.lock_file
        raise CaffeError(
            f"cannot write {place}: {error.strerror or error}; {HOME} names another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
