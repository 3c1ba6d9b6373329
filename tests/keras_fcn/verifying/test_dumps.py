"""Dumps of pycaffe: right ones, those of faults, and those that nobody should trust."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

import keras_fcn
from keras_fcn.verifying import NotComparedError
from keras_fcn.verifying.dump_script import DUMP_SCRIPT
from keras_fcn.verifying.passes import Blobs
from keras_fcn.verifying.references import dumps
from tests.keras_fcn.verifying.nets import BLOBS, dump


def verified(net, reference, **options):
    return keras_fcn.verify(net.prototxt, reference, weights=net.caffemodel, **options)


def verdicts(report):
    return {x.blob: x.verdict for x in report.results}


def changed(net, **blobs):
    return dict(net.blobs) | {name.replace("norm", "norm/"): x for name, x in blobs.items()}


def test_the_same(net, tmp_path):
    report = verified(net, dump(tmp_path / "dump.npz", net))
    assert set(verdicts(report).values()) == {"same"}
    assert (report.passed, report.exit_code, report.first_departure) == (True, 0, None)
    assert report.versions["caffe"] == "1.0.0"
    assert report.inputs == ("the reference's own data 1x3x12x11",)
    assert [x.blob for x in report.results] == ["data", *BLOBS]
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert told["passed"]
    assert told["blobs"][1]["layer"] == "conv1"
    assert told["blobs"][1]["type"] == "Convolution, ReLU"
    assert "the same network: 8 blobs agree" in str(report)
    assert report._repr_html_().count("<tr>") == 10


def test_forms_of_a_dump(net, tmp_path):
    """Blobs alone, in an archive or a folder, their names as files have them."""
    blobs = {name: net.blobs[name] for name in ("data", "conv1", "norm/1", "prob")}
    np.savez(tmp_path / "plain.npz", **blobs)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, array in blobs.items():
        np.save(folder / f"{name.replace('/', '_')}.npy", array)
    for path in (tmp_path / "plain.npz", folder):
        report = verified(net, path)
        assert report.passed
        assert [x.blob for x in report.compared] == [x for x in blobs if x != "data"]
    alone = tmp_path / "one"
    alone.mkdir()
    dump(alone / "dump.npz", net)
    assert verified(net, alone).passed


def test_the_layer_that_departs(net, tmp_path):
    """What is behind it differs by it alone, and says so."""
    norm = net.blobs["norm/1"] * 1.01
    faulty = dict(net.blobs) | {"norm/1": norm}
    blobs = Blobs(net.model)
    for name in BLOBS[2:]:
        faulty[name] = blobs.of(name, {x: faulty[x] for x in blobs.sources(name, frozenset(BLOBS))})
    report = verified(net, dump(tmp_path / "dump.npz", net, faulty))
    assert not report.passed
    assert report.exit_code == 1
    assert report.first_departure.blob == "norm/1"
    assert verdicts(report)["conv1"] == "same"
    behind = [x for x in report.results if x.blob in ("pool1", "sum", "ip")]
    assert {(x.verdict, x.note) for x in behind} == {("differs", "as what it reads does")}
    assert "differs from 'norm/1' on (layer 'norm1', LRN)" in str(report)


def test_rounding_that_has_grown(net, tmp_path):
    """A blob may be far away where its layer is right and reads no more than rounding."""
    blobs = Blobs(net.model)
    moved = dict(net.blobs)
    moved["conv1"] = moved["conv1"] + np.float32(3e-5) * np.abs(moved["conv1"]).max() * (
        np.arange(moved["conv1"].size).reshape(moved["conv1"].shape) % 7919 == 5
    )
    for name in BLOBS[1:]:
        moved[name] = blobs.of(name, {x: moved[x] for x in blobs.sources(name, frozenset(BLOBS))})
    report = verified(net, dump(tmp_path / "dump.npz", net, moved))
    assert report.passed
    assert verdicts(report)["conv1"] == "rounding"
    assert verdicts(report)["norm/1"] in ("rounding", "same")


def test_ties(net, tmp_path):
    """A mask that points to an equal element is a tie, and so is what unpooling makes of it."""
    data = np.zeros_like(net.data)
    theirs = keras_fcn.blobs(net.model, data)
    assert len(np.unique(theirs["conv1"][0, 1])) == 1  # so all elements of a window are equal
    mask = theirs["mask"]
    column = mask % 9
    theirs["mask"] = mask + (column % 2 == 0) * (column < 8)
    blobs = Blobs(net.model)
    for name in ("up", "sum", "ip", "prob"):
        theirs[name] = blobs.of(name, {x: theirs[x] for x in blobs.sources(name, frozenset(BLOBS))})
    fed = net._replace(data=data)
    report = verified(net, dump(tmp_path / "dump.npz", fed, theirs))
    found = {x.blob: x for x in report.results}
    assert report.passed
    assert {x: found[x].verdict for x in ("pool1", "mask", "up", "sum", "ip")} == {
        "pool1": "same", "mask": "ties", "up": "ties", "sum": "ties", "ip": "ties",
    }  # fmt: skip
    assert found["mask"].ties == pytest.approx(np.mean(theirs["mask"] != mask))
    assert "ties in" in report.verdict
    wrong = dict(theirs) | {"mask": mask - 5 * (mask > 20)}  # of another window's elements
    wrong["mask"][0, 0, 0, 0] = 5000
    report = verified(net, dump(tmp_path / "wrong.npz", fed, wrong))
    assert report.first_departure.blob == "mask"


def test_blobs_that_are_missing_or_of_other_shapes(net, tmp_path):
    some = {name: net.blobs[name] for name in ("conv1", "prob")}
    report = verified(net, dump(tmp_path / "some.npz", net, some))
    assert report.passed
    assert verdicts(report)["ip"] == "missing"
    other = dict(net.blobs) | {"pool1": np.zeros((1, 6, 4, 4), np.float32)}
    report = verified(net, dump(tmp_path / "other.npz", net, other))
    assert verdicts(report)["pool1"] == "shape"
    assert report.exit_code == 1
    assert "1x6x5x5 (theirs 1x6x4x4)" in str(report)


def test_nan(net, tmp_path):
    spoilt = net.blobs["ip"].copy()
    spoilt[0, 2] = np.nan
    report = verified(net, dump(tmp_path / "dump.npz", net, dict(net.blobs) | {"ip": spoilt}))
    assert report.first_departure.blob == "ip"
    assert "infinite in 1 entries of the reference, 0 of ours, first at (0, 2)" in str(report)
    json.dumps(report.to_json(), allow_nan=False)


def test_an_input_that_differs(net, tmp_path):
    """An input proves nothing where it is the same, and fails where it is not."""
    path = dump(tmp_path / "dump.npz", net)
    report = verified(net, path, inputs=net.data + 1)
    assert report.exit_code == 1
    assert report.first_departure.blob == "data"


def test_outputs_that_the_reference_lacks(net, tmp_path):
    """What is behind the last blob of the reference is not proven, and does not pass."""
    some = {name: net.blobs[name] for name in ("norm/1", "conv1")}
    report = verified(net, dump(tmp_path / "some.npz", net, some))
    assert (report.passed, report.exit_code, report.first_departure) == (False, 2, None)
    assert report.unproven == ("pool1", "up", "sum", "ip", "prob")
    assert report.verdict.startswith(
        "the same as far as 'norm/1', but the output 'prob' is not in the reference, so the layers "
        "'pool1', 'up', 'sum', 'ip', 'prob' are not proven"
    )
    assert report.to_json()["unproven"] == list(report.unproven)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda x: x.astype(np.float16), "the reference is float16: its rounding is 5e-04"),
        (np.rint, "the reference has whole numbers (float32), and ours are not"),
    ],
)
def test_few_digits(net, tmp_path, change, note):
    blobs = {name: change(x) for name, x in net.blobs.items()}
    report = verified(net, dump(tmp_path / "dump.npz", net, blobs))
    assert note in str([x.note for x in report.results]), report
    if report.first_departure:
        assert note in report.verdict


def test_other_weights(net, tmp_path):
    """A dump tells its parameters: of another training they are the cause."""
    from keras_fcn.inference.one_layer import OneLayer
    from keras_fcn.to_caffe import to_caffe

    own = to_caffe(net.model)
    kernel, bias = own.params["ip"]
    other = kernel + 0.1
    layer = own.network.layer("ip")
    top = OneLayer(own.network)(layer, [other, bias], [net.blobs["sum"]])[0]
    blobs = dict(net.blobs) | {"ip": top}
    params = {"ip/0": other, "ip/1": bias, "conv1/0": own.params["conv1"][0]}
    report = verified(net, dump(tmp_path / "dump.npz", net, blobs, params))
    assert report.first_departure.blob == "ip"
    assert report.cause.name == "other weights"
    assert report.cause.after < 1e-5 < report.cause.before


@pytest.mark.parametrize("kind", [bool, "U4", complex])
def test_an_array_that_holds_no_numbers_is_left_out(net, tmp_path, kind):
    """The rest is compared; that one is named."""
    path = dump(tmp_path / "dump.npz", net)
    whole = dict(np.load(path))
    np.savez(path, **(whole | {"out/conv1": whole["out/conv1"].astype(kind)}))
    report = verified(net, path)
    assert verdicts(report) == dict.fromkeys(["data", *BLOBS], "same") | {"conv1": "missing"}
    (note,) = [x for x in report.notes if "left out" in x]
    dtype = np.dtype(kind)
    assert note == f"{path}: 'out/conv1' holds {dtype}, not real numbers, and is left out"


def _mask_alone(path, net):
    np.savez(path, conv1=net.blobs["conv1"] > 0)


def _pickled(path, net):
    np.savez(path, conv1=np.array([{"a": 1}], object), allow_pickle=True)


def _empty(path, net):
    np.savez(path)


def _of_another(path, net):
    np.savez(path, fire2=np.zeros(3), fire3=np.zeros(3))


def _input_alone(path, net):
    np.savez(path, data=net.data)


def _twice(path, net):
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            file = io.BytesIO()
            np.save(file, net.blobs["conv1"])
            archive.writestr("conv1.npy", file.getvalue())


def _two_names(path, net):
    np.savez(path, **{"norm/1": net.blobs["norm/1"], "norm_1": net.blobs["norm/1"]})


def _huge(path, net):
    header = io.BytesIO()
    shape = (1 << 20, 1 << 20)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conv1.npy", header.getvalue() + bytes(64))


def _bomb(path, net):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        file = io.BytesIO()
        np.save(file, np.zeros((1, 3, 1000, 1000), np.float32))
        archive.writestr("in/data.npy", file.getvalue())
        archive.writestr("out/conv1.npy", file.getvalue())


def _cut(path, net):
    whole = io.BytesIO()
    np.savez(whole, conv1=net.blobs["conv1"])
    path.write_bytes(whole.getvalue()[:900])


def _text(path, net):
    path.write_text("no archive")


def _other_input(path, net):
    np.savez(path, data=np.zeros((1, 1, 12, 11)), conv1=net.blobs["conv1"])


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_pickled, "'conv1' is pickled, which may run code, and is not loaded"),
        (_empty, "holds no arrays"),
        (_mask_alone, "'conv1' holds bool, not real numbers, and is left out"),
        (
            _of_another,
            "of another network, or its blobs have other names: it holds 'fire2', 'fire3'",
        ),
        (_input_alone, "it holds 'data', and but for inputs this one has 'conv1', 'norm/1'"),
        (_twice, "holds 'conv1' twice"),
        (_two_names, "holds blob 'norm/1' twice: 'norm/1' and 'norm_1'"),
        (_huge, "'conv1' does not hold the 4398046511104 bytes that it declares"),
        (_bomb, "input 'data' would take 12000000 bytes; at most"),
        (_cut, "File is not a zip file"),
        (_text, "File is not a zip file"),
        (_other_input, "its input 'data' is (1, 1, 12, 11), and this one has it as (1, 3, 12, 11)"),
    ],
)
def test_refused(net, tmp_path, monkeypatch, write, message):
    monkeypatch.setattr(dumps, "SPARE_BYTES", 1 << 20)
    path = tmp_path / "dump.npz"
    write(path, net)
    with pytest.raises(keras_fcn.verifying.NotComparedError) as raised:
        keras_fcn.verify(net.model, path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_script(net, tmp_path, monkeypatch):
    """It runs on what has pycaffe's names, and what it writes is read."""
    monkeypatch.setitem(sys.modules, "caffe", keras_fcn)
    script = tmp_path / "dump.py"
    script.write_text(DUMP_SCRIPT)
    names: dict = {"__name__": "dump"}
    exec(compile(DUMP_SCRIPT, "dump.py", "exec"), names)
    output = tmp_path / "dump.npz"
    names["main"](str(net.prototxt), str(net.caffemodel), str(output))
    report = verified(net, output)
    assert report.passed
    assert {x.blob for x in report.compared} == {*BLOBS}
    with np.load(output) as arrays:
        assert arrays["param/conv1/0"].shape == (6, 3, 3, 3)
        assert np.ptp(arrays["in/data"]) > 100
    assert DUMP_SCRIPT.isascii()
    assert 'f"' not in DUMP_SCRIPT
    assert "print_function" in DUMP_SCRIPT


