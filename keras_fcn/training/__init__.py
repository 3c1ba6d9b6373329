"""Training on segmentation data: losses, solvers, metrics, and runs that survive being killed.

    import keras_fcn
    from keras_fcn import datasets

    train, val = (datasets.load_camvid("CamVid", split) for split in ("train", "val"))
    model = keras_fcn.FCN8s(weights="fcn8s-heavy-pascal")
    result = keras_fcn.fine_tune(model, train, val, "runs/camvid", epochs=20, freeze=("conv1*",))
    print(result.metrics)

Names are loaded when first used.
"""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
