"""Settings: what is refused, and that they survive JSON."""

import json
import pickle

import pytest

from dcign.config import CHOICES, TrainConfig
from dcign.errors import ArgumentError, RunError


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_word_is_refused_with_its_name_and_the_words_it_takes(name):
    for word in ("sideways", "", CHOICES[name][0].upper(), 0, None):
        with pytest.raises(RunError) as caught:
            TrainConfig(**{name: word})
        for part in (name + ": ", *CHOICES[name], repr(word)):
            assert part in str(caught.value)


@pytest.mark.parametrize("name", CHOICES)
def test_every_known_word_is_taken_and_the_default_comes_first(name):
    assert getattr(TrainConfig(), name) == CHOICES[name][0]
    for word in CHOICES[name]:
        assert getattr(TrainConfig(**{name: word}), name) == word


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"momentum_decay": 0.0}, "momentum_decay"),  # the authors' m would never move
        ({"momentum_decay": 0.0, "optimizer": "rmsprop-authors"}, "momentum_decay"),
        ({"momentum_decay": -0.1, "optimizer": "rmsprop"}, "momentum_decay"),
        ({"momentum_decay": 1.1}, "momentum_decay"),
        ({"momentum_decay": float("nan")}, "momentum_decay"),
        ({"update_decay": 0.0}, "update_decay"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"beta": -1.0}, "beta"),
        ({"beta": float("nan")}, "beta"),
        ({"weight_decay": -0.01}, "weight_decay"),
        ({"extrinsic_divergence": -1.0}, "extrinsic_divergence"),
        ({"learning_rate_fall": -1}, "learning_rate_fall"),
        ({"invariance_strength": -1.0}, "invariance_strength"),
        ({"weight_average": 1.0}, "weight_average"),
        ({"picture_every": -1.0}, "picture_every"),
        ({"accumulate": 0}, "accumulate"),
        ({"images": 1}, "images"),  # none would be another one's
        ({"held_out": -1}, "held_out"),
        ({"steps": 0}, "steps"),
        ({"keep": 0}, "keep"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"widths": (96, 64)}, "widths"),
        ({"widths": (96, 0, 32)}, "widths"),
        ({"ratio": (0, 0)}, "ratio"),
        ({"ratio": (1, -1)}, "ratio"),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_name_and_option(settings, name):
    with pytest.raises(ArgumentError, match=f"^{name}: expected .*, found ") as caught:
        TrainConfig(**settings)
    assert caught.value.option_message.startswith(f"--{name.replace('_', '-')}: expected")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_literal_rmsprop_may_have_no_momentum():
    assert TrainConfig(optimizer="rmsprop", momentum_decay=0.0).momentum_decay == 0


def test_the_learning_rate_falls_to_nothing_over_the_last_updates():
    config = TrainConfig(steps=10, learning_rate=8.0, learning_rate_fall=4)
    assert [config.learning_rate_at(step) for step in range(10)] == [8] * 7 + [6, 4, 2]
    assert {TrainConfig(steps=10, learning_rate=8.0).learning_rate_at(step) for step in range(10)} == {8}


def test_settings_survive_json():
    config = TrainConfig(procedure="group-vae", widths=(3, 2, 1), held_out=3, optimizer="rmsprop", code="azimuth:2")
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    for broken in ([], {"procedures": "clamped"}, {"steps": 1.5}, {"widths": 3}, {"keep": True}):
        with pytest.raises(RunError, match="training settings"):
            TrainConfig.from_json(broken)
