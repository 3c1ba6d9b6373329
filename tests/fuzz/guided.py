"""Coverage-guided fuzzing with atheris, where it is installed.

``python -m tests.fuzz.guided prototxt -atheris_runs=100000`` begins with the same files;
what follows the target goes to libFuzzer. It needs ``pip install atheris``.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["convert"]):
    from tests.fuzz.targets import TARGETS

from keras_fcn.caffe.errors import CaffeError
from tests.fuzz.corpus import seeds


def main() -> None:
    """Fuzz the target that the first argument names; ends at the first finding."""
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for index, data in enumerate(seeds(name)):
            (corpus / str(index)).write_bytes(data)
        path, fresh = (Path(folder, f"{stem}{target.suffix}") for stem in ("file", "next"))

        def one(data: bytes) -> None:
            fresh.write_bytes(data)
            fresh.replace(path)
            with contextlib.suppress(CaffeError):
                target.work(path)

        limits = ["-timeout=5", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
