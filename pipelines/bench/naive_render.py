"""The loops that users write today, one image at a time: what `dcign bench render` compares with.

Run as `python -m pipelines.bench.naive_render LIBRARY FACTOR PATH SECONDS`, in a process of its own; prints images a
second. Each draws grey 150 x 150 pictures of one face of the model at PATH with one light, as our renderers do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.faces.catalog import FaceCatalog
from assets.mesh import GREY_WEIGHTS
from render.scene import Scene, Shading, camera_pose, frame_camera, model_matrix

SIZE = 150
WARM_UP = 5  # images
GREY = np.array(GREY_WEIGHTS)

Step = Callable[[float], Any]  # draws one image with another value, -1 to 1


def pyrender_step(catalog: FaceCatalog, factor: str) -> Step:
    """A pyrender scene whose pose, light or mesh is changed for each image; its own shader, colour and depth read."""
    import pyrender
    import trimesh

    import render.opengl  # noqa: F401  chooses EGL before pyrender is imported

    renderer = pyrender.OffscreenRenderer(SIZE, SIZE)
    scene, rng = pyrender.Scene(ambient_light=[0.25] * 3, bg_color=[0.0] * 3), np.random.default_rng(0)
    camera = frame_camera(catalog.target, catalog.radius, SIZE)

    def mesh() -> Any:
        vertices, albedo = _face(catalog, rng)
        shape = trimesh.Trimesh(vertices, catalog.model.triangles, vertex_colors=albedo, process=False)
        return pyrender.Mesh.from_trimesh(shape, smooth=True)

    face = scene.add(mesh())
    scene.add(pyrender.PerspectiveCamera(np.radians(camera.fov), aspectRatio=1.0), pose=_eye(camera, 0.0))
    light = scene.add(pyrender.DirectionalLight(intensity=3.0), pose=np.eye(4))
    eye = scene.main_camera_node

    def step(value: float) -> Any:
        nonlocal face
        if factor == "azimuth":
            scene.set_pose(face, model_matrix(_scene(camera, 90 * value, 0.0)))
        elif factor == "elevation":
            scene.set_pose(eye, _eye(camera, 30 * value))
        elif factor == "light":
            scene.set_pose(light, model_matrix(_scene(camera, 80 * value, 0.0)))
        else:
            scene.remove_node(face)
            face = scene.add(mesh())
        colour, _ = renderer.render(scene)
        return (colour @ GREY).astype(np.uint8)

    return step


def pyvista_step(catalog: FaceCatalog, factor: str) -> Step:
    """A PyVista plotter off screen, with the same changes."""
    import pyvista

    plotter, rng = pyvista.Plotter(off_screen=True, window_size=[SIZE, SIZE], lighting="none"), np.random.default_rng(0)
    camera = frame_camera(catalog.target, catalog.radius, SIZE)
    vertices, albedo = _face(catalog, rng)
    triangles = catalog.model.triangles
    faces = np.concatenate([np.full((len(triangles), 1), 3), triangles], axis=1).ravel()
    surface = pyvista.PolyData(vertices, faces)
    surface["albedo"] = albedo
    actor = plotter.add_mesh(surface, scalars="albedo", rgb=True, smooth_shading=True)
    light = pyvista.Light(light_type="scene light")
    light.positional = False
    plotter.add_light(light)
    plotter.set_background("black")

    def look(elevation: float) -> None:
        pose = _eye(camera, elevation)
        plotter.camera_position = [tuple(pose[:3, 3]), camera.target, tuple(pose[:3, 1])]
        plotter.camera.view_angle = camera.fov

    look(0.0)
    plotter.show(auto_close=False)

    def step(value: float) -> Any:
        if factor == "azimuth":
            actor.user_matrix = model_matrix(_scene(camera, 90 * value, 0.0))
        elif factor == "elevation":
            look(30 * value)
        elif factor == "light":
            light.position = tuple(model_matrix(_scene(camera, 80 * value, 0.0))[:3, 2] * 100)
            light.focal_point = (0.0, 0.0, 0.0)
        else:
            surface.points, surface["albedo"] = _face(catalog, rng)
        plotter.render()
        image = plotter.screenshot(return_img=True)
        return (image[..., :3] @ GREY).astype(np.uint8)

    return step


LOOPS = {"pyrender": pyrender_step, "pyvista": pyvista_step}


def _face(catalog: FaceCatalog, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return vertices and colours of a random face, without normals: the libraries compute those."""
    model = catalog.model
    shape = model.shape.offsets(rng.standard_normal(len(model.shape)).astype(np.float32))
    albedo = model.albedo.offsets(rng.standard_normal(len(model.albedo)).astype(np.float32))
    return model.shape_mean + shape, (np.clip(model.albedo_mean + albedo, 0, 1) * 255).astype(np.uint8)


def _scene(camera: Any, azimuth: float, elevation: float) -> Scene:
    return Scene(None, azimuth, elevation, 0.0, camera, Shading())  # type: ignore[arg-type]


def _eye(camera: Any, elevation: float) -> NDArray[np.float64]:
    return camera_pose(_scene(camera, 0.0, elevation))


def images_a_second(step: Step, seconds: float) -> float:
    """Measure how many images a second `step` draws, after a few to warm up."""
    images = [step(k / WARM_UP) for k in range(WARM_UP)]
    assert not np.array_equal(images[0], images[-1]), "nothing changes"
    started, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        image = step(np.sin(0.1 * count))
        count += 1
    assert image.shape == (SIZE, SIZE)
    assert image.max() > 20, "an empty image"
    return count / elapsed


if __name__ == "__main__":
    from assets.faces.catalog import open_faces
    from pipelines.catalogs import model_path

    library, factor, path, seconds = sys.argv[1:]
    print(images_a_second(LOOPS[library](open_faces(model_path(Path(path))), factor), float(seconds)))
