"""A network behind HTTP: see `keras-fcn serve`. Needs the extra `serve`."""
