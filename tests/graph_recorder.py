"""A CUDA without a GPU: what a capture launches is written down, and a replay does it again on the same memory.

As on a GPU, Python runs once: a number that was read, or taken into an operation, stays what it was at the capture.
"""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def writes(operation, args, kwargs):
    """The tensors that an operation changes."""
    for place, argument in enumerate(operation._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = kwargs.get(argument.name) if argument.kwarg_only or place >= len(args) else args[place]
            yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))


class Recorder(TorchDispatchMode):
    """Notes operations while they run; afterwards `undo` makes as if they had not run, `replay` runs them again."""

    def __init__(self):
        super().__init__()
        self.noted, self.before = [], {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if operation._schema.name == "aten::_local_scalar_dense":
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        changed = list(writes(operation, args, kwargs))
        for tensor in changed:
            self.before.setdefault(id(tensor), (tensor, tensor.clone()))
        results = operation(*args, **kwargs)
        views = any(result.alias_info and not result.alias_info.is_write for result in operation._schema.returns)
        if not views:
            self.noted.append((operation, args, kwargs, [] if changed else tree_leaves(results)))
        return results

    def undo(self):
        for tensor, value in reversed(self.before.values()):
            tensor.detach().copy_(value)

    def replay(self):
        with torch.no_grad():
            for operation, args, kwargs, results in self.noted:
                again = tree_leaves(operation(*args, **kwargs))
                for result, value in zip(results, again if results else [], strict=True):
                    if value is not None:
                        result.detach().copy_(value)


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self):
        self.recorder = Recorder()

    def replay(self):
        self.recorder.replay()


@contextmanager
def capture(graph):
    """Stands in for `dcign.training.cuda_graph.capture`."""
    with graph.recorder:
        yield
    graph.recorder.undo()


@pytest.fixture
def recorded_cuda(monkeypatch):
    """Let `dcign.training.cuda_graph` capture on this CUDA."""

    class Stream:
        def wait_stream(self, other):
            pass

    for name, value in {
        "Stream": Stream, "stream": lambda stream: nullcontext(), "current_stream": Stream, "CUDAGraph": Graph,
        "synchronize": lambda: None,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr("dcign.training.cuda_graph.capture", capture)
