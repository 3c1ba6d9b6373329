"""Compare every blob of a network with a dump that Caffe wrote, and draw one of them.

    python examples/activations.py net.prototxt net.caffemodel dump.npz --draw conv1 -o conv1.png

The dump is what pycaffe has after a pass, inputs included:

    net.forward()
    np.savez("dump.npz", **{name: blob.data for name, blob in net.blobs.items()})
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import keras_fcn
from keras_fcn.visualize import activations, save_png

import numpy as np


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Print the largest difference of each blob, as a share of its largest value."""
    parser = argparse.ArgumentParser(description="Compare a network's blobs with Caffe's.")
    parser.add_argument("prototxt")
    parser.add_argument("weights", help="a caffemodel, an .h5 of the converter, a published name")
    parser.add_argument("dump", help="an .npz of Caffe's blobs")
    parser.add_argument("--draw", metavar="BLOB", help="a blob to draw, its first image")
    parser.add_argument("-o", "--output", default="activations.png", help="the picture to write")
    options = parser.parse_args(arguments)

    model = keras_fcn.from_caffe(options.prototxt, options.weights)
    with np.load(options.dump) as stored:
        dump = dict(stored)
    inputs = {name: dump[name] for name in model.card.inputs.values()}
    blobs = keras_fcn.blobs(model, inputs)
    differences = {}
    for name in dump.keys() & blobs.keys():
        scale = np.abs(dump[name]).max() or 1.0
        differences[name] = float(np.abs(blobs[name] - dump[name]).max() / scale)
    for name in blobs:
        if name in differences:
            print(f"{name:24} {blobs[name].shape!s:20} {differences[name]:.1e}")
    if options.draw is not None:
        save_png(options.output, activations(blobs[options.draw][0], zoom=2))
    return differences


if __name__ == "__main__":
    main()
