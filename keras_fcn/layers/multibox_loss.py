"""SSD's loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers import _matching
from keras_fcn.layers._boxes import DECODERS, ENCODERS, overlaps
from keras_fcn.layers._labels import flat
from keras_fcn.layers._loss import NormalizedLoss
from keras_fcn.layers.losses import sigmoid_losses
from keras_fcn.layers.smooth_l1_loss import smooth_l1
from keras_fcn.layers.softmax_loss import softmax_losses

_ROW = 8  # image, class, instance, xmin, ymin, xmax, ymax, difficult
_NOBODY = (-1.0,) * _ROW


@keras.saving.register_keras_serializable(package="keras_fcn")
class MultiBoxLoss(NormalizedLoss):
    """Boxes are matched with true ones; their offsets and all chosen boxes' classes are judged.

    The loss of the locations is summed over the matches, that of the classes over the
    boxes that mining chooses; both are divided by what `normalization` says. Locations
    and confidences get a gradient.

    Source: `multibox_loss_layer.cpp` and `bbox_util.cpp` of github.com/weiliu89/caffe,
    branch ssd; Liu et al., "SSD: Single Shot MultiBox Detector". Of equal losses the first
    are chosen, which the source leaves open.

    Args:
        num_classes: classes, background included.
        loc_loss_type: `"SMOOTH_L1"` or `"L2"`.
        conf_loss_type: `"SOFTMAX"` or `"LOGISTIC"`: a sigmoid for each class.
        loc_weight: factor of the locations' loss.
        share_location: whether all classes of a prior have one box.
        match_type: `"BIPARTITE"`: a box for each true box; `"PER_PREDICTION"`: also
            every other box that overlaps a true one enough.
        overlap_threshold: the overlap (intersection over union) that is enough.
        use_prior_for_matching: match the priors, else the predicted boxes.
        background_label_id: the class of boxes that match nothing.
        use_difficult_gt: whether true boxes that are marked as difficult count.
        neg_pos_ratio: background boxes for each match, with mining `"MAX_NEGATIVE"`.
        neg_overlap: they overlap each true box by less.
        code_type: how locations are relative to priors: `"CORNER"`, `"CENTER_SIZE"`
            or `"CORNER_SIZE"`.
        encode_variance_in_target: predictions are divided by the variances too.
        map_object_to_agnostic: all true boxes have the class after the background.
        ignore_cross_boundary_bbox: boxes that leave the image match nothing.
        bp_inside: coordinates of matched boxes outside of the image do not count.
        mining_type: which boxes' classes count: `"NONE"`: all; `"MAX_NEGATIVE"`:
            matches, and of the other boxes those with the largest losses, in images that
            have true boxes; `"HARD_EXAMPLE"`: those with the largest losses.
        sample_size: boxes of an image that count, with mining `"HARD_EXAMPLE"`.
        nms_threshold: overlap of boxes that mining may choose; 0: any.
        top_k: boxes that go into that suppression; -1: all.
        use_prior_for_nms: suppress by the priors' overlaps, else the predicted boxes'.
        judges: whether the locations' and the classes' losses count.
        **kwargs: `normalization` as in `SoftmaxWithLoss`, `"valid"` positions
            being the matches, and arguments of `keras.layers.Layer`.

    Input shape:
        [(N, priors * classes * 4), (N, priors * num_classes), (1, priors * 4, 2),
        (1, boxes, 8, 1)]: locations, confidences, priors with their variances, and the true
        boxes of all images: image, class, instance, xmin, ymin, xmax, ymax, difficult;
        rows of image -1 do not count.

    Output shape:
        ().

    Raises:
        ValueError: an unknown code type.
    """

    def __init__(
        self,
        num_classes: int,
        loc_loss_type: str = "SMOOTH_L1",
        conf_loss_type: str = "SOFTMAX",
        loc_weight: float = 1.0,
        share_location: bool = True,
        match_type: str = "PER_PREDICTION",
        overlap_threshold: float = 0.5,
        use_prior_for_matching: bool = True,
        background_label_id: int = 0,
        use_difficult_gt: bool = True,
        neg_pos_ratio: float = 3.0,
        neg_overlap: float = 0.5,
        code_type: str = "CORNER",
        encode_variance_in_target: bool = False,
        map_object_to_agnostic: bool = False,
        ignore_cross_boundary_bbox: bool = False,
        bp_inside: bool = False,
        mining_type: str = "MAX_NEGATIVE",
        sample_size: int = 64,
        nms_threshold: float = 0.0,
        top_k: int = -1,
        use_prior_for_nms: bool = False,
        judges: Sequence[bool] = (True, True),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if code_type not in DECODERS:
            raise ValueError(f"code_type must be one of {list(DECODERS)}. Received: {code_type!r}")
        self.num_classes = num_classes
        self.loc_loss_type = loc_loss_type
        self.conf_loss_type = conf_loss_type
        self.loc_weight = loc_weight
        self.share_location = share_location
        self.match_type = match_type
        self.overlap_threshold = overlap_threshold
        self.use_prior_for_matching = use_prior_for_matching
        self.background_label_id = background_label_id
        self.use_difficult_gt = use_difficult_gt
        self.neg_pos_ratio = neg_pos_ratio
        self.neg_overlap = neg_overlap
        self.code_type = code_type
        self.encode_variance_in_target = encode_variance_in_target
        self.map_object_to_agnostic = map_object_to_agnostic
        self.ignore_cross_boundary_bbox = ignore_cross_boundary_bbox
        self.bp_inside = bp_inside
        self.mining_type = mining_type
        self.sample_size = sample_size
        self.nms_threshold = nms_threshold
        self.top_k = top_k
        self.use_prior_for_nms = use_prior_for_nms
        self.judges = tuple(judges)
        self.supports_jit = False  # XLA wants to know how many true boxes there are

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (locations, confidences, priors, true boxes)."""
        locations, confidences, priors, truth = map(flat, inputs)
        priors = ops.reshape(ops.stop_gradient(priors), (2, -1, 4))
        priors, variances = priors[0], priors[1]
        images, count = ops.shape(inputs[0])[0], ops.shape(priors)[0]
        groups = 1 if self.share_location else self.num_classes
        locations = ops.reshape(locations, (images, count, groups, 4))
        locations = ops.transpose(locations, (0, 2, 1, 3))
        scores = ops.reshape(confidences, (images, count, self.num_classes))
        truth = ops.reshape(ops.stop_gradient(truth), (-1, _ROW))
        truth = ops.concatenate([truth, ops.convert_to_tensor([_NOBODY], truth.dtype)])
        fixed = ops.stop_gradient(locations)
        if not self.encode_variance_in_target:
            fixed = fixed * variances
        predicted = DECODERS[self.code_type](priors, fixed)

        matches, shared, judged = self._match(truth, priors, predicted)
        errors = self._location_losses(matches, truth, priors, variances, locations, predicted)
        labels = self._labels(matches, truth)
        negatives = ops.ones_like(labels, "bool")
        if self.mining_type != "NONE":
            difficulty = self._class_losses(scores, labels, 0)
            if self.mining_type == "HARD_EXAMPLE":
                difficulty = difficulty + errors[:, 0]
            chosen = self._mine(
                ops.stop_gradient(difficulty), matches[:, 0], shared, judged, priors, predicted
            )
            negatives = chosen & (matches[:, 0] == _matching.NONE)
            if self.mining_type == "HARD_EXAMPLE":
                matches = ops.where(chosen[:, None], matches, _matching.NONE)
        found = matches > _matching.NONE
        number = ops.sum(ops.cast(found, "int32"))
        divisor = self.divisor(images * count, number, images, scores.dtype)
        loss = ops.zeros((), scores.dtype)
        if self.judges[0]:
            loss += self.loc_weight * ops.sum(ops.where(found, errors, 0.0)) / divisor
        if self.judges[1]:
            if self.mining_type == "NONE" and self.conf_loss_type == "LOGISTIC":
                total = self._all_logistic_losses(scores, matches, truth)
            else:
                losses = self._class_losses(scores, labels, self.background_label_id)
                counts = negatives | ops.any(found, axis=1)
                total = ops.sum(ops.where(counts, losses, 0.0))
            loss += total / divisor
        return loss

    def _match(self, truth: Any, priors: Any, predicted: Any) -> tuple[Any, Any, Any]:
        """Row of the true box for each (image, box class, prior), overlaps, images with some."""
        images, groups, count, _ = ops.shape(predicted)
        image, label = (ops.cast(truth[:, column], "int32") for column in (0, 1))
        counts = (image >= 0) & (image < images)
        if not self.use_difficult_gt:
            counts = counts & (truth[:, 7] == 0)
        judged = ops.segment_max(
            ops.cast(counts, "int32"), ops.where(counts, image, images), images + 1
        )
        boxes, place, number = priors, image, images
        if not self.use_prior_for_matching:
            boxes = ops.reshape(predicted, (images * groups, count, 4))
            if not self.share_location:
                counts = counts & (label >= 0) & (label < groups)
                counts = counts & (label != self.background_label_id)
                place, number = image * groups + label, images * groups
        place = ops.where(counts, place, number)
        own = boxes
        if not self.use_prior_for_matching:
            own = ops.take(boxes, ops.where(counts, place, 0), axis=0)
        ignored = None
        if self.ignore_cross_boundary_bbox:
            ignored = ops.any((boxes < 0) | (boxes > 1), axis=-1)
            if not self.use_prior_for_matching:
                ignored = ops.pad(ignored, [(0, 1), (0, 0)])
        matches, shared = _matching.match(
            overlaps(own, truth[:, None, 3:7]),
            place,
            number,
            self.overlap_threshold if self.match_type == "PER_PREDICTION" else None,
            ignored,
        )
        matches = ops.reshape(matches, (images, -1, count))
        if self.use_prior_for_matching and not self.share_location:
            classes = ops.arange(groups, dtype="int32")[:, None]
            mine = ops.take(label, ops.maximum(matches, 0)) == classes
            mine = mine & (matches > _matching.NONE) & (classes != self.background_label_id)
            matches = ops.where(mine, matches, _matching.NONE)
        return matches, shared, judged[:images] > 0

    def _location_losses(
        self,
        matches: Any,
        truth: Any,
        priors: Any,
        variances: Any,
        locations: Any,
        predicted: Any,
    ) -> Any:
        """(images, box classes, priors); 0 where there is no match."""
        counts = (matches > _matching.NONE)[..., None]
        boxes = ops.take(truth[:, 3:7], ops.maximum(matches, 0), axis=0)
        targets = ENCODERS[self.code_type](priors, ops.where(counts, boxes, priors)) / variances
        targets = ops.where(counts, targets, 0.0)
        if self.encode_variance_in_target:
            # SSD's gradient is that of the quotient, handed on as it is.
            locations = locations + ops.stop_gradient(locations / variances - locations)
        if self.bp_inside:
            boxes = priors if self.use_prior_for_matching else predicted
            counts = counts & (boxes >= 0) & (boxes <= 1)
        differences = ops.where(counts, locations - targets, 0.0)
        if self.loc_loss_type == "L2":
            return ops.sum(0.5 * differences * differences, axis=-1)
        return ops.sum(smooth_l1(differences), axis=-1)

    def _true_labels(self, matches: Any, truth: Any) -> Any:
        """The class for each (image, box class, prior) that matches."""
        if self.map_object_to_agnostic:
            return ops.full_like(matches, self.background_label_id + 1)
        return ops.take(ops.cast(truth[:, 1], "int32"), ops.maximum(matches, 0))

    def _labels(self, matches: Any, truth: Any) -> Any:
        """The class of each (image, prior); of several the last."""
        labels = ops.where(matches > _matching.NONE, self._true_labels(matches, truth), -1)
        labels = ops.max(labels, axis=1)
        return ops.where(labels < 0, self.background_label_id, labels)

    def _class_losses(self, scores: Any, labels: Any, rest: int) -> Any:
        """(images, priors), the targets of a sigmoid being 1 for the label, else `rest`."""
        if self.conf_loss_type == "LOGISTIC":
            own = ops.arange(self.num_classes, dtype="int32") == labels[..., None]
            return ops.sum(sigmoid_losses(scores, ops.where(own, 1.0, float(rest))), axis=-1)
        losses = softmax_losses(
            ops.reshape(scores, (-1, self.num_classes)), ops.reshape(labels, (-1,))
        )
        return ops.reshape(losses, ops.shape(labels))

    def _all_logistic_losses(self, scores: Any, matches: Any, truth: Any) -> Any:
        """The sum over all boxes, without mining.

        The targets of each image begin as many numbers after those of the image before
        as there are priors, not priors times classes; so it is in the source.
        """
        images, count, classes = ops.shape(scores)
        found = matches > _matching.NONE
        image = ops.arange(images, dtype="int32")[:, None, None]
        prior = ops.arange(count, dtype="int32")
        place = image * count + prior * classes + self._true_labels(matches, truth)
        ones = ops.scatter(
            ops.reshape(ops.where(found, place, 0), (-1, 1)),
            ops.reshape(ops.cast(found, "int32"), (-1,)),
            (images * count * classes,),
        )
        targets = ops.where(ones > 0, 1.0, float(self.background_label_id))
        return ops.sum(sigmoid_losses(ops.reshape(scores, (-1,)), targets))

    def _mine(
        self, losses: Any, matches: Any, shared: Any, judged: Any, priors: Any, predicted: Any
    ) -> Any:
        """The boxes that are chosen by their losses, (images, priors)."""
        if self.mining_type == "HARD_EXAMPLE":
            eligible = ops.broadcast_to(judged[:, None], ops.shape(losses))
            limits = self.sample_size
        else:
            eligible = judged[:, None] & (matches == _matching.NONE)
            eligible = eligible & (shared < self.neg_overlap)
            positives = ops.sum(ops.cast(matches > _matching.NONE, "float32"), axis=1)
            limits = ops.cast(positives * self.neg_pos_ratio, "int32")[:, None]
        if self.nms_threshold <= 0:
            return _matching.hardest(losses, eligible, limits)
        boxes = predicted[:, 0]
        if self.use_prior_for_nms:
            boxes = ops.broadcast_to(priors, ops.shape(boxes))
        return _matching.hardest_apart(
            losses, eligible, limits, boxes, self.nms_threshold, self.top_k
        )
