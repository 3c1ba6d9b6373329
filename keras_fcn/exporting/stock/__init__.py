"""Models of Keras' own layers alone, as far as these give the same numbers."""
