"""``keras-fcn convert``: the same as ``python -m convert``."""

from __future__ import annotations

from convert.__main__ import SUMMARY, add_arguments, run

__all__ = ["EXAMPLE", "SUMMARY", "add_arguments", "run"]

EXAMPLE = "keras-fcn convert deploy.prototxt net.caffemodel -o net.h5 --mean mean.binaryproto"
