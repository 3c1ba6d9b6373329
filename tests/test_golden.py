import numpy as np
import pytest

from tests.golden import (
    assert_close,
    golden_folder,
    layer_case,
    layer_case_names,
    net_folder,
    to_caffe_order,
    to_channels_last,
)

LOWEST = np.float32(-3.4028235e38)


def test_a_layer_case_has_everything_the_folder_holds():
    case = layer_case("grad_conv_group")
    assert case.prototxt.is_file()
    assert case.weights.name == "weights.caffemodel"
    assert case.case["name"] == case.name == "grad_conv_group"
    assert case.inputs["data"].shape == tuple(case.case["inputs"]["data"])
    assert set(case.outputs) == {"out"}
    assert set(case.grads) == {"top/out", "in/data", "param/layer/0", "param/layer/1"}


def test_a_case_without_weights_or_gradients():
    case = layer_case("pool_max_k3s2")
    assert case.weights is None
    assert case.grads == {}


def test_unknown_cases_are_errors_and_not_empty_parametrizations():
    with pytest.raises(ValueError, match="no layer case 'nonsense'"):
        layer_case("nonsense")
    with pytest.raises(ValueError, match=r"matches 'nonsense\*'"):
        layer_case_names("nonsense*")


def test_nets_are_looked_up_in_the_folder_of_the_environment(tmp_path, monkeypatch):
    (tmp_path / "nets" / "lenet").mkdir(parents=True)
    monkeypatch.setenv("KERAS_FCN_GOLDEN", str(tmp_path))
    assert net_folder("lenet") == tmp_path / "nets" / "lenet"
    with pytest.raises(pytest.skip.Exception, match="no reference net 'vgg'"):
        net_folder("vgg")
    monkeypatch.setenv("KERAS_FCN_GOLDEN", str(tmp_path / "gone"))
    with pytest.raises(pytest.skip.Exception, match="gone is absent"):
        golden_folder()


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_axis_orders_are_inverse(shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert np.array_equal(to_caffe_order(to_channels_last(array)), array)
    if len(shape) > 2:
        assert to_channels_last(array).shape == (shape[0], *shape[2:], shape[1])


def test_the_tolerance_is_relative_to_the_largest_value():
    assert_close([100.0, 0.0009], [100.0, 0.0])
    with pytest.raises(AssertionError, match=r"1 of 2 values .* worst at \(1,\): 0.0011, expected"):
        assert_close([100.0, 0.0011], [100.0, 0.0])
    with pytest.raises(AssertionError, match="shape"):
        assert_close([1.0], [[1.0]])
    with pytest.raises(AssertionError):
        assert_close([1e-30], [0.0])


def test_special_values_agree_exactly_and_do_not_stretch_the_scale():
    expected = [LOWEST, np.nan, np.inf, 1.0]
    assert_close(expected, expected)
    for place in range(4):
        wrong = list(expected)
        wrong[place] = 1.1
        with pytest.raises(AssertionError, match=rf"worst at \({place},\)"):
            assert_close(wrong, expected)
    with pytest.raises(AssertionError, match="worst at"):
        assert_close([np.nan, 1.0], [0.0, 1.0])
