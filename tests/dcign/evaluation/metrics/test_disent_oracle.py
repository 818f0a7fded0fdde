"""Measures of disentanglement against the package disent, which descends from the library of Locatello et al.

disent is installed without its dependencies. Those of its own modules that would need them take no part in the
arithmetic; the fixture puts empty ones in their place.
"""

import importlib
import importlib.util
import sys
import types
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sklearn.ensemble
import sklearn.metrics  # disent takes it for granted
import sklearn.svm

from dcign.evaluation.metrics.dci import completeness, dci_scores, disentanglement
from dcign.evaluation.metrics.disentanglement import entropy, latent_bins, mig_gaps, mutual_information, sap
from dcign.evaluation.metrics.vae_scores import VOTE_IMAGES, vote_draws, votes

RNG = np.random.default_rng(0)
FACTORS = dict(zip("abc", RNG.integers(0, [[4], [3], [2]], (3, 300)), strict=True))
TRUE = np.stack(list(FACTORS.values()), axis=1).astype(float)
CODES = {
    "factors": TRUE,
    "constant": np.ones((300, 4)),
    "noise": RNG.normal(size=(300, 5)),
    "mixed": TRUE @ RNG.normal(size=(3, 4)) + 0.2 * RNG.normal(size=(300, 4)),
    "twice": np.concatenate([TRUE, TRUE + 0.3 * RNG.normal(size=(300, 3))], axis=1),
}
TRAIN, TEST = np.arange(200), np.arange(200, 300)

PLACE = Path(sys.prefix) / "oracles"  # apart from all else: with disent comes a package `tests`
pytestmark = pytest.mark.skipif(
    not (PLACE / "disent").is_dir(), reason=f"pip install --no-deps --target {PLACE} disent==0.8.0 was not run"
)


@pytest.fixture
def disent(monkeypatch):
    """Its modules by name: disent("_mig"). Nothing of it is left behind."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path, str(PLACE)])
    folder = importlib.util.find_spec("disent").submodule_search_locations[0]
    data, metrics = types.ModuleType("disent.dataset"), types.ModuleType("disent.metrics")
    data.DisentDataset, metrics.__path__ = object, [f"{folder}/metrics"]
    monkeypatch.setitem(sys.modules, "disent.dataset", data)
    monkeypatch.setitem(sys.modules, "disent.metrics", metrics)
    yield lambda name: importlib.import_module(f"disent.metrics.{name}")
    for name in [name for name in sys.modules if name.startswith("disent") and name not in before]:
        del sys.modules[name]


@pytest.fixture(params=CODES)
def codes(request):
    return CODES[request.param]


def agrees(value):
    return pytest.approx(value, rel=0, abs=1e-6)


def test_mig(disent, codes):
    theirs = disent("_mig")._compute_mig(codes.T, TRUE.T)["mig.discrete_score"]
    information = mutual_information(latent_bins(codes), list(FACTORS.values()))
    entropies = np.array([entropy(label) for label in FACTORS.values()])
    assert np.mean(mig_gaps(information, entropies)) == agrees(theirs)


def test_sap_of_classes(disent, codes):
    sides = codes[TRAIN].T, TRUE[TRAIN].T, codes[TEST].T, TRUE[TEST].T
    theirs = disent("_sap")._compute_sap(*sides, continuous_factors=False)["sap.score"]
    assert sap(codes, FACTORS, TRAIN, TEST) == agrees(theirs)


def test_sap_of_numbers(disent, codes):
    theirs = disent("_sap")._compute_sap(codes.T, TRUE.T, codes.T, TRUE.T, continuous_factors=True)["sap.score"]
    assert sap(codes, {name: values.astype(float) for name, values in FACTORS.items()}) == agrees(theirs)


@pytest.mark.parametrize("codes", ["factors", "constant", "mixed"], indirect=True)
def test_dci(disent, codes, monkeypatch):
    seeded = partial(sklearn.ensemble.GradientBoostingClassifier, random_state=0)
    monkeypatch.setattr(sklearn.ensemble, "GradientBoostingClassifier", seeded)  # theirs breaks ties at random
    theirs = disent("_dci")._compute_dci(codes[TRAIN].T, TRUE[TRAIN].T, codes[TEST].T, TRUE[TEST].T)
    ours = dci_scores(codes, FACTORS, TRAIN, TEST)
    assert ours.disentanglement == agrees(theirs["dci.disentanglement"])
    assert ours.completeness == agrees(theirs["dci.completeness"])
    assert ours.informativeness == agrees(theirs["dci.informativeness_test"])


def test_dci_of_any_importances(disent):
    theirs = disent("_dci")
    importance = RNG.random((8, 3)) ** 4
    assert disentanglement(importance) == agrees(theirs._disentanglement(importance))
    assert completeness(importance) == agrees(theirs._completeness(importance))


def test_factor_vae_votes_on_the_same_draws(disent, monkeypatch):
    codes = CODES["mixed"]
    held, rows = vote_draws(list(FACTORS.values()), 500, np.random.default_rng(2))
    kinds, batches = iter(held), iter(rows)
    data = types.SimpleNamespace(
        gt_data=types.SimpleNamespace(num_factors=3, sample_factors=lambda count: np.zeros((count, 3), int)),
        dataset_batch_from_factors=lambda factors, mode: codes[next(batches)],
    )
    monkeypatch.setattr(np.random, "randint", lambda high: next(kinds))
    variances = codes.var(axis=0, ddof=1)
    theirs = disent("_factor_vae")._generate_training_batch(
        data, lambda rows: rows, VOTE_IMAGES, 500, variances, np.ones(4, bool)
    )
    assert np.array_equal(votes(codes / np.sqrt(variances), held, rows, 3), theirs)
