"""Segmentation data: pairs of images and masks, as `tf.data` pipelines.

    from keras_fcn import datasets

    train = datasets.load_camvid("CamVid", "train")
    batches = train.to_tf(model, 4, augmentation=datasets.Augmentation(), shuffle=True, repeat=True)

Names are loaded when first used; TensorFlow by `SegmentationDataset.to_tf` alone.
"""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
