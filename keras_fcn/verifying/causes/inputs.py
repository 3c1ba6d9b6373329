"""Images prepared otherwise: channels, means, scales, at the input or in the first layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from keras_fcn.verifying.causes import fitting
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_MEANS = (
    (104.00698793, 116.66876762, 122.67891434),
    (104.0, 117.0, 123.0),
    (103.939, 116.779, 123.68),
    (127.5, 127.5, 127.5),
    (128.0, 128.0, 128.0),
)
"""Means in use, as BGR: CaffeNet's, the same as whole numbers, VGG's, and half of the range."""
_SCALES = {
    "1/255": 1 / 255,
    "0.017": 0.017,
    "1/256": 1 / 256,
    "1/127.5": 1 / 127.5,
    "1/128": 1 / 128,
}
_COLOURS = 3
_UNFIT = 0.05
"""A rest, as a share of the difference, that no scale and shift leaves where they are it."""


def reads_images(step: Step, chain: Chain) -> bool:
    """Whether a step is an input of images, or the first layer on one.

    Not where another layer makes of these images what it does in the reference.
    """
    if step.bottom.ndim != 4:
        return False
    inputs = {blob.key for blob in chain.departure.network.inputs} - chain.departure.sound
    read = step.layer.tops if step.layer.is_source else step.layer.bottoms
    return any(blob.key in inputs for blob in read[:1])


def may_be_prepared(step: Step, chain: Chain) -> bool:
    """Whether it may be images of another order, scale or mean; told at once by affine layers."""
    if not reads_images(step, chain):
        return False
    if "prepared" not in chain.memo:
        fits = [fitting.left(step.with_bottom(x), chain) for x in _orders(step.bottom).values()]
        known = [x for x in fits if x is not None]
        chain.memo["prepared"] = not known or min(known) < _UNFIT
    return bool(chain.memo["prepared"])


def _orders(x: Array) -> dict[str, Array]:
    """Images with their channels as they are, and swapped."""
    swapped = {"of swapped channels (BGR for RGB, or RGB for BGR), ": x[:, ::-1]}
    return {"": x} | (swapped if x.shape[1] == _COLOURS else {})


@hypothesis(
    "channels swapped",
    "the reference reads images with their channels in the other order (BGR for RGB, or RGB for "
    "BGR){detail}",
)
def swapped(step: Step, chain: Chain) -> Iterator[Step]:
    """OpenCV reads BGR, PIL and Keras RGB."""
    x = step.bottom
    if not may_be_prepared(step, chain) or x.shape[1] != _COLOURS:
        return
    yield step.with_bottom(x[:, ::-1])
    for mean in _means(step, chain):
        yield step.with_bottom(
            (x + mean)[:, ::-1] - mean, ", and subtracts the mean in the old one"
        )


@hypothesis("mean missing", "the reference subtracts {detail} from images")
def unmeant(step: Step, chain: Chain) -> Iterator[Step]:
    """A mean forgotten, or subtracted by the network and by the program."""
    if may_be_prepared(step, chain):
        for mean in _means(step, chain):
            yield step.with_bottom(step.bottom + mean, "no mean")
            yield step.with_bottom(step.bottom - mean, "the mean twice")


@hypothesis(
    "mean of another order",
    "the reference subtracts the mean with its channels in the other order",
)
def mean_reversed(step: Step, chain: Chain) -> Iterator[Step]:
    """A mean in RGB for images in BGR."""
    if may_be_prepared(step, chain):
        for mean in _means(step, chain):
            if len(mean) == _COLOURS:
                yield step.with_bottom(step.bottom + mean - mean[::-1])


@hypothesis(
    "mean subtracted after scaling",
    "the reference scales images first and subtracts the mean then{detail}; Caffe subtracts first",
)
def mean_after(step: Step, chain: Chain) -> Iterator[Step]:
    """The order of operations of other programs: pixels to 0..1 first."""
    if not may_be_prepared(step, chain):
        return
    own = _own_scale(chain)
    for mean in _means(step, chain):
        if own != 1:
            yield step.with_bottom(step.bottom + mean - mean / own)
        else:
            for named, scale in _SCALES.items():
                scaled = (step.bottom + mean) * scale - mean
                yield step.with_bottom(scaled, f", with the scale {named}")


@hypothesis("scale", "the reference's images are {detail}")
def scaled(step: Step, chain: Chain) -> Iterator[Step]:
    """Pixels in 0..1 for 0..255, or the factor of MobileNet and DenseNet."""
    if may_be_prepared(step, chain):
        for named, scale in _SCALES.items():
            yield step.with_bottom(step.bottom * scale, f"multiplied by {named} besides")
            yield step.with_bottom(step.bottom / scale, f"not multiplied by {named}")


@hypothesis("image turned", "the reference's image is {detail}")
def turned(step: Step, chain: Chain) -> Iterator[Step]:
    """Axes in another order, or pictures that were turned."""
    if reads_images(step, chain):
        x = step.bottom
        yield step.with_bottom(x[..., ::-1], "mirrored")
        yield step.with_bottom(x[..., ::-1, :], "upside down")
        read = x.transpose(0, 2, 3, 1).reshape(x.shape)
        yield step.with_bottom(read, "of height, width, channels, read as if channels came first")
        if x.shape[2] == x.shape[3]:
            yield step.with_bottom(x.swapaxes(2, 3), "of width, height, with these exchanged")


@hypothesis("another mean", "the reference subtracts another mean: {detail}", freedom=1)
def another_mean(step: Step, chain: Chain) -> Iterator[Step]:
    """A mean that is in no list: the one that fits."""
    if may_be_prepared(step, chain) and (found := fitting.shift(step, chain)) is not None:
        told = ", ".join(f"{-value:.5g}" for value in found)
        yield step.with_bottom(step.bottom + _columns(found), f"({told}) more, by channels")


@hypothesis("another scale", "the reference's images are multiplied by {detail} besides", freedom=1)
def another_scale(step: Step, chain: Chain) -> Iterator[Step]:
    """A scale that is in no list: the one that fits."""
    if may_be_prepared(step, chain) and (value := fitting.factor(step, chain)) is not None:
        yield step.with_bottom(step.bottom * value, f"{value:.5g}")


@hypothesis("images prepared otherwise", "the reference's images are {detail}", freedom=2)
def prepared(step: Step, chain: Chain) -> Iterator[Step]:
    """Several of these at once: the scale and the shift that fit."""
    if not may_be_prepared(step, chain):
        return
    for told, turned in _orders(step.bottom).items():
        read = step.with_bottom(turned)
        if (found := fitting.factor_and_shift(read, chain)) is not None:
            scale, shift = found
            by = ", ".join(f"{value:.5g}" for value in shift)
            told += f"multiplied by {scale:.5g} and shifted by ({by})"
            yield read.with_bottom(turned * scale + _columns(shift), told)


def _columns(values: npt.ArrayLike) -> Array:
    """Numbers of channels, for maps."""
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


def _own_scale(chain: Chain) -> float:
    preparation = chain.departure.preprocessing
    return 1.0 if preparation is None else preparation.input_scale


def _means(step: Step, chain: Chain) -> list[Array]:
    """What our images lack: the mean that is known, scaled, else those in use; (C, H, W)."""
    channels, *size = step.bottom.shape[1:]
    preparation = chain.departure.preprocessing
    mean = None if preparation is None else preparation.mean_at(tuple(size))
    if preparation is not None and mean is not None:
        image = np.broadcast_to(mean, (*(mean.shape[:-1] or (1, 1)), channels))
        return [np.moveaxis(image, -1, 0) * np.float32(preparation.input_scale)]
    if channels != _COLOURS:
        return []
    return [_columns(mean) for known in _MEANS for mean in dict.fromkeys((known, known[::-1]))]
