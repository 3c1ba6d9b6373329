"""Caffe networks as trainable Keras models.

    import keras_fcn

    model = keras_fcn.from_caffe("deploy.prototxt", "net.caffemodel")
    model = keras_fcn.CaffeNetFCN(weights="caffenet.h5")

Names are loaded when first used; Keras knows the layers for
`keras.models.load_model` as soon as this package and Keras are both imported.
"""

from keras_fcn import _registration, former_names, lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)

_registration.follow_keras()
former_names.keep(
    {
        "keras_fcn.data": "keras_fcn.published.data",
        "keras_fcn.decoding": "keras_fcn.inference.decoding",
        "keras_fcn.io": "keras_fcn.pycaffe.io",
        "keras_fcn.proto": "keras_fcn.pycaffe.proto",
        "keras_fcn.images": "keras_fcn.preprocessing.images",
        "keras_fcn.model": "keras_fcn.core.model",
        "keras_fcn.prediction": "keras_fcn.inference.prediction",
        "keras_fcn.receptive_fields": "keras_fcn.graph.receptive_fields",
        "keras_fcn.registry": "keras_fcn.published",
        "keras_fcn.segmentation": "keras_fcn.inference.segmentation",
        "keras_fcn.tiling": "keras_fcn.inference.tiling",
    }
)
