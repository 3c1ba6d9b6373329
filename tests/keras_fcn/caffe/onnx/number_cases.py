"""Losses, and layers over time."""

from __future__ import annotations

from tests.keras_fcn.caffe.onnx.fork_cases import case

NUMBERS = {
    "softmax": case("SoftmaxWithLoss", data=(2, 3, 4, 5), label=(2, 1, 4, 5)),
    "softmax_full": case(
        "SoftmaxWithLoss",
        "loss_param { ignore_label: 1 normalization: FULL }",
        data=(2, 3, 4, 5),
        label=(2, 1, 4, 5),
    ),
    "softmax_last_axis": case(
        "SoftmaxWithLoss",
        "softmax_param { axis: -1 } loss_param { normalization: BATCH_SIZE ignore_label: 0 }",
        data=(2, 4, 3),
        label=(2, 4),
    ),
    "softmax_weighed": case(
        "SoftmaxWithLoss",
        "loss_param { weight_by_label_freqs: true class_weighting: 0.5 "
        "class_weighting: 2 class_weighting: 3 ignore_label: 2 }",
        data=(2, 3, 4, 5),
        label=(2, 1, 4, 5),
    ),
    "softmax_ohem": case(
        "SoftmaxWithLossOHEM",
        'top: "y" top: "p" top: "each" loss_weight: 1 loss_weight: 0 loss_weight: 0 '
        "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 7 ignore_label: "
        "2 }",
        data=(2, 3, 4, 5),
        label=(2, 1, 4, 5),
    ),
    "infogain": case(
        "InfogainLoss",
        'top: "y" top: "p" loss_weight: 1 loss_weight: 0',
        data=(2, 3, 4, 5),
        label=(2, 1, 4, 5),
        h=(1, 1, 3, 3),
    ),
    "multinomial": case("MultinomialLogisticLoss", targets=(2, 3), label=(2,)),
    "accuracy": case(
        "Accuracy",
        'top: "y" top: "each" accuracy_param { ignore_label: 1 top_k: 2 }',
        data=(2, 3, 4, 5),
        label=(2, 1, 4, 5),
    ),
    "sigmoid": case("SigmoidCrossEntropyLoss", data=(2, 3, 4, 5), targets=(2, 3, 4, 5)),
    "sigmoid_ignored": case(
        "SigmoidCrossEntropyLoss",
        "loss_param { ignore_label: 0 normalization: VALID }",
        data=(2, 3, 4, 5),
        label=(2, 3, 4, 5),
    ),
    "hinge": case("HingeLoss", data=(2, 3, 1, 1), label=(2,)),
    "hinge_l2": case("HingeLoss", "hinge_loss_param { norm: L2 }", data=(2, 3), label=(2,)),
    "contrastive": case("ContrastiveLoss", data=(4, 3), b=(4, 3), similar=(4,)),
    "contrastive_legacy": case(
        "ContrastiveLoss",
        "contrastive_loss_param { margin: 9 legacy_version: true }",
        data=(4, 3, 1, 1),
        b=(4, 3, 1, 1),
        similar=(4,),
    ),
    "euclidean": case("EuclideanLoss", data=(2, 3, 4, 5), b=(2, 5, 3, 4)),
    "l1": case("L1Loss", data=(2, 3, 4, 5), b=(2, 3, 4, 5)),
    "flow_l1": case("L1Loss", "l1_loss_param {}", some=(2, 3, 4, 5), b=(2, 3, 4, 5)),
    "flow_l1_plateau": case(
        "L1Loss", "l1_loss_param { plateau: 0.6 normalize_by_num_entries: true }", some=(2, 3, 4, 5)
    ),
    "flow_l1_one_axis": case(
        "L1Loss", "l1_loss_param { l2_per_location: true }", some=(4,), b=(4,)
    ),
    "flow_l1_lengths": case(
        "L1Loss",
        "l1_loss_param { l2_per_location: true l2_prescale_by_channels: true "
        "normalize_by_num_entries: true epsilon: 0.1 plateau: 0.9 }",
        some=(2, 3, 4, 5),
        b=(2, 3, 4, 5),
    ),
    "smooth_l1": case(
        "SmoothL1Loss", "smooth_l1_loss_param { sigma: 2 }", data=(2, 3, 4, 5), b=(2, 3, 4, 5)
    ),
    "smooth_l1_weighed": case("SmoothL1Loss", data=(2, 3), b=(2, 3), inside=(2, 3), outside=(2, 3)),
    "smooth_l1_ohem": case(
        "SmoothL1LossOHEM",
        'top: "y" top: "each" loss_weight: 1 loss_weight: 0 loss_param { normalization: FULL }',
        data=(2, 3, 4, 5),
        b=(2, 3, 4, 5),
        inside=(2, 3, 4, 5),
    ),
    "smooth_l1_ohem_vectors": case(
        "SmoothL1LossOHEM",
        'top: "y" top: "each" loss_weight: 1 loss_weight: 0',
        data=(2, 3),
        b=(2, 3),
    ),
    "box_annotator": case(
        "BoxAnnotatorOHEM",
        'top: "y" top: "some" box_annotator_ohem_param { roi_per_img: 2 ignore_label: -1 }',
        label=(9, 5),
        similar=(9, 1),
        cont=(9, 1),
        w=(9, 4),
    ),
    "greedy": case("CTCGreedyDecoder", 'top: "y" top: "s"', data=(7, 3, 3), cont=(7, 3)),
    "greedy_unmerged": case(
        "CTCGreedyDecoder",
        'top: "y" ctc_decoder_param { blank_index: 0 ctc_merge_repeated: false }',
        data=(7, 3, 3),
        cont=(7, 3),
    ),
    "ctc": case("CTCDecoder", data=(3, 2, 1, 9)),
    "ctc_axes": case(
        "CTCDecoder", "ctc_param { nct_axis: 1 nct_axis: 2 blank_index: 0 }", data=(9, 3, 2)
    ),
    "ctc_in_place": case(
        "CTCDecoder", "ctc_param { decode: IN_PLACE }", data=(9, 3, 4), cont=(9, 3)
    ),
    "lstm": case(
        "LSTM", "recurrent_param { num_output: 4 }", data=(5, 2, 3), cont=(5, 2), static=(2, 2)
    ),
    "lstm_exposed": case(
        "LSTM",
        'top: "y" top: "h2" top: "c2" recurrent_param { num_output: 4 expose_hidden: true }',
        data=(5, 2, 3, 2),
        cont=(5, 2),
        h=(1, 2, 4),
        c=(1, 2, 4),
    ),
    "rnn": case(
        "RNN",
        'top: "y" top: "h2" recurrent_param { num_output: 4 expose_hidden: true }',
        data=(5, 2, 3),
        cont=(5, 2),
        h=(1, 2, 4),
    ),
    "lstm_unit": case("LSTMUnit", 'top: "y" top: "h"', data=(1, 2, 4), b=(1, 2, 16), cont=(1, 2)),
    "ctpn": case("Lstm", "lstm_param { num_output: 4 }", data=(5, 2, 3)),
    "ctpn_told": case("Lstm", "lstm_param { num_output: 4 }", data=(5, 2, 3), cont=(5, 2)),
    "caffe_lstm": case(
        "Lstm", "lstm_param { num_output: 4 batch_size: 2 clipping_threshold: 0.1 }", data=(10, 3)
    ),
    "caffe_lstm_told": case(
        "Lstm", "lstm_param { num_output: 4 batch_size: 2 }", data=(10, 3), cont=(10,)
    ),
}
