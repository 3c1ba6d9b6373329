"""The script that a user runs with their own pycaffe; it knows Python 2.7 and 3."""

from __future__ import annotations

DUMP_SCRIPT = '''\
"""Write all blobs of a Caffe network for keras-fcn verify --reference.

    python dump.py deploy.prototxt net.caffemodel dump.npz [cat.jpg]

Set MEAN, RAW_SCALE, INPUT_SCALE and RGB below as your own program prepares its images;
without an image the inputs are random. Runs with pycaffe on Python 2.7 and 3.
"""
from __future__ import print_function

import json
import sys

import caffe
import numpy as np

MEAN = None  # np.array([104, 117, 123]), of each channel in the network's order
RAW_SCALE = 255.0  # the value of white
INPUT_SCALE = 1.0  # factor after the mean
RGB = False  # the network takes RGB, or else BGR


def prepared(net, path):
    name = net.inputs[0]
    transformer = caffe.io.Transformer({name: net.blobs[name].data.shape})
    transformer.set_transpose(name, (2, 0, 1))
    colour = net.blobs[name].data.shape[1] == 3
    if colour and not RGB:
        transformer.set_channel_swap(name, (2, 1, 0))
    transformer.set_raw_scale(name, RAW_SCALE)
    if MEAN is not None:
        transformer.set_mean(name, MEAN)
    transformer.set_input_scale(name, INPUT_SCALE)
    return transformer.preprocess(name, caffe.io.load_image(path, color=colour))


def opened(prototxt, caffemodel):
    if hasattr(caffe, "TEST"):
        return caffe.Net(prototxt, caffemodel, caffe.TEST)
    net = caffe.Net(prototxt, caffemodel)  # as pycaffe was before 2015
    net.set_phase_test()
    return net


def main(prototxt, caffemodel, output, image=None):
    net = opened(prototxt, caffemodel)
    random = np.random.RandomState(0)
    for name in net.inputs:
        data = net.blobs[name].data
        data[...] = random.uniform(-100, 100, data.shape) if data.ndim > 2 else 1
    if image:
        net.blobs[net.inputs[0]].data[...] = prepared(net, image)
    arrays = {"in/" + name: net.blobs[name].data.copy() for name in net.inputs}
    net.forward()
    for name in net.blobs:
        arrays["out/" + name] = net.blobs[name].data
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            arrays["param/%s/%d" % (name, index)] = blob.data
    versions = {"caffe": str(getattr(caffe, "__version__", "unknown")),
                "numpy": np.__version__, "python": sys.version.split()[0]}
    facts = {"versions": versions, "blobs": list(net.blobs), "image": image or ""}
    arrays["_facts"] = np.frombuffer(json.dumps(facts).encode("utf-8"), np.uint8)
    output += "" if output.endswith(".npz") else ".npz"
    np.savez(output, **arrays)
    print("wrote %d blobs to %s" % (len(net.blobs), output))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
'''
