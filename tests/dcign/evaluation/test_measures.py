"""Evaluation of a toy model that reads the true angles off its images, so that every number is known beforehand."""

import dataclasses
import json
import os

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign.config import TrainConfig
from dcign.errors import RunError, ShardError
from dcign.evaluation.encoding import encode_data_set
from dcign.evaluation.measures import evaluate
from dcign.model.code import CodeLayout
from dcign.report.write import image_of, pick
from dcign.runs.run import Run, load_run
from render.shards.data_set import open_data_set

COUNTS = {"azimuth": 6, "elevation": 6, "light": 6, "intrinsic": 6}


class Oracle(torch.nn.Module):
    """Looks each image up in the data set: latents are the true angles, then the identity; decodes to mid-grey."""

    size = 54

    def __init__(self, data, spread=0.0):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))
        self.known, self.spread = {}, spread
        for factor in data.factors:
            for index in range(data.count(factor)):
                batch = data.minibatch(factor, index)
                true = batch.values
                code = np.stack([true["azimuth"], true["elevation"], -true["light"], batch.identity % 97], 1)
                for image, row in zip(batch.images, code, strict=True):
                    self.known[image.tobytes()] = row

    def encode(self, images):
        keys = [row.tobytes() for row in (images[:, 0].numpy() * 255).round().astype(np.uint8)]
        values = torch.tensor(np.stack([self.known[key] for key in keys]), dtype=torch.float32)
        code = torch.cat([values, values[:, 3:].repeat(1, 196)], 1) + self.spread * torch.randn(len(keys), 200)
        return code, torch.zeros_like(code)

    def decode(self, z):
        return torch.full((len(z), 1, 54, 54), 0.5)


def oracle_run(folder, data, **options):
    about = {"object": data.object, "fingerprint": data.fingerprint}
    layout = CodeLayout.for_object(data.object)
    return Run(folder, Oracle(data, **options), layout, TrainConfig(), 11, about)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = write_synthetic(tmp_path_factory.mktemp("faces"), counts=COUNTS, split="test", batch_size=8)
    return open_data_set(folder, "test")


def strict(measures):
    return json.loads(json.dumps(measures, allow_nan=False))


def test_a_perfect_code_scores_perfectly(tmp_path, faces):
    measures = strict(evaluate(oracle_run(tmp_path, faces), faces).measures)
    assert measures["spearman"]["own"] == pytest.approx({"azimuth": 1.0, "elevation": 1.0, "light": 1.0}, abs=1e-3)
    assert measures["spearman"]["largest_leak"]["value"] < 0.45  # 24 mini-batches: what chance alone gives
    assert [measures["invariance"][name]["within"] for name in COUNTS] == pytest.approx([0.0] * 4, abs=1e-6)
    assert measures["invariance"]["intrinsic"]["latents"] == 3
    assert measures["invariance"]["azimuth"]["latents"] == 199
    assert measures["data_set"]["images"] == 24 * 8
    assert measures["data_set"]["seen_in_training"] == "no"
    assert measures["calibration"]["light"]["residual_degrees"] < 1
    assert measures["calibration"]["light"]["latent"][0] > measures["calibration"]["light"]["latent"][-1]
    assert measures["warnings"] == []
    assert {name: found["state"] for name, found in measures["course"].items()} == dict.fromkeys(
        ("azimuth", "elevation", "light"), "follows"
    )


def test_a_folded_latent_is_named_in_words(tmp_path, faces):
    run = oracle_run(tmp_path, faces)
    for row in run.model.known.values():
        row[1] *= np.sign(row[0])
    measures = strict(evaluate(run, faces).measures)
    assert measures["course"]["elevation"]["state"] == "folded"
    (said,) = [line for line in measures["warnings"] if line.startswith("z_elevation")]
    assert "runs the other way" in said


def test_errors_are_plain_means_over_all_pixels(tmp_path, faces):
    pixels = evaluate(oracle_run(tmp_path, faces), faces).measures["reconstruction"]
    images = np.concatenate([faces.minibatch(f, i).images for f in COUNTS for i in range(6)]) / 255.0
    assert pixels["mse"] == pytest.approx(np.mean((images - 0.5) ** 2))
    assert pixels["mean_image_mse"] == pytest.approx(images.var(0).mean())


def test_restless_inactive_latents_show_in_the_ratio(tmp_path, faces):
    holding = evaluate(oracle_run(tmp_path, faces, spread=5.0), faces).measures["invariance"]["azimuth"]
    assert holding["within"] == pytest.approx(25.0, rel=0.1)
    assert holding["ratio"] == pytest.approx(holding["within"] / holding["total"])


def test_progress_counts_every_image(tmp_path, faces):
    seen = []
    encode_data_set(oracle_run(tmp_path, faces), faces, seen.append)
    assert sum(seen) == 24 * 8


