"""Where the time goes: ours and onnxruntime, layer by layer."""

from __future__ import annotations

import functools
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import peers
import tensorflow as tf
import timing
from keras.layers import Dropout, Flatten, Layer, ReLU

_JOINS_THE_LAYER_BEFORE = (Dropout, Flatten, ReLU)  # TensorFlow fuses what of it costs time
# onnxruntime's name of a layer's node, fused or in blocks of channels as it may be.
_NODE = re.compile(r"(?:fused )?([^/]+?)(?:/\w+)?(?:_nchwc)?_kernel_time")


def stages(model: keras.Model) -> dict[str, list[Layer]]:
    """The model's layers in the groups that are timed, by the name of the first."""
    groups: dict[str, list[Layer]] = {}
    for layer in model.layers:
        if groups and isinstance(layer, _JOINS_THE_LAYER_BEFORE):
            groups[next(reversed(groups))].append(layer)
        else:
            groups[layer.name] = [layer]
    return groups


def ours(model: keras.Model, images: np.ndarray) -> dict[str, Callable[[], object]]:
    """Each stage as a compiled function of its own, on what the stages before it give."""
    calls = {}
    x = tf.constant(images)
    for name, layers in stages(model).items():
        function = tf.function(functools.partial(_apply, layers), jit_compile=False)
        concrete = function.get_concrete_function(tf.TensorSpec((None, *x.shape[1:]), x.dtype))
        calls[name] = functools.partial(_computed, concrete, x)
        x = concrete(x)
    return calls


def _apply(layers: Iterable[Layer], x: tf.Tensor) -> tf.Tensor:
    for layer in layers:
        x = layer(x, training=False)
    return x


def _computed(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> np.ndarray:
    return function(x).numpy()


def onnxruntime(
    model: keras.Model, graph: Path, images: np.ndarray, threads: int, runs: int
) -> dict[str, float]:
    """Median seconds of each stage by onnxruntime's own profiler."""
    session = peers.onnx_session(graph, threads, profile=graph.with_suffix(".profile"))
    call = peers.onnx(session)(images)
    for _ in range(runs):
        call()
    events = json.loads(Path(session.end_profiling()).read_text())
    stage_of = {layer.name: name for name, layers in stages(model).items() for layer in layers}
    return _by_stage(events, stage_of)


def _by_stage(events: Iterable[Mapping], stage_of: Mapping[str, str]) -> dict[str, float]:
    """A node without a layer's name, such as a reordering, counts with the next one."""
    runs: list[dict[str, float]] = [defaultdict(float)]
    waiting = 0.0
    for event in events:
        if event["name"] == "model_run":  # stands behind the nodes of its run
            runs.append(defaultdict(float))
        node = _NODE.fullmatch(event["name"])
        if node is None:
            continue
        waiting += event["dur"] / 1e6
        if node[1] in stage_of:
            runs[-1][stage_of[node[1]]] += waiting
            waiting = 0.0
    warm = [run for run in runs[1:] if run]
    return {name: statistics.median(run[name] for run in warm) for name in warm[-1]}


def report(model: keras.Model, graph: Path, images: np.ndarray, threads: int, rounds: int) -> str:
    """Milliseconds of each stage, ours and onnxruntime's, and the operations TensorFlow runs."""
    calls = ours(model, images)
    timings = timing.interleaved(
        {name: timing.timed(call, calls=3) for name, call in calls.items()}, rounds
    )
    theirs = onnxruntime(model, graph, images, threads, runs=3 * rounds)
    rows = [
        [name, f"{timings.median(name) * 1e3:.1f}", f"{theirs.get(name, 0.0) * 1e3:.1f}"]
        for name in calls
    ]
    total = sum(map(timings.median, calls))
    rows.append(["sum", f"{total * 1e3:.1f}", f"{sum(theirs.values()) * 1e3:.1f}"])
    noise = f"noise {max(timings.foreign):.0%}"
    return timing.table(["ms", "ours", f"onnxruntime, {threads} threads"], rows) + f"\n\n{noise}"
