"""A recipe from nothing to the report by the real commands at a small size; and, by stand-ins, how stages are run."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from command import dcign
from hastened import hasten_report
from mesh_fixtures import write_models
from PIL import Image
from shard_fixtures import write_synthetic

from dcign.runs.checkpoint import list_checkpoints
from pipelines.commands import run
from pipelines.recipes.recipe import shipped
from render.errors import BadInput, Failure

RECIPE = """
[render]
object = "chair"
assets = "models"
size = 54
full-mesh = true
n = { azimuth = 3 }
test-n = { azimuth = 2 }
[train]
widths = "4/4/4"
steps = 8
checkpoint-every = 4
[rerender]
azimuth = "-60:60:3"
turning = "-75:75:5"
[evaluate]
identities = 4
simulations = 40
"""

# Notes its words in `calls`, makes what the command would make, and fails or waits where it is told to.
STAND_IN = """
import os, pathlib, signal, sys, time
words = sys.argv[1:]
with open("calls", "a") as calls:
    print(*words, file=calls)
if words[0] == os.environ.get("WAIT"):
    def stop(number, frame):
        pathlib.Path("saved").write_text(str(number))
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, stop)
    try:
        pathlib.Path("waiting").touch()
        time.sleep(30)
    except KeyboardInterrupt:
        stop(signal.SIGINT, None)
if words[0] == os.environ.get("FAIL"):
    sys.exit(int(os.environ["CODE"]))
made = {"render": "shards/manifest.json", "train": "run/checkpoint-8.safetensors"}
base = pathlib.Path("mine")
path = {"preview": base / "shards.png", "evaluate": base / "report.html"}.get(words[0])
path = path or base / made[words[0]]
path.parent.mkdir(parents=True, exist_ok=True)
if words[0] in ("preview", "evaluate") or not path.exists():
    path.touch()
