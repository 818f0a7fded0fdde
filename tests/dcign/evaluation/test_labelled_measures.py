"""Measures of images that no renderer drew, by a toy model that knows their labels, so that every number is known."""

import json

import numpy as np
import pytest
import torch
from labelled_shards import CODE, FACTORS, LABELS, OBJECT, write_labelled

from dcign.config import TrainConfig
from dcign.errors import RunError
from dcign.evaluation.encoding import check_match
from dcign.evaluation.measures import evaluate
from dcign.model.code import CodeLayout
from dcign.runs.run import Run
from render.shards.data_set import open_data_set
from render.shards.labels import labels_to_json
from render.shards.shard_file import write_shard

SIZE = 24


class Told(torch.nn.Module):
    """Told the values in the order of the data set: a circle, a distance, a corner of colours, a tilt, who it is."""

    size = SIZE

    def __init__(self, data, noise=0.0):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))
        self.batches, self.noise = list(data.minibatches()), noise
        self.generator = torch.Generator().manual_seed(0)

    def encode(self, images):
        batch = self.batches.pop(0)
        true = {name: torch.tensor(np.array(values)) for name, values in batch.values.items()}
        turn, code = (
            torch.deg2rad(true["azimuth"]),
            self.noise * torch.randn((len(images), 12), generator=self.generator),
        )
        code[:, 0] += 2 * torch.sin(turn)
        code[:, 1] += torch.cos(turn)
        code[:, 2] -= true["distance"]
        code[:, 3:5] += torch.eye(3)[true["colour"].long()][:, :2]
        code[:, 5] += true["tilt"]
        code[:, 6] += torch.tensor(np.array(batch.identity) % 97)
        return code, torch.zeros_like(code)

    def decode(self, z):
        return torch.full((len(z), 1, SIZE, SIZE), 0.5)


def told_run(folder, data, **noise):
    about = {"object": OBJECT, "fingerprint": data.fingerprint, **labels_to_json(LABELS)}
    layout = CodeLayout.parse(CODE, tuple(LABELS))
    return Run(folder, Told(data, **noise), layout, TrainConfig(), 11, about)


def spots(folder, counts, batch_size=8):
    return open_data_set(write_labelled(folder, size=SIZE, counts=counts, split="test", batch_size=batch_size), "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return spots(tmp_path_factory.mktemp("spots"), dict.fromkeys(FACTORS, 8))


def strict(measures):
    return json.loads(json.dumps(measures, allow_nan=False))


def test_a_perfect_code_scores_perfectly_whatever_the_labels_are(tmp_path, data):
    measures = strict(evaluate(told_run(tmp_path, data), data).measures)
    assert measures["spearman"]["own"] == pytest.approx({"distance": 1.0, "tilt": 1.0})
    assert set(measures["spearman"]["matrix"]["tilt"]) == {"azimuth", "distance", "tilt"}  # no order of colours
    assert measures["groups"]["azimuth"]["circular_r2"] == pytest.approx(1.0)
    assert measures["groups"]["azimuth"]["read_back_degrees"] < 10
    colour = measures["categories"]["colour"]
    assert (colour["latents"], colour["categories"]) == (2, 3)
    assert colour["read_back"] == colour["linear"] == colour["nearest"] == 1.0
    assert 1 / 3 <= colour["chance"] < 0.5
    assert measures["calibration"]["distance"]["degrees"] == [20, 40, 60]
    assert measures["calibration"]["tilt"]["residual_degrees"] < 0.01
    assert [measures["invariance"][name]["within"] for name in FACTORS] == pytest.approx([0.0] * 5, abs=1e-9)
    assert measures["course"]["tilt"]["state"] == "follows"
    assert measures["warnings"] == []


def test_intervals_are_over_identities_and_of_categories_too(tmp_path, data):
    measures = strict(evaluate(told_run(tmp_path, data, noise=0.5), data).measures)
    known = measures["intervals"]
    for found in (
        known["mse"], known["read_back_degrees"]["tilt"], known["read_back_degrees"]["azimuth"],
        known["categories"]["colour"]["linear"], known["categories"]["colour"]["read_back"],
        known["invariance"]["tilt"], known["invariance"]["intrinsic"],
    ):  # fmt: skip
        assert found["low"] <= found["value"] <= found["high"]
        assert found["low"] < found["high"]
    assert "colour" not in known["spearman"]
    assert "colour" not in known["read_back_degrees"]
    assert known["categories"]["colour"]["linear"]["value"] < 1


def test_few_people_have_no_intervals_and_few_values_are_named(tmp_path):
    data = spots(tmp_path / "s", {"azimuth": 2, "distance": 1}, batch_size=4)
    measures = strict(evaluate(told_run(tmp_path, data), data).measures)
    assert measures["data_set"]["rests_on"]["azimuth"] == {"minibatches": 2, "images": 8, "identities": 2, "values": 8}
    assert measures["intervals"]["mse"]["value"] is not None
    assert measures["intervals"]["mse"]["low"] is None
    assert measures["intervals"]["invariance"]["azimuth"]["low"] is None
    lines = measures["warnings"]
    assert any(line.startswith("These images show 3 identities, too few") for line in lines)
    assert any("azimuth rests on 2 mini-batches of 2 identities with 8 different values" in line for line in lines)
    assert any("needs at least 5 mini-batches of 5 identities with 4" in line for line in lines)
    assert any("No mini-batches of colour, tilt, intrinsic" in line for line in lines)
    assert any(line.startswith("colour: no calibration (too few independent values, or a value or") for line in lines)


def test_a_circle_read_badly_is_told_in_its_unit(tmp_path, data):
    warnings = evaluate(told_run(tmp_path, data, noise=100.0), data).measures["warnings"]
    (said,) = [line for line in warnings if line.startswith("azimuth is read back")]
    assert "a guess has 104" in said
    assert sum("distrust it" in line for line in warnings) == 4


def test_a_run_and_shards_of_another_size_are_refused_in_words_of_importing(tmp_path, data):
    run = told_run(tmp_path, data)
    run.model.size = 48
    with pytest.raises(RunError, match="import images with `size=48`"):
        check_match(run, data)


def test_an_image_that_stands_in_many_mini_batches_is_told_to_be_one(tmp_path, data):
    again = json.loads((data.folder / "manifest.json").read_text())
    (tmp_path / "s").mkdir()
    for name, entry in again["shards"].items():
        file = np.load(data.folder / name)
        arrays = {key: np.repeat(file[key][:1], len(file[key]), axis=0) for key in file.files}  # the first, eight times
        entry["sha256"], entry["bytes"] = write_shard(tmp_path / "s" / name, arrays)
    (tmp_path / "s" / "manifest.json").write_text(json.dumps(again))
    few = open_data_set(tmp_path / "s", "test")
    measures = strict(evaluate(told_run(tmp_path, few), few).measures)
    assert measures["data_set"]["images"] == 5 * 8 * 8
    assert measures["data_set"]["different_images"] <= 5 * 8
    assert measures["data_set"]["rests_on"]["tilt"] == {"minibatches": 8, "images": 8, "identities": 1, "values": 8}
