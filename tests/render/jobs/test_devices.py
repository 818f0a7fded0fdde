"""GPUs are told by their CUDA index, in whatever order EGL lists them, and masks are honoured."""

import pytest

from render.errors import BadInput
from render.jobs import devices


def egl(*cuda):
    return [{"index": i, "file": None, "cuda": number, "software": number is None} for i, number in enumerate(cuda)]


@pytest.mark.parametrize(
    ("mask", "chosen"),
    [
        (None, [2, 0, 3]),
        ("", []),
        ("0", [2]),
        ("2,0", [3, 2]),
        ("1, 7, 0", [0]),
        ("-1", []),
        ("GPU-a,GPU-b,GPU-c", [2, 0, 3]),
        ("MIG-a", []),  # a slice of a GPU has no EGL
    ],
)
def test_devices_with_cuda_are_chosen_by_their_cuda_index(mask, chosen):
    environment = {} if mask is None else {"CUDA_VISIBLE_DEVICES": mask}
    assert devices.visible(egl(1, None, 0, 2), environment) == chosen


def test_a_mask_that_cannot_be_matched_is_refused_by_name():
    with pytest.raises(BadInput, match=r"CUDA_VISIBLE_DEVICES.*GPU-12ab"):
        devices.visible(egl(0, 1), {"CUDA_VISIBLE_DEVICES": "GPU-12ab"})
    assert devices.visible(egl(None), {"CUDA_VISIBLE_DEVICES": "GPU-12ab"}) == []


@pytest.mark.parametrize(
    ("cores", "gpus", "asked", "workers", "used"),
    [
        (16, [5, 3], None, 16, 2),
        (64, [5, 3], None, 32, 2),
        (2, [5, 3], None, 2, 2),
        (3, [1], None, 3, 1),
        (1, [5, 3], None, 2, 2),
        (16, [5, 3], 3, 3, 2),
    ],
)
def test_workers_take_turns_over_the_gpus(monkeypatch, cores, gpus, asked, workers, used):
    monkeypatch.setattr(devices, "gpus", lambda: gpus)
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: range(cores))
    places = devices.device_environments(asked)
    assert len(places) == workers
    assert [int(place["EGL_DEVICE_ID"]) for place in places[:used]] == gpus[:used]
    assert len({place["EGL_DEVICE_ID"] for place in places}) == used


def test_without_a_gpu_there_is_one_worker_a_core_on_the_default_device(monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: range(3))
    assert devices.device_environments(None) == [{}, {}, {}]
    assert devices.device_environments(2) == [{}, {}]


def test_a_device_that_was_chosen_by_hand_is_kept(monkeypatch):
    monkeypatch.setenv("EGL_DEVICE_ID", "4")
    monkeypatch.setattr(devices, "_ask", lambda _: egl(0, 1))
    assert devices.gpus() == []


def test_llvmpipe_beside_an_nvidia_gpu_is_warned_of_with_the_remedy(monkeypatch):
    monkeypatch.setattr(devices, "nvidia_driver", lambda: "NVIDIA UNIX x86_64 Kernel Module 580.00")
    monkeypatch.setattr(devices, "nvidia_egl", lambda: {"library": True, "vendor_file": False})
    monkeypatch.setattr(devices, "_ask", lambda _: egl(None))
    assert "10_nvidia.json" in devices.software_warning("llvmpipe (LLVM 15), OpenGL 4.5")
    assert devices.software_warning("NVIDIA A100/PCIe, OpenGL 4.6") == ""
    monkeypatch.setattr(devices, "nvidia_driver", lambda: None)
    assert devices.software_warning("llvmpipe") == ""
