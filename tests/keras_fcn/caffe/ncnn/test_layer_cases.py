"""Every layer case that ncnn can say, in ncnn against Caffe; the others are refused."""

from __future__ import annotations

import re

import pytest

from tests.golden import LayerCase, assert_close, layer_case, layer_case_names
from tests.keras_fcn.builder.cases import tolerance
from tests.keras_fcn.caffe.ncnn.cases import run, why_not, written
from tests.keras_fcn.caffe.onnx.cases import of_case
from tests.keras_fcn.caffe.onnx.test_layer_cases import IN_PLACE_ON_INPUT

REASONS = {
    "it compares with labels": (
        "accuracy_* contrastive* euclidean_* hinge_* infogain_* multinomial_* "
        "sceloss_* smloss_* grad_smloss_* grad_sceloss_* grad_contrastive grad_euclidean "
        "grad_hinge_* grad_two_losses grad_fcn_crop grad_chain_finetune grad_lr_mult_zero* "
        "grad_propagate_down_false legacy_v1_losses"
    ),
    "ncnn's recurrent layers": "lstm_* lstmunit* rnn_* grad_lstm grad_rnn",
    "it picks images": "batchreindex* filter*",
    "takes whole numbers": "embed_* grad_embed",
    "takes the mean of all images": (
        "bn_batch_stats bn_layer_phase_train bn_single_value bn_train_phase grad_bn_train*"
    ),
    "axis: 0 are the images": (
        "argmax_axis0 concat_axis0 crop_axis0 flatten_axis0* ip_axis0 slice_axis0 softmax_axis0 "
        "tile_axis0 reduction_default reduction_*_axis0"
    ),
    "changes the axis of images": "reshape_infer_first flatten_axis0*",
    "for each image of one batch": "bias_axis0 scale_axis0* grad_batchreindex grad_infogain",
    "no axis of images": "bias_two_bottoms_* scale_two_bottoms_*",
    "for each of 2 images": "parameter",
    "ncnn's windows have 1 to 3 axes": "conv_0d conv_axis2 conv_axis_neg3 deconv_axis2",
    "ncnn finds the largest": "argmax_*topk* legacy_v1_neurons",
    "ncnn has none": "pool_max_mask_top pool_max_ties",
}
"""What a refusal says -> patterns of cases that it is said of; no other case is refused."""

CASES = [layer_case(name) for name in layer_case_names("*")]


def _is_expected(name: str, why: str) -> bool:
    return any(
        said in why and any(re.fullmatch(x.replace("*", ".*"), name) for x in patterns.split())
        for said, patterns in REASONS.items()
    )


@pytest.mark.sweep(6)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_forward(case: LayerCase):
    pytest.importorskip("ncnn")
    why = why_not(*of_case(case))
    if why is not None:
        assert _is_expected(case.name, why), why
        return
    found = run(written(*of_case(case)), case.inputs)
    found = {name.removesuffix(IN_PLACE_ON_INPUT): array for name, array in found.items()}
    assert found.keys() == case.outputs.keys()
    for name, expected in case.outputs.items():
        assert_close(found[name], expected, tolerance(case))


@pytest.mark.slow
def test_most_cases_are_written():
    """Refusals are few: 425 of the 572 cases are run and compared."""
    assert sum(why_not(*of_case(case)) is None for case in CASES) >= 425
