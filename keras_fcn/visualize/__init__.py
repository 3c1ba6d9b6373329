"""Pictures of scores, labels and filters, as uint8 RGB arrays `(H, W, 3)`."""

from keras_fcn.visualize.captions import class_map_picture, legend
from keras_fcn.visualize.colours import heat_map, label_map, voc_palette
from keras_fcn.visualize.files import save_png
from keras_fcn.visualize.mosaics import tile
from keras_fcn.visualize.overlays import overlay

__all__ = [
    "class_map_picture",
    "heat_map",
    "label_map",
    "legend",
    "overlay",
    "save_png",
    "tile",
    "voc_palette",
]
