"""What noise of a reference may be, where no cause of a difference is found."""

from __future__ import annotations

from keras_fcn.engines.differences import Difference

NOISE = "rounding or noise, no cause"
"""What is said of a blob whose difference is that of noise."""
_SUMMED = 1e-4, 2e-5
"""Largest and rms difference of what sums many products, whose order is free, or takes powers."""
_RMS = 2e-3
"""An rms difference up to which nothing tells a fault from noise."""
_LARGEST = 6
"""How many times that the largest entry of noise may be away; one entry that is wrong is more."""


def is_of_sums(found: Difference) -> bool:
    """Whether another order of sums, or another way to take powers, may make it."""
    return found.largest <= _SUMMED[0] and found.rms <= _SUMMED[1]


def may_be_noise(found: Difference) -> bool:
    """Whether it is as noise is: small, and not of a few entries alone."""
    return not found.not_finite and found.rms <= _RMS and found.largest <= _LARGEST * _RMS
