"""The HDF5 weights file that Keras loads by name."""
