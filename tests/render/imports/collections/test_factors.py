"""Collections of known factors: each is a label, or one of those that make up the identity."""

from pathlib import Path

import numpy as np
import pytest

from render.errors import BadInput
from render.imports.collections.factors import category, check_limits, divide, full_grid, labelled, quantity
from render.shards.labels import check_labels, labels_to_json


def test_a_full_grid_is_the_order_of_numpys_reshape():
    grid = np.array(full_grid((2, 3, 4)))
    np.testing.assert_array_equal(grid, np.indices((2, 3, 4)).reshape(3, -1))


def factors():
    shape, size, hue, one = full_grid((2, 3, 4, 1))
    return [
        category("object_shape", shape, ("cube", "ball")), quantity("size", 0.1 * size, "cm"),
        quantity("hue", hue / 4, circle=(0.0, 1.0)), quantity("colour", one),
    ]  # fmt: skip


def some(identity):
    labels, identities = divide(factors(), identity)
    return labelled("test", Path("t"), "thing", "0" * 64, labels, identities, 0.0, lambda rows: iter(()))


def test_identities_are_the_combinations_of_the_factors_that_make_them_up():
    images = some(["object_shape", "hue"])
    assert list(images.labels) == list(images.values) == ["size"]
    np.testing.assert_array_equal(images.identity.reshape(2, 3, 4)[:, 0], [[0, 1, 2, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(images.identity.reshape(2, 3, 4)[:, 2], [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_labels_are_whole_and_their_grids_plain_decimals():
    images = some(["object_shape"])
    assert images.labels["size"].values == (0.0, 0.1, 0.2)
    assert images.labels["hue"].values == (0.0, 0.25, 0.5, 0.75)
    assert images.labels["hue"].high == 1.0
    check_labels({"object": images.object, **labels_to_json(images.labels)})


def test_a_grid_that_does_not_begin_at_the_start_of_its_circle_is_not_stated():
    turned = quantity("azimuth", np.array([10, 350]), "degrees", (0.0, 360.0))
    assert turned.label.values == ()
    check_labels({"object": "thing", **labels_to_json({"azimuth": turned.label})})


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        ([], "`identity=`"), (["smell", "hue"], "`identity=smell`"),
        (["object_shape", "size", "hue"], "`identity=object_shape,size,hue`"),
    ],
)  # fmt: skip
def test_identities_of_nothing_everything_or_something_else_are_refused(identity, found):
    with pytest.raises(BadInput, match=f"{found}: expected some of object_shape, size, hue, colour, and not all"):
        some(identity)


def test_values_outside_their_limits_are_named_with_their_row():
    for wrong in (1.5, -0.1, np.nan, np.inf):
        with pytest.raises(BadInput, match=f"f labels: expected hue from 0 to 1 in row 2, found {wrong:g}"):
            check_limits("f labels", "hue", np.array([0.0, wrong, 7.0]), 0, 1)
    check_limits("f", "hue", np.array([0.0, 1.0]), 0, 1)
