import pytest

import keras_fcn
from keras_fcn.pycaffe.arguments import Form, told


@pytest.mark.parametrize(
    ("args", "named", "expected"),
    [
        ((), {}, ("TEST", None, None, None)),
        ((keras_fcn.TRAIN,), {}, ("TRAIN", None, None, None)),
        ((1, 2, ["deploy"], "w"), {}, ("TEST", 2, ["deploy"], "w")),
        (("w",), {}, ("TEST", None, None, "w")),
        (("w", keras_fcn.TRAIN), {}, ("TRAIN", None, None, "w")),
        (("w", "TRAIN"), {"level": 3}, ("TRAIN", 3, None, "w")),
        ((0,), {"weights": "w", "stages": ["a"]}, ("TRAIN", None, ["a"], "w")),
        ((), {"phase": "TRAIN", "weights": "w"}, ("TRAIN", None, None, "w")),
        ((None, keras_fcn.TRAIN), {}, ("TRAIN", None, None, None)),
    ],
)
def test_forms_of_pycaffe(args, named, expected):
    form = told(args, Form(**named))
    assert (form.phase_name, form.level, form.stages, form.weights) == expected


def test_what_does_not_go_together():
    with pytest.raises(TypeError, match="phase is given by position and by name"):
        told((keras_fcn.TEST,), Form(phase=0))
    with pytest.raises(TypeError, match=r"\(prototxt, weights, phase\).*Received: 4"):
        told(("w", 1, 0), Form())
    for phase in (2, "test", True):
        with pytest.raises(ValueError, match="phase must be"):
            _ = told(("w", phase), Form()).phase_name


def test_phases_have_caffes_numbers():
    assert (keras_fcn.TRAIN, keras_fcn.TEST) == (0, 1)
    for harmless in (keras_fcn.set_mode_cpu, keras_fcn.set_mode_gpu):
        assert harmless() is None
    assert keras_fcn.set_device(0) is None
