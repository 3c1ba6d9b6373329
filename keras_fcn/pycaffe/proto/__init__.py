"""Caffe's messages where pycaffe has them."""

from keras_fcn.pycaffe.proto import caffe_pb2

__all__ = ["caffe_pb2"]
