"""Training on images that no renderer drew: their labels decide code, ratio and what is measured."""

import json

import pytest
from labelled_shards import BACKGROUND, FACTORS, LABELS, OBJECT, write_labelled
from training_fixtures import SMALL, go, newest, stats

from dcign.errors import RunError
from dcign.runs.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = {"code": None, "ratio": (), "steps": 16, "checkpoint_every": 8, "held_out": 1}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_labelled(tmp_path_factory.mktemp("spots") / "shards", size=54)


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spots") / "run"
    go(shards, folder, **SETTINGS)
    return folder


def test_the_code_the_ratio_and_what_is_kept_follow_from_the_labels(run):
    trained = load_run(run)
    assert str(trained.layout) == "azimuth:2,distance:1,colour:2,tilt:1,intrinsic:194"
    assert trained.config.ratio == (1, 1, 1, 1, 10)
    assert trained.labels == LABELS
    assert trained.layout.labels == tuple(LABELS)
    assert (trained.object, trained.background) == (OBJECT, BACKGROUND)
    assert json.loads((run / "config.json").read_text())["data"]["factors"] == list(FACTORS)


def test_only_quantities_with_one_latent_are_ranked(run):
    measured = stats(run)[-1]["held_out"]
    assert set(measured["spearman"]) == {"distance", "tilt"}
    assert set(measured["factors"]) == set(FACTORS)
    assert (run / "progress.png").is_file()


def test_a_resumed_training_gives_the_same_bytes(shards, run, tmp_path):
    go(shards, tmp_path / "again", **{**SETTINGS, "steps": 8})
    go(shards, tmp_path / "again", **SETTINGS)
    assert newest(tmp_path / "again") == newest(run)


def test_a_latent_of_categories_is_not_ranked(shards, tmp_path):
    go(shards, tmp_path / "run", **{**SETTINGS, "code": "colour:1,tilt:1,rest:4", "steps": 2, "checkpoint_every": 2})
    assert set(stats(tmp_path / "run")[-1]["held_out"]["spearman"]) == {"tilt"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"code": "azimuth:2,colour:2"}, "no latents for the factor 'distance'"),
        ({"ratio": (1,) * 6}, "^ratio: expected azimuth:distance:colour:tilt:intrinsic or its beginning"),
    ],
)
def test_what_does_not_fit_the_labels_is_refused(shards, tmp_path, settings, found):
    with pytest.raises(RunError, match=found):
        go(shards, tmp_path / "run", SMALL, **{**SETTINGS, **settings})
    assert not (tmp_path / "run").exists()
