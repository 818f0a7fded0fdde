"""The benchmarks that have figures for a GPU."""

from __future__ import annotations

import json
from typing import Any

from gpu_check.room import Room


def train(room: Room) -> None:
    """`dcign bench train`, with each optimiser."""
    widths = "/".join(map(str, room.sizes.widths))
    for optimizer in room.sizes.optimizers:
        output = room.out / f"bench-train-{optimizer}.json"
        words = ["--widths", widths, *room.sizes.bench_train, "--optimizer", optimizer, "--device", room.device]
        room.dcign("bench", "train", room.shards, *words, "-o", output)
        found: dict[str, Any] = json.loads(output.read_text())
        room.note(**{optimizer: {
            "card": found["name"],
            "ms_a_step": {name: 1e3 * row["seconds_a_step"] for name, row in found["programs"].items()},
            "to_plain": {name: row["ratio_to_plain"] for name, row in found["programs"].items()},
            "of_floor": {name: row["share_of_floor"] for name, row in found["programs"].items()},
            "input_wait": {name: row["input_wait"] for name, row in found["programs"].items()},
            "update": found["updates"],
            "gradients_differ": max(found["agreement"]["gradients"]["ours to plain"].values()),
            "losses_differ": found["agreement"]["curves"]["largest"],
        }})  # fmt: skip


def load(room: Room) -> None:
    """`dcign bench load`."""
    output = room.out / "bench-load.json"
    room.dcign("bench", "load", *room.sizes.bench_load, "--device", room.device, "-o", output)
    room.note(figures=json.loads(output.read_text()))
