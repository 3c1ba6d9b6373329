"""Get a file from the first mirror that gives the right one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.published.entries import RemoteFile
from keras_fcn.published.transfer import Dropped, Progress, Refused, transfer

ATTEMPTS = 4
_STEP = 1 << 20  # bytes that make an attempt worth another


def download(
    remote: RemoteFile,
    path: Path,
    *,
    progress: Progress | None = None,
    timeout: float = 30,
    pause: float = 1,
) -> None:
    """Download a file; it appears under `path` whole and proved by size and hash, or not at all.

    Until then it is `path` with `.part` behind. A broken connection is taken up again
    where it broke; so is an earlier download, where a hash can prove that the two pieces are
    one file.

    Args:
        remote: the file.
        path: where to.
        progress: see `keras_fcn.published.transfer.Progress`.
        timeout: seconds without a byte after which a connection counts as broken.
        pause: seconds before the second attempt, twice as many before the next.

    Raises:
        CaffeError: no mirror gives the file; the message says of each why.
    """
    part = path.with_name(f"{path.name}.part")
    problems = []
    for url in remote.urls:
        if not remote.hashes:
            part.unlink(missing_ok=True)
        problem = _from_mirror(url, remote, part, timeout, pause, progress)
        if problem is None:
            part.replace(path)
            return
        problems.append(f"{url}: {problem}")
    if not remote.hashes:
        part.unlink(missing_ok=True)
    raise CaffeError(f"cannot download {path.name}.\n" + "\n".join(problems))


def _from_mirror(
    url: str,
    remote: RemoteFile,
    part: Path,
    timeout: float,
    pause: float,
    progress: Progress | None,
) -> str | None:
    """Fill `part`, prove it; what was wrong, if anything."""
    resumed = part.exists()
    problem, failures = "", 0
    while failures < ATTEMPTS:
        if failures:
            time.sleep(pause * 2 ** (failures - 1))
        before = _size(part)
        try:
            transfer(url, part, remote, timeout=timeout, progress=progress)
        except Refused as error:
            return str(error)
        except Dropped as error:
            problem = f"{error}, {ATTEMPTS} times with next to nothing new"
            failures = 1 if _size(part) >= before + _STEP else failures + 1
            continue
        wrong = mismatch(remote, part)
        if wrong is None:
            return None
        part.unlink()
        problem = f"it is another file: {wrong}"
        if not resumed:
            return problem
        resumed = False  # the beginning was not from here: once more, from nothing
    return problem


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def mismatch(remote: RemoteFile, path: Path) -> str | None:
    """The difference between a file and the published one, if there is one."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"it has {size:,} bytes, not {remote.size:,}"
    kind = remote.proof
    if kind is None:
        return None
    digest = file_digests(path, [kind])[kind]
    return None if digest == remote.hashes[kind] else f"its {kind} is {digest}"


def file_digests(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    """The hashes of a file, by kind, in hexadecimal digits.

    They tell files apart; nothing is kept secret by them.
    """
    with SourceFile(path) as source:
        return source.digests(kinds)
