"""Many clients at once, with what is good and what is not."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import keras_fcn
from keras_fcn.serving.network import ServedNetwork
from tests.keras_fcn.serving.conftest import Client, picture, png

SECONDS = float(os.environ.get("LOAD_SECONDS", "10"))
CLIENTS = 16
LIMIT = 300_000

_GOOD = [(40, 60), (40, 60), (64, 64), (30, 110), (101, 77)]
_BAD = {
    "huge": (b"\xff" * (LIMIT * 3), 413),
    "many pixels": (png(picture(600, 600)), 413),
    "cut short": (png(picture(40, 60))[:-30], 422),
    "text": (b"no image at all", 415),
    "nothing": (b"", 422),
}


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def _expected(model) -> list[tuple[bytes, bytes]]:
    """Bodies, and the PNG of labels that each is to get."""
    network = ServedNetwork(model)
    pictures = [picture(*size, seed) for seed, size in enumerate(_GOOD)]
    return [(png(x), network.labels_png(keras_fcn.segment(model, x))) for x in pictures]


def _ask(client, choice, good, counts: Counter[str]) -> str:
    """Ask once, and tell what is wrong with the answer."""
    if choice.random() < 0.6:
        body, expected = choice.choice(good)
        reply = client.post("/v1/labels", body)
        counts["good"] += 1
        return "" if (reply.status, reply.body) == (200, expected) else f"good: {reply}"
    name = choice.choice(list(_BAD))
    body, status = _BAD[name]
    reply = client.post("/v1/labels", body)
    counts[name] += 1
    return "" if reply.status == status and reply.error else f"{name}: {reply}"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory from /proc")
def test_under_load_all_is_answered_and_memory_stays(segmenter, tmp_path):
    stored = tmp_path / "street.keras"
    segmenter.save(stored)
    good = _expected(segmenter)
    command = [sys.executable, "-m", "keras_fcn", "serve", str(stored), "--port", "0"]
    command += ["--max-bytes", str(LIMIT), "--max-pixels", "100000", "--queue", "32"]
    process = subprocess.Popen(
        [*command, "--engine", "tensorflow"],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    stop = threading.Event()

    def ask_on(client: Client, seed: int) -> None:
        choice = random.Random(seed)
        while not stop.is_set():
            try:
                wrong.extend(filter(None, [_ask(client, choice, good, counts)]))
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")

    try:
        client = Client(int(process.stdout.readline().rpartition(":")[2].strip("/\n")))
        threads = [threading.Thread(target=ask_on, args=(client, x)) for x in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS * 0.4)
        early = _resident(process.pid)
        time.sleep(SECONDS * 0.6)
        late = _resident(process.pid)
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        process.terminate()
        errors = process.communicate(timeout=40)[1]
    print(dict(counts), f"{early / 1e6:.0f} MB, then {late / 1e6:.0f} MB")
    assert wrong == []
    assert min(counts[name] for name in ("good", *_BAD)) > 5, counts
    assert late < early * 1.1 + 20e6
    assert process.returncode == 0
    assert "Traceback" not in errors
