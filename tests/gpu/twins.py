"""Networks written in the backend's own library, from the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.nets import Row

Weights = Mapping[str, Sequence[np.ndarray]]
"""Layer -> arrays as Keras has them, (height, width, in, out)."""


def number(row: Row, name: str, default: int = 0) -> int:
    """A field of a row."""
    return int(row.fields.get(name, default))


def interpreted(rows: Sequence[Row], ops: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """A function of prepared weights and an image.

    Args:
        rows: the layers.
        ops: kind -> function of the row, what it reads, and its weights; those of pooling
            masks give two things.
    """

    def run(weights: Mapping[str, Any], x: Any) -> Any:
        made: dict[str, Any] = {"data": x}
        for row in rows:
            names = row.fields["of"].split(",") if "of" in row.fields else []
            given = [made[name] for name in names] or [x]
            if "mask" in row.fields:
                given.append(made[row.fields["mask"] + "/mask"])
            x = ops[row.kind](row, given, weights.get(row.name))
            if row.kind == "PoolingMask":
                x, made[f"{row.name}/mask"] = x
            made[row.name] = x
        return x

    return run


class TorchTwin:
    """In PyTorch, channels last."""

    def __init__(self, rows: Sequence[Row], weights: Weights, dtype: str) -> None:
        import torch

        self.torch, self.dtype = torch, getattr(torch, dtype)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.kinds = {row.name: row.kind for row in rows}
        self.weights = {name: self._prepared(name, arrays) for name, arrays in weights.items()}
        self.run = interpreted(rows, self._ops())

    def _prepared(self, name: str, arrays: Sequence[np.ndarray]) -> list[Any]:
        kernel, *others = (
            self.torch.as_tensor(array, dtype=self.dtype, device=self.device) for array in arrays
        )
        if kernel.ndim == 4:
            kernel = kernel.permute(3, 2, 0, 1)
            kernel = kernel.contiguous(memory_format=self.torch.channels_last)
        elif kernel.ndim == 2:
            kernel = kernel.T.contiguous()
        return [kernel, *others]

    def image(self, x: np.ndarray) -> Any:
        """An array (N, H, W, C) on the device, as the network takes it."""
        return self.torch.as_tensor(x, device=self.device).to(self.dtype).permute(0, 3, 1, 2)

    def __call__(self, x: Any) -> Any:
        """Logits on the device."""
        with self.torch.no_grad():
            return self.run(self.weights, x)

    def array(self, y: Any) -> np.ndarray:
        """As an array, channels last."""
        y = y.permute(0, 2, 3, 1) if y.ndim == 4 else y
        return y.double().cpu().numpy()

    def trainer(self, labels: np.ndarray) -> Callable[[Any], Any]:
        """One step of SGD with momentum; gives the loss."""
        torch = self.torch
        functions = torch.nn.functional
        frozen = {name for name, kind in self.kinds.items() if kind == "Deconvolution"}
        leaves = [w for name, ws in self.weights.items() if name not in frozen for w in ws]
        for leaf in leaves:
            leaf.requires_grad_(True)
        optimizer = torch.optim.SGD(leaves, lr=1e-10, momentum=0.9)
        wanted = torch.as_tensor(labels, device=self.device).long()

        def step(x: Any) -> Any:
            optimizer.zero_grad(set_to_none=True)
            loss = functions.cross_entropy(self.run(self.weights, x), wanted)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    def _ops(self) -> Mapping[str, Callable[..., Any]]:
        torch, functions = self.torch, self.torch.nn.functional

        def conv(row: Row, given: list[Any], weights: Any) -> Any:
            kernel, bias = weights
            groups = number(row, "group", 1)
            sizes = [number(row, *more) for more in (("stride", 1), ("pad",), ("dilation", 1))]
            return functions.conv2d(given[0], kernel, bias, *sizes, groups)

        def deconv(row: Row, given: list[Any], weights: Any) -> Any:
            return functions.conv_transpose2d(given[0], weights[0], stride=number(row, "stride"))

        def pool(row: Row, given: list[Any], _: Any, mask: bool = False) -> Any:
            size, stride = number(row, "kernel_size"), number(row, "stride")
            return functions.max_pool2d(given[0], size, stride, ceil_mode=True, return_indices=mask)

        def dense(row: Row, given: list[Any], weights: Any) -> Any:
            (x,) = given
            x = x.permute(0, 2, 3, 1).reshape(len(x), -1) if x.ndim == 4 else x
            return functions.linear(x, *weights)

        def crop(row: Row, given: list[Any], _: Any) -> Any:
            (x, like), at = given, number(row, "offset")
            return x[:, :, at : at + like.shape[2], at : at + like.shape[3]]

        def norm(row: Row, given: list[Any], _: Any) -> Any:
            return functions.local_response_norm(given[0], 5, 1e-4, 0.75, 1.0)

        def scale(row: Row, given: list[Any], weights: Any) -> Any:
            factor, offset = (w[:, None, None] for w in weights)
            return torch.addcmul(offset, given[0], factor)

        return {
            "BN": scale,
            "Convolution": conv,
            "Crop": crop,
            "Deconvolution": deconv,
            "Dropout": lambda row, given, _: given[0],
            "Eltwise": lambda row, given, _: given[0] + given[1],
            "InnerProduct": dense,
            "LRN": norm,
            "Pooling": pool,
            "PoolingMask": lambda row, given, _: pool(row, given, _, mask=True),
            "ReLU": lambda row, given, _: functions.relu(given[0]),
            "Unpooling": lambda row, given, _: functions.max_unpool2d(*given, 2, 2),
        }


class JaxTwin:
    """In JAX, one jitted function."""

    def __init__(self, rows: Sequence[Row], weights: Weights, dtype: str) -> None:
        import jax

        self.jax, self.dtype = jax, dtype
        self.kinds = {row.name: row.kind for row in rows}
        self.weights = {
            name: [jax.numpy.asarray(array, dtype) for array in arrays]
            for name, arrays in weights.items()
        }
        self.run = interpreted(rows, self._ops())
        self.jitted = jax.jit(self.run)

    def image(self, x: np.ndarray) -> Any:
        """An array (N, H, W, C) on the device, as the network takes it."""
        return self.jax.numpy.asarray(x, self.dtype)

    def __call__(self, x: Any) -> Any:
        """Logits on the device."""
        return self.jitted(self.weights, x)

    def array(self, y: Any) -> np.ndarray:
        """As an array, channels last."""
        return np.asarray(y, np.float64)

    def trainer(self, labels: np.ndarray) -> Callable[[Any], Any]:
        """One step of SGD with momentum; gives the loss."""
        jax, numpy = self.jax, self.jax.numpy
        frozen = {n: w for n, w in self.weights.items() if self.kinds[n] == "Deconvolution"}
        state = {n: w for n, w in self.weights.items() if n not in frozen}
        moments = jax.tree.map(numpy.zeros_like, state)
        wanted = numpy.asarray(labels)[..., None]

        def loss(state: Any, x: Any) -> Any:
            scores = jax.nn.log_softmax(self.run({**state, **frozen}, x))
            return -numpy.take_along_axis(scores, wanted, -1).mean()

        @jax.jit
        def update(state: Any, moments: Any, x: Any) -> Any:
            value, slopes = jax.value_and_grad(loss)(state, x)
            moments = jax.tree.map(lambda m, s: 0.9 * m - 1e-10 * s, moments, slopes)
            return value, jax.tree.map(numpy.add, state, moments), moments

        held = [state, moments]

        def step(x: Any) -> Any:
            value, *held[:] = update(*held, x)
            return value

        return step

    def _ops(self) -> Mapping[str, Callable[..., Any]]:
        jax, lax, numpy = self.jax, self.jax.lax, self.jax.numpy
        order = ("NHWC", "HWIO", "NHWC")

        def conv(row: Row, given: list[Any], weights: Any) -> Any:
            kernel, bias = weights
            pad, step = number(row, "pad"), number(row, "dilation", 1)
            return bias + lax.conv_general_dilated(
                given[0],
                kernel,
                (number(row, "stride", 1),) * 2,
                [(pad, pad)] * 2,
                rhs_dilation=(step, step),
                dimension_numbers=order,
                feature_group_count=number(row, "group", 1),
            )

        def deconv(row: Row, given: list[Any], weights: Any) -> Any:
            kernel = numpy.flip(weights[0], (0, 1)).swapaxes(2, 3)
            reach = kernel.shape[0] - 1
            stride = (number(row, "stride"),) * 2
            return lax.conv_general_dilated(
                given[0],
                kernel,
                (1, 1),
                [(reach, reach)] * 2,
                lhs_dilation=stride,
                dimension_numbers=order,
            )

        def pool(row: Row, given: list[Any], _: Any) -> Any:
            (x,), size, stride = given, number(row, "kernel_size"), number(row, "stride")
            ends = [-(-(n - size) // stride) * stride + size - n for n in x.shape[1:3]]
            pads = [(0, 0), *((0, max(end, 0)) for end in ends), (0, 0)]
            window, steps = (1, size, size, 1), (1, stride, stride, 1)
            return lax.reduce_window(x, -numpy.inf, lax.max, window, steps, pads)

        def cells(x: Any) -> Any:
            n, height, width, channels = x.shape
            x = x.reshape(n, height // 2, 2, width // 2, 2, channels)
            return x.transpose(0, 1, 3, 5, 2, 4).reshape(n, height // 2, width // 2, channels, 4)

        def pool_mask(row: Row, given: list[Any], _: Any) -> Any:
            x = cells(given[0])
            return x.max(-1), x.argmax(-1)

        def unpool(row: Row, given: list[Any], _: Any) -> Any:
            x, places = given
            n, height, width, channels = x.shape
            x = x[..., None] * jax.nn.one_hot(places, 4, dtype=x.dtype)
            x = x.reshape(n, height, width, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
            return x.reshape(n, 2 * height, 2 * width, channels)

        def dense(row: Row, given: list[Any], weights: Any) -> Any:
            return given[0].reshape(len(given[0]), -1) @ weights[0] + weights[1]

        def crop(row: Row, given: list[Any], _: Any) -> Any:
            (x, like), at = given, number(row, "offset")
            return x[:, at : at + like.shape[1], at : at + like.shape[2]]

        def norm(row: Row, given: list[Any], _: Any) -> Any:
            (x,) = given
            sums = lax.reduce_window(
                x * x, 0.0, lax.add, (1, 1, 1, 5), (1,) * 4, [(0, 0)] * 3 + [(2, 2)]
            )
            return x * (1.0 + 1e-4 / 5 * sums) ** -0.75

        return {
            "BN": lambda row, given, weights: given[0] * weights[0] + weights[1],
            "Convolution": conv,
            "Crop": crop,
            "Deconvolution": deconv,
            "Dropout": lambda row, given, _: given[0],
            "Eltwise": lambda row, given, _: given[0] + given[1],
            "InnerProduct": dense,
            "LRN": norm,
            "Pooling": pool,
            "PoolingMask": pool_mask,
            "ReLU": lambda row, given, _: jax.nn.relu(given[0]),
            "Unpooling": unpool,
        }


TWINS = {"jax": JaxTwin, "torch": TorchTwin}


def multiplications(rows: Sequence[Row], size: tuple[int, int]) -> int:
    """Multiply-adds of convolutions and products for one image."""
    made = {"data": (*size, 3)}
    x, total = made["data"], 0
    for row in rows:
        if "of" in row.fields:
            x = made[row.fields["of"].split(",")[0]]
            like = made[row.fields["of"].split(",")[-1]]
        size_, step = number(row, "kernel_size"), number(row, "stride", 1)
        outputs = number(row, "num_output")
        if row.kind == "Convolution":
            extent = number(row, "dilation", 1) * (size_ - 1) + 1
            sides = [(n + 2 * number(row, "pad") - extent) // step + 1 for n in x[:2]]
            total += math.prod(sides) * outputs * size_**2 * x[2] // number(row, "group", 1)
            x = (*sides, outputs)
        elif row.kind == "Deconvolution":
            total += math.prod(x) * outputs * size_**2
            x = (*(step * (n - 1) + size_ for n in x[:2]), outputs)
        elif row.kind == "InnerProduct":
            total += math.prod(x) * outputs
            x = (1, 1, outputs)
        elif row.kind.startswith("Pooling"):
            x = (*(-(-(n - size_) // step) + 1 for n in x[:2]), x[2])
        elif row.kind == "Unpooling":
            x = (2 * x[0], 2 * x[1], x[2])
        elif row.kind == "Crop":
            x = (*like[:2], x[2])
        made[row.name] = x
    return total
