"""Networks: names, in-place tops, shapes, Caffe's own checks, weights that fit."""
