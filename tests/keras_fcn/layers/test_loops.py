"""Loops of eager tensors run in one graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_fcn.layers._loops import one_graph


def test_eager_tensors_of_all_sizes_share_a_graph():
    calls = []

    @one_graph
    def total(numbers, factor):
        calls.append(tf.executing_eagerly())
        return tf.while_loop(
            lambda step, _: step < tf.size(numbers),
            lambda step, sum_: (step + 1, sum_ + factor * numbers[step]),
            (0, 0.0),
        )[1]

    for size in (3, 4, 5, 6, 7):
        numbers = np.arange(size, dtype="float32")
        assert float(total(tf.constant(numbers), 2.0)) == 2 * numbers.sum()
    assert calls == [False, False]  # the second size makes the graph for all


def test_in_a_graph_and_with_arrays_it_is_the_function_itself():
    called = []
    double = one_graph(lambda x: (called.append(tf.executing_eagerly()), 2 * x)[1])
    graph = tf.function(double, autograph=False).get_concrete_function(tf.TensorSpec((None,)))
    assert not any(x.type.endswith("PartitionedCall") for x in graph.graph.get_operations())
    np.testing.assert_array_equal(double(np.ones(2)), [2, 2])
    assert called == [False, True]
