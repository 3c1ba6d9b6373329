"""What noise of a reference may be, where no cause of a difference is found."""

from __future__ import annotations

from keras_fcn.engines.differences import Difference

NOISE = "rounding or noise, no cause"
"""What is said of a blob whose difference is that of noise."""
_RMS = 2e-3
"""An rms difference up to which nothing tells a fault from noise."""
_LARGEST = 6
"""How many times that the largest entry of noise may be away; one entry that is wrong is more."""
_SMALL = 1e-3
"""The largest difference of noise that does not matter to a network."""


def is_small(found: Difference) -> bool:
    """Whether it is noise as small as whole networks may be apart, in any of the entries."""
    return found.near and found.largest <= _SMALL


def may_be_noise(found: Difference) -> bool:
    """Whether it is as noise is: small, and not of a few entries alone."""
    return not found.not_finite and found.rms <= _RMS and found.largest <= _LARGEST * _RMS
