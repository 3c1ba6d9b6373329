"""The test phase of a solver: every test net on its next batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras_fcn.solver.log import Log
from keras_fcn.solver.opening import Nets
from keras_fcn.solver.reporting import Report
from keras_fcn.solver.scoring import Scores, give_statistics_back, scored, share_weights

__all__ = ["tested"]


def tested(
    nets: Nets,
    counts: Sequence[int],
    iteration: int,
    report: Report,
    log: Log,
    goes_on: Callable[[], bool],
) -> list[Scores]:
    """Score the test nets with the weights of the net that is trained.

    Args:
        nets: of the solver.
        counts: batches, of each test net.
        iteration: updates made.
        report: takes the lines and rows.
        log: where other lines go.
        goes_on: is asked before each batch.

    Returns:
        The scores of the nets that are through before it says no.

    Raises:
        CaffeError: data cannot be read, or a layer has other shapes than in the trained net.
    """
    results: list[Scores] = []
    for index, (net, count) in enumerate(zip(nets.tests, counts, strict=True)):
        log("testing", f"Iteration {iteration}, Testing net (#{index})")
        share_weights(nets.train, net)
        scores = scored(net, count, goes_on=goes_on)
        give_statistics_back(net, nets.train)
        if scores is None:
            log("interrupted", "Test interrupted.")
            break
        results.append(scores)
        report.test(net, index, iteration, scores)
    return results
