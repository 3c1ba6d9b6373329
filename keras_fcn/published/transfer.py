"""One attempt to get a file over HTTP, from where an earlier one stopped."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.source import foreign_file
from keras_fcn.published.entries import RemoteFile
from keras_fcn.version import __version__

Progress = Callable[[int, int | None], None]
"""Called with (bytes there, bytes in all or None where the server does not say)."""

_BLOCK = 1 << 18
_LARGEST = (1 << 31) - 1  # a protobuf message, so a caffemodel, has no more bytes
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Refused(Exception):  # noqa: N818  not an error for callers: the next mirror is asked
    """This address does not give the file."""


class Dropped(Exception):  # noqa: N818  not an error for callers: it is tried again
    """The connection broke; what arrived is kept."""


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https only, redirections included; urllib's own reads file: and ftp: too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", f"keras-fcn/{__version__}")]
    return opener


def transfer(
    url: str,
    part: Path,
    remote: RemoteFile,
    *,
    timeout: float,
    progress: Progress | None = None,
) -> None:
    """Bring `part` to the whole file; what it holds already is asked for no more.

    Args:
        url: http or https.
        part: the file to fill; a server that knows no ranges makes it begin anew.
        remote: what is known of the file; the server must not say otherwise.
        timeout: seconds without an answer or a byte.
        progress: called after each block.

    Raises:
        Dropped: the connection broke, or the server asks to come again.
        Refused: there is no such file, or it is another.
        CaffeError: `part` cannot be written.
    """
    size = remote.size
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        # Whole, or not a beginning of the file: the hash tells, or it is too long already.
        if have == size:
            return
        part.unlink()
        have = 0
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _open(request, timeout, part) as response:
        start, total = _extent(response, have)
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise Refused("it answers with a web page, not with the file")
        if size is not None and total not in (None, size):
            raise Refused(f"it offers {total:,} bytes, not {size:,}")
        if total is None and size is None and not (remote.hashes or response.chunked):
            raise Refused("it does not say how long the file is, so a broken one could not be told")
        done = _store(response, part, start, total or size or _LARGEST, total, progress)
    wanted = size if total is None else total
    if wanted is not None and done < wanted:
        raise Dropped(f"the connection closed after {done:,} of {wanted:,} bytes")
    if done == 0:
        raise Refused("it sends an empty file")


def _open(request: urllib.request.Request, timeout: float, part: Path) -> Any:
    try:
        return _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise Dropped("it cannot go on from where the last attempt stopped") from error
        kind = Dropped if error.code in _PASSING else Refused
        raise kind(f"it answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise Refused(f"no connection: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Dropped(_reason(error)) from error


def _extent(response: Any, have: int) -> tuple[int, int | None]:
    """Start of the body in the file, and length of the file."""
    length = response.headers.get("Content-Length")
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0, int(length) if length and length.isdecimal() else None
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != have:
        raise Refused("it answers with another range than was asked for")
    return have, None if found[2] == "*" else int(found[2])


def _store(
    response: Any,
    part: Path,
    start: int,
    limit: int,
    total: int | None,
    progress: Progress | None,
) -> int:
    done = start
    try:
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            for block in _blocks(response):
                if done == 0:
                    _refuse_foreign(block)
                if done + len(block) > limit:
                    raise Refused(f"it sends more than {limit:,} bytes")
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
    except OSError as error:
        raise CaffeError(f"cannot write {part}: {error.strerror or error}") from error
    return done


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise Dropped(_reason(error)) from error
        if not block:
            return
        yield block


def _refuse_foreign(start: bytes) -> None:
    problem = foreign_file(start)
    if problem is not None:
        raise Refused(f"it sends {problem}")


def _reason(error: Exception) -> str:
    return f"the connection broke: {error or type(error).__name__}"
