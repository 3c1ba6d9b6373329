"""What differs between Keras' backends when their devices are measured."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras

PEAKS = {
    "A10": (31.2, 62.5, 125.0),
    "A100": (19.5, 156.0, 312.0),
    "H100 PCIe": (51.0, 378.0, 756.0),
    "H100": (66.9, 494.7, 989.4),
    "H200": (66.9, 494.7, 989.4),
    "L4": (30.3, 60.0, 121.0),
    "T4": (8.1, 8.1, 65.0),
    "V100": (15.7, 15.7, 125.0),
}
"""Card -> TFLOP/s in float32, TF32 and half precision, dense, from NVIDIA's data sheets."""

PRECISIONS = ("float32", "tf32", "mixed_bfloat16")


class Backend:
    """The backend that Keras runs on.

    Attributes:
        name: Keras' name of it.
        version: of its framework.
        device: the device's name.
        on_gpu: whether that is a GPU.
    """

    def __init__(self) -> None:
        self.name = keras.backend.backend()
        self.framework = __import__(self.name)
        self.version = self.framework.__version__
        self.device, self.on_gpu = getattr(self, f"_{self.name}_device")()
        if self.name == "jax":  # agreement and speed have programs in common
            self.framework.config.update("jax_compilation_cache_dir", tempfile.mkdtemp())

    def peak(self, precision: str) -> float | None:
        """The card's TFLOP/s; None where they are not known."""
        known = (name for name in sorted(PEAKS, key=len, reverse=True))
        found = next((name for name in known if re.search(rf"\b{name}\b", self.device)), None)
        return PEAKS[found][PRECISIONS.index(precision)] if found and self.on_gpu else None

    def _torch_device(self) -> tuple[str, bool]:
        if not self.framework.cuda.is_available():
            return "CPU", False
        return self.framework.cuda.get_device_name(), True

    def _jax_device(self) -> tuple[str, bool]:
        device = self.framework.devices()[0]
        return device.device_kind, device.platform != "cpu"

    def _tensorflow_device(self) -> tuple[str, bool]:
        gpus = self.framework.config.list_physical_devices("GPU")
        if not gpus:
            return "CPU", False
        details = self.framework.config.experimental.get_device_details(gpus[0])
        return details.get("device_name", "GPU"), True

    @contextlib.contextmanager
    def precision(self, kind: str) -> Iterator[None]:
        """Compute so: float32 without TF32, with it, or in half precision."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(kind if kind.startswith("mixed") else "float32")
        self._allow_tf32(kind == "tf32")
        try:
            yield
        finally:
            keras.config.set_dtype_policy(policy)
            self._allow_tf32(False)

    def _allow_tf32(self, allowed: bool) -> None:
        if self.name == "torch":
            self.framework.backends.cuda.matmul.allow_tf32 = allowed
            self.framework.backends.cudnn.allow_tf32 = allowed
        elif self.name == "jax":
            kind = "tensorfloat32" if allowed else "highest"
            self.framework.config.update("jax_default_matmul_precision", kind)
        else:
            self.framework.config.experimental.enable_tensor_float_32_execution(allowed)

    def finish(self, y: Any) -> Any:
        """Wait for the device."""
        if self.name == "torch":
            if self.on_gpu:
                self.framework.cuda.synchronize()
        elif self.name == "jax":
            self.framework.block_until_ready(y)
        else:
            keras.tree.map_structure(lambda x: keras.ops.convert_to_numpy(x).ravel()[:1], y)
        return y

    def reset_memory(self) -> None:
        """Count the peak of memory from now on, where it can be."""
        if self.name == "torch" and self.on_gpu:
            self.framework.cuda.empty_cache()
            self.framework.cuda.reset_peak_memory_stats()
        elif self.name == "tensorflow" and self.on_gpu:
            self.framework.config.experimental.reset_memory_stats("GPU:0")

    def memory(self) -> float | None:
        """The peak of device memory in MB; on JAX since the start."""
        if not self.on_gpu:
            return None
        if self.name == "torch":
            return self.framework.cuda.max_memory_allocated() / 1e6
        if self.name == "jax":
            stats = self.framework.devices()[0].memory_stats() or {}
            return stats.get("peak_bytes_in_use", 0) / 1e6
        return self.framework.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6

    def without_gradients(self) -> Any:
        """PyTorch's `no_grad`; nothing elsewhere."""
        return self.framework.no_grad() if self.name == "torch" else contextlib.nullcontext()

    def kernels(self, work: Callable[[], Any], most: int = 8) -> list[str]:
        """The operations that take most of a run's time; on PyTorch only."""
        if self.name != "torch":
            return []
        profiler = self.framework.profiler
        kinds = [profiler.ProfilerActivity.CPU]
        kinds += [profiler.ProfilerActivity.CUDA] if self.on_gpu else []
        with profiler.profile(activities=kinds) as found:
            start = time.perf_counter()
            self.finish(work())
            wall = time.perf_counter() - start

        def spent(event: Any) -> float:
            return event.self_device_time_total if self.on_gpu else event.self_cpu_time_total

        events = sorted(found.key_averages(), key=spent, reverse=True)
        total = sum(map(spent, events))
        lines = [f"wall {wall * 1e3:.2f} ms, of kernels {total / 1e3:.2f} ms"]
        return lines + [f"{spent(e) / 1e3:.3f} ms {e.count}x {e.key[:90]}" for e in events[:most]]


def seconds(works: dict[str, Callable[[], Any]], finish: Any, budget: float) -> dict[str, float]:
    """Best mean of several rounds that take turns, after a run that is not counted."""
    once = {}
    for name, work in works.items():
        finish(work())
        start = time.perf_counter()
        finish(work())
        once[name] = time.perf_counter() - start
    rounds = 3
    counts = {
        name: max(1, min(50, int(budget / len(works) / rounds / max(spent, 1e-6))))
        for name, spent in once.items()
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                y = work()
            finish(y)
            best[name] = min(best[name], (time.perf_counter() - start) / counts[name])
    return best
