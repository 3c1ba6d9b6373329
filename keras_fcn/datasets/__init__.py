"""Segmentation data: pairs of images and masks, as `tf.data` pipelines.

    from keras_fcn import datasets

    train = datasets.load_camvid("CamVid", "train")
    batches = train.to_tf(model, 4, augmentation=datasets.Augmentation(), shuffle=True, repeat=True)

Names are loaded when first used; TensorFlow by `SegmentationDataset.to_tf` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_fcn.lazy import lazy

if TYPE_CHECKING:
    from keras_fcn.datasets.augmentation import Augmentation
    from keras_fcn.datasets.caffe_files import load_hdf5, load_list
    from keras_fcn.datasets.caffe_lmdb import load_lmdb
    from keras_fcn.datasets.checking import Report, check
    from keras_fcn.datasets.dataset import SegmentationDataset
    from keras_fcn.datasets.folders import load_folders
    from keras_fcn.datasets.labels import LabelMap
    from keras_fcn.datasets.layouts import LAYOUTS, load, splits
    from keras_fcn.datasets.road_scenes import load_camvid, load_cityscapes
    from keras_fcn.datasets.sources import Pair
    from keras_fcn.datasets.voc import load_voc

_HOMES = {
    "augmentation": ("Augmentation",),
    "caffe_files": ("load_hdf5", "load_list"),
    "caffe_lmdb": ("load_lmdb",),
    "checking": ("Report", "check"),
    "dataset": ("SegmentationDataset",),
    "folders": ("load_folders",),
    "labels": ("LabelMap",),
    "layouts": ("LAYOUTS", "load", "splits"),
    "road_scenes": ("load_camvid", "load_cityscapes"),
    "sources": ("Pair",),
    "voc": ("load_voc",),
}

__all__ = [
    "LAYOUTS",
    "Augmentation",
    "LabelMap",
    "Pair",
    "Report",
    "SegmentationDataset",
    "check",
    "load",
    "load_camvid",
    "load_cityscapes",
    "load_folders",
    "load_hdf5",
    "load_list",
    "load_lmdb",
    "load_voc",
    "splits",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
