"""Caffe's schema, and its messages in the current form."""
