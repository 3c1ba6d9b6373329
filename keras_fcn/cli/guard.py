"""Error reports of every command: one line on stderr, and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Callable

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import options_as
from keras_fcn.cli.flags import flag

_UNEXPECTED_LENGTH = 300


def guarded(work: Callable[[argparse.Namespace], int | None], options: argparse.Namespace) -> int:
    """Do a command's work; what goes wrong becomes one line on stderr and an exit status.

    Args:
        work: the command.
        options: its options; with `debug` set errors pass through. A command may set `failure`.

    Returns:
        The command's, by default 0; after an error `failure`, by default 1; 130 after Ctrl-C.
    """
    try:
        with options_as(flag):
            status = work(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has gone; Python's last flush would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        print(f"error: {described(error)}", file=sys.stderr)
        return int(getattr(options, "failure", 1))
    return status or 0


def one_line(message: object) -> str:
    """The lines of a message joined to one."""
    joined = ""
    for line in filter(None, map(str.strip, str(message).splitlines())):
        joined += ("; " if joined and joined[-1] not in ":;,." else " ") + line
    return joined.lstrip()


def described(error: Exception) -> str:
    """What is said of an error, in one line: the file first, where the system names one."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    if isinstance(error, CaffeError | ValueError):
        return one_line(error)
    from keras_fcn.caffe.io.memory import shortage

    short = shortage(error)
    if short:
        return short
    message = textwrap.shorten(one_line(error), _UNEXPECTED_LENGTH, placeholder=" ...")
    return f"unexpected {type(error).__name__}: {message} (--debug shows all of it)"
