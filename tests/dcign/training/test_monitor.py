"""Training names latents that do not follow their angle: once, not early, and with what to try."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from labelled_shards import LABELS
from shard_fixtures import write_synthetic
from training_fixtures import go

from dcign.config import TrainConfig
from dcign.evaluation.metrics.folds import Course
from dcign.training.monitor import Monitor
from render.factors import DEFAULT_RANGES
from render.shards.labels import labels_of

FOLLOWS, FOLDED = Course("follows", 1.0, 0.0, 10), Course("folded", 1.0, 0.4, 10, ("azimuth", -40.0, 50.0))


def measures(mse=0.01, **courses):
    course = {name: asdict(found) for name, found in courses.items()}
    return {"mse": mse, "mean_image_mse": 0.02, "course": course}


@pytest.fixture
def monitor(tmp_path):
    """A monitor of 1,000 steps on faces with the paper's settings. It measures and writes nothing."""
    data = SimpleNamespace(labels=labels_of({"ranges": DEFAULT_RANGES["face"]}))
    header = SimpleNamespace(config=TrainConfig(steps=1000))
    optimiser = SimpleNamespace(updates=0)
    return Monitor(tmp_path, header, data, {}, None, optimiser, torch.device("cpu"), "fp32", False, True)


def test_a_fold_is_said_once_with_what_to_try_and_again_when_it_has_gone(monitor):
    assert monitor.news(200, measures(light=FOLLOWS)) == []
    said = monitor.news(300, measures(light=FOLDED))
    assert said[0].startswith("Step 300, mini-batches held out: z_light is folded")
    assert "`front_first=1000`" in said[1]
    assert "`invariance_unit=noise`" in said[1]
    assert monitor.news(400, measures(light=FOLDED)) == []
    assert monitor.news(500, measures(light=FOLLOWS)) == [
        "Step 500, mini-batches held out: z_light now follows the light."
    ]


def test_nothing_is_said_early_nor_without_measures(monitor):
    assert monitor.news(99, measures(light=FOLDED)) == []
    assert monitor.news(500, None) == []
    assert monitor.news(100, measures(light=FOLDED)) != []


def test_a_run_that_paints_nothing_is_named_once(monitor):
    assert monitor.news(99, measures(mse=0.02)) == []
    said, *of_latents = monitor.news(200, measures(mse=0.02, light=FOLDED))
    assert said.startswith("Step 200, mini-batches held out: pictures are no nearer than their mean image would be")
    assert "(MSE 0.0200; 0.0200)" in said
    assert "lower `learning_rate`" in said
    assert "z_light is folded" in of_latents[0]
    assert monitor.news(300, measures(mse=0.03, light=FOLDED)) == []
    assert monitor.news(400, measures(mse=None, light=FOLDED)) == []  # not finite: that ends the run
    assert len(monitor.news(600, measures(mse=0.03, light=FOLDED))) == 1
    monitor.header.config = TrainConfig(steps=1000, procedure="entangled")
    assert monitor.news(700, measures(mse=0.01)) == []
    assert len(monitor.news(800, measures(mse=0.03))) == 1


def test_no_single_latent_is_blamed_for_a_full_circle(monitor):
    monitor.data.labels = labels_of({"ranges": DEFAULT_RANGES["chair"]})
    assert monitor.news(500, measures(azimuth=FOLDED)) == []


def test_procedures_that_give_latents_no_meaning_are_not_blamed(monitor):
    monitor.header.config = TrainConfig(steps=1000, procedure="entangled")
    assert monitor.news(500, measures(light=FOLDED)) == []


def test_settings_that_were_taken_are_not_recommended(monitor):
    monitor.header.config = TrainConfig(steps=1000, front_first=500, invariance_unit="noise")
    (_, advice) = monitor.news(500, measures(light=FOLDED))
    assert "`front_first=" not in advice
    assert "`invariance_unit=" not in advice
    assert "`inactive_gradient=shared`" in advice


def test_training_says_it(tmp_path):
    shards = write_synthetic(
        tmp_path / "shards", counts=dict.fromkeys(("azimuth", "elevation", "light", "intrinsic"), 6)
    )
    _, said = go(shards, tmp_path / "run", held_out=4, steps=5)
    assert "Step 5, mini-batches held out: z_" in said  # five steps find nothing


def test_the_front_is_recommended_only_to_images_that_have_one(monitor):
    monitor.data.labels = LABELS
    assert "front_first" in monitor.news(500, measures(tilt=FOLDED))[1]
    monitor.data.labels = {"tilt": LABELS["tilt"]}
    monitor.states.clear()
    assert "front_first" not in monitor.news(500, measures(tilt=FOLDED))[1]
