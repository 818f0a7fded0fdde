"""Runs as users make them: the paper's length, and one that is stopped and resumed."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from gpu_check.room import Room

LARGEST_ERROR = 0.05  # relative difference of reconstructions on a GPU, which adds up in any order


def long_run(room: Room) -> None:
    """12,000 steps with Muon, from the command to its end; the other parts use its run."""
    steps = room.sizes.steps
    seconds = room.dcign(
        "train", room.shards, "-o", room.run, "--steps", steps, "--device", room.device, *_network(room),
        "--optimizer", "muon", "--learning-rate", 0.001, "--learning-rate-fall", steps // 2,
        "--checkpoint-every", max(steps // 24, 1),
    )  # fmt: skip
    lines = _stats(room.run)
    last = lines[-1]
    room.note(
        seconds=seconds,
        steps=last["step"],
        images_per_second=statistics.median(line["images_per_second"] for line in lines),
        input_wait=statistics.median(line["input_wait"] for line in lines),
        held_out=last.get("held_out", {}).get("bound"),
    )
    room.check(last["step"] == steps, f"expected {steps} steps, found {last['step']}")
    if (room.run / "progress.png").is_file():
        shutil.copy(room.run / "progress.png", room.pictures / "progress.png")


def stop_and_resume(room: Room) -> None:
    """A run that gets SIGTERM in its middle and is resumed, and one that is left alone: are their weights the same?"""
    whole, parts = room.work / "whole", room.work / "parts"
    words = [
        "--steps", room.sizes.stopped_steps, "--checkpoint-every", room.sizes.every, "--device", room.device,
        *_network(room), "--precision", "fp32", "--picture-every", 0, "--held-out", 1,
    ]  # fmt: skip
    room.dcign("train", room.shards, "-o", whole, *words)
    process = room.start("train", room.shards, "-o", parts, *words)
    while process.is_alive() and not (parts / "stats.jsonl").exists():  # a checkpoint's bytes come later
        time.sleep(0.002)
    process.terminate()
    process.join()
    stopped = max((int(path.stem.split("-")[1]) for path in parts.glob("checkpoint-*")), default=0)
    room.note(stopped_at=stopped, exit_code=process.exitcode)
    room.check(0 < stopped < room.sizes.stopped_steps, f"SIGTERM: expected a stop in the middle, found step {stopped}")
    room.dcign("train", room.shards, "-o", parts, *words)
    room.note(**_differences(whole, parts, room.sizes.stopped_steps))
    apart = room.measured["reconstruction_differs"]
    if room.device == "cpu":
        room.check(room.measured["equal"], "on a CPU a resumed run is the same to the bit; this one is not")
    else:
        room.check(apart < LARGEST_ERROR, f"the reconstruction of the resumed run differs by {apart:.1%}")


def _network(room: Room) -> list[object]:
    return ["--widths", "/".join(map(str, room.sizes.widths))]


def _stats(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def _differences(whole: Path, parts: Path, steps: int) -> dict[str, float | bool]:
    """Measure how far the weights and the last reconstructions of two runs are apart."""
    from dcign.runs.checkpoint import checkpoint_path, load_checkpoint

    first, other = (load_checkpoint(checkpoint_path(run, steps)) for run in (whole, parts))
    apart = max(float((a - other.model[name]).abs().max()) for name, a in first.model.items())
    errors = [sum(factor["reconstruction"] for factor in _stats(run)[-1]["factors"].values()) for run in (whole, parts)]
    return {
        "equal": apart == 0.0,
        "weights_differ": apart,
        "largest_weight": max(float(value.abs().max()) for value in first.model.values()),
        "reconstruction_differs": abs(errors[1] - errors[0]) / abs(errors[0]),
    }
