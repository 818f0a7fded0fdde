"""Linear erasure: least squares reads nothing any more, the rest of the code stays, a run's files hold the result."""

import numpy as np
import pytest
from shard_fixtures import write_synthetic
from training_fixtures import SMALL, go, newest

from dcign.engine.codes import encode
from dcign.runs.run import load_run
from dcign.training.erasure import erasure
from render.shards.data_set import open_data_set

COUNTS = {"azimuth": 40, "elevation": 12, "light": 12, "intrinsic": 12}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("data") / "shards", counts=COUNTS)


def linear(codes, labels):
    """Share of the variance of labels (M, T) that least squares reads in codes (M, W), beyond rounding of float32."""
    x, y = codes - codes.mean(axis=0), labels - labels.mean(axis=0)
    missed = y - x @ np.linalg.lstsq(x, y, rcond=1e-5)[0]
    return 1 - (missed**2).sum() / (y**2).sum()


def draw(seed=0, images=500, width=12):
    """Codes (M, 12) of very different scales, two labels mixed into them, and the labels (M, 2)."""
    rng = np.random.default_rng(seed)
    labels = rng.standard_normal((images, 2))
    own = rng.standard_normal((images, width)) @ rng.standard_normal((width, width))
    return (own + labels @ rng.standard_normal((2, width))) * np.geomspace(1e-3, 10, width) + 5, labels


def apply(codes, change):
    return codes - (codes - codes.mean(axis=0)) @ change.T


def test_nothing_linear_is_left_and_each_label_costs_one_direction():
    codes, labels = draw()
    change = erasure(codes, labels)
    after = apply(codes, change)
    assert np.abs(np.cov(after.T, labels.T)[:12, 12:]).max() < 1e-9
    assert np.linalg.matrix_rank(change, tol=1e-6) == 2
    np.testing.assert_allclose(after.mean(axis=0), codes.mean(axis=0))
    np.testing.assert_allclose(apply(after, change), after)  # once is enough


def test_no_other_change_with_this_effect_is_smaller():
    """In units of the codes' covariance, against the orthogonal projection and against random solutions."""
    codes, labels = draw()
    x, y = codes - codes.mean(axis=0), labels - labels.mean(axis=0)
    inverse = np.linalg.inv(np.cov(x.T, bias=True))

    def size(change):
        moved = x @ change.T
        return np.einsum("mi,ij,mj->", moved, inverse, moved)

    cross = x.T @ y
    found, rng = size(erasure(codes, labels)), np.random.default_rng(1)
    for _ in range(20):
        left = rng.standard_normal((2, 12))  # any projection along the columns of `cross`
        other = cross @ np.linalg.solve(left @ cross, left)
        assert np.abs((x - x @ other.T).T @ y).max() < 1e-6 * np.abs(cross).max()
        assert size(other) > found
    assert size(cross @ np.linalg.pinv(cross)) > found


def test_labels_that_never_change_and_latents_that_do_not_move_are_no_trouble():
    codes, labels = draw()
    codes[:, 3], labels[:, 1] = 2.0, 7.0
    after = apply(codes, erasure(codes, labels))
    assert np.isfinite(after).all()
    assert abs(np.cov(after[:, 0], labels[:, 0])[0, 1]) < 1e-9
    assert not erasure(codes, np.zeros((500, 1))).any()


def head(folder, step):
    """Weights (Z, features) of a run's mean head after so many updates."""
    return load_run(folder / f"checkpoint-{step:08d}.safetensors").model.encoder.mean.weight


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_run_s_identity_latents_tell_nothing_linear_and_its_knobs_stay(shards, tmp_path, average):
    data = open_data_set(shards)
    settings = {"held_out": 0, "optimizer": "muon", "learning_rate": 0.01, "weight_average": average}
    go(shards, tmp_path / "plain", **settings)
    go(shards, tmp_path / "erased", erase=True, **settings)
    minibatches = list(data.minibatches())
    images = np.concatenate([m.images for m in minibatches]).astype(np.float32) / 255
    labels = np.stack([np.concatenate([m.values[name] for m in minibatches]) for name in data.labels], axis=1)
    plain, erased = (encode(load_run(tmp_path / name), images).astype(np.float64) for name in ("plain", "erased"))
    np.testing.assert_array_equal(erased[:, :3], plain[:, :3])
    assert linear(plain[:, 3:], labels) > 0.1
    assert linear(erased[:, 3:], labels) < 1e-4


@pytest.mark.usefixtures("one_thread")
def test_a_run_is_erased_at_its_end_only(shards, tmp_path):
    assert SMALL.checkpoint_every == 5
    go(shards, tmp_path / "plain", steps=6)
    go(shards, tmp_path / "erased", erase=True, steps=6)
    before, after = ([head(tmp_path / name, step) for name in ("plain", "erased")] for step in (5, 6))
    assert before[0].equal(before[1])
    assert not after[0].equal(after[1])


@pytest.mark.usefixtures("one_thread")
def test_a_run_that_stopped_before_it_was_erased_ends_with_the_same_bytes(shards, tmp_path):
    go(shards, tmp_path / "run", erase=True, steps=6)
    whole = newest(tmp_path / "run")
    for name in ("checkpoint-00000006.safetensors", "best.safetensors"):
        (tmp_path / "run" / name).unlink()
    go(shards, tmp_path / "run", erase=True, steps=6)
    assert newest(tmp_path / "run") == whole
