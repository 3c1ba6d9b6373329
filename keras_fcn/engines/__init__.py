"""Caffe networks in engines that run them, without TensorFlow: onnxruntime, ncnn and OpenVINO.

`forms` keeps what an engine makes of a network, `kinds` is the list of engines, `choosing` the
rule for `engine="auto"`, and `guarding` compares what an engine gives with what it should.
Arrays are in Caffe's axis order here.
"""
