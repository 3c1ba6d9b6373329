"""What a solver says, in the lines that Caffe's log has, so that its parsers read them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.solver.nets import Output

__all__ = ["Log", "number", "output_lines"]

# Where each kind of line comes from in BVLC Caffe 1.0, which its lines begin with.
_SOURCES = {
    "parameters": "solver.cpp:45",
    "scaffolding": "solver.cpp:57",
    "net state": "net.cpp:53",
    "weights": "solver.cpp:72",
    "train net": "solver.cpp:102",
    "test net": "solver.cpp:190",
    "loss": "solver.cpp:239",
    "train output": "solver.cpp:258",
    "solving": "solver.cpp:289",
    "policy": "solver.cpp:290",
    "last loss": "solver.cpp:327",
    "done": "solver.cpp:332",
    "stopped": "solver.cpp:318",
    "testing": "solver.cpp:347",
    "interrupted": "solver.cpp:397",
    "test loss": "solver.cpp:401",
    "test output": "solver.cpp:414",
    "snapshot": "solver.cpp:464",
    "HDF5 snapshot": "solver.cpp:474",
    "step": "sgd_solver.cpp:50",
    "clipping": "sgd_solver.cpp:99",
    "rate": "sgd_solver.cpp:112",
    "state": "sgd_solver.cpp:284",
    "HDF5 state": "sgd_solver.cpp:296",
    "history": "sgd_solver.cpp:336",
    "start": "caffe.cpp:239",
    "end": "caffe.cpp:250",
    "resuming": "caffe.cpp:235",
    "iterations": "caffe.cpp:281",
    "batch": "caffe.cpp:304",
    "total": "caffe.cpp:309",
    "mean": "caffe.cpp:321",
    "time": "caffe.cpp:404",
    "forward": "net.cpp:591",
    "forward param": "net.cpp:602",
    "backward": "net.cpp:619",
    "backward param": "net.cpp:630",
    "update": "net.cpp:645",
    "net params": "net.cpp:768",
}


class Log:
    """Lines with a head as glog writes it: level, date, time, process, place.

    Args:
        write: what each line is given to; None: nothing, but what went wrong is a warning.
    """

    def __init__(self, write: Callable[[str], None] | None) -> None:
        self._write = write

    def __call__(self, kind: str, text: str, level: str = "I") -> None:
        """Write a line.

        Args:
            kind: tells the place.
            text: what it says.
            level: `"I"`; `"W"` for what went wrong and is passed over; `"E"` where Caffe has it.
        """
        if self._write is None:
            if level == "W":
                warnings.warn(text, CaffeWarning, stacklevel=3)
            return
        now = datetime.now().astimezone()
        self._write(f"{level}{now:%m%d %H:%M:%S.%f} {os.getpid():5} {_SOURCES[kind]}] {text}")


def number(value: Any) -> str:
    """A number as C++ prints it: six significant digits."""
    return f"{float(value):g}"


def output_lines(outputs: Iterable[Output], values: Iterable[Any], what: str) -> Iterable[str]:
    """A line for each number of each output.

    Args:
        outputs: of the net.
        values: their numbers, in Caffe's order.
        what: `"    Train net output"` or `"    Test net output"`.
    """
    index = 0
    for output, numbers in zip(outputs, values, strict=True):
        for value in numbers:
            yield f"{what} #{index}: {output.name} = {number(value)}{weighted(output, value)}"
            index += 1


def weighted(output: Output, value: Any) -> str:
    """What a loss counts for in the objective; empty for other outputs."""
    if not output.weight:
        return ""
    return f" (* {number(output.weight)} = {number(output.weight * float(value))} loss)"
