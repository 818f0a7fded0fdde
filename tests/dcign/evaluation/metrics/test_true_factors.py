import numpy as np
import pytest

from dcign.evaluation.metrics.disentanglement import circle, classes, columns, equal_width, is_discrete
from dcign.evaluation.metrics.true_factors import bin_width, true_factor
from render.shards.labels import Label

DEGREES = np.random.default_rng(0).uniform(-180, 180, 500)


def test_numbers_fall_into_ten_bins_of_equal_width_from_least_to_largest():
    assert classes(np.arange(100) / 7.0).tolist() == np.repeat(np.arange(10), 10).tolist()
    assert classes(np.full(5, 3.5)).tolist() == [0] * 5


def test_classes_are_numbered_from_zero_in_their_order():
    assert classes(np.array([70, -5, 70, 9])).tolist() == [2, 0, 2, 1]


def test_angles_fall_into_ten_arcs_without_a_seam():
    label = classes(circle(DEGREES))
    assert np.array_equal(label, np.floor(DEGREES % 360 / 36))
    assert np.array_equal(label, classes(circle(DEGREES + 720)))


def test_equal_width_agrees_with_numpys_histogram():
    values = np.random.default_rng(1).normal(size=300)
    assert np.array_equal(np.bincount(equal_width(values, 20), minlength=20), np.histogram(values, 20)[0])


def test_a_target_has_one_column_for_numbers_and_two_for_angles():
    assert columns(DEGREES).shape == (500, 1)
    np.testing.assert_allclose(np.hypot(*columns(circle(DEGREES)).T), 1.0)


def test_a_circle_of_any_period_is_that_of_degrees_scaled():
    np.testing.assert_allclose(circle(DEGREES / 360, 1.0), circle(DEGREES))
    np.testing.assert_array_equal(circle(DEGREES, 360.0), circle(DEGREES))


def test_labels_give_numbers_points_of_a_circle_or_classes():
    hue = Label("hue", 0.0, 1.0, "", circular=True)
    np.testing.assert_allclose(true_factor(np.array([0.0, 0.25]), hue), [[1, 0], [0, 1]], atol=1e-12)
    colour = true_factor(np.array([2.0, 0.0], np.float32), Label("colour", 0, 2, "", categories=("r", "g", "b")))
    assert is_discrete(colour)
    assert colour.tolist() == [2, 0]
    length = true_factor(np.array([2.0, 0.5], np.float32), Label("length", 0, 2, "cm"))
    assert length.dtype == np.float64
    assert length.tolist() == [2, 0.5]


def test_classes_as_a_target_are_one_column_each_of_those_there_are():
    target = columns(np.array([7, 3, 7, 9]))
    assert target.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("reach", "most", "width"), [(40, 6, 10), (0.3, 6, 0.05), (7, 8, 1), (0, 6, 1), (1e-5, 5, 2e-6)]
)
def test_bins_are_as_wide_as_a_round_number(reach, most, width):
    assert bin_width(reach, most) == pytest.approx(width)
