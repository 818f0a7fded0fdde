"""Measures of disentanglement against the package disent, which descends from the library of Locatello et al.

disent is installed without its dependencies. Those of its own modules that would need them take no part in the
arithmetic; the fixture puts empty ones in their place. Beside arrays of our own its generated data sets are measured,
squares on a grid whose true factors it knows. It has no beta-VAE score and no modularity; these are tested against
other implementations (`test_beta_vae.py`, `test_modularity.py`).
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
from dcign.evaluation.metrics.vae_scores import VOTE_IMAGES, factor_vae_score, vote_draws, votes

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
    """Its modules by name: disent("_mig"), disent("_groundtruth", "dataset.data"). Nothing of it is left behind."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path, str(PLACE)])
    folder = importlib.util.find_spec("disent").submodule_search_locations[0]
    for name in ("dataset", "dataset.data", "metrics"):
        package = types.ModuleType(f"disent.{name}")
        package.__path__, package.DisentDataset = [f"{folder}/{name.replace('.', '/')}"], object
        monkeypatch.setitem(sys.modules, f"disent.{name}", package)
    yield lambda name, within="metrics": importlib.import_module(f"disent.{within}.{name}")
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


SQUARES = {
    "one square": ("_groundtruth__xyobject", "XYObjectData", {
        "grid_size": 24, "grid_spacing": 4, "min_square_size": 3, "max_square_size": 9, "palette": "greys_4",
    }),
    "two squares": ("_groundtruth__xysquares", "XYSquaresData", {
        "square_size": 6, "image_size": 24, "num_squares": 2, "grid_spacing": 6,
    }),
}  # fmt: skip


@pytest.fixture(params=SQUARES)
def squares(disent, request):
    """One of its data sets: all factors (n, F), and codes (n, 4) of all images, their principal components.

    Pixels are weighed, each by a number of its own: squares that may stand anywhere make components of equal variance,
    and which basis of them a decomposition finds would differ between machines.
    """
    module, name, options = SQUARES[request.param]
    data = getattr(disent(module, "dataset.data"), name)(rgb=False, **options)
    images = np.stack([data[k] for k in range(len(data))]).reshape(len(data), -1).astype(float)
    images -= images.mean(axis=0)
    images *= np.random.default_rng(3).uniform(0.5, 1.5, images.shape[1])
    axes = np.linalg.svd(images, full_matrices=False)[2][:4]
    return data, data.idx_to_pos(np.arange(len(data))), images @ axes.T / 255


def sampled(squares, count=300):
    """Codes and factors of images drawn at random, as its metrics draw them; each factor by its name."""
    data, factors, codes = squares
    rows = np.random.default_rng(4).integers(0, len(data), count)
    return codes[rows], factors[rows], dict(zip(data.factor_names, factors[rows].T, strict=True))


def test_mig_of_its_squares(disent, squares):
    codes, true, factors = sampled(squares)
    theirs = disent("_mig")._compute_mig(codes.T, true.T)["mig.discrete_score"]
    information = mutual_information(latent_bins(codes), list(factors.values()))
    gaps = mig_gaps(information, np.array([entropy(label) for label in factors.values()]))
    assert np.mean(gaps) == agrees(theirs)


@pytest.mark.parametrize("continuous", [False, True])
def test_sap_of_its_squares(disent, squares, continuous):
    codes, true, factors = sampled(squares)
    train, test = (TRAIN, TEST) if not continuous else (np.arange(300), np.arange(300))
    sides = codes[train].T, true[train].T, codes[test].T, true[test].T
    theirs = disent("_sap")._compute_sap(*sides, continuous_factors=continuous)["sap.score"]
    asked = {name: values.astype(float) if continuous else values for name, values in factors.items()}
    assert sap(codes, asked, train, test) == agrees(theirs)


@pytest.mark.parametrize("squares", ["one square"], indirect=True)
def test_dci_of_its_squares(disent, squares, monkeypatch):
    seeded = partial(sklearn.ensemble.GradientBoostingClassifier, random_state=0)
    monkeypatch.setattr(sklearn.ensemble, "GradientBoostingClassifier", seeded)
    codes, true, factors = sampled(squares)
    theirs = disent("_dci")._compute_dci(codes[TRAIN].T, true[TRAIN].T, codes[TEST].T, true[TEST].T)
    ours = dci_scores(codes, factors, TRAIN, TEST)
    for name, key in (("disentanglement",) * 2, ("completeness",) * 2, ("informativeness", "informativeness_test")):
        assert getattr(ours, name) == agrees(theirs[f"dci.{key}"])


def test_factor_vae_score_of_its_squares(disent, squares, monkeypatch):
    data, _, codes = squares
    monkeypatch.setattr(np.random, "randint", np.random.RandomState(1).randint)
    dataset = types.SimpleNamespace(
        gt_data=data,
        dataset_batch_from_factors=lambda factors, mode: codes[data.pos_to_idx(factors)],
        dataset_sample_batch=lambda count, mode: codes[np.random.RandomState(2).randint(0, len(codes), count)],
    )
    theirs = disent("_factor_vae").metric_factor_vae(
        dataset, lambda rows: rows, num_train=1500, num_eval=1500, num_variance_estimate=1000
    )["factor_vae.eval_accuracy"]
    every, _, factors = sampled(squares, 2000)
    sides = np.arange(1000), np.arange(1000, 2000)
    ours = factor_vae_score(every, factors, *sides, np.random.default_rng(0))
    assert ours == pytest.approx(theirs, abs=0.05)  # theirs draws from an endless supply, ours from these images
