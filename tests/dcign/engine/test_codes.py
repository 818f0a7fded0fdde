import numpy as np
import pytest
import torch
from untrained_run import write_untrained

from dcign.engine import codes
from dcign.errors import RunError
from dcign.model.code import named_latents
from dcign.runs.run import load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write_untrained(tmp_path_factory.mktemp("run")))


def test_a_sweep_changes_one_latent_and_nothing_else():
    code = np.random.default_rng(0).normal(size=200).astype(np.float32)
    swept = codes.set_latent(code, 2, [-1.0, 0.5, 4.0])
    assert swept[:, 2].tolist() == [-1.0, 0.5, 4.0]
    np.testing.assert_array_equal(np.delete(swept, 2, 1), np.delete(code, 2)[None].repeat(3, 0))
    assert code[2] not in (-1.0, 0.5, 4.0)


def test_a_sweep_through_the_inferred_value_shows_the_reconstruction_there(run):
    code = np.random.default_rng(1).normal(size=200).astype(np.float32)
    frames = codes.sweep(run, named_latents(run.layout), code, "elevation", [code[1] - 40, code[1], code[1] + 40])
    assert frames.shape == (3, 54, 54)
    assert frames.min() >= 0
    assert frames.max() <= 1
    np.testing.assert_allclose(frames[1], codes.decode(run, code[None])[0], atol=1e-6)
    assert np.abs(frames[0] - frames[2]).max() > 0.01


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return load_run(write_untrained(tmp_path_factory.mktemp("pair"), object="chair", code="light:1,azimuth:2,rest:5"))


def test_a_sweep_of_a_group_sets_its_latents_together_and_nothing_else(pair):
    code = np.random.default_rng(3).normal(size=8).astype(np.float32)
    values = np.random.default_rng(4).normal(0, 20, (40, 2))
    expected = np.repeat(code[None], 40, 0)
    expected[:, 1:3] = values
    np.testing.assert_array_equal(
        codes.sweep(pair, named_latents(pair.layout), code, "azimuth", values), codes.decode(pair, expected)
    )


@pytest.mark.parametrize(
    ("factor", "values", "message"),
    [
        ("azimuth", np.zeros(4), "azimuth: expected values of 2 latents.* found values of 1 "),
        ("azimuth", np.zeros((4, 3)), "expected values of 2 latents.* found values of 3 "),
        ("light", np.zeros((4, 2)), "light: expected values of 1 latents.* found values of 2 "),
        ("elevation", np.zeros(4), "elevation: .* no latents for it; it has them for azimuth, light"),
        ("rest", np.zeros((4, 5)), "rest: .* no latents for it"),
    ],
)
def test_values_for_another_number_of_latents_are_refused(pair, factor, values, message):
    with pytest.raises(RunError, match=message):
        codes.sweep(pair, named_latents(pair.layout), np.zeros(8, np.float32), factor, values)


def test_encode_and_decode_are_those_of_the_model_however_many_images(run):
    images = np.random.default_rng(2).uniform(size=(40, 54, 54)).astype(np.float32)
    with torch.inference_mode():
        means, _ = run.model.encode(torch.tensor(images)[:, None])
        pictures = run.model.decode(means)[:, 0]
    np.testing.assert_allclose(codes.encode(run, images), means, atol=1e-5)
    np.testing.assert_allclose(codes.decode(run, means.numpy()), pictures, atol=1e-5)


def test_codes_that_are_not_finite_are_refused(run):
    with pytest.raises(RunError, match="not finite"):
        codes.encode(run, np.full((1, 54, 54), np.nan))
