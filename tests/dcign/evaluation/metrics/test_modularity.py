import numpy as np
import pytest

from dcign.evaluation.metrics.disentanglement import latent_bins, modularity_scores, mutual_information

GRID = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
FACTORS = {"a": GRID[:, 0], "b": GRID[:, 1]}


def modularity(codes, factors):
    return np.mean(modularity_scores(mutual_information(latent_bins(codes), list(factors.values()))))


def test_the_factors_as_code_score_one_a_constant_code_and_latents_that_know_all_alike_zero():
    assert modularity(GRID * 1.0, FACTORS) == pytest.approx(1.0)
    assert modularity(np.ones((16, 2)), FACTORS) == pytest.approx(0.0)
    assert modularity((GRID @ [1.0, 4.0])[:, None], FACTORS) == pytest.approx(0.0)


def test_scores_agree_with_the_definition_written_out():
    information = np.random.default_rng(0).random((7, 4))
    expected = []
    for row in information:
        best = row.argmax()
        template = np.where(np.arange(4) == best, row[best], 0.0)
        expected.append(1 - np.sum((row - template) ** 2) / (row[best] ** 2 * 3))
    assert modularity_scores(information) == pytest.approx(expected)
