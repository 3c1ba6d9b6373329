import numpy as np
import pytest

from keras_fcn.layers import LocalResponseNormalization
from tests.golden import (
    assert_close,
    layer_case,
    layer_case_names,
    to_caffe_order,
    to_channels_last,
)
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    caffe_params,
    dynamic,
    gradients,
    model_of,
    normal,
    op_types,
    reloaded,
    static,
)

REGIONS = ["across_channels", "within_channel"]


def built_from(case):
    params = caffe_params(case)
    return LocalResponseNormalization(
        params.local_size, params.alpha, params.beta, params.k, params.norm_region.lower()
    )


def by_definition(x, local_size, alpha, beta, k):
    """Across channels in float64, as in the article."""
    x = x.astype("float64")
    reach, channels = local_size // 2, x.shape[-1]
    sums = np.stack(
        [(x[..., max(c - reach, 0) : c + reach + 1] ** 2).sum(-1) for c in range(channels)], -1
    )
    return x / (k + alpha / local_size * sums) ** beta


@pytest.mark.parametrize("name", layer_case_names("lrn_*"))
def test_equals_caffe(name):
    case = layer_case(name)
    layer = built_from(case)
    x = to_channels_last(case.inputs["data"])
    assert_close(to_caffe_order(layer(x)), case.outputs["out"])
    assert_close(to_caffe_order(dynamic(layer, x.shape[-1])(x)), case.outputs["out"])


@pytest.mark.parametrize("name", layer_case_names("grad_lrn_*"))
def test_gradients_equal_caffes(name):
    case = layer_case(name)
    (grad,) = gradients(built_from(case), case.inputs["data"], case.grads["top/out"])
    assert_close(grad, case.grads["in/data"])


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 0.6, 2.0, -0.75])
def test_every_exponent_is_exact_to_float32(beta):
    x = 30 * normal(2, 5, 6, 64)
    layer = LocalResponseNormalization(5, 1e-2, beta, 2.0)
    assert_close(layer(x), by_definition(x, 5, 1e-2, beta, 2.0), 1e-6)


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("region", REGIONS)
def test_the_usual_exponents_need_no_power(beta, region):
    layer = LocalResponseNormalization(beta=beta, norm_region=region)
    assert "Pow" not in op_types(static(layer, (1, 5, 5, 8)))


def test_has_no_weights():
    layer = LocalResponseNormalization()
    layer(normal(1, 3, 3, 4))
    assert layer.weights == []


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 7, 4, 3)])
def test_static_and_dynamic_graphs_agree(region, shape):
    layer = LocalResponseNormalization(norm_region=region)
    expected = static(layer, shape)(normal(*shape))
    assert layer.compute_output_shape((None, None, None, 3)) == (None, None, None, 3)
    assert layer.compute_output_shape(shape) == tuple(expected.shape) == shape
    assert_close(dynamic(layer, 3)(normal(*shape)), expected, 1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("region", REGIONS)
def test_mixed_precision_computes_in_float32(dtype, region):
    # The squares would overflow float16.
    half = LocalResponseNormalization(norm_region=region, dtype=dtype)
    x = (1000 * normal(1, 6, 6, 8)).astype("float16")
    outputs = half(x)
    assert outputs.dtype == dtype.removeprefix("mixed_")
    expected = LocalResponseNormalization(norm_region=region)(x.astype("float32"))
    assert_close(np.asarray(outputs, "float32"), expected, 1e-2)


def test_float64_stays_float64():
    x = normal(1, 3, 3, 8).astype("float64")
    outputs = LocalResponseNormalization(dtype="float64")(x)
    assert outputs.dtype == "float64"
    assert_close(outputs, by_definition(x, 5, 1.0, 0.75, 1.0), 1e-14)


@EXPORTS
@pytest.mark.parametrize("region", REGIONS)
def test_exports_run_at_any_size(export, region, tmp_path):
    model = model_of(LocalResponseNormalization(norm_region=region), (None, None, 8))
    run = export(model, tmp_path)
    for shape in [(1, 12, 13, 8), (2, 5, 9, 8)]:
        assert_close(run(normal(*shape)), model(normal(*shape)), 1e-6)


@pytest.mark.parametrize("region", REGIONS)
def test_saves_and_loads(region, tmp_path):
    layer = LocalResponseNormalization(3, 0.1, 0.6, 2.0, region)
    assert_config_round_trip(layer)
    model = model_of(layer, (5, 6, 4))
    again = reloaded(model, tmp_path)
    assert isinstance(again.layers[-1], LocalResponseNormalization)
    assert_close(again(normal(1, 5, 6, 4)), model(normal(1, 5, 6, 4)), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"local_size": 4}, "odd and positive. Received: 4"),
        ({"local_size": -1}, "odd and positive. Received: -1"),
        ({"norm_region": "WITHIN"}, "'across_channels', 'within_channel'.*Received: 'WITHIN'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalResponseNormalization(**arguments)


def test_needs_channels_across_but_not_within():
    with pytest.raises(ValueError, match=r"Received: input_shape=\(None, 5, 5, None\)"):
        LocalResponseNormalization().build((None, 5, 5, None))
    LocalResponseNormalization(norm_region="within_channel").build((None, 5, 5, None))
