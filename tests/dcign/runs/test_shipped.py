"""The weights that ship: whole, good for something, found by name, refused when damaged, never written to."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from untrained_run import write_untrained

import dcign
from dcign.config import join
from dcign.engine import calibration
from dcign.engine.codes import decode, encode
from dcign.engine.variations import random_identities
from dcign.errors import RunError
from dcign.export.shipping import LARGEST
from dcign.report.html import number
from dcign.runs import shipped
from dcign.runs.checkpoint import WEIGHTS
from dcign.runs.run import load_run
from dcign.runs.training_data import rendering_of
from pipelines.recipes.recipe import read_recipe

ROOT = Path(__file__).parents[3]
NAMES = ("chairs", "faces")
FILES = {
    WEIGHTS, "calibration.json", "report.json", "identities.npy", "rendering.json", "recipe.toml", "README.md",
}  # fmt: skip


@pytest.fixture(scope="module")
def engines():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("/")
        return {name: dcign.load(name, "cpu") for name in NAMES}


def mean_code(engine):
    """That of the prior, (Z,)."""
    return np.zeros(len(engine.latents))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The folder of all weights, copied, in the place of the package's."""
    monkeypatch.setattr(shipped, "FOLDER", Path(shutil.copytree(shipped.FOLDER, tmp_path / "weights")))
    monkeypatch.chdir(tmp_path)
    return shipped.FOLDER


@pytest.mark.parametrize("name", NAMES)
def test_the_list_has_each_file_with_its_hash_and_all_are_small(name):
    listed = shipped.read_hashes()
    assert tuple(sorted(listed)) == NAMES
    files = list((shipped.FOLDER / name).iterdir())
    assert {path.name for path in files} == set(listed[name]) == FILES
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name][path.name]
    assert sum(path.stat().st_size for path in files) <= LARGEST == 12_000_000


@pytest.mark.parametrize("name", NAMES)
def test_calibration_report_and_weights_are_of_one_run(engines, name):
    engine, curves = engines[name], calibration.load(shipped.FOLDER / name)
    report = (shipped.FOLDER / name / "report.json").read_text()
    assert (engine.object, engine.size) == (name.removesuffix("s"), 150)
    assert curves.step == engine.step
    assert f'"step": {engine.step},' in report
    assert engine.fingerprint == curves.data_set["fingerprint"]
    assert engine.fingerprint in report
    assert len(curves.reconstruction) == calibration.PERCENTILES
    assert len(curves.directions) > 0


@pytest.mark.parametrize("name", NAMES)
def test_identities_that_are_drawn_look_like_those_that_were_tested(name):
    run = load_run(shipped.FOLDER / name)
    curves = calibration.load_for(run, pytest.fail)
    code, knobs = np.zeros(200, np.float32), curves.angle_latents(run.layout)
    for factor, latents in knobs.groups.items():
        code[latents] = curves.curve(factor).to_latent(np.zeros(1))
    drawn = random_identities(code, knobs, 20, 0, curves.identities_of(run.layout)).codes
    pictures = decode(run, drawn)
    assert pictures.std(axis=0).max() > 0.1  # they differ
    assert np.mean((decode(run, encode(run, pictures)) - pictures) ** 2, axis=(1, 2)).max() < curves.reconstruction[-1]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_figures_of_the_report_and_where_the_weights_are_from(engines, name):
    card = (shipped.FOLDER / name / "README.md").read_text()
    report = json.loads((shipped.FOLDER / name / "report.json").read_text())
    assert all(f"| {number(line['value'])}" in card for line in report["headline"])
    for measured in ("mse", "ratio"):
        value, low, high = (report["intervals"][measured][key] for key in ("value", "low", "high"))
        assert f"| {number(value)} | {number(low, value)} to {number(high, value)} |" in card
    assert "MIT licence" in card
    assert f"| step | {engines[name].step:,} |" in card
    assert engines[name].fingerprint in card
    assert re.search(r"\| commit \| [0-9a-f]{7,40} \|", card)
    assert re.search(r"\| recipe \| [a-z-]+, beside this card", card)
    assert "## Limits" in card


@pytest.mark.parametrize("name", NAMES)
def test_whom_they_are_trained_on_and_how_that_was_drawn_is_known_without_the_shards(name):
    run = load_run(shipped.FOLDER / name)
    keys = np.load(shipped.FOLDER / name / "identities.npy", allow_pickle=False)
    drawn = rendering_of(run)
    assert drawn is not None
    assert (drawn.object, drawn.size) == (run.object, 150)
    if run.object == "chair":  # known by the content of their files
        assert len(keys) <= len(drawn.manifest.settings["assets"]["models"])
    assert keys.dtype == np.uint64
    assert len(keys) > 1000


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_asks_for_the_settings_of_the_weights(name):
    recipe = read_recipe(str(shipped.FOLDER / name / "recipe.toml"))
    run = load_run(shipped.FOLDER / name)
    settings = {key.replace("_", "-"): value for key, value in vars(run.config).items()}
    for option, asked in recipe.training.items():
        value = settings[option]
        shown = join(value, "/" if option == "widths" else ":") if isinstance(value, tuple) else value
        assert shown == asked
    assert run.object == recipe.object


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_the_machine_they_were_made_on_is_in_them(name):
    for path in (shipped.FOLDER / name).iterdir():
        assert not re.search(rb"/(home|tmp|root|work|Users)/", path.read_bytes()[:1_000_000]), path


