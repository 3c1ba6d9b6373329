import json

import pytest

from tests.gpu import __main__ as script
from tests.gpu.tables import MEASURED, SMALL
from tests.gpu.twins import multiplications


def test_the_work_of_a_network_is_counted():
    net = MEASURED["CaffeNetFCN 451"]
    assert multiplications(net.rows, net.size) == pytest.approx(6.56e9, rel=1e-3)


@pytest.mark.slow
def test_small_sizes_on_the_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(script, "SMALL", {"SegNet 32x64": SMALL["SegNet 32x64"]})
    out = tmp_path / "gpu.json"
    options = ["--out", str(out), "--small", "--every", "60", "--seconds", "200"]
    assert script.main([*options, "--sections", "nets", "speed", "layers"]) == 0
    report = json.loads(out.read_text())
    assert [row["section"] for row in report["rows"]] == ["nets", "speed", "speed", "layers"]
    assert report["rows"][1]["ours_ms"] > 0
    assert report["rows"][3]["within 1e-05"] == report["rows"][3]["cases"] == 10


def test_a_row_that_fails_is_recorded(tmp_path, monkeypatch):
    def failing(*_):
        yield {"section": "nets", "name": "a", "precision": "float32"}, lambda: 1 / 0
        yield {"section": "nets", "name": "b", "precision": "float32"}, lambda: {"difference": 0.0}

    monkeypatch.setattr(script.sections, "net_agreement", failing)
    out = tmp_path / "gpu.json"
    assert script.main(["--out", str(out), "--small", "--sections", "nets"]) == 1
    failed, fine = json.loads(out.read_text())["rows"]
    assert failed["error"] == "ZeroDivisionError: division by zero"
    assert fine["difference"] == 0.0