def test_missing_factors_and_hardly_varied_ones_are_named_not_averaged(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts={"azimuth": 4}, split="test", batch_size=8)
    data = open_data_set(folder, "test")
    measures = strict(evaluate(oracle_run(tmp_path, data), data).measures)
    assert measures["data_set"]["missing_factors"] == ["elevation", "light", "intrinsic"]
    assert measures["spearman"]["own"]["azimuth"] == pytest.approx(1.0)
    assert measures["spearman"]["own"]["elevation"] is None
    assert measures["spearman"]["largest_leak"] is None or measures["spearman"]["largest_leak"]["factor"] == "azimuth"
    assert measures["calibration"]["elevation"] is None
    text = "\n".join(measures["warnings"])
    assert "No mini-batches of elevation, light, intrinsic" in text
    assert "elevation takes only 4 independent values" in text
    assert "elevation: no calibration" in text


def test_training_images_are_labelled(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts=COUNTS, split="train")
    data = open_data_set(folder, "train")
    measures = evaluate(oracle_run(tmp_path, data), data).measures
    assert measures["data_set"]["seen_in_training"] == "images"
    assert "the very images the run was trained on" in measures["warnings"][0]
    other = dataclasses.replace(oracle_run(tmp_path, data), data={"object": "face", "fingerprint": "another"})
    measures = evaluate(other, data).measures
    assert measures["data_set"]["seen_in_training"] == "possibly"
    assert "may be among those" in measures["warnings"][0]


def test_a_chair_has_one_extrinsic_latent_and_a_circular_measure(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts=COUNTS, split="test", object="chair", batch_size=8)
    data = open_data_set(folder, "test")
    evaluation = evaluate(oracle_run(tmp_path, data), data)
    measures = strict(evaluation.measures)
    assert list(measures["spearman"]["matrix"]) == ["azimuth"]
    assert 0.3 < measures["circular_r2"]["azimuth"] < 0.8  # a sawtooth: 6 / pi^2 of it is a sinusoid
    assert measures["calibration"]["azimuth"]["circular"]
    assert any("azimuth goes full circle" in line for line in measures["warnings"])
    assert measures["invariance"]["elevation"]["latents"] == 1


class Turning(Oracle):
    """Told the angles in the order of the data set: azimuth as a point of an ellipse, then elevation and nothing."""

    def __init__(self, data):
        super().__init__(data)
        self.angles = [data.minibatch(name, i).values for name in data.factors for i in range(data.count(name))]

    def encode(self, images):
        true = {name: torch.tensor(np.array(values)) for name, values in self.angles.pop(0).items()}
        turn = torch.deg2rad(true["azimuth"] + 40)
        code = torch.zeros(len(images), 200)
        code[:, :3] = torch.stack([3 * torch.cos(turn), torch.sin(turn) - 7, true["elevation"]], 1)
        return code, torch.zeros_like(code)


def test_two_latents_for_the_azimuth_read_it_back_all_round(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts=dict.fromkeys(COUNTS, 12), split="test", object="chair")
    data = open_data_set(folder, "test")
    layout = CodeLayout.parse("azimuth:2,elevation:1,rest:197")
    run = Run(tmp_path, Turning(data), layout, TrainConfig(), 11, {"object": "chair", "fingerprint": data.fingerprint})
    evaluation = evaluate(run, data)
    measures = strict(evaluation.measures)
    group = measures["groups"]["azimuth"]
    assert group["latents"] == 2
    assert group["circular_r2"] == pytest.approx(1.0)
    assert group["read_back_degrees"] == measures["calibration"]["azimuth"]["residual_degrees"] < 8
    assert list(measures["spearman"]["matrix"]) == ["elevation"]
    assert measures["spearman"]["largest_leak"]["latent"] == "elevation"
    assert measures["circular_r2"] == {}
    assert measures["invariance"]["elevation"]["latents"] == 199
    assert not any("full circle" in line for line in measures["warnings"])
    curve = evaluation.calibration.curve("azimuth")
    asked = np.deg2rad(np.array([-180, 0, 150]) + 40.0)
    np.testing.assert_allclose(
        curve.to_latent([180, 0, -210]), np.stack([3 * np.cos(asked), np.sin(asked) - 7], 1), atol=0.6
    )


class Varied(Turning):
    """The same, with identity latents that vary about 5, which it keeps with the factor of their mini-batch."""

    def __init__(self, data):
        super().__init__(data)
        self.factors = [name for name in data.factors for _ in range(data.count(name))]
        self.random, self.kept = torch.Generator().manual_seed(0), {name: [] for name in data.factors}

    def encode(self, images):
        code, logvar = super().encode(images)
        code[:, 3:6] = 5 + torch.randn(len(images), 3, generator=self.random)
        self.kept[self.factors.pop(0)].append(code.numpy())
        return code, logvar


