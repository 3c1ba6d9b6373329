from __future__ import annotations

import subprocess
import sys

import pytest

from keras_fcn import datasets
from tests.keras_fcn.datasets import pictures


def test_data_is_loaded_and_checked_without_tensorflow(tmp_path):
    pictures.write_folders(tmp_path)
    script = (
        "import sys\n"
        "from keras_fcn import datasets\n"
        "print('numpy' in sys.modules)\n"
        "for name in datasets.__all__: getattr(datasets, name)\n"
        "assert not datasets.check(datasets.load(sys.argv[1])).problems\n"
        "print({'tensorflow', 'keras', 'lmdb', 'tifffile'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\nset()\n"


def test_names():
    assert set(datasets.__all__) <= set(dir(datasets))
    with pytest.raises(AttributeError, match="no attribute 'load_coco'"):
        _ = datasets.load_coco
