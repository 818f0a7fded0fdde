"""`dcign doctor`: facts, problems with their remedies, and driver crashes that stay out of its own process."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.commands import doctor

ROOT = Path(__file__).parents[3]


@pytest.fixture
def facts():
    """A machine where all is well: an NVIDIA GPU that both torch and OpenGL use."""
    return {
        "python": {"version": "3.12.1", "executable": "/x/python"},
        "platform": {"system": "Linux", "machine": "x86_64"},
        "cores": 8,
        "memory_gib": 62.8,
        "disk": {"folder": "/x", "free_gib": 100.0},
        "packages": {"torch": "2.13.0", "pyrender": "0.1.45", "PyOpenGL": "3.1.0"},
        "torch": {
            "version": "2.13.0",
            "cuda": "13.0",
            "devices": [{"name": "NVIDIA RTX A5000", "memory_gib": 24.0}],
            "threads": 8,
            "native_bf16": True,
        },
        "nvidia_driver": "NVIDIA UNIX x86_64 Kernel Module 580.00",
        "nvidia_egl": {"library": True, "vendor_file": True},
        "egl_devices": [
            {"index": 0, "file": None, "cuda": None, "software": True},
            {"index": 1, "file": "/dev/dri/card0", "cuda": 0, "software": False},
        ],
        "gl": {"vendor": "NVIDIA Corporation", "renderer": "NVIDIA RTX A5000/PCIe/SSE2", "version": "4.6.0"},
    }


def run_with(monkeypatch, facts, *arguments):
    monkeypatch.setattr(doctor, "examine", lambda: facts)
    return CliRunner().invoke(doctor.command, arguments)


def test_doctor_examines_this_machine_and_prints_valid_json():
    result = CliRunner().invoke(doctor.command, ["--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["ready"] else 1)
    assert found["cores"] >= 1
    assert found["packages"]["torch"] == found["torch"]["version"]
    assert found["gl"]["renderer"], found["gl"]  # the tests need OpenGL anyway


def test_in_a_tree_that_is_not_installed_the_same_packages_are_looked_for(monkeypatch):
    def requires(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    installed = doctor.package_versions()
    monkeypatch.setattr(doctor.importlib.metadata, "requires", requires)
    assert doctor.package_versions() == installed
    monkeypatch.setattr(doctor, "__file__", "/nowhere/pipelines/commands/doctor.py")
    assert list(doctor.package_versions()) == ["PyOpenGL"]


def test_table_names_every_fact_of_a_good_machine(monkeypatch, facts):
    result = run_with(monkeypatch, facts)
    assert result.exit_code == 0
    for expected in (
        "3.12.1",
        "pyrender 0.1.45",
        "A5000 (24.0 GiB)",
        "native bf16",
        "CUDA device 0",
        "4.6.0",
        "can run",
    ):
        assert expected in result.output
    assert "Problem" not in result.output
    assert "Warning" not in result.output


def test_missing_gl_is_fatal_and_gives_the_apt_line(monkeypatch, facts):
    facts["gl"] = {"error": "OSError: libEGL.so.1: cannot open shared object file"}
    result = run_with(monkeypatch, facts)
    assert result.exit_code == 1
    assert doctor.APT_LINE in result.output


def test_a_chosen_egl_device_is_suspected_first(monkeypatch, facts):
    monkeypatch.setenv("EGL_DEVICE_ID", "7")
    facts["gl"] = {"error": "ValueError: Invalid device ID (7)"}
    assert "unset EGL_DEVICE_ID (it is 7)" in run_with(monkeypatch, facts).output


def test_what_overrides_the_driver_is_suspected_first(monkeypatch, facts):
    monkeypatch.setenv("GALLIUM_DRIVER", "no-such")
    facts["gl"] = {"error": "Exception: eglInitialize failed (0x3001)"}
    assert "Remedy: unset GALLIUM_DRIVER (it is no-such), or: sudo apt-get" in run_with(monkeypatch, facts).output


def test_without_a_context_on_an_nvidia_gpu_the_vendor_file_comes_before_mesa(monkeypatch, facts):
    facts["gl"] = {"error": "Exception: eglInitialize failed (0x3001)"}
    facts["nvidia_egl"]["vendor_file"] = False
    (problem,) = json.loads(run_with(monkeypatch, facts, "--json").stdout)["problems"]
    assert problem["fatal"]
    assert problem["remedy"].startswith("10_nvidia.json is missing: sudo mkdir")
    assert problem["remedy"].endswith(f"or, to render on the CPU: {doctor.APT_LINE}")


def test_missing_packages_are_fatal_and_named_once(monkeypatch, facts):
    facts["packages"]["torch"] = None
    facts["torch"] = {"error": "ModuleNotFoundError: No module named 'torch'"}
    found = json.loads(run_with(monkeypatch, facts, "--json").stdout)
    assert not found["ready"]
    assert [problem["remedy"] for problem in found["problems"]] == [doctor.PIP_LINE]


@pytest.mark.parametrize(
    ("egl", "cuda", "remedy"),
    [
        ({"library": False, "vendor_file": False}, None, "libEGL_nvidia.so.0"),
        ({"library": True, "vendor_file": False}, None, "10_nvidia.json is missing"),
        ({"library": True, "vendor_file": True}, 0, "export EGL_DEVICE_ID=1"),
        ({"library": True, "vendor_file": True}, None, "/dev/nvidia*"),
        ({"library": True, "vendor_file": True, "mig": True}, None, "a MIG slice, which has CUDA and no OpenGL"),
        (
            {"library": True, "vendor_file": False, "hidden_by": "__EGL_VENDOR_LIBRARY_DIRS"},
            None,
            "unset __EGL_VENDOR_LIBRARY_DIRS",
        ),
    ],
)
def test_llvmpipe_beside_an_nvidia_gpu_is_a_warning_with_the_fitting_remedy(monkeypatch, facts, egl, cuda, remedy):
    facts["gl"]["renderer"] = "llvmpipe (LLVM 15.0.6, 256 bits)"
    facts["nvidia_egl"] = egl
    facts["egl_devices"][1]["cuda"] = cuda
    result = run_with(monkeypatch, facts)
    assert result.exit_code == 0
    assert "Warning: rendering runs on the CPU" in result.output
    assert remedy in result.output


def test_llvmpipe_without_a_gpu_is_no_warning(monkeypatch, facts):
    facts["gl"]["renderer"] = "llvmpipe (LLVM 15.0.6, 256 bits)"
    facts["nvidia_driver"] = None
    assert "Warning" not in run_with(monkeypatch, facts).output


def test_a_gpu_that_torch_cannot_see_is_a_warning(monkeypatch, facts):
    facts["torch"] |= {"cuda": None, "devices": []}
    result = run_with(monkeypatch, facts)
    assert result.exit_code == 0
    assert "torch (a CPU build) sees no GPU" in result.output


def test_a_crash_in_another_process_is_reported_not_shared():
    assert doctor.in_own_process("os.abort") == {"error": "crashed with SIGABRT"}
    assert "OSError" in doctor.in_own_process("egl.ctypes.CDLL('libnothing.so').x")["error"]


def test_a_process_that_hangs_is_given_up():
    assert (
        "no answer"
        in doctor.in_own_process("subprocess.run(['sleep', '20']) or doctor.os.getpid", timeout=0.5)["error"]
    )


def test_doctor_and_set_up_name_the_same_packages():
    script = (ROOT / "scripts" / "setup").read_text()
    assert re.search(r'^GL_PACKAGES="(.*)"', script, re.MULTILINE).group(1).split() == list(doctor.GL_PACKAGES)
