"""The code as a summary statistic, on codes of which it is known how much they tell."""

import json
from functools import cache

import numpy as np
import pytest

from dcign.evaluation.evidence import inference
from dcign.evaluation.evidence.inference import density
from dcign.evaluation.evidence.posteriors import Draws, Parameter
from dcign.evaluation.evidence.types import Coded, Figure, Table

FACES = {"azimuth": (-90.0, 90.0), "elevation": (5.0, 5.0), "light": (-80.0, 80.0)}
PARTS = {"shape": 4, "albedo": 2}
CHAIRS = {"azimuth": (0.0, 360.0)}
PNG = b"\x89PNG"


def faces(seed, count, code, size=8):
    """`count` images of two bars, as far along as the azimuth and the light, in noise; `code` of (values, noise)."""
    rng = np.random.default_rng(seed)
    degrees = {name: rng.uniform(*limits, count).astype(np.float32) for name, limits in FACES.items()}
    coefficients = rng.normal(size=(count, 6)).astype(np.float32)
    along = np.stack([degrees["azimuth"] / 90, degrees["light"] / 80], axis=1)[:, :, None]
    bars = 150 * np.exp(-8 * (np.linspace(-1, 1, size * size // 2) - along) ** 2)
    images = bars.reshape(count, size, size) + rng.normal(40, 8, (count, size, size))
    values = np.stack([along[:, 0, 0], along[:, 1, 0], *coefficients[:, :3].T], axis=1)
    return Coded(
        np.clip(images, 0, 255).astype(np.uint8),
        code(values, rng).astype(np.float32),
        degrees,
        np.arange(count) + 10_000 * seed,
        coefficients,
    )


def identity_code(values, rng):
    return np.hstack([values, np.zeros((len(values), 3)), 0.05 * rng.normal(size=(len(values), 5))])


def noise_code(values, rng):
    return rng.normal(size=(len(values), 13))


@cache
def measured(code):
    return inference.measure(faces(1, 1000, code), faces(2, 60, code), FACES, PARTS)


def test_what_varies_is_inferred_and_named_with_its_unit():
    measures, posteriors = measured(identity_code)
    angles, shapes = (
        dict.fromkeys(("azimuth", "light"), "degrees"),
        {f"shape {n}": "standard deviations" for n in (1, 2, 3)},
    )
    assert measures["parameters"] == angles | shapes
    assert [parameter.name for parameter in posteriors.parameters] == list(measures["parameters"])
    assert list(measures["methods"]) == ["guess", "code nearest", "pixels nearest", "code adjusted", "pixels adjusted"]
    assert measures["warnings"] == []
    assert measures["accepted"]["code nearest"]["light"] == 50


def test_a_code_that_is_the_parameters_is_all_but_exact_and_one_of_noise_no_better_than_guessing():
    known, noise = measured(identity_code)[0], measured(noise_code)[0]
    for name, limit in (("azimuth", 6.0), ("shape 1", 0.08)):
        assert known["methods"]["code adjusted"][name]["rms_error"]["value"] < limit
    assert known["relative_error"]["code adjusted"]["value"] < 0.1
    assert known["relative_error"]["code nearest"]["value"] < 0.5
    for method in ("code nearest", "code adjusted"):
        assert noise["relative_error"][method]["value"] == pytest.approx(1, abs=0.1)


def test_the_guess_has_the_spread_of_the_prior_and_its_intervals_hold_what_they_say():
    guess = measured(identity_code)[0]["methods"]["guess"]["azimuth"]
    assert guess["rms_error"]["value"] == pytest.approx(180 / np.sqrt(12), rel=0.15)
    assert guess["width_90"]["value"] == pytest.approx(0.9 * 180, rel=0.05)
    assert guess["coverage_90"]["low"] <= 0.9 <= guess["coverage_90"]["high"]


def test_code_and_pixels_are_compared_on_the_same_images():
    measures = measured(identity_code)[0]
    ratio = measures["code_over_pixels"]["nearest"]["azimuth"]
    of_both = [measures["methods"][f"{of} nearest"]["azimuth"]["rms_error"]["value"] for of in ("code", "pixels")]
    assert ratio["value"] == pytest.approx(of_both[0] / of_both[1])
    assert measures["code_over_pixels"]["adjusted"]["shape 1"]["high"] < 0.3  # the pixels do not show it
    assert measured(noise_code)[0]["code_over_pixels"]["adjusted"]["azimuth"]["low"] > 2


def test_credible_intervals_of_a_noisy_code_hold_the_truth_as_often_as_they_say():
    def noisy(values, rng):
        return values + rng.normal(0, 0.3, values.shape)

    measures, _ = inference.measure(faces(1, 1000, noisy), faces(2, 200, noisy), FACES, PARTS)
    own = measures["calibration"]["methods"]["code adjusted"]
    for level, share in zip(measures["calibration"]["levels"], own, strict=True):
        assert share["value"] == pytest.approx(level, abs=0.05)
    exact = np.sqrt(0.3**2 / (1 + 0.3**2))  # standard deviation of a coefficient given its noisy value
    assert measures["methods"]["code adjusted"]["shape 1"]["rms_error"]["value"] == pytest.approx(exact, rel=0.2)
    assert measures["methods"]["code adjusted"]["shape 1"]["width_90"]["value"] == pytest.approx(3.29 * exact, rel=0.15)


def chairs(seed, count, start=0.0):
    rng = np.random.default_rng(seed)
    azimuth = rng.uniform(0, 360, count)
    angle = np.deg2rad(azimuth)
    code = np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.05, (count, 2))
    images = np.zeros((count, 6, 6), np.uint8)
    images[:, 0, 0] = np.arange(count) % 256
    degrees = {"azimuth": np.mod(azimuth + start, 360.0).astype(np.float32)}
    return Coded(images, code.astype(np.float32), degrees, np.arange(count) % 40 + 1000 * seed)


@pytest.mark.parametrize("start", [0.0, 180.0, 300.0])
def test_on_a_circle_the_error_is_small_wherever_zero_is(start):
    measures, posteriors = inference.measure(chairs(1, 1000, start), chairs(2, 40, start), CHAIRS, {})
    assert list(measures["parameters"]) == ["azimuth"]
    assert posteriors.parameters[0].circle
    found = measures["methods"]["code adjusted"]["azimuth"]
    assert found["rms_error"]["value"] < 5
    assert found["width_90"]["value"] < 20
    assert found["coverage_90"]["value"] > 0.75
    assert measures["methods"]["guess"]["azimuth"]["rms_error"]["value"] == pytest.approx(360 / np.sqrt(12), rel=0.2)


def test_where_the_statistic_is_a_line_in_the_parameter_more_simulations_are_adjusted_than_where_it_is_bent():
    def straight(values, rng):
        return values + rng.normal(0, 0.2, values.shape)

    measures, _ = inference.measure(faces(1, 3000, straight), faces(2, 5, straight), FACES, PARTS)
    assert measures["accepted"]["code adjusted"]["azimuth"] == 150
    assert measures["accepted"]["pixels adjusted"]["azimuth"] < 150  # a bar that moves


def test_a_constant_code_and_blank_images_are_named_and_no_better_than_guessing():
    def blank(coded):
        return Coded(np.zeros_like(coded.images), coded.codes, coded.values, coded.identity, coded.coefficients)

    def constant(values, rng):
        return np.ones((len(values), 4))

    table, observed = blank(faces(1, 600, constant)), blank(faces(2, 20, constant))
    measures, _ = inference.measure(table, observed, FACES, PARTS)
    assert [warning.split(" of ")[0] for warning in measures["warnings"]] == [
        "inference: the code",
        "inference: the pixels",
    ]
    for error in measures["relative_error"].values():
        assert error["value"] == pytest.approx(1, abs=0.15)
    json.dumps(measures, allow_nan=False)


@pytest.mark.parametrize(
    ("simulations", "observed", "ranges", "message"),
    [
        (499, 20, FACES, "499 simulations are too few (at least 500 are needed)"),
        (600, 0, FACES, "no image"),
        (600, 20, {"light": (3.0, 3.0)}, "nothing varies"),
    ],
)
def test_what_cannot_be_inferred_is_none_with_a_warning(simulations, observed, ranges, message):
    table, images = faces(1, simulations, identity_code), faces(2, max(observed, 1), identity_code)
    images = images.rows(np.arange(observed))
    if ranges is not FACES:
        table, images = (Coded(c.images, c.codes, c.values, c.identity) for c in (table, images))
    measures, posteriors = inference.measure(table, images, ranges, PARTS)
    assert posteriors is None
    assert measures["methods"] is measures["calibration"] is None
    assert len(measures["warnings"]) == 1
    assert message in measures["warnings"][0]
    section = inference.section(measures, posteriors)
    assert (section.parts, list(section.warnings)) == ((), measures["warnings"])


def test_few_observed_images_give_values_without_intervals():
    measures, posteriors = inference.measure(chairs(1, 500), chairs(2, 3), CHAIRS, {})
    found = measures["methods"]["code nearest"]["azimuth"]
    for name in ("rms_error", "coverage_90", "width_50"):
        assert found[name]["value"] is not None
        assert found[name]["low"] is None
    assert inference.section(measures, posteriors).parts


def test_parts_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="are not 6 coefficients"):
        inference.measure(faces(1, 500, identity_code), faces(2, 5, identity_code), FACES, {"shape": 4})


def test_the_same_input_gives_the_same_measures():
    first, second = (
        inference.measure(faces(1, 500, identity_code), faces(2, 6, identity_code), FACES, PARTS)[0] for _ in range(2)
    )
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_the_section_holds_errors_coverage_and_pictures():
    measures, posteriors = measured(identity_code)
    section = inference.section(measures, posteriors)
    tables = [part for part in section.parts if isinstance(part, Table)]
    figures = [part for part in section.parts if isinstance(part, Figure)]
    assert all(len(row) == len(table.head) for table in tables for row in table.rows)
    assert all(part.caption for part in section.parts)
    errors, _, coverage = tables
    assert errors.rows[1][1] == measures["methods"]["code nearest"]["azimuth"]["rms_error"]
    assert coverage.rows[0][2] == measures["methods"]["guess"]["light"]["coverage_90"]
    assert [figure.name for figure in figures] == ["posteriors", "posterior-calibration"]
    assert all(figure.png.startswith(PNG) for figure in figures)
    assert "1,000 simulations" in section.text


@pytest.mark.parametrize("limits", [(0.0, 360.0), (-30.0, 30.0)])
def test_a_density_keeps_all_its_weight_within_the_limits(limits):
    draws = Draws(np.array([[limits[0] + 1, limits[0] + 2, limits[1] - 3, limits[1]]]), np.full((1, 4), 0.25))
    grid = np.linspace(*limits, 2001)
    curve = density(draws, 0, Parameter("azimuth", limits), grid)
    assert np.trapezoid(curve, grid) == pytest.approx(1, abs=0.01)
    if limits[1] - limits[0] == 360:
        assert curve[0] == pytest.approx(curve[-1])