class _OldNet:
    """A network of pycaffe as it was before phases were told to its constructor."""

    def __init__(self, prototxt, caffemodel):
        made = {"data": (1, 3, 4, 5), "Conv/1": (1, 2), "conv/1": (1, 2), "caf\u00e9": (1, 2)}
        self.blobs = OrderedDict(
            (name, SimpleNamespace(data=np.zeros(shape, np.float32)))
            for name, shape in made.items()
        )
        self.blobs["mark"] = SimpleNamespace(data=np.zeros((3, 1), np.float32))
        self.inputs, self.test = ["data", "mark"], False
        self.params = OrderedDict({"Conv/1": [SimpleNamespace(data=np.ones((2, 2), np.float32))]})

    def set_phase_test(self):
        self.test = True

    def forward(self):
        assert self.test
        self.blobs["data"].data[...] = -1  # as a layer that changes it in place
        self.blobs["Conv/1"].data[...] = 2


def test_the_script_with_an_old_pycaffe(tmp_path, monkeypatch):
    """Several inputs, one changed in place, and names that differ by case alone."""
    monkeypatch.setitem(sys.modules, "caffe", SimpleNamespace(Net=_OldNet))
    names: dict = {"__name__": "dump"}
    exec(compile(DUMP_SCRIPT, "dump.py", "exec"), names)
    names["main"]("net.prototxt", "net.caffemodel", str(tmp_path / "dump"))
    archive = dumps._Archive(tmp_path / "dump.npz")
    assert np.ptp(archive.read("in/data")) > 100
    assert np.all(archive.read("out/data") == -1)
    assert np.all(archive.read("in/mark") == 1)
    assert archive.read("out/Conv/1").max() == 2
    assert archive.read("out/conv/1").max() == 0
    assert "out/caf\u00e9" in archive.keys


def test_names_of_python_2_are_read(tmp_path):
    """Its archives hold UTF-8 without saying so."""
    with zipfile.ZipFile(tmp_path / "old.npz", "w") as archive:
        file = io.BytesIO()
        np.save(file, np.zeros(2))
        archive.writestr("out/caf\u00e9.npy".encode().decode("cp437"), file.getvalue())
    held = (tmp_path / "old.npz").read_bytes()
    plain = "out/caf\u00e9.npy".encode()
    # The module marks what is not ASCII as UTF-8 and encodes it so: undo both.
    marked = plain.decode("cp437").encode()
    assert marked in held
    found = dumps._filename(SimpleNamespace(flag_bits=0, filename=plain.decode("cp437")))
    assert found == "out/caf\u00e9.npy"


def test_a_dump_without_its_input_needs_it(net, tmp_path):
    """Random numbers would be compared with what was made of others."""
    made = {name.replace("/", "_"): x for name, x in net.blobs.items() if name != "data"}
    np.savez(tmp_path / "blobs.npz", **made)
    with pytest.raises(NotComparedError, match="an input that is not among them, 'data'; give "):
        verified(net, tmp_path / "blobs.npz")
    assert verified(net, tmp_path / "blobs.npz", inputs=net.data).passed
