"""A training of seconds, and what it leaves behind."""

import dataclasses
import json
import sys
from datetime import timedelta

from forked import run_command

from dcign.config import TrainConfig
from dcign.runs.checkpoint import list_checkpoints
from dcign.training import distributed
from dcign.training.loop import train
from render.shards.data_set import open_data_set

CODE = "azimuth:1,elevation:1,light:1,intrinsic:5"
SMALL = TrainConfig(  # on the CPU, where the same run gives the same bytes
    steps=24, widths=(6, 5, 4), code=CODE, ratio=(1, 1, 1, 2), precision="fp32", checkpoint_every=5, device="cpu"
)


def go(shards, folder, config=SMALL, **changes):
    said = []
    outcome = train(
        open_data_set(shards), folder, dataclasses.replace(config, **changes), say=said.append, progress=False
    )
    return outcome, "\n".join(said)


def go_as_a_process(shards, folder, config):
    """The same for a process of its own, which ends by the signal that stopped it."""
    outcome = train(open_data_set(shards), folder, config, progress=False)
    sys.exit(128 + outcome.signal if outcome.signal else 0)


def run_command_of_little_patience(*words):
    """What a process is to call for `dcign WORDS` that waits for others 4 s only."""
    distributed.PATIENCE = timedelta(seconds=4)
    run_command(*words)


def stats(folder):
    return [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]


def newest(folder):
    return list_checkpoints(folder)[0].read_bytes()
