"""Shard folders, runs, reports and recipes with damaged files: used, or refused in one line, never a traceback.

Each file is damaged in every way of `document_damage` and read by all that reads it. Some hundred of these cases are
tried, and a few with the commands; each EVERY-th of all, 1 for all of them, with DCIGN_FUZZ_EVERY=EVERY.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from document_damage import DEEP, damaged_bytes, damaged_documents
from PIL import Image
from report_fixtures import report
from shard_fixtures import write_synthetic

from assets.errors import DcignError

EVERY = 53


def write_files(folder: Path) -> None:
    """Write shards, a run that was trained and measured on them, a report, weights and a recipe, all small."""
    from training_fixtures import SMALL, go
    from untrained_run import write_calibrated

    from dcign.engine import calibration
    from dcign.export.shipping import round_run
    from dcign.runs.run import load_run

    counts = {"azimuth": 2, "intrinsic": 2}
    write_synthetic(folder / "shards", counts=counts)
    write_synthetic(folder / "shards", counts=counts, split="test")
    go(folder / "shards", folder / "run", SMALL, steps=2, checkpoint_every=1, held_out=1, keep=1)
    measured = calibration.load(write_calibrated(folder / "calibrated"))
    run = load_run(folder / "run")
    directions = tuple(tuple(row[:8]) for row in np.add(measured.directions, 1.0).tolist())
    errors = tuple(map(float, range(101)))
    whole = calibration.Calibration(
        measured.curves, run.step, {"folder": "shards"}, {}, errors, directions, directions[0]
    )
    calibration.save(folder / "run", whole)
    (folder / "run" / "best.safetensors").unlink()
    for name in ("run", "other"):
        (folder / "reports" / name).mkdir(parents=True)
        document = report(name, 0.01 if name == "run" else 0.02, step=2)
        document["headline"] = [
            {"name": "MSE", "value": 0.01, "low": None, "high": 0.02, "aim": "below 0.02", "reached": True}
        ]
        (folder / "reports" / name / "report.json").write_text(json.dumps(document))
    shutil.copy(folder / "reports" / "run" / "report.json", folder / "run")
    (folder / "weights").mkdir()
    round_run(folder / "run", folder / "weights", "shards")
    (folder / "recipe.toml").write_bytes(RECIPE)
    (folder / "hashes.json").write_text(json.dumps({"faces": {"weights.safetensors": "ab" * 32}}))


RECIPE = b"""about = "Balls"
time = "a minute"
[render]
n = { azimuth = 3, intrinsic = 2 }
test-n = 2
size = 54
[train]
steps = 3
steps-fp32 = 4
learning-rate = 1e-3
[evaluate]
identities = 0
[rerender]
azimuth = "-30:30:3"
turning = "-75:75:3"
"""


# Readers: they use a damaged file, which lies in its place in `folder`, or raise a DcignError.


def read_shards(folder: Path) -> None:
    from dcign.training.loop import describe
    from dcign.training.order import nearest_the_front
    from pipelines.drawing.renderer import _job
    from render.shards.data_set import identity_keys, open_data_set
    from render.shards.manifest import read_manifest
    from render.shards.store import Store
    from render.shards.verification import unknown_files, verify_shard

    manifest = read_manifest(folder / "shards")
    lines = unknown_files(folder / "shards", manifest)
    for name, entry in manifest.shards.items():
        lines += verify_shard(folder / "shards", name, entry, manifest.settings)
    assert not any("\n" in line for line in lines)
    refused(lambda: Store(folder / "shards").manifest({"object": "face"}))
    data = open_data_set(folder / "shards")
    for minibatch in data.minibatches():
        assert minibatch.images.shape == (data.batch_size, data.size, data.size)
    json.dumps(describe(data), allow_nan=False)
    identity_keys(data)
    if "azimuth" in data.ranges:
        nearest_the_front(data, {"intrinsic": 1})
    refused(lambda: _job(data, None))


def read_config(folder: Path) -> None:
    from dcign.runs.folder import check_same_run, read_header
    from dcign.runs.listing import summarise

    summary = summarise(folder / "run", lambda line: None)
    json.dumps(None if summary is None else summary.to_json(), allow_nan=False)
    header = read_header(folder / "run")
    assert header is not None
    json.dumps(header.to_json(), allow_nan=False)
    refused(lambda: check_same_run(folder / "run", header, header))
    header.build_model()
    _ = header.bound


def read_log(folder: Path) -> None:
    from dcign.runs.folder import rewind_stats
    from dcign.runs.listing import summarise

    json.dumps(summarise(folder / "run", lambda line: None).to_json(), allow_nan=False)
    rewind_stats(folder / "run", 2)  # never raises: a damaged line must not stop a resume
    for line in (folder / "run" / "stats.jsonl").read_bytes().splitlines():
        assert 0 <= json.loads(line)["step"] <= 2


def read_calibration(folder: Path) -> None:
    from dcign.engine import calibration
    from dcign.runs.run import load_run

    run = load_run(folder / "run")
    found = calibration.load_for(run, lambda line: None)
    angle_latents = found.angle_latents(run.layout)
    assert np.isfinite(found.directions_of(run.layout)).all()
    for known in found.identities_of(run.layout) or ():
        assert np.isfinite(known).all()
    for name, curve in found.curves.items():
        assert curve.factor == name
        assert np.isfinite(curve.to_latent(np.array(curve.range))).all()
    json.dumps({name: list(map(int, latents)) for name, latents in angle_latents.groups.items()})
    calibration.save(folder / "calibrated", found)


def read_identities(folder: Path) -> None:
    from dcign.runs.run import load_run
    from dcign.runs.training_data import trained_on
    from render.shards.data_set import open_data_set

    trained_on(load_run(folder / "run"), open_data_set(folder / "shards"))


def read_rendering(folder: Path) -> None:
    from dcign.runs.run import load_run
    from dcign.runs.training_data import rendering_of

    rendering_of(load_run(folder / "run"))


def read_run(folder: Path) -> None:
    from dcign.runs.run import load_run
    from dcign.runs.training_data import rendering_of, trained_on
    from render.shards.data_set import open_data_set

    place = folder / "weights" if (folder / "weights" / "weights.safetensors").exists() else folder / "run"
    use(load_run(place))
    run = load_run(folder / "run")
    use(run)
    refused(lambda: trained_on(run, open_data_set(folder / "shards")))
    refused(lambda: rendering_of(run))


def use(run: Any) -> None:
    import torch

    from dcign.evaluation.encoding import encode
    from dcign.export.model_card import model_card

    assert run.object in ("face", "chair")
    encode(run, np.zeros((1, run.size, run.size), np.float32))
    json.dumps(run.data, allow_nan=False)
    assert torch.isfinite(next(run.model.parameters())).all()
    model_card(run, None, None, name="x").encode(errors="replace")


def read_reports(folder: Path) -> None:
    from dcign.report.comparison import compare
    from dcign.report.pages import comparison_page
    from dcign.report.saved import open_reports
    from pipelines.commands.compare import table

    reports = open_reports([folder / "reports" / "run", folder / "reports" / "other"])
    comparison = compare(reports)
    json.dumps(comparison, allow_nan=False).encode()
    comparison_page(comparison, reports, "dcign compare").encode(errors="replace")
    "\n".join(table(comparison)).encode()


def read_verdict(folder: Path) -> None:
    from pipelines.commands.run import verdict

    verdict(folder / "reports" / "run" / "report.json")


def read_card(folder: Path) -> None:
    from dcign.engine import calibration
    from dcign.export.model_card import limits, model_card
    from dcign.report.saved import report_of
    from dcign.runs.run import load_run

    run = load_run(folder / "run")
    curves, report = calibration.load(folder / "run"), report_of(run)
    model_card(run, curves, report, name="x").encode(errors="replace")
    list(limits(run, curves, report))


def read_a_recipe(folder: Path) -> None:
    from pipelines.commands.run import stages
    from pipelines.recipes.recipe import check_same, check_stages, read_recipe

    recipe = read_recipe(str(folder / "recipe.toml"))
    check_stages(recipe, (stage.words for stage in stages(recipe, folder / "out")))
    check_same(recipe, recipe, (), folder)


def read_hashes(folder: Path) -> None:
    from dcign.runs import shipped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "FOLDER", folder)
        shipped.shipped_names()


def refused(use: Callable[[], Any]) -> bool:
    """Tell if a use is refused, in one line; raises for any other end."""
    try:
        use()
    except DcignError as error:
        problem = error
    else:
        return False
    assert problem.exit_code == 2
    assert "\n" not in str(problem)
    str(problem).encode()  # it can be printed
    return True


def npy_headers(whole: bytes) -> Iterator[tuple[str, bytes]]:
    for shape in ("(1000000000000,)", "(-1,)", "(2, 2)", "()", "(2.5,)", "(True,)", f"({10**400},)", "[" * 2000):
        for dtype in ("'<u8'", "'|O'", "'<f8'", "'<U9'", "[('a', '<u8')]", "None"):
            header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
            content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
            yield f"shape {shape[:30]} of {dtype}", content
    for write in (np.savez, lambda file, array: np.save(file, array.astype(object), allow_pickle=True)):
        file = io.BytesIO()
        write(file, np.arange(3, dtype=np.uint64))
        yield "an archive or a pickle", file.getvalue()
    yield from damaged_bytes(whole, count=100)


def checkpoint_headers(whole: bytes) -> Iterator[tuple[str, bytes]]:
    length = int.from_bytes(whole[:8], "little")
    head = json.loads(whole[8 : 8 + length])
    for what, content in damaged_documents(head["__metadata__"]["dcign"].encode()):
        head["__metadata__"]["dcign"] = content.decode("latin-1")
        text = json.dumps(head).encode()
        yield what, len(text).to_bytes(8, "little") + text + whole[8 + length :]
    yield from damaged_bytes(whole)


def log_lines(whole: bytes) -> Iterator[tuple[str, bytes]]:
    first, *rest = whole.splitlines(keepends=True)
    for what, content in damaged_documents(first):
        yield what, content.replace(b"\n", b" ") + b"\n" + b"".join(rest)
    yield from damaged_bytes(whole)


def recipes(whole: bytes) -> Iterator[tuple[str, bytes]]:
    lines = whole.splitlines()
    values = (b"true", b"[]", b"[[]]", b"{}", b'""', b'"a\\nb"', b"0", b"-1", b"1" + b"0" * 30, b"9" * 5000, b"nan")
    values += (
        b"-inf",
        b"1979-05-27",
        b"[" * 5000 + b"]" * 5000,
        b"{a=" * 2000 + b"1" + b"}" * 2000,
        b"{ azimuth = nan }",
    )
    for number, line in enumerate(lines):
        key = line.partition(b"=")[0]
        for value in values:
            text = key + b"= " + value if b"=" in line else b"[" + value + b"]"
            yield f"{key!r} = {value[:30]!r}", b"\n".join([*lines[:number], text, *lines[number + 1 :]])
        yield f"{line!r} gone", b"\n".join(lines[:number] + lines[number + 1 :])
        yield f"{line!r} twice", b"\n".join(lines[: number + 1] + lines[number:])
        yield f"another key before {line!r}", b"\n".join([*lines[:number], b"a.b.c = 1", *lines[number:]])
    yield "dotted deep", b"a" + b".a" * 5000 + b" = 1\n" + whole
    yield from damaged_bytes(whole)


def shard_headers(whole: bytes) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(0)
    ends = [*range(400), *range(len(whole) - 600, len(whole))]
    for _ in range(400):
        changed = bytearray(whole)
        for place in (places := rng.sample(ends, rng.choice((1, 1, 2)))):
            changed[place] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        yield f"other bytes at {places}", bytes(changed)
    yield from damaged_bytes(whole)


# file -> how it is damaged, and who reads it
FILES: dict[str, tuple[Callable[[bytes], Iterator[tuple[str, bytes]]], tuple[Callable[[Path], None], ...]]] = {
    "shards/manifest.json": (damaged_documents, (read_shards,)),
    "shards/azimuth-train-00000.npz": (shard_headers, (read_shards,)),
    "run/config.json": (damaged_documents, (read_config,)),
    "run/stats.jsonl": (log_lines, (read_log,)),
    "run/calibration.json": (damaged_documents, (read_calibration,)),
    "run/identities.npy": (npy_headers, (read_identities,)),
    "run/rendering.json": (damaged_documents, (read_rendering,)),
    "run/checkpoint-00000002.safetensors": (checkpoint_headers, (read_run,)),
    "weights/weights.safetensors": (checkpoint_headers, (read_run,)),
    "reports/run/report.json": (damaged_documents, (read_reports, read_verdict)),
    "run/report.json": (damaged_documents, (read_card, read_config)),
    "recipe.toml": (recipes, (read_a_recipe,)),
    "hashes.json": (damaged_documents, (read_hashes,)),
}


def cases(folder: Path) -> Iterator[tuple[str, str, bytes, Callable[[Path], None]]]:
    """List all cases: file, what was done to it, its content, and a reader."""
    for name, (damage, readers) in FILES.items():
        for what, content in damage((folder / name).read_bytes()):
            for reader in readers:
                yield name, what, content, reader


def outcome(folder: Path, name: str, content: bytes, reader: Callable[[Path], None]) -> str:
    """'used' or 'refused'; raises for anything else. The file is put back."""
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        return "refused" if refused(lambda: reader(folder)) else "used"
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    write_files(folder)
    return folder


def test_damaged_files_are_used_or_refused_in_one_line(work: Path, one_thread: None) -> None:
    for name, (_, readers) in FILES.items():
        assert {outcome(work, name, (work / name).read_bytes(), reader) for reader in readers} == {"used"}
    counts: Counter[str] = Counter()
    faults: list[str] = []
    every = int(os.environ.get("DCIGN_FUZZ_EVERY", EVERY))
    for number, (name, what, content, reader) in enumerate(cases(work)):
        if number % every:
            continue
        try:
            found = outcome(work, name, content, reader)
        except Exception:
            found = "fault"
            faults.append(f"{name}, {reader.__name__}, {what}: {traceback.format_exc()[-600:]}")
        counts[f"{name} {reader.__name__} {found}"] += 1
    print("\n".join(f"{count:6d} {what}" for what, count in sorted(counts.items())), f"\n{counts.total():6d} in all")
    assert not faults, f"{len(faults)} faults, such as {' | '.join(faults[:: 1 + len(faults) // 10])}"


TRAIN = "train shards -o run --steps 3 --widths 6/5/4 --code azimuth:1,elevation:1,light:1,intrinsic:5 --ratio 1:1:1:2"
TRAIN += " --precision fp32 --checkpoint-every 1 --held-out 1 --keep 1"


@pytest.mark.parametrize(
    ("command", "name", "old", "new", "said"),
    [
        (
            "verify shards",
            "shards/manifest.json",
            '"face"',
            "null",
            "settings.object: expected a text, found null",
        ),
        ("preview shards", "shards/manifest.json", '"camera": {}', f'"camera": {"[" * DEEP}', "levels of brackets"),
        (
            TRAIN,
            "shards/manifest.json",
            '"assets": {',
            '"assets": [], "other": {',
            "settings.assets: expected an object",
        ),
        (TRAIN, "run/config.json", '"object": "face"', '"other": 1', "run/config.json: data: expected a key 'object'"),
        (TRAIN, "run/stats.jsonl", '"step": ', '"step": Infinity, "was": ', None),
        ("runs", "run/stats.jsonl", "{", "[" * DEEP, None),
        ("encode run calibrated/picture.png -o x.json", "run/config.json", "{", "", None),
        (
            "encode run calibrated/picture.png -o x.json",
            "run/checkpoint-00000002.safetensors",
            '\\"object\\"',
            '\\"abject\\"',
            "data: expected a key 'object', found none",
        ),
        (
            "compare reports/run reports/other -o compared",
            "reports/run/report.json",
            '"step": 2',
            '"step": 1e999',
            "finite numbers, found 1e999",
        ),
        (
            "export run -o site",
            "run/calibration.json",
            '"step": 2',
            '"step": Infinity',
            "finite numbers, found Infinity",
        ),
        (
            "evaluate run shards --identities 0 --simulations 0",
            "run/identities.npy",
            "NUMPY",
            "MUMPY",
            "expected the identities of a training set",
        ),
    ],
)
def test_the_commands_end_in_one_line(work, dcign, one_thread, command, name, old, new, said):
    Image.fromarray(np.zeros((54, 54), np.uint8)).save(work / "calibrated" / "picture.png")
    kept = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    content = (work / name).read_bytes()
    assert old.encode() in content
    (work / name).write_bytes(content.replace(old.encode(), new.encode(), 1))
    try:
        code, _, complained = dcign(*command.split())
    finally:
        for path in set(work.rglob("*")) - set(kept):
            if path.is_file():
                path.unlink()
        for path, whole in kept.items():
            path.write_bytes(whole)
    assert code == (0 if said is None else 2)
    if said is not None:
        assert said in complained.splitlines()[-1]
        assert name in complained.splitlines()[-1]
