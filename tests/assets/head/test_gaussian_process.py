"""Low-rank Gaussian processes: their covariance, their symmetry, and the modes made from them."""

from __future__ import annotations

import numpy as np
import pytest

from assets.head.gaussian_process import Scale, covariance, even_and_odd_fields, principal_modes, spread_samples

SCALES = (Scale(2.0, 0.5, lambda p: np.ones(len(p))), Scale(0.7, 0.2, lambda p: np.exp(-(p[:, 0] ** 2))))
FLIP = np.array([-1.0, 1.0, 1.0])


@pytest.fixture
def half() -> np.ndarray:
    points = np.random.default_rng(0).uniform(-2, 2, (40, 3))
    points[:, 0] = np.abs(points[:, 0])
    return points


def test_covariance_is_the_sum_of_its_scales(half: np.ndarray) -> None:
    expected = np.zeros((40, 40))
    for i, a in enumerate(half):
        for j, b in enumerate(half):
            gap = ((a - b) ** 2).sum()
            expected[i, j] = 0.25 * np.exp(-gap / 8) + 0.04 * np.exp(-(a[0] ** 2) - b[0] ** 2 - gap / 0.98)
    assert np.allclose(covariance(SCALES, half, half), expected)


def test_even_and_odd_fields_have_the_whole_covariance_at_the_samples(half: np.ndarray) -> None:
    even, odd = even_and_odd_fields(SCALES, half, half, (40, 40))
    assert np.allclose(even.T @ even + odd.T @ odd, covariance(SCALES, half, half), atol=1e-6)


def test_even_fields_are_even_and_odd_fields_are_odd(half: np.ndarray) -> None:
    both = np.concatenate([half, half * FLIP])
    even, odd = even_and_odd_fields(SCALES, both, half, (10, 10))
    assert np.allclose(even[:, :40], even[:, 40:])
    assert np.allclose(odd[:, :40], -odd[:, 40:])
    assert np.abs(odd).max() > 0.05


def test_odd_fields_vanish_on_the_mirror_plane(half: np.ndarray) -> None:
    _, odd = even_and_odd_fields(SCALES, half * [0, 1, 1], half, (10, 10))
    assert np.allclose(odd, 0, atol=1e-9)


def test_spread_samples_are_distinct_and_far_apart(half: np.ndarray) -> None:
    chosen = spread_samples(half, 10, np.ones(40))
    assert len(set(chosen.tolist())) == 10
    gaps = np.linalg.norm(half[chosen][:, None] - half[chosen][None], axis=2) + 10 * np.eye(10)
    to_chosen = np.linalg.norm(half[:, None] - half[chosen][None], axis=2).min(axis=1)
    assert to_chosen.max() <= gaps.min()


def test_principal_modes_keep_the_covariance_of_the_groups() -> None:
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    groups = [rng.standard_normal((6, 8)) @ basis[:8], 0.1 * rng.standard_normal((3, 5)) @ basis[8:13]]
    modes = principal_modes(groups, 20)
    assert len(modes) == 9  # what has no variance makes no mode
    assert (np.diff(modes.deviations) <= 0).all()
    assert np.allclose(modes.components @ modes.components.T, np.eye(9), atol=1e-5)
    scaled = modes.components * modes.deviations[:, None]
    assert np.allclose(scaled.T @ scaled, sum(g.T @ g for g in groups), atol=1e-4)


def test_principal_modes_keep_the_strongest() -> None:
    modes = principal_modes([np.diag([1.0, 3.0, 2.0])], 2)
    assert np.allclose(modes.deviations, [3, 2])
    assert np.allclose(np.abs(modes.components), [[0, 1, 0], [0, 0, 1]])  # either sign will do


def test_rounding_does_not_turn_a_mode_over() -> None:
    # The largest entries of what is odd tie, left and right, with opposite signs; another processor rounds otherwise.
    rng = np.random.default_rng(2)
    half = rng.standard_normal((20, 30))
    group = np.concatenate([half, -half], axis=1)
    modes = principal_modes([group], 20)
    for _ in range(5):
        rounded = principal_modes([group * (1 + 1e-13 * rng.standard_normal(group.shape))], 20)
        assert np.allclose(rounded.components, modes.components, atol=1e-6)
