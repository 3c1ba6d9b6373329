"""Scores of a net over batches: the test nets of a solver, and `caffe test`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.normalization import BatchNorm
from keras_fcn.core.weights import load_caffemodel
from keras_fcn.solver.counts import whole
from keras_fcn.solver.feeding import Feed, told_of_skipped
from keras_fcn.solver.log import Log, number, weighted
from keras_fcn.solver.nets import RunNet, Told, open_net
from keras_fcn.solver.snapshots import copy_weights

__all__ = ["Scores", "give_statistics_back", "score_net", "scored", "share_weights"]


class Scores(NamedTuple):
    """Means over batches.

    Attributes:
        loss: of the weighted sum of the losses.
        outputs: output -> its numbers, flat in Caffe's order.
    """

    loss: float
    outputs: dict[str, np.ndarray]


def scored(
    net: RunNet,
    batches: int,
    tell: Callable[[int, Sequence[Any]], None] | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Scores | None:
    """Means of the loss and of each number of each output over the next batches of a net.

    Args:
        net: the net.
        batches: how many.
        tell: is given each batch's number and outputs; None: nobody is.
        goes_on: is asked before each batch.

    Returns:
        The means; None where it was not to go on.

    Raises:
        NetworkError: an output has not as many numbers in every batch.
    """
    loss, sums = np.float32(0), None
    for batch in range(batches):
        if not goes_on():
            return None
        found, values = _of_batch(net)
        loss += found
        if tell is not None:
            tell(batch, values)
        if sums is None:
            sums = values
            continue
        for output, total, value in zip(net.outputs, sums, values, strict=True):
            if total.shape != value.shape:
                raise NetworkError(
                    f"{net.network.path}: output {output.name!r} has {value.size} numbers in one "
                    f"batch and {total.size} in another, which have no mean"
                )
            total += value
    names = [output.name for output in net.outputs]
    means = [total / np.float32(batches) for total in sums or ()]
    return Scores(float(loss / np.float32(batches)), dict(zip(names, means, strict=True)))


def _of_batch(net: RunNet) -> tuple[np.float32, list[Any]]:
    loss, outputs = net.forward(net.batch())
    convert = keras.ops.convert_to_numpy
    return convert(loss), [convert(output).copy() for output in outputs]


def share_weights(source: RunNet, target: RunNet) -> None:
    """Give a net the weights of the layers that another one has under the same names.

    Raises:
        NetworkError: blobs of such layers have other shapes.
    """
    source.params.keep_in_step()
    theirs = {layer.name: layer for layer in source.network.layers}
    other: dict[str, Sequence[Any]] = {}
    for layer in target.network.layers:
        if layer.name not in target.params or layer.name not in source.params:
            continue
        known = theirs[layer.name]
        shapes = [[param.shape for param in net.params[layer.name]] for net in (source, target)]
        if shapes[0] != shapes[1]:
            raise NetworkError(
                f"{layer.place}: has blobs of shapes {shapes[1]}, the layer of this name of the "
                f"net that is trained {shapes[0]}"
            )
        if (known.type, known.flattened) == (layer.type, layer.flattened):
            pairs = (net.params.variables(layer.name) for net in (target, source))
            for variable, value in zip(*pairs, strict=True):
                variable.assign(value)
        else:
            other[layer.name] = [param.data for param in source.params[layer.name]]
    target.params.set(other)


def give_statistics_back(tested: RunNet, source: RunNet) -> None:
    """Give a net the statistics that passes of a test changed, of BatchNorms that always do.

    In Caffe both nets hold the same blobs: `Net::ShareTrainedLayersWith` of BVLC Caffe 1.0.
    """
    kinds = {layer.name: layer.type for layer in source.network.layers}
    for layer in tested.network.layers:
        always = isinstance(layer.params, BatchNorm) and layer.params.use_global_stats is False
        if always and layer.name in source.params and kinds[layer.name] == layer.type:
            pairs = (net.params.variables(layer.name) for net in (source, tested))
            for variable, value in zip(*pairs, strict=True):
                variable.assign(value)


def score_net(
    prototxt: str | Path,
    weights: str | Path,
    iterations: int = 50,
    *,
    level: int = 0,
    stages: Sequence[str] = (),
    feed: Feed | None = None,
    skip_bad: bool = False,
    verbose: bool = True,
) -> Scores:
    """Score a net in phase TEST, as `caffe test` does.

    Args:
        prototxt: the net, with its data layers; relative paths in it begin at the working folder,
            or else beside it.
        weights: a `.caffemodel`, a `.caffemodel.h5`, the converter's `.h5` or a published name.
        iterations: batches.
        level: of the net state.
        stages: of the net state.
        feed: batches for inputs that no data layer reads files for, see `Solver`.
        skip_bad: whether records that cannot be read are left out.
        verbose: whether each batch is logged on standard error, in Caffe's lines; where not, what
            was left out is a `CaffeWarning`.

    Raises:
        CaffeError: a file is wrong, or data cannot be read.
        ValueError: `iterations` is less than 1.
        TypeError: it is no whole number.
    """
    iterations = whole("iterations", iterations, 1)
    log = Log(_print if verbose else None)
    told = Told.of(prototxt, "", "TEST", level=level, stages=stages)
    with open_net(told, Path(prototxt).parent, feed, skip_bad=skip_bad) as net:
        net.sources.tell = partial(log, "forward", level="W")
        load_caffemodel(net.whole, net.network, None)
        copy_weights(weights, net)
        log("iterations", f"Running for {iterations} iterations.")
        scores = scored(net, iterations, lambda *found: _say(log, net, *found))
        assert scores is not None
        if net.sources.skipped:
            net.sources.tell(told_of_skipped(net.sources.skipped))
    log("total", f"Loss: {number(scores.loss)}")
    for output in net.outputs:
        for value in scores.outputs[output.name]:
            log("mean", f"{output.name} = {number(value)}{weighted(output, value)}")
    return scores


def _say(log: Log, net: RunNet, batch: int, values: Sequence[Any]) -> None:
    for output, numbers in zip(net.outputs, values, strict=True):
        for value in numbers:
            log("batch", f"Batch {batch}, {output.name} = {number(value)}")


def _print(line: str) -> None:
    print(line, file=sys.stderr)
