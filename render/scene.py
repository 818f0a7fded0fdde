"""A scene as plain data: one mesh, its pose, one light, one camera. Renderers are handed scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assets.mesh import Mesh

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A perspective camera that orbits `target`.

    target    (3,) point in the object's units around which the object turns and at which the camera looks
    distance  from the target, same unit
    fov       vertical field of view in degrees
    size      image width and height in pixels
    """

    target: tuple[float, float, float]
    distance: float
    fov: float
    size: int

    @property
    def planes(self) -> tuple[float, float]:
        """Near and far clipping planes, in the object's unit."""
        return 0.1 * self.distance, 3.0 * self.distance

    @property
    def projection(self) -> Matrix:
        """(4, 4) OpenGL projection matrix."""
        near, far = self.planes
        f = 1.0 / np.tan(np.radians(self.fov) / 2)
        return np.array(
            [
                [f, 0, 0, 0],
                [0, f, 0, 0],
                [0, 0, (far + near) / (near - far), 2 * far * near / (near - far)],
                [0, 0, -1, 0],
            ]
        )


@dataclass(frozen=True)
class Shading:
    """The one shading model, shared by all renderers: two-sided Lambert with one directional light.

    grey = albedo . GREY_WEIGHTS * (ambient + diffuse * max(0, n . l)); see opengl/shaders/mesh.frag

    light_elevation  height of the light above the camera's horizontal plane, in degrees
    background       grey level of the empty image, 0 to 1
    """

    ambient: float = 0.25
    diffuse: float = 0.85
    light_elevation: float = 20.0
    background: float = 0.0


@dataclass(frozen=True, eq=False)
class Scene:
    """The content of one image. Angles in degrees.

    azimuth    turns the object about +Y; positive turns its face to the viewer's right
    elevation  raises the camera
    light      turns the light about +Y in the camera's frame; positive moves it to the viewer's right
    """

    mesh: Mesh
    azimuth: float
    elevation: float
    light: float
    camera: Camera
    shading: Shading


def with_value(scene: Scene, field: str, value: float) -> Scene:
    """Change one number of the scene: `field` of its own, or of its camera or shading as in "camera.fov"."""
    owner, _, name = field.rpartition(".")
    if not owner:
        return replace(scene, **{name: value})  # type: ignore[arg-type]
    return replace(scene, **{owner: replace(getattr(scene, owner), **{name: value})})


def frame_camera(target: tuple[float, float, float], radius: float, size: int, fov: float = 25.0) -> Camera:
    """Place a camera that holds the sphere of `radius` around `target` in view, at any azimuth and elevation."""
    return Camera(target, radius / float(np.sin(np.radians(fov / 2))), fov, size)


def model_matrix(scene: Scene) -> Matrix:
    """Return (4, 4) object to world: a turn by the azimuth about the vertical axis through the camera's target."""
    angle = np.radians(scene.azimuth)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    target = np.array(scene.camera.target)
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = target - turn @ target
    return matrix


def camera_pose(scene: Scene) -> Matrix:
    """Return (4, 4) camera to world: on +Z of the target, raised by the elevation, looking at the target."""
    angle = np.radians(scene.elevation)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])  # -elevation about +X
    matrix[:3, 3] = np.array(scene.camera.target) + scene.camera.distance * np.array([0, sin, cos])
    return matrix


def light_direction(scene: Scene) -> NDArray[np.float64]:
    """Return (3,) the unit vector in the world from the object towards the light."""
    azimuth, elevation = np.radians(scene.light), np.radians(scene.shading.light_elevation)
    towards = np.array(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    )  # in the camera's frame
    return camera_pose(scene)[:3, :3] @ towards


def pixels(scene: Scene, points: NDArray[np.floating]) -> Matrix:
    """Return (n, 2) where the image shows `points` (n, 3) of the object: pixels to the right and down from its corner.

    The middle of the pixel in row r and column c lies at (c + 0.5, r + 0.5).
    """
    world = points @ model_matrix(scene)[:3, :3].T + model_matrix(scene)[:3, 3]
    pose = camera_pose(scene)
    seen = (world - pose[:3, 3]) @ pose[:3, :3]  # in the camera's frame
    clip = np.concatenate([seen, np.ones((len(seen), 1))], axis=1) @ scene.camera.projection.T
    return (clip[:, :2] / clip[:, 3:] * [1.0, -1.0] + 1.0) * scene.camera.size / 2


def towards_camera(scene: Scene) -> NDArray[np.float64]:
    """Return (3,) the unit vector from the target towards the camera, in the object's own frame."""
    return camera_pose(scene)[:3, 2] @ model_matrix(scene)[:3, :3]
