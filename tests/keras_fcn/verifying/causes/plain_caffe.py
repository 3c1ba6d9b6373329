"""Caffe's layers in plain NumPy, written anew, with switches for what other programs do otherwise.

It shares no code with the package: a reference, and a faulty one where a switch is set.
"""

from __future__ import annotations

import itertools

import numpy as np


def conv(x, blobs, *, stride=1, pad=0, group=1, before=None, after=None, **_):
    kernel, bias = blobs[0].astype(np.float64), blobs[1] if len(blobs) > 1 else None
    lead = pad if before is None else before
    trail = pad if after is None else after
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (lead, trail), (lead, trail)])
    outputs, inputs, height, width = kernel.shape
    rows = (x.shape[2] - height) // stride + 1
    columns = (x.shape[3] - width) // stride + 1
    top = np.zeros((len(x), outputs, rows, columns))
    each = outputs // group
    for output in range(outputs):
        first = output // each * inputs
        for i, j in itertools.product(range(rows), range(columns)):
            part = x[:, first : first + inputs, i * stride :, j * stride :]
            top[:, output, i, j] = (part[:, :, :height, :width] * kernel[output]).sum((1, 2, 3))
    return top if bias is None else top + bias.reshape(1, -1, 1, 1)


def deconv(x, blobs, *, stride=1, pad=0, group=1, start=None, **_):
    kernel = blobs[0].astype(np.float64)
    inputs, each, height, width = kernel.shape
    rows, columns = stride * (x.shape[2] - 1) + height, stride * (x.shape[3] - 1) + width
    top = np.zeros((len(x), each * group, rows, columns))
    for c, i, j in itertools.product(range(inputs), range(x.shape[2]), range(x.shape[3])):
        first = c // (inputs // group) * each
        place = np.s_[
            :,
            first : first + each,
            i * stride : i * stride + height,
            j * stride : j * stride + width,
        ]
        top[place] += x[:, c, i, j].reshape(-1, 1, 1, 1) * kernel[c]
    if len(blobs) > 1:
        top += blobs[1].reshape(1, -1, 1, 1)
    start = pad if start is None else start
    return top[..., start : start + rows - 2 * pad, start : start + columns - 2 * pad]


def pool(
    x, *, kind="MAX", kernel=2, stride=2, pad=0, rounding="ceil", divisor="caffe", before=None, **_
):
    """Returns the top and the places of the maxima."""
    lead = pad if before is None else before
    sizes = []
    for size in x.shape[2:]:
        out = (size + 2 * pad - kernel) / stride
        out = int(np.ceil(out) if rounding == "ceil" else np.floor(out)) + 1
        if pad and (out - 1) * stride >= size + pad:
            out -= 1
        sizes.append(out)
    top = np.zeros((*x.shape[:2], *sizes))
    mask = np.zeros_like(top)
    for i, j in itertools.product(*map(range, sizes)):
        corner = (i * stride - lead, j * stride - lead)
        ends = [min(c + kernel, n + pad) for c, n in zip(corner, x.shape[2:], strict=True)]
        full = (ends[0] - corner[0]) * (ends[1] - corner[1])
        rows, columns = (
            slice(max(c, 0), min(e, n)) for c, e, n in zip(corner, ends, x.shape[2:], strict=True)
        )
        part = x[:, :, rows, columns].reshape(*x.shape[:2], -1)
        if kind == "MAX":
            top[:, :, i, j] = part.max(-1)
            row, column = np.divmod(part.argmax(-1), columns.stop - columns.start)
            mask[:, :, i, j] = (row + rows.start) * x.shape[3] + column + columns.start
        else:
            count = {"caffe": full, "inside": part.shape[-1], "kernel": kernel * kernel}[divisor]
            top[:, :, i, j] = part.sum(-1) / count
    return top, mask


def unpool(x, mask, size):
    top = np.zeros((*x.shape[:2], size[0] * size[1]))
    for n, c in itertools.product(range(len(x)), range(x.shape[1])):
        for value, place in zip(x[n, c].ravel(), mask[n, c].ravel(), strict=True):
            top[n, c, int(place)] = value
    return top.reshape(*x.shape[:2], *size)


def lrn(x, *, size=5, alpha=1.0, beta=0.75, k=1.0, divided=True, within=False, **_):
    squares, total = x.astype(np.float64) ** 2, np.zeros(x.shape)
    half = size // 2
    if within:
        padded = np.pad(squares, [(0, 0), (0, 0), (half, half), (half, half)])
        for i, j in itertools.product(range(size), range(size)):
            total += padded[:, :, i : i + x.shape[2], j : j + x.shape[3]]
    else:
        for c in range(x.shape[1]):
            total[:, c] = squares[:, max(c - half, 0) : c + half + 1].sum(1)
    count = size**2 if within else size
    return x / (k + alpha / (count if divided else 1) * total) ** beta


def batch_norm(x, blobs, *, eps=1e-5, factor=True, outside=False, inverse=False, batch=False, **_):
    mean, variance, share = (b.astype(np.float64) for b in blobs)
    share = share[0] if factor else 1.0
    mean, variance = mean / share, variance / share
    if batch:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    by = 1 / (np.sqrt(variance) + eps) if outside else 1 / np.sqrt(variance + eps)
    if inverse:
        by = variance
    return (x - mean.reshape(1, -1, 1, 1)) * by.reshape(1, -1, 1, 1)


def scale(x, blobs, **_):
    top = x * blobs[0].reshape(1, -1, 1, 1)
    return top + blobs[1].reshape(1, -1, 1, 1) if len(blobs) > 1 else top


def relu(x, *, slope=0.0, ceiling=np.inf, **_):
    return np.minimum(np.where(x > 0, x, slope * x), ceiling)


def prelu(x, blobs, **_):
    return np.where(x > 0, x, blobs[0].reshape(1, -1, *[1] * (x.ndim - 2)) * x)


def inner(x, blobs, *, hwc=False, **_):
    if hwc:
        x = x.transpose(0, 2, 3, 1)
    top = x.reshape(len(x), -1).astype(np.float64) @ blobs[0].astype(np.float64).T
    return top + blobs[1] if len(blobs) > 1 else top


def softmax(x, *, axis=1, **_):
    raised = np.exp(x - x.max(axis, keepdims=True))
    return raised / raised.sum(axis, keepdims=True)
