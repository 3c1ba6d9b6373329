"""What the positions of each layer type's tops see of its bottoms."""

from __future__ import annotations

from fractions import Fraction

import pytest

from keras_fcn.caffe.layers import (
    DIALECTS,
    LAYER_TYPES,
    LayerParams,
    bn,
    concat,
    correlation,
    crop,
    flow,
    interp,
    normalization,
    pooling,
    shape,
    upsample,
)
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.scale import Scale
from keras_fcn.caffe.layers.spatial import (
    ELEMENTWISE,
    IN_PLACE,
    WHOLE,
    WHOLE_MAP,
    Resampled,
    Seen,
    Spatial,
    Spread,
    Unpooled,
    Windows,
)

KINDS = {
    **LAYER_TYPES,
    **{f"{name} of {fork}": kind for name, of in DIALECTS.items() for fork, kind in of.items()},
}
MAP = (1, 4, 9, 12)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_says_what_its_tops_see(name):
    kind = KINDS[name]
    says = kind.spatial is not LayerParams.spatial
    assert says + kind.elementwise + (kind.places is not None) >= 1


def test_a_kind_that_says_nothing_is_an_error():
    class Silent(LayerParams):
        pass

    with pytest.raises(NotImplementedError, match="Silent"):
        Silent().spatial((MAP,))


@pytest.mark.parametrize(
    ("record", "seen"),
    [
        (Windows(3, 2, 1), [Seen(-1, 1), Seen(1, 3), Seen(3, 5)]),
        (Windows(3, dilation=4), [Seen(0, 8), Seen(1, 9), Seen(2, 10)]),
        (Windows(before=-5), [Seen(5, 5), Seen(6, 6), Seen(7, 7)]),
        (Spread(4, 2, 1), [Seen(-1, 0), Seen(0, 1), Seen(0, 1), Seen(1, 2)]),
        (Spread(2, 2), [Seen(0, 0), Seen(0, 0), Seen(1, 1), Seen(1, 1)]),
        (Spread(1, 3), [Seen(0, 0), Seen(1, 0), Seen(1, 0), Seen(1, 1)]),  # some see none
        (Resampled(Fraction(1, 2)), [Seen(0, 0), Seen(0, 1), Seen(1, 1), Seen(1, 2)]),
        (Resampled(Fraction(3, 2)), [Seen(0, 0), Seen(1, 2), Seen(3, 3)]),
        (Resampled(Fraction(1), Fraction(1, 4)), [Seen(0, 1), Seen(1, 2)]),
    ],
)
def test_records(record, seen):
    assert [record.sees(i) for i in range(len(seen))] == seen
    period, advance = record.period, record.advance
    for i, (first, last) in enumerate(seen):
        assert record.sees(i + 3 * period) == (first + 3 * advance, last + 3 * advance)


def axes(*records):
    return Spatial((records,))


