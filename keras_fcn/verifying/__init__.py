"""Proof that a network is the same network elsewhere: blob by blob, and why where it is not.

    import keras_fcn

    report = keras_fcn.verify("deploy.prototxt", "dump.npz", weights="net.caffemodel")
    print(report)

Names are loaded when first used.
"""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
