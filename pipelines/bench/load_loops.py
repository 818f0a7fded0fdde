"""The loops that `dcign bench load` compares: `np.load` as users write it, and ours. Each runs in a process of its own.

All go through the training mini-batches of a shard folder in a shuffled order, and end in float tensors (N, 1, H, W) in
[0, 1] on the training device. All compute with one thread, as the workers of a DataLoader do: half a million pixels are
too few to share, and on a busy machine threads that wait for each other would be all that is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dcign.model.devices import prepare_cpu, resolve_device
from dcign.training.feeding import Feed, open_feed
from dcign.training.order import MiniBatchOrder, to_float
from pipelines.bench.measuring import finish
from render.errors import Failure
from render.factors import FACTORS
from render.shards.data_set import DataSet, open_data_set

EPOCHS = 5
WARM_UP = 5  # mini-batches before the clock starts


class NaiveShards:
    """A data set for `torch.utils.data.DataLoader`: every mini-batch opens its shard with `np.load`."""

    def __init__(self, data: DataSet) -> None:
        entries = sorted((name, entry) for name, entry in data.manifest.shards.items() if entry.split == data.split)
        self.places = [(data.folder / name, row) for name, entry in entries for row in range(entry.count)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> Tensor:
        path, row = self.places[place]
        with np.load(path) as shard:
            images = shard["images"][row]
        return torch.from_numpy(images).unsqueeze(1).float() / 255


def naive_rate(folder: Path, device: str, seconds: float) -> float:
    """Measure mini-batches a second of a DataLoader over `np.load`, with the DataLoader's defaults."""
    on = _prepare(device)
    loader: DataLoader[Tensor] = DataLoader(NaiveShards(open_data_set(folder)), batch_size=None, shuffle=True)  # type: ignore[arg-type]

    def images() -> Iterator[Tensor]:
        while True:
            for minibatch in loader:
                yield minibatch.to(on)

    return _rate(images(), seconds, on)


def our_rate(folder: Path, device: str, seconds: float, limit_bytes: int | None) -> tuple[str, float]:
    """Return the kind of our feed (`dcign.training.feeding`) and its mini-batches a second."""
    on = _prepare_ours(device)
    with _open(open_data_set(folder), on, limit_bytes) as feed:
        return feed.kind, _rate(map(to_float, feed), seconds, on)


def conversion_rate(folder: Path, device: str, seconds: float) -> float:
    """Measure conversions a second to floats of one mini-batch that lies on the device."""
    on = _prepare(device)
    data = open_data_set(folder)
    images = torch.from_numpy(data.images(data.factors[0], 0)).to(on)
    return _rate((to_float(images) for _ in count()), seconds, on)


def our_epochs(folder: Path, device: str, limit_bytes: int | None) -> list[dict[str, Any]]:
    """Measure speed and memory of this process for each of EPOCHS epochs over the data set, by our feed."""
    on = _prepare_ours(device)
    data = open_data_set(folder)
    length, rows = _length(data), []
    with _open(data, on, limit_bytes) as feed:
        for epoch in range(1, EPOCHS + 1):
            started = time.perf_counter()
            for images in islice(feed, length):
                to_float(images)
            finish(on)
            rate = length / (time.perf_counter() - started)
            rows.append({"epoch": epoch, "kind": feed.kind, "minibatches_per_second": rate, **memory()})
    return rows


def check_same(folder: Path, device: str, limit_bytes: int | None) -> None:
    """Raise Failure unless every mini-batch of an epoch at full speed has the pixels that `np.load` finds."""
    on = _prepare(device)
    data = open_data_set(folder)
    order, length = _order(data), _length(data)
    with _open(data, on, limit_bytes) as feed:
        found = torch.stack([_checksum(images) for images in islice(feed, length)]).tolist()
    expected: dict[tuple[str, int], int] = {}
    for name, entry in data.manifest.shards.items():
        if entry.split == data.split:
            with np.load(data.folder / name) as shard:
                for row, images in enumerate(shard["images"]):
                    expected[entry.factor, entry.first + row] = int(_checksum(torch.from_numpy(images)))
    for step, checksum in enumerate(found):
        factor, index = place = order.at(step)
        if checksum != expected[place]:
            raise Failure(f"{folder}: mini-batch {index} of {factor} arrived with other pixels than np.load finds")


def memory() -> dict[str, int]:
    """Return the bytes this process keeps in memory, its own ('anonymous') and with those of mapped files; on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return {
        "anonymous_bytes": int(lines["RssAnon"].split()[0]) * 1024,
        "total_bytes": int(lines["VmRSS"].split()[0]) * 1024,
    }


def _prepare(device: str) -> torch.device:
    torch.set_num_threads(1)
    return resolve_device(device)


def _prepare_ours(device: str) -> torch.device:
    on = _prepare(device)
    if on.type == "cpu":
        prepare_cpu()  # as `dcign train` does
    return on


def _order(data: DataSet) -> MiniBatchOrder:
    """Return an order in whose every epoch each mini-batch comes once."""
    counts = {factor: data.count(factor) for factor in data.factors}
    common = math.gcd(*counts.values())
    return MiniBatchOrder(counts, [counts.get(factor, 0) // common for factor in FACTORS], seed=0)


def _open(data: DataSet, device: torch.device, limit_bytes: int | None) -> Feed:
    order = _order(data)
    return open_feed(data, (order.at(step) for step in count()), device, limit_bytes, progress=False)


def _length(data: DataSet) -> int:
    return sum(data.count(factor) for factor in data.factors)


def _checksum(images: Tensor) -> Tensor:
    flat = images.reshape(-1)
    weights = torch.arange(len(flat), device=flat.device) % 251 + 1  # pixels in another order differ too
    return (flat * weights).sum()


def _rate(images: Iterator[Tensor], seconds: float, device: torch.device) -> float:
    for _ in islice(images, WARM_UP):
        pass
    finish(device)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        next(images)
        done += 1
    finish(device)
    return done / (time.perf_counter() - started)
