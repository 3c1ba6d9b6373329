"""What the results of a pass prove of a network, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_fcn.caffe.net.network import Network
from keras_fcn.verifying.references import NotComparedError
from keras_fcn.verifying.report import BlobResult, ParityReport
from keras_fcn.verifying.wording import NOTHING


def unproven(network: Network, results: Sequence[BlobResult]) -> tuple[str, ...]:
    """Layers whose blobs the reference lacks, and everything that is made of them."""
    lacking = {x.blob for x in results if x.verdict == "missing"}
    found = {x.blob for x in results} - lacking
    makers = {layer.keras_name: layer for layer in network.layers}
    pending = [network.blobs[name] for name in found]
    proven: set[str] = set()
    while pending:
        maker = pending.pop().maker
        if maker not in proven:
            proven.add(maker)
            pending += makers[maker].bottoms
    return tuple(
        layer.name
        for layer in network.layers
        if layer.keras_name not in proven
        and not layer.is_source
        and any(top.name in lacking for top in layer.tops)
    )


def notes(network: Network, results: Sequence[BlobResult]) -> list[str]:
    """What a reader should know of the results, a line each."""
    left = [name for name in network.blobs if name not in {x.blob for x in results}]
    found = [f"not in the model, as nothing needs it: {', '.join(left)}"] if left else []
    empty = [x.blob for x in results if x.note == NOTHING]
    if 2 * len(empty) > len(results) or any(x.name in empty for x in network.outputs):
        found.append(
            f"0 everywhere, here and in the reference, which proves little: {', '.join(empty)}; "
            "are these the weights, and the picture?"
        )
    nan = [x.blob for x in results if x.nan]
    if nan:
        found.append(
            f"NaN, here and in the reference, from {nan[0]!r} on, which proves nothing; "
            "are these the weights, and the picture?"
        )
    return found


def worst(reports: Sequence[ParityReport]) -> ParityReport:
    """One report of several passes: of each blob the one that is furthest away."""
    if not reports:
        raise NotComparedError("there is no picture to feed")
    found = max(reports, key=lambda x: (x.exit_code == 1, x.exit_code))
    if len(reports) == 1:
        return found
    columns = zip(*(x.results for x in reports), strict=True)
    return replace(
        found,
        results=tuple(max(column, key=_badness) for column in columns),
        inputs=tuple(line for x in reports for line in x.inputs),
    )


def _badness(result: BlobResult) -> tuple[bool, bool, float]:
    return result.failed, result.nan > 0, result.largest
