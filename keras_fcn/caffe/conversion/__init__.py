"""Caffe's files -> files for other programs: the weights for Keras, whole networks for others."""
