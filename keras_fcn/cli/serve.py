"""`keras-fcn serve`: a network behind HTTP, with a page to try it on."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import engine, net_options, preparation_options
from keras_fcn.loading.names import KINDS

SUMMARY = (
    "Serve a network over HTTP. A classifier or a network that labels pixels answers at a JSON "
    "API, and on one web page where images are dropped; to this machine alone, unless --host "
    "says otherwise. Needs pip install 'keras-fcn[serve]'."
)
EXAMPLE = "keras-fcn serve dilation8_camvid --port 8000"

_PACKAGES = ("fastapi", "uvicorn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help=KINDS)
    parser.add_argument(
        "--weights", metavar="W", help="an .h5 of the converter, a .caffemodel, a published name"
    )
    engine.add_argument(parser)
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="address to listen at, 127.0.0.1")
    server.add_argument("--port", type=int, default=8000, help="8000; 0 for any that is free")
    for name, text in _LIMITS.items():
        kind = float if name in ("window", "timeout") else int
        server.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    net_options.add_arguments(parser.add_argument_group("network of a prototxt"), outputs=True)
    preparation_options.add_arguments(parser)


_LIMITS = {
    "max_bytes": "most bytes of a request, 20971520",
    "max_pixels": "most pixels of an image, 4000000; of a classifier's, which are resized first, "
    "40000000",
    "queue": "most requests at once, 64; others are told to come again",
    "batch": "most images in one pass of the network, 8",
    "window": "seconds that an image waits for others of its size, 0.004",
    "timeout": "seconds to wait for a body, and for the network, 30",
}


def run(options: argparse.Namespace) -> None:
    """Load the model and serve it.

    Raises:
        CaffeError: a file is wrong, or a package is missing.
        OSError: a file cannot be read, or the address is taken.
        ValueError: an option does not suit, or the network is for something else.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise CaffeError(f"serve needs {' and '.join(missing)}: pip install 'keras-fcn[serve]'")
    from keras_fcn.serving.limits import Limits

    told = {name: value for name in _LIMITS if (value := getattr(options, name)) is not None}
    limits = Limits(**told)
    if options.engine is None:
        options.engine = "auto"
    model = engine.prepared_model(options)
    from keras_fcn.serving.network import ServedNetwork
    from keras_fcn.serving.running import run as serve

    serve(ServedNetwork(model), options.host, options.port, limits)
