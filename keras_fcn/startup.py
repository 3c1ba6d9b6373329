"""Load TensorFlow without its chatter.

While it is loaded, TensorFlow writes to the file that C libraries know as stderr, whatever
its log level; later it logs that there is no GPU as an error. None of these lines says
anything to act on: what goes wrong reaches Python as an exception.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_VERBOSE = "TF_CPP_MAX_VLOG_LEVEL"
_CHATTER = re.compile(
    rb"[IWE]\d{4} "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|To enable the following instructions:"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
)


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keep TensorFlow's start-up lines off stderr while it is loaded in the `with`.

    What others write to stderr meanwhile is written when it ends. TensorFlow reads its log
    level while it is loaded; the user's setting stands again afterwards, for child
    processes. `TF_CPP_MAX_VLOG_LEVEL`, which asks for more of TensorFlow's own
    messages, turns the silence off.
    """
    if "tensorflow" in sys.modules or _VERBOSE in os.environ:
        yield
        return
    level = os.environ.get(_LEVEL)
    os.environ[_LEVEL] = "3"
    try:
        with filtered_stderr(_CHATTER):
            yield
    finally:
        if level is None:
            del os.environ[_LEVEL]
        else:
            os.environ[_LEVEL] = level


@contextlib.contextmanager
def filtered_stderr(chatter: re.Pattern[bytes]) -> Iterator[None]:
    """Hold back what goes to the file descriptor of stderr, then write all but the chatter.

    Args:
        chatter: what a line begins with that is not written.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # a program without stderr
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            rest = [line for line in held if not chatter.match(line)]
            if rest:
                os.write(2, b"".join(rest))
