"""The 27 real chairs that lie beside a development checkout; skipped elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cad_file_fixtures import models_in

CHAIRS = Path(__file__).resolve().parents[4] / "shared" / "data" / "chairs"
pytestmark = pytest.mark.skipif(not CHAIRS.is_dir(), reason="no real chairs beside the checkout")


def test_all_real_chairs_read_and_stand_upright() -> None:
    models = models_in(CHAIRS)
    assert len(models) == 27
    textured = 0
    for model in models:
        mesh = model.read()
        textured += any(s.texture is not None for s in mesh.surfaces)
        corners = np.concatenate([s.vertices for s in mesh.surfaces])
        np.testing.assert_allclose(mesh.bounds.sum(axis=0), 0, atol=1e-5)
        assert np.linalg.norm(corners, axis=1).max() == pytest.approx(1, abs=1e-5)
        for s in mesh.surfaces:
            np.testing.assert_allclose(np.linalg.norm(s.normals, axis=1), 1, atol=1e-4)
            assert 0 <= s.albedo.min() <= s.albedo.max() <= 1
            assert (s.uv is None) == (s.texture is None)
        low = corners[corners[:, 1] < mesh.bounds[0, 1] + 0.1]
        assert np.ptp(low[:, 0]) > 0.25, model.id  # stands on a foot of some width
    assert textured == 8  # two more have textures without UVs


@pytest.mark.parametrize("name", ["scopia/chair", "scopia/ext_chair"])
def test_textures_without_uvs_fall_back_to_colours(name: str) -> None:
    (model,) = models_in(CHAIRS / name)
    assert all(s.texture is None and s.albedo.max() > 0.05 for s in model.read().surfaces)
