"""`caffe time`: what each layer takes, forward and backward.

Source: `time` in `tools/caffe.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.net.network import Layer
from keras_fcn.core.weights import load_caffemodel
from keras_fcn.solver.counts import whole
from keras_fcn.solver.log import Log, number
from keras_fcn.solver.nets import RunNet, Told, open_net
from keras_fcn.solver.snapshots import copy_weights

__all__ = ["Timings", "time_net"]


@dataclass(frozen=True)
class Timings:
    """Times in milliseconds, the least of several passes, which other programs disturb least.

    Attributes:
        layers: layer -> (forward, backward), each run by itself.
        forward: of a pass through the whole net, as one graph.
        step: of such a pass forward and backward.
    """

    layers: dict[str, tuple[float, float]]
    forward: float
    step: float


def time_net(
    prototxt: str | Path,
    weights: str | Path | None = None,
    iterations: int = 50,
    *,
    phase: str = "TRAIN",
    level: int = 0,
    stages: Sequence[str] = (),
    verbose: bool = True,
) -> Timings:
    """Measure a net on one batch, layer by layer and as a whole, as `caffe time` does.

    Layers by themselves have to write down what they make, so they take longer than as parts of
    the whole.

    Args:
        prototxt: the net. Data layers read one batch; other inputs are zeros.
        weights: its weights; None: what its fillers give.
        iterations: passes, after one that is not counted.
        phase: `"TRAIN"` or `"TEST"`.
        level: of the net state.
        stages: of the net state.
        verbose: whether the times are logged on standard error, in Caffe's lines.

    Raises:
        CaffeError: a file is wrong, or data cannot be read.
        ValueError: `iterations` is less than 1.
        TypeError: it is no whole number.
    """
    iterations = whole("iterations", iterations, 1)
    told = Told.of(prototxt, "", phase, level=level, stages=stages)
    blank: dict[str, Any] = {}
    with open_net(told, Path(prototxt).parent, lambda: blank) as net:
        blank |= {name: x for name, x in net.zeros().items() if name not in net.sources.read}
        load_caffemodel(net.whole, net.network, None)
        if weights is not None:
            copy_weights(weights, net)
        found = _timed(net, iterations)
    if verbose:
        _tell(found, iterations)
    return found


def _timed(net: RunNet, iterations: int) -> Timings:
    batch = net.batch()
    known = net.contents(batch)
    layers = {}
    for layer in net.network.layers:
        if layer.is_source or not layer.bottoms or not layer.tops:
            continue
        given = [known[key] for key in dict.fromkeys(blob.key for blob in layer.bottoms)]
        forward, both = _functions(net, layer, given)
        alone, two = _least(forward, both, iterations)
        layers[layer.name] = alone, two - alone
    whole = _least(partial(net.forward, batch), partial(net.gradients, batch), iterations)
    return Timings(layers, *whole)


def _functions(net: RunNet, layer: Layer, given: Sequence[Any]) -> tuple[Any, Any]:
    """A layer's pass, and its pass forward and backward, compiled, on given bottoms."""
    bottoms = [net.made.tensors[key] for key in dict.fromkeys(blob.key for blob in layer.bottoms)]
    model = keras.Model(bottoms, [net.made.tensors[top.key] for top in layer.tops])
    held = [keras.Variable(x) for x in given]
    variables = [*held, *model.variables]

    def run() -> tuple[Any, Any]:
        tops = keras.tree.flatten(model([x.value for x in held], training=net.training))
        return sum(keras.ops.sum(top) for top in tops), tops

    def differentiate() -> Any:
        return net.runtime.differentiated(run, [*held, *model.trainable_variables], variables)

    compiled = net.runtime.compiled
    return compiled(run, variables), compiled(differentiate, variables)


def _least(forward: Callable[[], Any], both: Callable[[], Any], times: int) -> tuple[float, float]:
    """Least milliseconds of a way forward, and of the ways forward and backward.

    Both give their loss first. They take turns, and the first time of each, which compiles, is not
    counted. The second does what the first does, so what is less than the first is noise.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times + 1):
        for run, times_of in zip((forward, both), taken, strict=True):
            begun = time.perf_counter()
            loss = run()[0]
            float(loss)  # which waits for it
            times_of.append(1000 * (time.perf_counter() - begun))
    alone, two = (min(each[1:]) for each in taken)
    return alone, max(alone, two)


def _tell(found: Timings, iterations: int) -> None:
    log = Log(lambda line: print(line, file=sys.stderr))
    log("time", "*** Benchmark begins ***")
    log("time", f"Testing for {iterations} iterations.")
    log("time", "Each layer is run by itself, which takes longer than the net as one graph.")
    log("time", "Average time per layer: ")
    for name, (forward, backward) in found.layers.items():
        log("time", f"{name:>10}\tforward: {number(forward)} ms.")
        log("time", f"{name:>10}\tbackward: {number(backward)} ms.")
    log("time", f"Average Forward pass: {number(found.forward)} ms.")
    log("time", f"Average Backward pass: {number(found.step - found.forward)} ms.")
    log("time", f"Average Forward-Backward: {number(found.step)} ms.")
    log("time", f"Total Time: {number(found.step * iterations)} ms.")
    log("time", "*** Benchmark ends ***")
