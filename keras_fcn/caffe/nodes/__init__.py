"""Networks as graphs of other programs' operators: what ONNX' and ncnn's have in common."""