def test_the_calibration_keeps_the_mean_identity_and_how_identities_vary(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts=dict.fromkeys(COUNTS, 12), split="test", object="chair")
    data = open_data_set(folder, "test")
    layout, model = CodeLayout.parse("azimuth:2,elevation:1,rest:197"), Varied(data)
    kept = {"object": "chair", "fingerprint": data.fingerprint}
    measured = evaluate(Run(tmp_path, model, layout, TrainConfig(), 11, kept), data).calibration
    mean, directions = measured.identities_of(layout)
    expected = np.mean(np.concatenate(model.kept["intrinsic"])[:, 3:6], axis=0)
    np.testing.assert_allclose(mean, np.pad(expected, (3, 194)), rtol=1e-5)
    assert directions.shape == (3, 200)
    np.testing.assert_allclose((directions**2).sum(axis=0)[3:6], 1, rtol=0.4)


def test_an_object_without_a_front_moves_the_mean_square_and_not_the_median(tmp_path):
    counts = dict.fromkeys(COUNTS, 12)
    data = open_data_set(write_synthetic(tmp_path / "s", counts=counts, split="test", object="chair"), "test")
    layout = CodeLayout.parse("azimuth:2,elevation:1,rest:197")

    def errors(model):
        kept = {"object": "chair", "fingerprint": data.fingerprint}
        known = evaluate(Run(tmp_path, model, layout, TrainConfig(), 11, kept), data).measures["intervals"]
        return [known[key]["azimuth"]["value"] for key in ("read_back_degrees", "read_back_median")]

    stool = Turning(data)
    for angles in stool.angles[::12]:
        angles["azimuth"] = np.zeros_like(angles["azimuth"])  # the same from all round
    usual, other = errors(Turning(data)), errors(stool)
    assert 0 < usual[1] < usual[0] < 8
    assert other[0] > 20 > 8 > other[1]


def test_two_latents_that_confuse_the_sides_are_named(tmp_path):
    counts = dict.fromkeys(COUNTS, 12)
    data = open_data_set(write_synthetic(tmp_path / "s", counts=counts, split="test", object="chair"), "test")
    model = Turning(data)
    for angles in model.angles:
        angles["azimuth"] = np.abs(np.array(angles["azimuth"]) - 180)  # left as right
    layout = CodeLayout.parse("azimuth:2,rest:198")
    run = Run(tmp_path, model, layout, TrainConfig(), 11, {"object": "chair", "fingerprint": data.fingerprint})
    warnings = evaluate(run, data).measures["warnings"]
    assert [line for line in warnings if line.startswith("azimuth is read back from its latents with an error of")]


def test_a_group_whose_angle_hardly_varies_has_no_figures(tmp_path):
    data = open_data_set(write_synthetic(tmp_path / "s", counts={"intrinsic": 2}, split="test", object="chair"), "test")
    run = load_run(write_untrained(tmp_path / "run", object="chair", code="azimuth:2,rest:8"))
    measures = strict(evaluate(run, data).measures)
    assert measures["calibration"]["azimuth"] is None
    assert measures["groups"]["azimuth"] == {"latents": 2, "circular_r2": None, "read_back_degrees": None}
    assert any(line.startswith("azimuth: no calibration") for line in measures["warnings"])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": 70}, "54 x 54.*70 x 70.*`size=54`"), ({"object": "chair"}, "faces.*chairs.*`object=face`")],
)
def test_a_run_and_shards_that_do_not_fit_are_refused(tmp_path, options, message):
    run = load_run(write_untrained(tmp_path / "run"))
    data = open_data_set(write_synthetic(tmp_path / "s", counts={"azimuth": 1}, split="test", **options), "test")
    with pytest.raises(RunError, match=message):
        evaluate(run, data)


def test_a_calibration_through_noise_is_not_to_be_trusted(tmp_path, faces):
    warnings = evaluate(oracle_run(tmp_path, faces, spread=1000.0), faces).measures["warnings"]
    assert sum("distrust it" in line for line in warnings) == 3


def test_examples_are_different_identities_and_their_images_are_found_again(tmp_path, faces):
    run = oracle_run(tmp_path, faces)
    encoding = encode_data_set(run, faces)
    chosen = pick(encoding)
    assert len(set(encoding.identity[chosen])) == 4
    for place in [*chosen, 5, 100, 191]:
        image = image_of(faces, encoding, int(place))
        again = run.model.encode(torch.tensor(image)[None, None])[0][0]
        np.testing.assert_allclose(again, encoding.codes[place])


def test_a_shard_cut_short_while_it_is_measured_is_refused_by_name(tmp_path):
    shards = write_synthetic(tmp_path / "shards", counts={"azimuth": 3}, split="test")
    run, path = load_run(write_untrained(tmp_path / "run")), shards / "azimuth-test-00000.npz"
    with pytest.raises(ShardError, match=r"azimuth-test-00000\.npz: expected .* found 1000 bytes"):
        encode_data_set(run, open_data_set(shards, "test"), lambda images: os.truncate(path, 1000))
