"""Caffe's files and networks as plain Python and numpy: neither Keras nor TensorFlow."""
