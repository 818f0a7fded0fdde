"""The tools of benchmarks: functions called in processes of their own, and figures written as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.files import write_file
from render.errors import Failure

if TYPE_CHECKING:
    import torch

JSON_OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), show_default="none", help="JSON file to write."
)


@contextmanager
def two_processes() -> Iterator[tuple[ProcessPoolExecutor, ProcessPoolExecutor]]:
    """Start two fresh processes that take turns, one for the others' program and one for ours."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as theirs, ProcessPoolExecutor(1, mp_context=context) as ours:
        yield theirs, ours


def ask(process: ProcessPoolExecutor, function: Callable[..., Any], *words: Any) -> Any:
    """Return what `function(*words)` returns in that process. Failure if the process dies."""
    try:
        return process.submit(function, *words).result()
    except BrokenProcessPool:
        raise Failure(f"the process that measured {function.__name__} died; is there enough memory?") from None


def finish(device: torch.device) -> None:
    """Wait for all that has been asked of the device."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write the figures to the file of `-o`, if there is one."""
    if path is not None:
        write_file(path, (json.dumps(document, indent=1) + "\n").encode())
