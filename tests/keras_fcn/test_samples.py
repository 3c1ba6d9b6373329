"""The samples, and `keras-fcn sample`."""

import pytest

import keras_fcn
from keras_fcn.cli import main
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.samples import FILES, sample_path, write_samples


def test_the_command_writes_files_that_work_together(tmp_path, capsys):
    assert main(["sample", "-o", str(tmp_path / "plate")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert {line.split(": ")[0] for line in told} == {
        f"wrote {tmp_path / 'plate' / name}" for name in FILES
    }
    prototxt, caffemodel, picture = (tmp_path / "plate" / name for name in FILES)
    scaled = Preprocessing(channels=1, mean=None, input_scale=1 / 256)
    model = keras_fcn.from_caffe(prototxt, caffemodel, preprocessing=scaled)
    fcn = keras_fcn.to_fully_convolutional(model)
    assert keras_fcn.predict(fcn, picture).shape == (67, 174, 36)


def test_files_of_ones_own_are_not_written_over(tmp_path):
    (tmp_path / "plate.png").write_bytes(b"a picture of mine")
    with pytest.raises(FileExistsError, match=r"plate\.png is there already"):
        write_samples(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["plate.png"]
    assert main(["sample", "-o", str(tmp_path)]) == 1


def test_written_twice(tmp_path):
    assert write_samples(tmp_path) == write_samples(tmp_path)


def test_another_name():
    with pytest.raises(ValueError, match=r"the samples are lenet_plate\.prototxt"):
        sample_path("cat.jpg")