@pytest.mark.parametrize(
    ("params", "bottoms", "expected"),
    [
        (
            Convolution(num_output=1, kernel_size=(5, 1), pad=(2, 0), stride=(2,), dilation=(3, 1)),
            (MAP,),
            axes(Windows(5, 2, 2, 3), Windows(1, 2)),
        ),
        (
            Convolution(num_output=1, kernel_size=(3,), axis=2),
            (MAP,),
            axes(WHOLE, Windows(3)),
        ),
        (
            Deconvolution(num_output=1, kernel_size=(4,), stride=(2,), pad=(1,)),
            (MAP,),
            axes(Spread(4, 2, 1), Spread(4, 2, 1)),
        ),
        (
            pooling.Pooling(kernel_size=(3, 3), stride=(2, 2)),
            (MAP,),
            axes(Windows(3, 2, overhang=1), Windows(3, 2, overhang=1)),
        ),
        (
            pooling.Pooling(kernel_size=(3, 3), stride=(2, 2), pad=(1, 1), round_mode="FLOOR"),
            (MAP,),
            axes(Windows(3, 2, 1), Windows(3, 2, 1)),
        ),
        (pooling.Pooling(global_pooling=True), (MAP,), WHOLE_MAP),
        (
            crop.Crop(offset=(2, 3)),
            (MAP, (1, 4, 5, 5)),
            Spatial(((Windows(before=-2), Windows(before=-3)), ())),
        ),
        (
            crop.Crop(axis=3, offset=(3,)),
            (MAP, (1, 4, 9, 5)),
            Spatial(((IN_PLACE, Windows(before=-3)), ())),
        ),
        (upsample.SegNetUpsample(), (MAP, MAP), Spatial(((Unpooled(),) * 2,) * 2, mask=1)),
        (upsample.NearestUpsample(scale=3), (MAP,), axes(Spread(3, 3))),
        (
            interp.Interp(zoom_factor=4),
            ((1, 4, None, None),),
            Spatial(((Resampled(Fraction(1, 4)),) * 2, ())),
        ),
        (
            interp.Interp(height=17, width=34),
            (MAP,),
            Spatial(
                ((Resampled(Fraction(8, 16), size=17), Resampled(Fraction(11, 33), size=34)), ())
            ),
        ),
        (
            interp.Interp(shrink_factor=2),
            ((1, 4, None, 9),),
            Spatial(((Resampled(None), Resampled(Fraction(2))), ())),
        ),
        (concat.Concat(axis=1), (MAP, MAP), ELEMENTWISE),
        (Scale(axis=0), (MAP, MAP), ELEMENTWISE),
        (Scale(axis=0), (MAP, (1, 4)), Spatial(((IN_PLACE,), (WHOLE,)))),
        (
            normalization.LRN(local_size=3, norm_region="WITHIN_CHANNEL"),
            (MAP,),
            axes(Windows(3, before=1)),
        ),
        (normalization.LRN(), (MAP,), ELEMENTWISE),
        (normalization.BatchNorm(), (MAP,), ELEMENTWISE),
        (normalization.BatchNorm(use_global_stats=False), (MAP,), WHOLE_MAP),
        (bn.SegNetBN(), (MAP,), WHOLE_MAP),
        (bn.SegNetBN(bn_mode="INFERENCE"), (MAP,), ELEMENTWISE),
        (shape.Flatten(), (MAP,), WHOLE_MAP),
        (shape.Reshape(shape=(0, -1, 0, 0)), (MAP,), ELEMENTWISE),
        (
            correlation.Correlation1D(
                kernel_size=3, max_displacement=4, pad=4, single_direction=-1
            ),
            (MAP, MAP),
            Spatial(((Windows(3), Windows(3)), (Windows(3), Windows(7, before=5)))),
        ),
        (
            flow.Accum(have_reference=True),
            ((1, 1, 3, 3), (1, 1, 5, 9)),
            Spatial(((Resampled(Fraction(1, 2)), Resampled(Fraction(1, 4))), ())),
        ),
    ],
)
def test_what_kinds_say(params, bottoms, expected):
    assert params.spatial(bottoms) == expected


def test_parts_of_a_map_are_shifted():
    cut = concat.Slice(axis=2, slice_point=(4,))
    assert cut.spatial((MAP,), 0, 2) == ELEMENTWISE
    assert cut.spatial((MAP,), 1, 2) == axes(Windows(before=-4), IN_PLACE)
    equal = concat.Slice(axis=3)
    assert equal.spatial((MAP,), 2, 3) == axes(IN_PLACE, Windows(before=-8))
    assert concat.Slice(axis=1).spatial((MAP,), 2, 4) == ELEMENTWISE


@pytest.mark.parametrize(
    ("params", "bottoms"),
    [
        (concat.Concat(axis=2), (MAP, MAP)),
        (concat.Tile(axis=3, tiles=2), (MAP,)),
        (shape.Reshape(shape=(0, 9, 4, 12)), (MAP,)),
        (concat.Slice(axis=2), ((1, 4, None, None),)),
    ],
)
def test_what_has_no_positions_says_why(params, bottoms):
    assert params.spatial(bottoms, 1, 2).why


@pytest.mark.parametrize(
    ("params", "fixes"),
    [
        (interp.Interp(height=17, width=34), True),
        (interp.Interp(zoom_factor=2), False),
        (upsample.SegNetUpsample(size=(8, 8)), True),
        (upsample.SegNetUpsample(), False),
        (flow.Resize(is_pyramid_test=True, out_height_scale=2, out_width_scale=2), False),
    ],
)
def test_who_fixes_a_size(params, fixes):
    free = (1, 4, None, None)
    assert params.spatial((free, free)[: params.bottom_count[0]]).fixes_size == fixes
