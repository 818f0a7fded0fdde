import numpy as np
import pytest
from sklearn.linear_model import Ridge

from dcign.evaluation.metrics import groups as group_metrics
from dcign.evaluation.metrics.groups import r2

RNG = np.random.default_rng(0)
IDENTITY = np.repeat(RNG.permutation(40), 10)


def test_no_identity_is_in_two_folds_and_folds_are_even():
    fold = group_metrics.folds_by_identity(IDENTITY)
    assert all(len(set(fold[i == IDENTITY])) == 1 for i in range(40))
    assert np.bincount(fold).tolist() == [80] * 5
    assert np.bincount(group_metrics.folds_by_identity(np.repeat([4, 9, 2], 6))).tolist() == [6] * 3
    with pytest.raises(ValueError, match="2 identities"):
        group_metrics.folds_by_identity(np.array([1, 1, 2]))


def test_every_identity_is_known_whichever_fold_of_views_is_held_out():
    identity = np.array([3, 1, 1, 3, 3, 1, 7, 7])
    fold = group_metrics.folds_by_view(identity)
    for number in np.unique(fold):
        assert set(identity[fold != number]) == {1, 3, 7}
    with pytest.raises(ValueError, match="single image"):
        group_metrics.folds_by_view(np.array([1, 1, 2]))


def test_ridge_is_that_of_scikit_learn_with_the_best_penalty_on_other_folds():
    codes = RNG.normal(size=(400, 30)) * RNG.uniform(0.1, 10, 30) + 3
    target = (codes[:, :3] / codes[:, :3].std(axis=0)).sum(axis=1, keepdims=True) + RNG.normal(size=(400, 1))
    fold = group_metrics.folds_by_identity(IDENTITY)
    (found,) = group_metrics.ridge_predictions(codes, [target], fold)

    def held_out(train, test, penalty):
        centre, scale = codes[train].mean(axis=0), codes[train].std(axis=0)
        model = Ridge(alpha=penalty).fit((codes[train] - centre) / scale, target[train])
        return model.predict((codes[test] - centre) / scale).reshape(-1, 1)

    for number in range(5):
        errors = [
            sum(
                ((held_out(~np.isin(fold, [number, k]), fold == k, penalty) - target[fold == k]) ** 2).sum()
                for k in range(5)
                if k != number
            )
            for penalty in group_metrics.PENALTIES
        ]
        best = group_metrics.PENALTIES[int(np.argmin(errors))]
        rows = fold == number
        assert found[rows] == pytest.approx(held_out(~rows, rows, best), abs=1e-8)


def test_ridge_does_not_depend_on_the_scale_of_latents_nor_on_other_targets():
    codes = RNG.normal(size=(400, 8))
    first, second = codes[:, :1] + RNG.normal(size=(400, 1)), RNG.normal(size=(400, 2))
    fold = group_metrics.folds_by_identity(IDENTITY)
    both = group_metrics.ridge_predictions(codes, [first, second], fold)
    alone = group_metrics.ridge_predictions(codes * 100 + 5, [first], fold)
    assert both[0] == pytest.approx(alone[0])
    assert both[1].shape == (400, 2)


def test_what_is_known_of_an_identity_does_not_count_for_others():
    """Each identity has a code and a value of its own, unrelated to each other: a seen one could be looked up."""
    codes, target = RNG.normal(size=(40, 20))[IDENTITY], RNG.normal(size=(40, 1))[IDENTITY]
    fold = group_metrics.folds_by_identity(IDENTITY)
    assert r2(target, group_metrics.ridge_predictions(codes, [target], fold)[0]) < 0.05
    assert r2(target, group_metrics.tree_predictions(codes, target, fold)) < 0.05


def test_trees_see_a_folded_latent_and_ridge_does_not():
    latent = RNG.uniform(-1, 1, (400, 1))
    fold = group_metrics.folds_by_identity(IDENTITY)
    assert r2(np.abs(latent), group_metrics.tree_predictions(latent, np.abs(latent), fold)) > 0.95
    assert r2(np.abs(latent), group_metrics.ridge_predictions(latent, [np.abs(latent)], fold)[0]) < 0.05


def test_constant_latents_predict_the_mean():
    target = RNG.normal(size=(400, 1))
    fold = group_metrics.folds_by_identity(IDENTITY)
    codes = np.full((400, 3), 7.0)
    (found,) = group_metrics.ridge_predictions(codes, [target], fold)
    for number in range(5):
        assert found[fold == number] == pytest.approx(target[fold != number].mean())
    assert np.isfinite(group_metrics.tree_predictions(codes, target, fold)).all()


def test_the_nearest_mean_recognises_identities_and_nothing_recognises_none():
    fold = group_metrics.folds_by_view(IDENTITY)
    centres = RNG.normal(size=(40, 6))
    loud = RNG.normal(size=(400, 1)) * 1000  # varies with all else; says nothing of the identity
    codes = np.hstack([centres[IDENTITY] + 0.1 * RNG.normal(size=(400, 6)), loud])
    assert np.mean(group_metrics.nearest_class_mean(codes, IDENTITY, fold) == IDENTITY) > 0.97
    exact = np.hstack([IDENTITY[:, None].astype(float), np.zeros((400, 1))])
    assert np.mean(group_metrics.nearest_class_mean(exact, IDENTITY, fold) == IDENTITY) == 1.0
    noise = RNG.normal(size=(400, 6))
    assert np.mean(group_metrics.nearest_class_mean(noise, IDENTITY, fold) == IDENTITY) < 0.1
