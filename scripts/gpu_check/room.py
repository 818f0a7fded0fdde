"""The room of a part: where it writes, on which device, at which size; and how it says what it found.

Nothing here, in `running` or in `command` imports more than Python's own library: they go on when all else fails.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]  # of the checkout


class PartFailed(Exception):
    """A part cannot go on, for what it needs has failed and been noted."""


@dataclass(frozen=True)
class Sizes:
    """Amount of work of each part.

    widths, size    of the network and its images; minibatches of each factor in the shards, of `batch` images
    steps           of the long run, and of the one that is stopped
    every           steps between checkpoints of that one, each with measures and a line of its log
    profiled        updates
    rendered        mini-batches; workers, processes that render them, one run each
    bench           options of `dcign bench train` and `dcign bench load`
    """

    widths: tuple[int, int, int] = (96, 64, 32)
    size: int = 150
    minibatches: int = 30
    batch: int = 20
    steps: int = 12_000
    stopped_steps: int = 1_000
    every: int = 250
    profiled: int = 5
    rendered: int = 200
    workers: tuple[int, ...] = (4, 8, 16)
    optimizers: tuple[str, ...] = ("rmsprop-authors", "muon")
    bench_train: tuple[str, ...] = ("--steps", "100", "--curve-steps", "100")
    bench_load: tuple[str, ...] = ("--seconds", "1")
    tests: tuple[str, ...] = ("test_cuda_graph.py", "test_graph_replay.py", "test_feeding.py")


FULL = Sizes()
SMALL = Sizes(
    widths=(3, 2, 2),
    size=54,
    minibatches=2,
    batch=5,
    steps=12,
    stopped_steps=60,
    every=10,
    profiled=1,
    rendered=4,
    workers=(1,),
    optimizers=("muon",),
    bench_train=("--steps", "1", "--curve-steps", "2", "--curve-widths", "3/2/2"),
    bench_load=("--seconds", "0.05", "--n", "1"),
    tests=("test_cuda_graph.py",),
)


@dataclass
class Room:
    """The place of one part.

    name      of the part
    device    'cuda' or 'cpu'
    out       folder that the user keeps: logs and pictures
    work      folder that all parts share, and that goes at the end: shards, runs
    measured  what is noted, plain JSON; problems, what is wrong
    """

    name: str
    device: str
    out: Path
    work: Path
    measured: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0  # of the part and all that it started, once it has ended

    @property
    def sizes(self) -> Sizes:
        return FULL if self.device == "cuda" else SMALL

    @property
    def shards(self) -> Path:
        """Mini-batches to train on: lit balls, for which no renderer is needed."""
        return self.work / "shards"

    @property
    def run(self) -> Path:
        """The run of the long training."""
        return self.work / "run"

    @property
    def pictures(self) -> Path:
        folder = self.out / "pictures"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def found(self) -> Path:
        """The file that holds what was noted so far."""
        return self.work / f"{self.name.replace(' ', '-')}.json"

    def note(self, **measured: Any) -> None:
        """Keep figures; they outlive a part that is stopped later."""
        self.measured |= measured
        self.keep()

    def check(self, good: bool, expected: str) -> None:
        """Note a problem unless it is `good`; the part goes on."""
        if not good:
            self.problems.append(expected)
            print(f"PROBLEM: {expected}", flush=True)
        self.keep()

    def dcign(self, *words: object, **environment: str) -> float:
        """Run `dcign WORDS` in a process of its own; returns its seconds. PartFailed, and a problem, if it fails.

        Never after CUDA or threads of torch have been used in this process, which is forked.
        """
        started = time.perf_counter()
        process = self.start(*words, **environment)
        process.join()
        if process.exitcode:
            self.check(False, f"dcign {' '.join(map(str, words))}: exit code {process.exitcode}")
            raise PartFailed
        return time.perf_counter() - started

    def start(self, *words: object, **environment: str) -> Any:
        """Begin `dcign WORDS` in a process of its own, which is returned."""
        print("$", *(f"{name}={value}" for name, value in environment.items()), "dcign", *words, flush=True)
        process = multiprocessing.get_context("fork").Process(target=_command, args=(words, environment))
        process.start()
        return process

    def keep(self) -> None:
        """Write down what was found so far."""
        found = {"measured": self.measured, "problems": self.problems, "cpu_seconds": self.cpu_seconds}
        new = self.found.with_suffix(".new")
        new.write_text(json.dumps(found, default=str))
        new.replace(self.found)


def _command(words: tuple[object, ...], environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    sys.argv = ["dcign", *map(str, words)]
    from pipelines import cli

    cli.main()
