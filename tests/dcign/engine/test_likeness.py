import numpy as np
import pytest

from dcign.engine.codes import reconstruction_error, unlike_warning

PERCENTILES = tuple(k / 1000 for k in range(101))  # 0 to 0.1, median 0.05


def test_the_error_is_the_mean_over_pixels_of_its_square():
    assert reconstruction_error(np.array([[0.0, 1.0]]), np.array([[0.5, 1.0]])) == pytest.approx(0.125)


@pytest.mark.parametrize("error", [0.0, 0.05, 0.099])
def test_nothing_is_said_of_an_image_like_the_test_images(error):
    assert unlike_warning(error, PERCENTILES) is None


@pytest.mark.parametrize(("error", "share"), [(0.0995, "99 % of test images"), (0.31, "all test images")])
def test_an_image_unlike_them_is_placed_among_them(error, share):
    warning = unlike_warning(error, PERCENTILES)
    assert f"above that of {share} (median 0.05)" in warning
    assert f"{error:.2g}" in warning


def test_nothing_is_said_where_no_test_images_were_measured():
    assert unlike_warning(9.0, ()) is None
