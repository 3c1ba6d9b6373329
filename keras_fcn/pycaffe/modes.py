"""Names of pycaffe's module for phases and devices."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """Caffe's phases, with the numbers that they have in pycaffe."""

    TRAIN = 0
    TEST = 1


TRAIN = Phase.TRAIN
TEST = Phase.TEST


def set_mode_cpu() -> None:
    """Do nothing: TensorFlow runs on the processor where it sees no GPU.

    To hide a GPU, set `CUDA_VISIBLE_DEVICES=-1` before the program starts.
    """


def set_mode_gpu() -> None:
    """Do nothing: TensorFlow takes a GPU by itself where it sees one."""


def set_device(device_id: int) -> None:
    """Do nothing: choose a GPU with `CUDA_VISIBLE_DEVICES` before the program starts."""
