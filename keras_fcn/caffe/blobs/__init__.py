"""Caffe's files of numbers: caffemodel, binaryproto, HDF5, solverstate."""
