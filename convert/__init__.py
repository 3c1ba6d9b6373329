"""Caffe on disk <-> plain arrays. No Caffe, no TensorFlow, no Keras.

    import convert

    network = convert.load_network("deploy.prototxt")
    weights = convert.load_weights("net.caffemodel")
    report = convert.convert("deploy.prototxt", "net.caffemodel", "net.h5")

Names are loaded when first used, so that `import convert` costs nothing.
"""

from keras_fcn import former_names, lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)

former_names.keep(
    {
        "convert.assembly": "keras_fcn.caffe.net.assembly",
        "convert.caffemodel_writer": "keras_fcn.caffe.blobs.caffemodel_writer",
        "convert.layers": "keras_fcn.caffe.layers",
        "convert.network": "keras_fcn.caffe.net.network",
        "convert.prototxt": "keras_fcn.caffe.text.prototxt",
        "convert.schema": "keras_fcn.caffe.proto.schema",
        "convert.upgrade": "keras_fcn.caffe.proto.upgrade",
    }
)
