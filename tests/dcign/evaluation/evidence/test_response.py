import io
import json

import numpy as np
import pytest
from PIL import Image

from dcign.evaluation.evidence import response
from dcign.evaluation.evidence.types import Coded, Sweep
from dcign.model.code import AngleLatents

OBJECTS, PROBES = 12, 2000
ANGLES = np.linspace(-60.0, 60.0, 9)
KNOBS = AngleLatents({"azimuth": np.array([0]), "light": np.array([1])}, np.arange(2, 6))
RANGES = {"azimuth": (-60.0, 60.0), "light": (-80.0, 80.0)}


def images(*shape):
    return np.zeros((*shape, 1, 1), np.uint8)


def coded(codes, degrees, identity):
    return Coded(images(len(codes)), codes.astype(np.float32), degrees, identity)


@pytest.fixture
def toy():
    """An identity code: azimuth, light, and four latents of the object; probes of it, and its sweep of azimuth."""
    rng = np.random.default_rng(0)
    degrees = {name: rng.uniform(low, high, PROBES) for name, (low, high) in RANGES.items()}
    identity = np.repeat(np.arange(PROBES // 20), 20)
    objects = rng.normal(size=(PROBES // 20, 4))
    probes = coded(
        np.column_stack([degrees["azimuth"], degrees["light"], objects[identity]]),
        {name: values.astype(np.float32) for name, values in degrees.items()},
        identity,
    )
    inputs = probes.rows(np.arange(OBJECTS) * 20)
    codes = np.repeat(inputs.codes[:, None], len(ANGLES), axis=1)
    codes[:, :, 0] = ANGLES
    return inputs, {"azimuth": Sweep(ANGLES, images(OBJECTS, len(ANGLES)), codes)}, probes


def changed(toy, codes):
    inputs, _, probes = toy
    return inputs, {"azimuth": Sweep(ANGLES, images(*codes.shape[:2]), codes)}, probes


def own(toy, **options):
    measures = response.measure(*toy, options.get("angle_latents", KNOBS), options.get("ranges", RANGES))
    json.dumps(measures, allow_nan=False)
    return measures["factors"]["azimuth"], measures["warnings"]


def test_the_identity_code_follows_and_nothing_else_moves(toy):
    found, warnings = own(toy)
    (latent,) = found["latents"]
    assert latent["steps_in_order"]["value"] == 1
    assert latent["line_r2"]["value"] == pytest.approx(1)
    assert latent["line_r2"]["low"] == pytest.approx(1)
    assert latent["breaks"] == []
    assert latent["jump_at_zero"]["value"] == pytest.approx(0, abs=1e-5)
    assert [estimate["value"] for estimate in latent["mean"]] == pytest.approx(ANGLES)
    assert latent["spread"] == [0] * len(ANGLES)
    assert found["moved"]["rest"]["overall"]["value"] == found["moved"]["light"]["overall"]["value"] == 0
    assert warnings == []


def test_a_falling_latent_is_as_good_as_a_rising_one(toy):
    codes = toy[1]["azimuth"].codes.copy()
    codes[:, :, 0] *= -3
    latent = own(changed(toy, codes))[0]["latents"][0]
    assert latent["steps_in_order"]["value"] == 1
    assert latent["line_r2"]["value"] == pytest.approx(1)
    assert latent["breaks"] == []


def test_noise_follows_nothing_and_all_of_it_moves_as_far_as_two_objects_differ(toy):
    codes = np.random.default_rng(1).normal(size=(OBJECTS, len(ANGLES), 6)).astype(np.float32)
    probes = toy[2]
    noise = coded(np.random.default_rng(2).normal(size=(PROBES, 6)), probes.values, probes.identity)
    found, _ = own((toy[0], changed(toy, codes)[1], noise))
    (latent,) = found["latents"]
    assert latent["steps_in_order"]["value"] == pytest.approx(0.5, abs=0.15)
    assert latent["line_r2"]["value"] < 0.1
    assert latent["breaks"]
    points = found["moved"]["rest"]["by_angle"]
    assert points[len(ANGLES) // 2]["value"] == 0
    assert np.mean([point["value"] for k, point in enumerate(points) if k != 4]) == pytest.approx(2**0.5, abs=0.25)


def test_a_constant_code_has_no_values_and_says_so(toy):
    inputs, sweeps, probes = toy
    codes = np.zeros_like(sweeps["azimuth"].codes)
    dead = coded(np.zeros((PROBES, 6)), probes.values, probes.identity)
    found, warnings = own((inputs, changed(toy, codes)[1], dead))
    (latent,) = found["latents"]
    assert latent["steps_in_order"] is None
    assert latent["line_r2"]["value"] is None
    assert latent["line_r2_of_mean"] is None
    assert latent["breaks"] is None
    assert latent["jump_at_zero"]["value"] is None
    assert found["moved"]["rest"] == {"by_angle": None, "overall": None}
    assert any("jump" in line for line in warnings)
    assert any(line.startswith("all other latents") for line in warnings)


def test_where_the_response_is_flat_or_turns_back_is_told(toy):
    codes = toy[1]["azimuth"].codes.copy()
    codes[:, :, 0] = [-3, -3, -2.99, -1, 0, 1, 2, 3, 2]
    latent = own(changed(toy, codes))[0]["latents"][0]
    assert latent["breaks"] == [
        {"from": -60.0, "to": -30.0, "kind": "flat"},
        {"from": 45.0, "to": 60.0, "kind": "backwards"},
    ]
    assert latent["steps_in_order"]["value"] == pytest.approx(6 / 8)


def test_one_line_for_all_objects_explains_less_when_each_has_an_offset_of_its_own(toy):
    codes = toy[1]["azimuth"].codes.copy()
    offsets = np.random.default_rng(3).permutation(np.linspace(-60, 60, OBJECTS))
    codes[:, :, 0] += offsets[:, None]
    latent = own(changed(toy, codes))[0]["latents"][0]
    expected = ANGLES.var() / (ANGLES.var() + offsets.var())
    assert latent["line_r2"]["value"] == pytest.approx(expected)
    assert latent["line_r2_of_mean"] == pytest.approx(1)
    assert latent["spread"] == pytest.approx([offsets.std()] * len(ANGLES), rel=1e-5)


def test_movement_is_told_in_standard_deviations_of_the_probes(toy):
    codes = toy[1]["azimuth"].codes.copy()
    scale = toy[2].codes[:, 1].astype(np.float64).std()
    codes[:, :, 1] += np.linspace(-2, 2, len(ANGLES)) * scale  # light leaks
    found, _ = own(changed(toy, codes))
    moved = [point["value"] for point in found["moved"]["light"]["by_angle"]]
    assert moved == pytest.approx(np.abs(np.linspace(-2, 2, len(ANGLES))), abs=1e-4)
    assert found["moved"]["rest"]["overall"]["value"] == 0


def test_a_latent_that_never_says_anything_weighs_nothing_in_its_block(toy):
    inputs, sweeps, probes = toy
    rng = np.random.default_rng(4)
    quiet = probes.codes.copy()
    quiet[:, 5] = 1e-4 * rng.normal(size=PROBES)
    codes = sweeps["azimuth"].codes.copy()
    codes[:, :, 5] = 1e-4 * rng.normal(size=codes.shape[:2])
    found, _ = own((inputs, changed(toy, codes)[1], coded(quiet, probes.values, probes.identity)))
    assert found["moved"]["rest"]["overall"]["value"] < 1e-3


@pytest.fixture
def around(toy):
    """A code whose first two latents are cosine and sine of an azimuth that goes full circle."""
    inputs, _, probes = toy
    angles = np.arange(0.0, 360.0, 30.0)
    codes = np.repeat(inputs.codes[:, None], len(angles), axis=1)
    codes[:, :, 0], codes[:, :, 1] = np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))
    turned = np.random.default_rng(5).uniform(0, 360, PROBES)
    found = probes.codes.copy()
    found[:, 0], found[:, 1] = np.cos(np.deg2rad(turned)), np.sin(np.deg2rad(turned))
    degrees = {"azimuth": turned.astype(np.float32)}
    return inputs, {"azimuth": Sweep(angles, images(*codes.shape[:2]), codes)}, coded(found, degrees, probes.identity)


def test_on_a_circle_a_sinusoid_takes_the_place_of_the_line(around):
    angle_latents = AngleLatents({"azimuth": np.array([0, 1])}, np.arange(2, 6))
    found, _ = own(around, angle_latents=angle_latents, ranges={"azimuth": (0.0, 360.0)})
    assert found["circular"]
    assert [latent["sinusoid_r2"]["value"] for latent in found["latents"]] == pytest.approx([1, 1])
    assert "steps_in_order" not in found["latents"][0]
    assert found["group_r2"]["value"] == pytest.approx(1)
    assert found["latents"][1]["jump_at_zero"]["value"] == pytest.approx(0, abs=0.02)


def test_a_fixed_factor_is_left_out_and_one_without_latents_is_named(toy):
    inputs, sweeps, probes = toy
    fixed = response.measure(inputs, sweeps, probes, KNOBS, {"azimuth": (0.0, 0.0)})
    assert fixed["factors"] == {}
    assert fixed["warnings"] == []
    unnamed = response.measure(inputs, sweeps, probes, AngleLatents({}, np.arange(6)), RANGES)
    assert unnamed["factors"] == {"azimuth": None}
    assert "azimuth" in unnamed["warnings"][0]
    assert response.section(unnamed).parts == []


def test_the_section_shows_a_chart_and_a_row_for_each_latent_and_each_group(toy, around):
    pair = AngleLatents({"azimuth": np.array([0, 1])}, np.arange(2, 6))
    for data, angle_latents, ranges, rows in ((toy, KNOBS, RANGES, 1), (around, pair, {"azimuth": (0.0, 360.0)}, 3)):
        measures = response.measure(*data, angle_latents, ranges)
        chart, table = response.section(measures).parts
        assert Image.open(io.BytesIO(chart.png)).size[1] > 400
        assert len(table.rows) == rows
        assert {len(row) for row in table.rows} == {len(table.head)}
    assert "found" in response.section({**measures, "found": True}).text
    assert "found" not in response.section(measures).text
