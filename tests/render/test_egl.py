"""What EGL has of NVIDIA's, wherever the dispatch library is told to look, and what is named where OpenGL fails."""

import json

import pytest

from render import egl

NVIDIA = json.dumps({"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_nvidia.so.0"}})
MESA = NVIDIA.replace("nvidia", "mesa")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The usual folder, with Mesa's file, and another one, with NVIDIA's under a name of its own."""
    usual, other = tmp_path / "usual", tmp_path / "other"
    for folder, name, text in ((usual, "50_mesa.json", MESA), (other, "gpu.json", NVIDIA)):
        folder.mkdir()
        (folder / name).write_text(text)
    monkeypatch.setattr(egl, "VENDOR_FOLDERS", (tmp_path / "none", usual))
    for name in (egl.VENDOR_NAMES, egl.VENDOR_DIRS):
        monkeypatch.delenv(name, raising=False)
    return usual, other


def test_the_vendor_file_is_looked_for_where_the_dispatch_library_looks(folders, monkeypatch):
    usual, other = folders
    assert egl.vendor_files({}) == [usual / "50_mesa.json"]
    assert not egl.nvidia_egl()["vendor_file"]
    assert egl.nvidia_egl()["hidden_by"] is None
    monkeypatch.setenv(egl.VENDOR_DIRS, f"{usual}:{other}")
    assert egl.nvidia_egl()["vendor_file"]
    monkeypatch.setenv(egl.VENDOR_NAMES, str(usual / "50_mesa.json"))  # which counts instead of the folders
    found = egl.nvidia_egl()
    assert not found["vendor_file"]
    assert f"unset {egl.VENDOR_NAMES}" in egl.nvidia_remedy({**found, "library": True, "mig": False}, [])
    monkeypatch.setenv(egl.VENDOR_NAMES, f"{other / 'gpu.json'}:{other / 'gone.json'}")
    assert egl.nvidia_egl()["vendor_file"]


@pytest.mark.parametrize(
    ("environment", "mig"),
    [
        ({}, False),
        ({"CUDA_VISIBLE_DEVICES": "MIG-5c89852c"}, True),
        ({"NVIDIA_VISIBLE_DEVICES": "MIG-5c89852c"}, True),
        ({"CUDA_VISIBLE_DEVICES": "0", "NVIDIA_VISIBLE_DEVICES": "all"}, False),
    ],
)
def test_a_slice_of_a_gpu_is_known_by_its_name(environment, mig):
    assert egl.is_mig(environment) == mig


def test_what_changes_opengl_is_named_with_its_value():
    assert egl.overrides({"HOME": "/root", "GALLIUM_DRIVER": ""}) == ""
    assert (
        egl.overrides({"MESA_GL_VERSION_OVERRIDE": "2.1", "GALLIUM_DRIVER": "softpipe"})
        == "unset GALLIUM_DRIVER (it is softpipe), MESA_GL_VERSION_OVERRIDE (it is 2.1)"
    )