@pytest.mark.parametrize("name", NAMES)
def test_angles_go_as_far_as_the_images_it_was_trained_on(engines, name):
    run = load_run(shipped.FOLDER / name)
    assert set(engines[name].factors) == set(run.layout.names) & {"azimuth", "elevation", "light"}
    for factor, ends in engines[name].ranges.items():
        assert ends == pytest.approx(run.data["ranges"][factor])


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_code_is_a_picture_of_something_on_its_background(engines, name):
    image = engines[name].decode(mean_code(engines[name]))
    background = {"faces": 0.0, "chairs": 1.0}[name]
    assert np.abs(image[:20, :20] - background).mean() < 0.05
    assert np.abs(image[:20, -20:] - background).mean() < 0.05
    assert np.abs(image[50:100, 50:100] - background).mean() > 0.15
    assert image.std() > 0.05


def test_an_angle_that_was_set_is_read_back_from_the_picture(engines):
    engine = engines["faces"]
    code = engine.encode(engine.decode(mean_code(engine)))
    for factor, wanted, error in (("azimuth", [-45, 0, 45], 15), ("light", [-50, 0, 50], 25)):
        codes = engine.encode(engine.decode(engine.set_degrees(code, {factor: wanted})))
        assert np.abs(engine.degrees(codes)[factor] - wanted).max() < error


def test_a_chair_turns(engines):
    engine = engines["chairs"]
    turned = engine.rerender(engine.decode(mean_code(engine)), azimuth=[0, 90, 180, 270])
    assert np.abs(np.diff(turned, axis=0)).mean(axis=(1, 2)).min() > 0.003


def test_using_them_writes_nothing_there(engines, copy):
    before = {path: path.stat().st_mtime_ns for path in (copy, *copy.rglob("*"))}
    engine = dcign.load("faces", "cpu")
    assert engine.folder == copy / "faces"
    engine.rerender(np.zeros((150, 150), np.uint8), azimuth=20)
    assert {path: path.stat().st_mtime_ns for path in (copy, *copy.rglob("*"))} == before


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_flipped_bit_in_any_file_is_refused_by_name(copy, file):
    path = copy / "chairs" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    expected, found = shipped.read_hashes()["chairs"][file], hashlib.sha256(content).hexdigest()
    message = f"{path}: damaged or changed: expected sha256 {expected[:12]}, found {found[:12]}; install dcign again"
    for run in (Path("chairs"), copy / "chairs", copy / "chairs" / WEIGHTS):
        with pytest.raises(RunError) as caught:
            load_run(run)
        assert str(caught.value) == message
    assert load_run(Path("faces")).step > 0


def test_a_missing_file_a_stranger_and_a_damaged_list_are_refused_by_name(copy):
    (copy / "chairs" / "best.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=r"best\.safetensors: expected only files that ship"):
        load_run(Path("chairs"))
    (copy / "faces" / "calibration.json").unlink()
    with pytest.raises(RunError, match=r"calibration\.json: expected a file that ships with dcign, found none"):
        load_run(Path("faces"))
    (copy / "hashes.json").write_text('{"faces": 7}')
    with pytest.raises(RunError, match=r"hashes\.json: faces: expected an object, found 7; install dcign again"):
        load_run(Path("faces"))


def test_a_run_or_a_report_of_the_name_comes_first_other_folders_do_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "faces"
    photos.mkdir()
    (photos / "ann.png").write_bytes(b"")
    assert shipped.find_run(Path("faces")) == shipped.FOLDER / "faces"
    assert "the folder faces holds no run" in capsys.readouterr().err
    (photos / "report.json").write_text("{}")
    assert shipped.find_run(Path("faces")) == Path("faces")
    write_untrained(tmp_path / "chairs")
    assert load_run(Path("chairs")).size == 54
    assert shipped.find_run(tmp_path / "elsewhere" / "faces") == tmp_path / "elsewhere" / "faces"
    assert not capsys.readouterr().err


def test_a_file_of_the_name_is_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("faces").write_text("a list")
    with pytest.raises(RunError, match=r"faces: expected a folder .*one of chairs, faces.*found a file"):
        load_run(Path("faces"))


@pytest.mark.parametrize("name", ["face", "Faces", "nowhere/faces", "fa\0ces"])
def test_another_name_is_told_which_there_are(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="or one of chairs, faces, which ship with dcign; found nothing of that name"):
        load_run(Path(name))


def test_a_copy_elsewhere_is_a_run_like_any_other(tmp_path):
    copied = shutil.copytree(shipped.FOLDER / "faces", tmp_path / "mine")
    (copied / "README.md").write_text("changed")
    assert load_run(copied).folder == copied
    assert shipped.shipped_name(copied) is None


def test_a_wheel_holds_them_and_works_where_it_is_installed(tmp_path):
    wheel = pytest.importorskip("hatchling.builders.wheel")
    built = next(wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path / "dist"), versions=["standard"]))
    with zipfile.ZipFile(built) as archive:
        packed = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for name in NAMES:
        assert {f"dcign/weights/{name}/{file}" for file in FILES} <= packed
    code = "import dcign, numpy; e = dcign.load('faces'); print(e.folder, *e.rerender(numpy.zeros((150, 150))).shape)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stdout.split() == [str(tmp_path / "site" / "dcign" / "weights" / "faces"), "150", "150"], done.stderr
