"""The `keras-fcn` command: thin commands over the public functions, one file each.

A command's module has `SUMMARY`, `EXAMPLE`, `add_arguments(parser)` and
`run(options)`. Importing it costs nothing: what a command needs, TensorFlow above
all, it imports when it runs. Who runs one command alone imports no other.
"""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
