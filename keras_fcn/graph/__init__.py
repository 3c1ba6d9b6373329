"""Walks over the graph of a Keras model."""
