"""Models from whatever holds them: a name, a prototxt, weights, a file of Keras, a SavedModel."""
