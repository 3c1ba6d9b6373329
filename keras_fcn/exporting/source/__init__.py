"""Keras source of a model, for people to read and change."""
