"""Label every pixel of a picture: FCN, DilatedNet, SegNet.

    python examples/segment.py street.jpg --network FCN8s --weights fcn8s-heavy-pascal
    python examples/segment.py street.jpg --network DilatedNetCamVid --weights dilation8_camvid
    python examples/segment.py street.jpg --network SegNetBasic --weights segnet_basic.caffemodel

Mean, tiles, class names and colours come with the model; ``keras-fcn segment`` does the same
from the command line.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import keras_fcn
from keras_fcn.preprocessing import load_image
from keras_fcn.visualize import save_labels, save_png, segmentation_picture

import numpy as np


def main(arguments: Sequence[str] | None = None) -> np.ndarray:
    """Write the labels and a picture of them; returns the labels (H, W)."""
    parser = argparse.ArgumentParser(description="Label every pixel of a picture.")
    parser.add_argument("image")
    parser.add_argument("--network", default="FCN8s", help="a function of keras_fcn")
    parser.add_argument("--prototxt", help="instead of a network of keras_fcn: a definition")
    parser.add_argument(
        "--weights", default="fcn8s-heavy-pascal", help="a file, a published name, or none"
    )
    parser.add_argument("-o", "--output", default="labels.png", help="the labels to write")
    parser.add_argument("--picture", default="segmented.png", help="the picture to write")
    options = parser.parse_args(arguments)

    weights = None if options.weights == "none" else options.weights
    if options.prototxt is None:
        model = getattr(keras_fcn, options.network)(weights=weights)
    else:
        model = keras_fcn.from_caffe(options.prototxt, weights)
    image = load_image(options.image, color=model.inputs[0].shape[-1] == 3)
    labels = keras_fcn.segment(model, image)
    known = model.card.classes
    if known is None:
        raise SystemExit(f"the classes of {model.name} are not known")
    for label in np.unique(labels):
        print(f"{np.mean(labels == label):7.2%}  {known.names[label]}")
    save_labels(options.output, labels, known.palette)
    save_png(options.picture, segmentation_picture(image, labels, known.names, known.palette))
    return labels


if __name__ == "__main__":
    main()
