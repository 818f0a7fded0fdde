import io
import json

import numpy as np
import pytest
from PIL import Image

from dcign.evaluation.evidence import response
from dcign.evaluation.evidence.types import Coded, Sweep
from dcign.model.code import AngleLatents
from render.shards.labels import Label, labels_of

OBJECTS, PROBES = 12, 2000
ANGLES = np.linspace(-60.0, 60.0, 9)
KNOBS = AngleLatents({"azimuth": np.array([0]), "light": np.array([1])}, np.arange(2, 6))
RANGES = {"azimuth": (-60.0, 60.0), "light": (-80.0, 80.0)}
LABELS = labels_of({"ranges": RANGES})
AROUND = labels_of({"ranges": {"azimuth": (0.0, 360.0)}})


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
    return inputs, {"azimuth": Sweep.even(ANGLES, images(OBJECTS, len(ANGLES)), codes)}, probes


def changed(toy, codes):
    inputs, _, probes = toy
    return inputs, {"azimuth": Sweep.even(ANGLES, images(*codes.shape[:2]), codes)}, probes


def own(toy, **options):
    measures = response.measure(*toy, options.get("angle_latents", KNOBS), options.get("labels", LABELS))
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
    sweep = Sweep.even(angles, images(*codes.shape[:2]), codes)
    return inputs, {"azimuth": sweep}, coded(found, degrees, probes.identity)


def test_on_a_circle_a_sinusoid_takes_the_place_of_the_line(around):
    angle_latents = AngleLatents({"azimuth": np.array([0, 1])}, np.arange(2, 6))
    found, _ = own(around, angle_latents=angle_latents, labels=AROUND)
    assert found["circular"]
    assert [latent["sinusoid_r2"]["value"] for latent in found["latents"]] == pytest.approx([1, 1])
    assert "steps_in_order" not in found["latents"][0]
    assert found["group_r2"]["value"] == pytest.approx(1)
    assert found["latents"][1]["jump_at_zero"]["value"] == pytest.approx(0, abs=0.02)


def test_a_fixed_factor_is_left_out_and_one_without_latents_is_named(toy):
    inputs, sweeps, probes = toy
    fixed = response.measure(inputs, sweeps, probes, KNOBS, labels_of({"ranges": {"azimuth": (0.0, 0.0)}}))
    assert fixed["factors"] == {}
    assert fixed["warnings"] == []
    unnamed = response.measure(inputs, sweeps, probes, AngleLatents({}, np.arange(6)), LABELS)
    assert unnamed["factors"] == {"azimuth": None}
    assert "azimuth" in unnamed["warnings"][0]
    assert response.section(unnamed, LABELS).parts == []


def test_the_section_shows_a_chart_and_a_row_for_each_latent_and_each_group(toy, around):
    pair = AngleLatents({"azimuth": np.array([0, 1])}, np.arange(2, 6))
    for data, angle_latents, labels, rows in ((toy, KNOBS, LABELS, 1), (around, pair, AROUND, 3)):
        measures = response.measure(*data, angle_latents, labels)
        chart, table = response.section(measures, labels).parts
        assert Image.open(io.BytesIO(chart.png)).size[1] > 400
        assert len(table.rows) == rows
        assert {len(row) for row in table.rows} == {len(table.head)}
    assert "found" in response.section({**measures, "found": True}, AROUND).text
    assert "found" not in response.section(measures, AROUND).text


def own_values(toy, label, values, latent):
    """The inputs of `toy` in mini-batches at values of their own (O, S), NaN where there is none; `latent` of these."""
    inputs, _, probes = toy
    codes = np.repeat(inputs.codes[:, None], values.shape[1], axis=1)
    codes[:, :, 0] = np.nan_to_num(latent(values), nan=1e6)  # must not count
    sweep = Sweep(np.arange(OBJECTS), values, images(*values.shape), codes, np.zeros(OBJECTS, np.int64))
    measures = response.measure(inputs, {"azimuth": sweep}, probes, KNOBS, {"azimuth": label})
    json.dumps(measures, allow_nan=False)
    return measures


def test_mini_batches_at_values_of_their_own_are_told_in_bins(toy):
    rng = np.random.default_rng(7)
    values = np.sort(rng.uniform(0.0, 5.0, (OBJECTS, 6)), axis=1)
    values[::2, 5] = np.nan
    label = Label("azimuth", 0.0, 5.0, "cm")
    measures = own_values(toy, label, values, lambda at: 3 * at)
    found = measures["factors"]["azimuth"]
    (latent,) = found["latents"]
    assert (found["objects"], found["identities"]) == (OBJECTS, OBJECTS)
    assert len(found["angles"]) == 9
    assert latent["steps_in_order"]["value"] == 1
    assert latent["line_r2"]["value"] == pytest.approx(1)
    assert latent["breaks"] == []
    assert [each["value"] for each in latent["mean"]] == pytest.approx(3 * np.array(found["angles"]), rel=1e-5)
    assert found["moved"]["rest"]["overall"]["value"] == 0
    assert latent["jump_at_zero"]["value"] is None  # 0 cm is no seam
    assert measures["warnings"] == []
    chart, table = response.section(measures, {"azimuth": label}).parts
    assert chart.png.startswith(b"\x89PNG")
    assert table.rows[0][4] == ""


def test_a_grid_is_told_at_its_values_and_equal_values_make_no_step(toy):
    values = np.tile([20.0, 20.0, 40.0, 60.0], (OBJECTS, 1))
    values[0] = [20, 40, 40, 60]
    found = own_values(toy, Label("azimuth", 20, 60, "mm", values=(20, 40, 60)), values, lambda at: -at)["factors"]
    (latent,) = found["azimuth"]["latents"]
    assert found["azimuth"]["angles"] == [20, 40, 60]
    assert latent["steps_in_order"]["value"] == 1
    assert [each["value"] for each in latent["mean"]] == [-20, -40, -60]


def test_a_latent_of_categories_is_told_by_their_means_in_any_order(toy):
    label = Label("azimuth", 0.0, 2.0, "", categories=("red", "$green$", "blue"))
    values = np.tile([0.0, 1.0, 2.0], (OBJECTS, 1))
    values[:3, 2] = np.nan
    measures = own_values(toy, label, values, lambda at: np.where(at == 1, 5.0, -at))
    (latent,) = measures["factors"]["azimuth"]["latents"]
    assert latent["category_r2"]["value"] == pytest.approx(1)
    assert "line_r2" not in latent
    chart, table = response.section(measures, {"azimuth": label}).parts
    assert chart.png.startswith(b"\x89PNG")
    assert table.rows[0][1:4] == ["category", latent["category_r2"], "category"]


def test_a_hue_goes_round_once_in_its_range(toy):
    values = np.sort(np.random.default_rng(8).uniform(0.0, 1.0, (OBJECTS, 5)), axis=1)
    label = Label("azimuth", 0.0, 1.0, "", circular=True)
    found = own_values(toy, label, values, lambda at: np.sin(2 * np.pi * at))["factors"]["azimuth"]
    assert found["latents"][0]["sinusoid_r2"]["value"] == pytest.approx(1)
    assert len(found["angles"]) == 12
