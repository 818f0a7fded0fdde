"""Profile of an update: kernels, launches, memory."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from dcign.config import TrainConfig
from dcign.model.devices import prepare_cpu, resolve_device, resolve_precision
from gpu_check.graphs import Training
from gpu_check.room import Room

SHOWN = 30  # kernels


def profile(room: Room) -> None:
    """Profile updates that are launched piece by piece, and replayed ones."""
    device = resolve_device(room.device)
    cuda = device.type == "cuda"
    if not cuda:
        prepare_cpu()
    torch.backends.cudnn.benchmark = cuda
    for optimizer in room.sizes.optimizers:
        for graph in (False, True):
            config = TrainConfig(optimizer=optimizer, widths=room.sizes.widths)
            precision = resolve_precision("auto", device)
            training = Training(config, room.sizes.size, room.sizes.batch, device, precision, graph)
            found = _measure(training, room.sizes.profiled, cuda)
            room.note(**{f"{optimizer} {'replayed' if graph else 'eager'}": {"precision": precision, **found}})


def _measure(training: Training, updates: int, cuda: bool) -> dict[str, Any]:
    wait = torch.cuda.synchronize if cuda else lambda: None
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    for number in range(3):
        training.update(number)
    wait()
    started = time.perf_counter()
    for number in range(updates):
        training.update(number)
    queued = time.perf_counter() - started
    wait()
    found = {
        "host_ms": 1e3 * queued / updates,
        "ms": 1e3 * (time.perf_counter() - started) / updates,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if cuda else None,
    }
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * cuda]
    with torch.profiler.profile(activities=activities, record_shapes=True) as profiler:
        for number in range(updates):
            training.update(number)
        wait()

    def microseconds(event: Any) -> float:
        return float(event.self_device_time_total if cuda else event.self_cpu_time_total) / updates

    events = sorted(profiler.key_averages(), key=microseconds, reverse=True)
    events = [event for event in events if microseconds(event) > 0]
    return {
        **found,
        "kernels": sum(event.count for event in events) / updates,
        "device_ms": sum(map(microseconds, events)) / 1e3,
        "first_layer_gradient_us": _first_layer(profiler, updates, cuda),
        "longest_us": {
            event.key[:100]: [round(microseconds(event), 1), event.count / updates] for event in events[:SHOWN]
        },
    }


def _first_layer(profiler: Any, updates: int, cuda: bool) -> float | None:
    """Microseconds of the backward pass of the convolution that takes images, if it was not replayed."""
    for event in profiler.key_averages(group_by_input_shape=True):
        shapes = event.input_shapes
        if event.key == "aten::convolution_backward" and len(shapes) > 1 and shapes[1] and shapes[1][1] == 1:
            return float(event.device_time_total if cuda else event.cpu_time_total) / updates
    return None
