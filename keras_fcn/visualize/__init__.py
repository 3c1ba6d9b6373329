"""Pictures of scores, labels and filters, as uint8 RGB arrays `(H, W, 3)`."""

from keras_fcn.visualize.captions import class_map_picture, legend
from keras_fcn.visualize.colours import heat_map, label_map, voc_palette
from keras_fcn.visualize.files import save_labels, save_png
from keras_fcn.visualize.findings import draw_boxes, draw_keypoints
from keras_fcn.visualize.mosaics import activations, filters, tile
from keras_fcn.visualize.overlays import label_overlay, overlay
from keras_fcn.visualize.segmentations import comparison_picture, segmentation_picture

__all__ = [
    "activations",
    "class_map_picture",
    "comparison_picture",
    "draw_boxes",
    "draw_keypoints",
    "filters",
    "heat_map",
    "label_map",
    "label_overlay",
    "legend",
    "overlay",
    "save_labels",
    "save_png",
    "segmentation_picture",
    "tile",
    "voc_palette",
]
