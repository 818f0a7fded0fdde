import numpy as np
import pytest
import torch
from untrained_run import write_untrained

from dcign import manipulate
from dcign.code import CodeLayout
from dcign.errors import RunError
from dcign.run import load_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write_untrained(tmp_path_factory.mktemp("run")))


def test_a_sweep_changes_one_latent_and_nothing_else():
    code = np.random.default_rng(0).normal(size=200).astype(np.float32)
    swept = manipulate.set_latent(code, 2, [-1.0, 0.5, 4.0])
    assert swept[:, 2].tolist() == [-1.0, 0.5, 4.0]
    np.testing.assert_array_equal(np.delete(swept, 2, 1), np.delete(code, 2)[None].repeat(3, 0))
    assert code[2] not in (-1.0, 0.5, 4.0)


def test_a_sweep_through_the_inferred_value_shows_the_reconstruction_there(run):
    code = np.random.default_rng(1).normal(size=200).astype(np.float32)
    frames = manipulate.sweep(run, code, "elevation", [code[1] - 40, code[1], code[1] + 40])
    assert frames.shape == (3, 54, 54)
    assert frames.min() >= 0
    assert frames.max() <= 1
    np.testing.assert_allclose(frames[1], manipulate.decode(run, code[None])[0], atol=1e-6)
    assert np.abs(frames[0] - frames[2]).max() > 0.01


def test_encode_and_decode_are_those_of_the_model_however_many_images(run):
    images = np.random.default_rng(2).uniform(size=(40, 54, 54)).astype(np.float32)
    with torch.inference_mode():
        means, _ = run.model.encode(torch.tensor(images)[:, None])
        pictures = run.model.decode(means)[:, 0]
    np.testing.assert_allclose(manipulate.encode(run, images), means, atol=1e-5)
    np.testing.assert_allclose(manipulate.decode(run, means.numpy()), pictures, atol=1e-5)


def test_a_factor_without_a_latent_of_its_own_is_refused():
    assert manipulate.extrinsic_index(CodeLayout.for_object("face"), "light") == 2
    for layout, factor in ((CodeLayout.for_object("chair"), "light"), (CodeLayout.for_object("face"), "intrinsic")):
        with pytest.raises(RunError, match=f"{factor}: .*azimuth"):
            manipulate.extrinsic_index(layout, factor)


def test_codes_that_are_not_finite_are_refused(run):
    with pytest.raises(RunError, match="not finite"):
        manipulate.encode(run, np.full((1, 54, 54), np.nan))
