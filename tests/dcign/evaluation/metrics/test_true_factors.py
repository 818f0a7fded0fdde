import numpy as np

from dcign.evaluation.metrics.disentanglement import circle, classes, columns, equal_width

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
