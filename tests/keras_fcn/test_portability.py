"""Nothing that Windows or macOS lack is needed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import convert
from tests.golden import REPOSITORY

# Modules and functions that Python has on some systems only.
MODULES = {"fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty"}
FUNCTIONS = {
    *("fork", "forkpty", "getpgid", "getuid", "geteuid", "killpg", "mkfifo", "nice", "pread"),
    *("preadv", "pwrite", "pwritev", "posix_fadvise", "posix_fallocate", "posix_spawn"),
    *("sched_getaffinity", "sched_setaffinity", "statvfs", "uname"),
}

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 } }
"""

WITHOUT = f"""
import concurrent.futures, os, subprocess, sys, tempfile, threading, uuid
import filelock, google.protobuf, h5py, numpy  # these go by the system that they are built for
for name in {sorted(MODULES)}:
    sys.modules[name] = None
for name in {sorted(FUNCTIONS)}:
    if hasattr(os, name):
        delattr(os, name)
"""

CONVERT = """
import convert
print(convert.convert("net.prototxt", "net.caffemodel", "net.h5"))
"""

LOCK = """
from pathlib import Path
from keras_fcn.published.cache import _locked
entered = []
def work():
    with _locked(Path("kept/net.caffemodel")):
        entered.append(len(entered))
with _locked(Path("kept/net.caffemodel")):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive() and not entered
thread.join()
assert entered == [0]
"""


def _run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _uses(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            found.add(node.module)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            found |= {node.attr} & FUNCTIONS
    return found


def test_no_source_uses_them():
    sources = [*(REPOSITORY / "keras_fcn").rglob("*.py"), *(REPOSITORY / "convert").rglob("*.py")]
    assert len(sources) > 300
    assert {path.name: uses for path in sources if (uses := _uses(path))} == {}


def test_weights_are_converted_without_them(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    weights = {"ip": [np.arange(6.0).reshape(3, 2), np.zeros(3)]}
    convert.write_caffemodel(tmp_path / "net.caffemodel", tmp_path / "net.prototxt", weights)
    done = _run(CONVERT, tmp_path)
    assert done.returncode == 0, done.stderr
    expected = tmp_path / "expected.h5"
    convert.convert(tmp_path / "net.prototxt", tmp_path / "net.caffemodel", expected)
    assert (tmp_path / "net.h5").stat().st_size == expected.stat().st_size


@pytest.mark.slow
def test_downloads_are_locked_without_them(tmp_path):
    done = _run(LOCK, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "waiting for another process to fetch net.caffemodel" in done.stderr


@pytest.mark.slow
def test_a_lock_goes_with_its_process(tmp_path):
    script = "from pathlib import Path\nimport os\nfrom keras_fcn.published.cache import _locked\n"
    holder = script + "lock = _locked(Path('net.caffemodel'))\nlock.__enter__()\nos._exit(0)\n"
    taker = script + "with _locked(Path('net.caffemodel')): print('taken')\n"
    for code, printed in ((holder, ""), (taker, "taken\n")):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")
    assert os.listdir(tmp_path) == ["net.lock"]
