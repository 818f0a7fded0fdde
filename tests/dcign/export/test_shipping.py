"""From a run that was measured to weights that ship, on small files."""

import json
from pathlib import Path

import numpy as np
import pytest
from report_fixtures import report, write_report
from shard_fixtures import write_synthetic
from untrained_run import write_untrained

from dcign.engine import calibration
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve
from dcign.errors import BadInput, RunError
from dcign.export import shipping
from dcign.runs import shipped
from dcign.runs.checkpoint import WEIGHTS
from dcign.runs.run import load_run
from dcign.runs.training_data import write_identities, write_rendering
from render.shards.data_set import open_data_set

LINE = Curve("azimuth", (-90.0, 0.0, 90.0), (-6.0, 0.0, 5.0), False, 3.0, 0.9, 100, 100)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that ships nothing yet."""
    folder = tmp_path / "package" / "weights"
    folder.mkdir(parents=True)
    (folder / "hashes.json").write_text("{}\n")
    monkeypatch.setattr(shipped, "FOLDER", folder)
    return folder


@pytest.fixture
def make(tmp_path):
    """Writes a run, rounds it, and measures it as `dcign evaluate` would; returns its folder and that of the report."""

    def made(place, **changed):
        folder = tmp_path / place
        write_synthetic(folder / "shards", counts={"azimuth": 2, "intrinsic": 2}, split="train")
        run, staged = write_untrained(folder / "run"), folder / "staged"
        staged.mkdir()
        shipping.round_run(run, staged, "recipe/shards")
        data = open_data_set(folder / "shards", "train")
        write_identities(staged, data)
        write_rendering(staged, data)
        calibration.save(staged, Calibration({"azimuth": LINE}, 7, {"folder": str(folder / "shards"), "split": "test"}))
        document = report(staged, step=7)
        document["made"] |= {"time": place, "command": f"dcign evaluate {staged}"}
        document["data_set"]["folder"] = str(folder / "shards")
        return staged, write_report(folder / "report", document | changed)

    return made


def test_the_same_run_gives_the_same_bytes_wherever_and_whenever_it_was_measured(make):
    first, second = (shipping.contents(*make(place), "mine", "recipe/shards") for place in ("a", "b/c"))
    assert first == second
    assert set(first) == {WEIGHTS, "calibration.json", "report.json", "identities.npy", "rendering.json"}
    document = json.loads(first["report.json"])
    assert (document["run"]["folder"], document["data_set"]["folder"]) == ("mine", "recipe/shards")
    assert document["made"]["command"] == "dcign evaluate mine recipe/shards"
    assert json.loads(first["calibration.json"])["data_set"] == {"folder": "recipe/shards", "split": "test"}


def test_what_was_installed_is_a_run_by_its_name_and_replaces_what_was_there(make, package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {**shipping.contents(*make("a"), "mine", "recipe/shards"), "README.md": b"# mine\n"}
    (package / "mine").mkdir()
    (package / "mine" / "old.json").write_text("{}")
    assert shipping.install("mine", files) == package / "mine"
    assert shipping.install("another", files) == package / "another"
    assert shipped.shipped_names() == ("another", "mine")
    assert {path.name for path in (package / "mine").iterdir()} == set(files)
    run = load_run(Path("mine"))
    assert (run.step, run.data["folder"]) == (7, "recipe/shards")
    assert calibration.load(run.folder).curves == {"azimuth": LINE}


def test_a_calibration_or_report_of_another_step_is_refused(make):
    staged, folder = make("a", run={"folder": "x", "step": 8})
    with pytest.raises(RunError, match=r"report\.json: expected what was measured at step 7, found step 8"):
        shipping.contents(staged, folder, "mine", "recipe/shards")
    staged, folder = make("b")
    calibration.save(staged, Calibration({"azimuth": LINE}, 6, {}))
    with pytest.raises(RunError, match=r"calibration\.json: expected what was measured at step 7, found step 6"):
        shipping.contents(staged, folder, "mine", "recipe/shards")
    (folder / "report.json").unlink()
    with pytest.raises(RunError, match=r"report\.json: cannot be read.*measure the weights again"):
        shipping.contents(staged, folder, "mine", "recipe/shards")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {WEIGHTS: bytes(shipping.LARGEST), "README.md": b"x"},
            "expected at most 12,000,000 bytes in all, found 12,000,001",
        ),
        (
            {"report.json": b'{"folder": "/home/ann/shards"}'},
            "expected no path of this machine, found /home/ann/shards",
        ),
    ],
)
def test_what_is_too_large_or_tells_of_this_machine_is_not_installed(package, files, message):
    with pytest.raises(BadInput, match=message):
        shipping.install("mine", files)
    assert shipped.shipped_names() == ()
    assert [path.name for path in package.iterdir()] == ["hashes.json"]


@pytest.mark.parametrize("name", ["", "a/b", "../a", "Faces", ".faces", "-o", "fa ces", "a" * 50])
def test_names_that_could_be_paths_are_refused(name):
    with pytest.raises(BadInput, match="expected a name of lower-case letters"):
        shipping.check_name(name)


def test_rounding_is_measured_between_the_two_decoders(make, tmp_path):
    staged, _ = make("a")
    images = np.random.default_rng(0).random((3, 54, 54), np.float32)
    exact = load_run(tmp_path / "a" / "run")
    assert shipping.rounding_error(exact, exact, images) == (0.0, 0.0)
    pictures, codes = shipping.rounding_error(exact, load_run(staged), images)
    assert 0 < pictures < 1e-6
    assert 0 < codes < 1e-2
