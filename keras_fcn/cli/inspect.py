"""`keras-fcn inspect`: what a network's files hold; without TensorFlow or Keras."""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from keras_fcn.cli import net_options
from keras_fcn.text_tables import text_table

if TYPE_CHECKING:
    from keras_fcn.caffe.layers import Shape
    from keras_fcn.caffe.net.contents import Contents
    from keras_fcn.caffe.net.network import Network

SUMMARY = (
    "Show what a network's files hold. Lists blobs and params with their shapes, "
    "layer types, inputs, outputs and sizes. Needs no TensorFlow."
)
EXAMPLE = "keras-fcn inspect deploy.prototxt net.caffemodel"

_FLOAT_BYTES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", help="a prototxt, a .caffemodel, or an .h5 of the converter")
    parser.add_argument("caffemodel", nargs="?", help="the weights of the prototxt")
    net_options.add_arguments(parser, outputs=True)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Print the facts and the two tables.

    Raises:
        CaffeError: a file is wrong, or the weights belong to another network.
        ValueError: the two files do not go together.
    """
    from keras_fcn.caffe.net.contents import read_contents

    contents = read_contents(options.file, options.caffemodel, **net_options.given(options))
    parts = [_facts(contents), _params(contents)]
    if contents.network is not None:
        parts.insert(1, _blobs(contents.network))
    print("\n\n".join(parts))
    read = contents.network.notes if contents.network is not None else ()
    for note in (*read, *contents.notes):
        print(f"note: {note}", file=sys.stderr)


def _facts(contents: Contents) -> str:
    facts = dict(contents.facts)
    network = contents.network
    if network is not None:
        types = Counter(layer.type for layer in network.layers).most_common()
        facts |= {
            "network": network.name,
            "phase": network.state.phase or "all layers",
            "inputs": ", ".join(f"{blob.name} {_shown(blob.shape)}" for blob in network.inputs),
            "outputs": ", ".join(f"{blob.name} {_shown(blob.shape)}" for blob in network.outputs),
            "layers": f"{len(network.layers)}: " + ", ".join(f"{n} {name}" for name, n in types),
        }
    return text_table([(name, fact) for name, fact in facts.items() if fact])


def _blobs(network: Network) -> str:
    made_by: dict[str, list[str]] = {name: [] for name in network.blobs}
    for layer in network.layers:
        for blob in layer.tops:
            made_by[blob.name].append(layer.type)
    shapes = {name: blob.shape for name, blob in network.blobs.items()}
    return text_table(
        [
            ("blob", "shape", "made by", "bytes"),
            *(
                (name, _shown(shape), ", ".join(made_by[name]), numbers([shape], _FLOAT_BYTES))
                for name, shape in shapes.items()
            ),
            ("total", "", "", numbers(shapes.values(), _FLOAT_BYTES)),
        ],
        right=[-1],
    )


def _params(contents: Contents) -> str:
    columns = max([2, *(len(shapes) for *_, shapes in contents.params)])
    heads = ["weight", "bias", *(f"blob {index}" for index in range(2, columns))]
    rows = [("params", "type", *heads, "parameters")]
    for name, layer_type, shapes in contents.params:
        cells = [*map(_shown, shapes), *[""] * (columns - len(shapes))]
        rows.append((name, layer_type, *cells, numbers(shapes)))
    everything = [shape for *_, shapes in contents.params for shape in shapes]
    rows.append(("total", "", *[""] * columns, numbers(everything)))
    return text_table(rows, right=[-1])


def numbers(shapes: Iterable[Sequence[int | None] | None], each: int = 1) -> str:
    """Number of elements of arrays of these shapes, times `each`.

    A shape or a size of None is not known: then the sum says that it is a lower bound.
    """
    total, complete = 0, True
    for shape in shapes:
        known = [] if shape is None else [size for size in shape if size is not None]
        if shape is None or len(known) < len(shape):
            complete = False
        else:
            total += each * math.prod(known)
    return f"{total:,}" if complete else f"over {total:,}" if total else "?"


def _shown(shape: Shape | None) -> str:
    return "?" if shape is None else str(tuple(shape))
