"""Net surgery on Caffe files, without Caffe: look, edit, cast, store again.

    python examples/net_surgery.py deploy.prototxt net.caffemodel -o fcn --size 64 160

Prints the parameters as the articles do, casts the inner products to convolutions, and writes
``fcn.prototxt`` and ``fcn.caffemodel``, which Caffe loads too. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from keras_fcn.caffe import surgery

import numpy as np


def parameters(net: surgery.TrainedNet) -> str:
    """A line a layer, as one prints ``net.params`` in pycaffe."""
    return "\n".join(
        f"{name}: " + ", ".join(f"{tuple(blob.shape)}" for blob in net.params.peek(name))
        for name in net.params
    )


def main(arguments: Sequence[str] | None = None) -> surgery.TrainedNet:
    """Cast the network; returns what was written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("caffemodel", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="without its ending")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--fold", action="store_true", help="fold BatchNorm into convolutions")
    options = parser.parse_args(arguments)

    net = surgery.open_net(options.prototxt, options.caffemodel)
    print(f"The classifier\n{parameters(net)}\n")
    if options.fold:
        net = surgery.fold_batch_norm(net)
    fcn = surgery.to_fully_convolutional(net)
    if options.size:
        (data,) = fcn.network.inputs
        fcn = surgery.resize(fcn, {data.name: (1, (data.shape or ())[1] or 1, *options.size)})
    print(f"Fully convolutional\n{parameters(fcn)}\n")
    for name in net.params:
        if name in fcn.params:
            continue
        old, new = net.params.peek(name)[0], fcn.params.peek(f"{name}-conv")[0]
        same = np.array_equal(np.ravel(old), np.ravel(new))
        print(f"{name} -> {name}-conv: the same numbers in the same order: {same}")
    (output,) = fcn.network.outputs
    print(f"{output.name} is now a map of shape {output.shape}")
    prototxt, caffemodel = (
        options.output.with_name(f"{options.output.name}.{end}")
        for end in ("prototxt", "caffemodel")
    )
    fcn.save(prototxt, caffemodel)
    print(f"wrote {prototxt} and {caffemodel}")
    return fcn


if __name__ == "__main__":
    main()
