"""First values of kernels that Keras lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_fcn.caffe.net.fillers import bilinear_kernel


@keras.saving.register_keras_serializable(package="keras_fcn")
class Bilinear(keras.initializers.Initializer):
    """The kernel of bilinear upsampling, the same for every pair of channels.

    Upsampling by f takes a kernel of `2 * f - f % 2` positions, strides f, a padding of
    `ceil((f - 1) / 2)`, and as many groups as channels, so that each stays by itself::

        keras_fcn.layers.Deconvolution(
            21, 4, strides=2, padding=1, groups=21, use_bias=False,
            kernel_initializer=keras_fcn.layers.initializers.Bilinear(),
        )

    Source: Caffe's `BilinearFiller`, `include/caffe/filler.hpp`.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """A kernel (side, side, ..., ...).

        Raises:
            ValueError: the kernel is not square.
        """
        if len(shape) != 4 or shape[0] != shape[1]:
            raise ValueError(
                f"a bilinear kernel is square over two spatial axes. Received: shape={shape}"
            )
        plane = keras.ops.convert_to_tensor(bilinear_kernel(shape[0]), dtype)
        return keras.ops.broadcast_to(plane[:, :, None, None], shape)


@keras.saving.register_keras_serializable(package="keras_fcn")
class BilinearOfEach(Bilinear):
    """The kernel of bilinear upsampling between all pairs of channels: none but of each to itself.

    It does without groups what `Bilinear` does with them; the fully convolutional
    networks have their deconvolutions so.

    Source: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
    Segmentation", 2015, section 3.3.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """A kernel (side, side, channels, channels).

        Raises:
            ValueError: the kernel is not square, or the numbers of channels differ.
        """
        kernel = super().__call__(shape, dtype)
        if shape[2] != shape[3]:
            raise ValueError(f"as many channels must come out as go in. Received: shape={shape}")
        return kernel * keras.ops.eye(shape[3], dtype=kernel.dtype)
