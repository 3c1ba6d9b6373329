"""Images with masks, or with one label each, as batches of `tf.data` or of arrays.

    from keras_fcn import datasets

    train = datasets.load_camvid("CamVid", "train")
    batches = train.to_tf(model, 4, augmentation=datasets.Augmentation(), shuffle=True, repeat=True)

    digits = datasets.load_lmdb_classes("mnist_train_lmdb")
    image, label = digits[0]

Names are loaded when first used; TensorFlow by `to_tf` alone.
"""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
