import numpy as np
import pytest
import torch
from untrained_run import write_untrained

import dcign
from dcign.engine.codes import decode, encode, encode_and_judge
from dcign.engine.fitting import fit_codes
from dcign.errors import BadInput
from dcign.runs.run import load_run

STEPS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_untrained(tmp_path_factory.mktemp("run"), network="modulated")


def errors(run, codes, images):
    return ((decode(run, codes) - images) ** 2).mean((1, 2))


def pictures(run, count=5):
    """Images that the decoder can show, by codes that the encoder does not give."""
    codes = np.random.default_rng(2).normal(size=(count, run.layout.latents)).astype(np.float32)
    return decode(run, codes)


def test_fitted_codes_are_nearer_to_each_image(folder):
    guessing, fitting = load_run(folder), load_run(folder, fit=STEPS)
    images = pictures(guessing)
    before, after = (errors(run, encode(run, images), images) for run in (guessing, fitting))
    assert (after < 0.9 * before).all()


def test_each_code_is_fitted_by_itself(folder):
    run = load_run(folder, fit=STEPS)
    images = pictures(run)
    together = encode(run, images)
    np.testing.assert_allclose(together[3], encode(run, images[3:4])[0], atol=1e-3)
    np.testing.assert_array_equal(together, encode(run, images))


def test_a_latent_that_the_encoder_is_sure_of_hardly_moves(folder):
    run = load_run(folder)
    images = torch.as_tensor(pictures(run))[:, None]
    means, logvar = torch.zeros(5, 200), torch.full((5, 200), -2.0)
    logvar[:, 7] = -20.0
    moved = (fit_codes(run.model, images, means, logvar, STEPS) - means).abs() / torch.exp(0.5 * logvar)
    assert moved.max() <= 0.2 * STEPS  # all steps together come to 0.16 of them
    assert (moved > 0.01).any()
    assert (fit_codes(run.model, images, means, logvar, STEPS)[:, 7].abs() < 0.3 * STEPS * np.exp(-10)).all()


def test_weights_are_left_alone_and_an_image_is_judged_by_the_encoders_code(folder):
    guessing, fitting = load_run(folder), load_run(folder, fit=STEPS)
    images = pictures(guessing)
    before = {name: value.clone() for name, value in fitting.model.state_dict().items()}
    least = errors(guessing, encode(guessing, images), images).min()
    bars = np.linspace(0, 0.9 * least, 101).tolist()
    assert all(warning for _, warning in zip(*encode_and_judge(fitting, images, bars), strict=True))
    assert all(torch.equal(before[name], value) for name, value in fitting.model.state_dict().items())


def test_the_engine_fits_when_asked(folder):
    images = pictures(load_run(folder))
    np.testing.assert_array_equal(
        dcign.load(folder, fit=STEPS).encode(images), encode(load_run(folder, fit=STEPS), images)
    )
    with pytest.raises(BadInput, match="fit: expected steps, 0 or more, found -1"):
        dcign.load(folder, fit=-1)