"""


def test_the_end_of_a_recipe_names_every_aim_that_was_missed_and_a_latent_that_folds(tmp_path):
    def line(name, value, aim, reached):
        return {"name": name, "value": value, "aim": aim, "reached": reached}

    path = tmp_path / "report.json"
    assert run.verdict(path) == []
    good, free = line("|Spearman| of z_azimuth with azimuth", 0.98, "at least 0.95", True), line("MSE", 0.004, "", None)
    bad = line("|Spearman| of z_elevation with elevation", 0.0774, "at least 0.9", False)
    warnings = ["All images are the same.", "z_elevation is folded: so it is."]
    path.write_text(json.dumps({"headline": [good, free, bad], "warnings": warnings}))
    assert run.verdict(path) == [
        "Missed: |Spearman| of z_elevation with elevation is 0.0774, the aim is at least 0.9.",
        "z_elevation is folded: so it is.",
    ]
    path.write_text(json.dumps({"headline": [good, free], "warnings": []}))
    assert run.verdict(path) == ["All aims were reached."]
    path.write_text(json.dumps({"headline": [free], "warnings": warnings}))
    assert run.verdict(path) == []


def call(*words):
    return CliRunner().invoke(run.command, words, catch_exceptions=False)


def stage_in_this_process(context, words, again):
    code, _, errors = dcign(*words)
    assert code == 0, errors


def newest_step(folder):
    return int(list_checkpoints(folder)[0].stem.removeprefix("checkpoint-"))


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The first words of the commands that were run since the last call; `mine.toml` is a recipe that trains only."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(RECIPE.split("[rerender]")[0])
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(run, "DCIGN", (sys.executable, str(tmp_path / "stand_in.py")))

    def since():
        made = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
        (tmp_path / "calls").unlink(missing_ok=True)
        return [line.split()[0] for line in made]

    return since


def test_a_recipe_runs_from_nothing_and_finishes_at_once_the_second_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path / "models", 14)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    words = (str(tmp_path / "tiny.toml"), "-o", str(tmp_path / "out"))
    with monkeypatch.context() as patch:  # the first time without starting Python nine times
        patch.setattr(run, "_run", stage_in_this_process)
        hasten_report(patch)
        first = call(*words)
    assert first.exit_code == 0
    assert "Done in" in first.output
    folder = tmp_path / "out"
    assert json.loads((folder / "report.json").read_text())["run"]["step"] == 8
    assert "<html" in (folder / "report.html").read_text()
    with Image.open(folder / "turning.gif") as turning:
        assert turning.n_frames == 5
    for name in ("shards.png", "sweeps.png", "scatter.png", "rerender.png", "unseen.png"):
        with Image.open(folder / name) as picture:
            picture.verify()

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert call(*words).exit_code == 0
    assert not [path.name for path, time in before.items() if path.stat().st_mtime_ns != time]


def test_stages_run_in_order_and_only_those_that_are_not_done(calls):
    everything = ["render", "render", "preview", "train", "evaluate"]
    assert call("mine.toml").exit_code == 0
    assert calls() == everything
    call("mine.toml")
    assert calls() == ["render", "render", "train"]  # which see for themselves that they are done


def test_a_run_that_went_on_is_evaluated_again(calls, tmp_path):
    call("mine.toml")
    calls()
    newer = time.time() + 9
    os.utime(tmp_path / "mine" / "run" / "checkpoint-8.safetensors", (newer, newer))
    call("mine.toml")
    assert calls()[-1] == "evaluate"


def test_more_steps_go_on_and_another_recipe_is_refused_before_anything_runs(calls, tmp_path):
    call("mine.toml")
    calls()
    mine = tmp_path / "mine.toml"
    mine.write_text(mine.read_text().replace("steps = 8", "steps = 9"))
    call("mine.toml")
    assert calls()[-2:] == ["train", "evaluate"]
    assert (tmp_path / "mine" / "recipe.toml").read_bytes() == mine.read_bytes()
    mine.write_text(mine.read_text().replace("azimuth = 3", "azimuth = 4"))
    with pytest.raises(BadInput, match=r"-o mine: .*\[render\] n .*3"):
        call("mine.toml")
    assert not calls()
    assert "azimuth = 3" in (tmp_path / "mine" / "recipe.toml").read_text()


def test_a_folder_of_other_things_is_left_alone(calls, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "report.html").touch()
    for name in ("file", "photos", "file/below"):
        with pytest.raises(BadInput, match=f"{name}: expected "):
            call("mine.toml", "-o", name)
    assert not calls()
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["report.html"]


@pytest.mark.parametrize(("code", "kind"), [(1, Failure), (2, BadInput), (137, Failure)])
def test_a_stage_that_fails_is_named_and_the_same_command_resumes(calls, monkeypatch, code, kind):
    monkeypatch.setenv("FAIL", "train")
    monkeypatch.setenv("CODE", str(code))
    with pytest.raises(kind, match=rf"`dcign train` .*{code}.*`dcign run mine.toml`") as failed:
        call("mine.toml")
    assert type(failed.value) is kind
    assert calls()[-1] == "train"
    monkeypatch.delenv("FAIL")
    call("mine.toml")
    assert calls() == ["render", "render", "train", "evaluate"]


def test_steps_for_float32_are_taken_where_the_hardware_has_no_bf16(calls, tmp_path, monkeypatch):
    monkeypatch.setattr("dcign.model.devices.has_native_bf16", lambda device: False)
    mine = tmp_path / "mine.toml"
    mine.write_text(mine.read_text() + "steps-fp32 = 5\n")
    assert "--steps=5" in call("mine.toml", "--dry-run").output
    mine.write_text(mine.read_text() + 'precision = "bf16"\n')
    assert "--steps=8" in call("mine.toml", "--dry-run").output


def test_a_recipe_that_refines_trains_twice_and_resumes_either(calls, tmp_path, monkeypatch):
    mine = tmp_path / "mine.toml"
    training = 'widths = "4/4/4"\nsteps = 3\ncheckpoint-every = 9\npicture-every = 0\n[refine]\nsteps = 4\n'
    mine.write_text(RECIPE.split("widths")[0] + training)
    training = [line for line in call("mine.toml", "--dry-run").output.splitlines() if line.startswith("dcign train")]
    options = "--widths=4/4/4 --steps={} --checkpoint-every=9 --picture-every=0"
    assert training == [
        f"dcign train mine/shards -o mine/first {options.format(3)}",
        f"dcign train mine/shards -o mine/run {options.format(4)} --start-from=mine/first",
    ]

    def stage(context, words, again):
        if words[0] == "preview" and not trained:
            write_synthetic(tmp_path / "mine" / "shards")
        if words[0] == "train":
            stage_in_this_process(context, words, again)
            trained.append(words)
            if len(trained) == 1:
                raise Failure("killed")

    trained = []
    monkeypatch.setattr(run, "_run", stage)
    with pytest.raises(Failure, match="killed"):
        call("mine.toml")
    assert newest_step(tmp_path / "mine" / "first") == 3
    assert call("mine.toml").exit_code == 0
    assert newest_step(tmp_path / "mine" / "run") == 4
    begun = json.loads((tmp_path / "mine" / "run" / "config.json").read_text())["config"]
    assert begun["start_from"] == "../first"
    mine.write_text(mine.read_text().replace("steps = 4", "steps = 5"))
    (tmp_path / "mine").rename(tmp_path / "moved")
    assert call("mine.toml", "-o", str(tmp_path / "moved")).exit_code == 0
    assert newest_step(tmp_path / "moved" / "first") == 3
    assert newest_step(tmp_path / "moved" / "run") == 5


def test_a_dry_run_prints_commands_and_leaves_nothing(calls, tmp_path):
    lines = call("mine.toml", "--dry-run", "-o", "-x").output.splitlines()
    drawing = "--object=chair --assets=models --size=54 --full-mesh"
    assert lines[0] == f"dcign render --factor=azimuth --n=3 --split=train {drawing} -o ./-x/shards"
    assert lines[-1] == "dcign evaluate ./-x/run ./-x/shards -o ./-x --assets=models"
    assert not calls()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml", "stand_in.py"]


def test_what_a_line_of_a_dry_run_reads_is_made_by_one_before(calls, tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    lines = [shlex.split(line) for line in call("mine.toml", "--dry-run", "-o", "a b").output.splitlines()]
    rerendered = [words[3] for words in lines if words[1] == "rerender"]
    assert len(rerendered) == 2
    made = [words[words.index("-o") + 1] for words in lines]
    first = next(place for place, words in enumerate(lines) if words[1] == "rerender")
    assert set(rerendered) <= set(made[:first])


def test_the_list_has_the_steps_of_both_trainings(monkeypatch, tmp_path):
    refined = b'[render]\nn = 3\ntest-n = 1\n[train]\nnetwork = "modulated"\nsteps = 20000\n[refine]\nsteps = 22000\n'
    twice = refined.replace(b"[refine]\nsteps = 22000", b"[[refine]]\n[[refine]]\nsteps = 5000\n[[refine]]")
    monkeypatch.setattr(run, "shipped", lambda: {"mine": refined, "twice": twice})
    _, mine, again = call().output.splitlines()
    assert "20,000 + 22,000 steps of modulated" in mine
    assert "20,000 + 20,000 + 5,000 + 5,000 steps of modulated" in again


@pytest.mark.parametrize(("native", "steps"), [(True, "4,000"), (False, "3,000")])
def test_the_list_has_the_steps_that_this_machine_takes(monkeypatch, native, steps):
    monkeypatch.setattr("dcign.model.devices.has_native_bf16", lambda device: native)
    assert f"{steps} steps of modulated" in next(line for line in call().output.splitlines() if line.startswith("demo"))


def test_recipes_are_listed_a_line_each():
    heading, *lines = call().output.splitlines()
    assert heading.split()[0] == "recipe"
    assert {line.split()[0] for line in lines} == set(shipped())
    assert call("demo", "--list").output == call().output


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_stop_signal_lets_the_stage_save_and_says_how_to_resume(calls, tmp_path, number, whole_group):
    code = f"""if True:
        import sys
        from pipelines.commands import run
        run.DCIGN = {run.DCIGN!r}
        run.command.main(["mine.toml"])
    """
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "WAIT": "train"}, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for _ in range(300):
        if (tmp_path / "waiting").exists():
            break
        time.sleep(0.1)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert (tmp_path / "saved").read_text() == str(int(number))
    assert "Stopped in `dcign train`. Run `dcign run mine.toml` again to resume." in said
    assert "Traceback" not in said
    assert calls()[-1] == "train"
