"""Command line: `python -m convert deploy.prototxt net.caffemodel -o net.h5`."""

import sys

from keras_fcn.cli.convert import main

if __name__ == "__main__":
    sys.exit(main())
