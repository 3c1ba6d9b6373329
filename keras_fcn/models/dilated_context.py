"""The context modules of the DilatedNets: convolutions whose dilation doubles level by level.

Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keras.layers import Layer

from keras_fcn.models.blocks import conv, conv_relu


class _Conv(NamedTuple):
    """A 3 x 3 convolution of a context module.

    Attributes:
        name: what follows the module's prefix.
        relu: what follows it in the ReLU's name.
        width: channels over the number of classes.
        dilation: positions from one tap of the kernel to the next.
        pad: zeros around its input.
    """

    name: str
    relu: str
    width: int
    dilation: int
    pad: int


class Context(NamedTuple):
    """A context module.

    Attributes:
        prefix: what its layers' names begin with.
        convolutions: its 3 x 3 convolutions; the scores follow them.
    """

    prefix: str
    convolutions: Sequence[_Conv]

    def layers(self, classes: int) -> list[Layer]:
        """The module, scores included."""
        layers = []
        for name, relu, width, dilation, pad in self.convolutions:
            layers += conv_relu(
                width * classes,
                3,
                self.prefix + name,
                self.prefix + relu,
                pad=pad,
                dilation=dilation,
            )
        return [*layers, *conv(classes, 1, f"{self.prefix}final")]


def large_context() -> Context:
    """Context module of Pascal VOC: ever more channels; the first layer does all padding."""
    shapes = [("1_1", 2, 1, 33), ("1_2", 2, 1, 0)]
    shapes += [(f"{level}_1", 2**level, 2 ** (level - 1), 0) for level in range(2, 6)]
    convs = [_Conv(f"conv{n}", f"relu{n}", width, step, pad) for n, width, step, pad in shapes]
    return Context("ct_", [*convs, _Conv("fc1", "fc1_relu", 32, 1, 0)])


def basic_context(levels: int) -> Context:
    """Context module of the other data sets: one channel a class, each convolution padded."""
    shapes = [("1_1", 1), ("1_2", 1)]
    shapes += [(f"{level}_1", 2 ** (level - 1)) for level in range(2, levels + 1)]
    convs = [_Conv(f"conv{number}", f"relu{number}", 1, step, step) for number, step in shapes]
    return Context("ctx_", [*convs, _Conv("fc1", "fc1_relu", 1, 1, 1)])
