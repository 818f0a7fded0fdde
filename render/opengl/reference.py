"""The reference renderer: pyrender draws one scene at a time, with the shading of shaders/mesh.frag."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import Failure
from render.opengl import no_context

if not __debug__:
    raise Failure(
        "the reference renderer needs Python's assert statements, inside which pyrender opens OpenGL: "
        "unset PYTHONOPTIMIZE and leave out -O, or take the batched renderer"
    )

try:
    import pyrender
    from OpenGL import GL
    from OpenGL.plugins import FormatHandler
    from pyrender.constants import RenderFlags
    from pyrender.platforms import egl
    from pyrender.renderer import Renderer
    from pyrender.shader_program import ShaderProgramCache
except Exception as error:  # PyOpenGL raises anything from AttributeError to EGLError where libraries are missing
    raise no_context(error) from error

from assets.mesh import GREY_WEIGHTS, Mesh
from render.opengl.context import on_first_device
from render.scene import Scene, camera_pose, light_direction, model_matrix

# Since Python 3.12 `ctypes.byref` gives a `_ctypes.CArgObject`, which PyOpenGL 3.1.0 does not know: no textures
FormatHandler.by_name("ctypesparameter").check.append("_ctypes.CArgObject")

_opened: list[egl.EGLPlatform] = []  # never collected


def open_platform(size: int) -> egl.EGLPlatform:
    """Open a pyrender EGL platform with a current OpenGL context, on an EGL device as `on_first_device` has it.

    Open one a process: a second one, or closing and opening again, is a known source of crashes in pyrender. It is kept
    to the end: a platform that is collected closes the display, and with it every other context of the process.
    Raises Failure if no context can be made.
    """

    def attempt(number: int) -> egl.EGLPlatform:
        platform = egl.EGLPlatform(size, size, device=egl.get_device_by_index(number))
        platform.init_context()
        return platform

    platform = on_first_device(attempt)
    _opened.append(platform)
    return platform


class ReferenceRenderer:
    """Draws scenes as (size, size) uint8 grey images, row 0 at the top, 4x multisampled.

    Make one a process and keep it. A mesh stays uploaded until another one is drawn.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._platform = open_platform(size)
        names = {"vendor": GL.GL_VENDOR, "renderer": GL.GL_RENDERER, "version": GL.GL_VERSION}
        self.gl = {key: (GL.glGetString(name) or b"?").decode("ascii", "replace") for key, name in names.items()}
        self._renderer = GreyRenderer(size, size)
        self._renderer._program_cache = GreyPrograms(shader_dir=str(Path(__file__).with_name("shaders")))
        self._mesh: Mesh | None = None

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """Draw `scene`: (size, size) uint8."""
        self._platform.make_current()  # a process of one renderer has no other
        if scene.mesh is not self._mesh:
            self._mesh, self._uploaded = scene.mesh, _pyrender_mesh(scene.mesh)
        camera, shading = scene.camera, scene.shading
        near, far = camera.planes
        drawing = pyrender.Scene(ambient_light=[shading.ambient] * 3, bg_color=[shading.background] * 3 + [1.0])
        drawing.add(self._uploaded, pose=model_matrix(scene))
        eye = pyrender.PerspectiveCamera(np.radians(camera.fov), znear=near, zfar=far, aspectRatio=1.0)
        drawing.add(eye, pose=camera_pose(scene))
        drawing.add(pyrender.DirectionalLight(intensity=shading.diffuse), pose=_facing_along(-light_direction(scene)))
        flags = RenderFlags.OFFSCREEN | RenderFlags.SKIP_CULL_FACES
        return np.array(self._renderer.render(drawing, flags))

    def draw_batch(self, scenes: Sequence[Scene]) -> NDArray[np.uint8]:
        """Draw N >= 1 scenes: (N, size, size) uint8."""
        return np.stack([self.draw(scene) for scene in scenes])


@cache
def shared_renderer(size: int) -> ReferenceRenderer:
    """Return the one renderer of this process for images of `size` pixels.

    It is never collected: pyrender would then delete, at any later moment, whatever has the same numbers in the context
    of another renderer.
    """
    return ReferenceRenderer(size)


def _facing_along(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (4, 4) pose whose -Z axis is `direction` (3,), the way a directional light shines."""
    z = -direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.99 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    return pose


def _pyrender_mesh(mesh: Mesh) -> object:
    primitives = []
    for surface in mesh.surfaces:
        textured = surface.texture is not None and surface.uv is not None
        material = pyrender.MetallicRoughnessMaterial(
            baseColorTexture=pyrender.Texture(source=surface.texture, source_channels="RGB") if textured else None,
            doubleSided=True,
        )
        primitives.append(
            pyrender.Primitive(
                positions=surface.vertices,
                normals=surface.normals,
                texcoord_0=surface.uv if textured else None,
                color_0=np.concatenate([surface.albedo, np.ones((len(surface.albedo), 1), np.float32)], axis=1),
                indices=surface.triangles.astype(np.uint32),
                material=material,
                mode=4,  # triangles
            )
        )
    return pyrender.Mesh(primitives)


class GreyPrograms(ShaderProgramCache):  # type: ignore[misc]
    """Fills GREY_WEIGHTS into the shaders, as pyrender fills in names of its own."""

    def get_program(
        self, vertex_shader: str, fragment_shader: str, geometry_shader: str | None = None, defines: Any = None
    ) -> Any:
        filled_in = {**(defines or {}), "GREY_WEIGHTS": f"vec3{GREY_WEIGHTS}"}
        return super().get_program(vertex_shader, fragment_shader, geometry_shader, filled_in)


class GreyRenderer(Renderer):  # type: ignore[misc]
    """Reads one byte a pixel and no depth; pyrender reads depth first, which is where a frame waits."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)  # rows of any width, read back ...
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)  # ... and uploaded as textures

    def _read_main_framebuffer(self, scene: Any, flags: int) -> NDArray[np.uint8]:
        width, height = self._main_fb_dims
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb_ms)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._main_fb)
        GL.glBlitFramebuffer(0, 0, width, height, 0, 0, width, height, GL.GL_COLOR_BUFFER_BIT, GL.GL_LINEAR)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb)
        data = GL.glReadPixels(0, 0, width, height, GL.GL_RED, GL.GL_UNSIGNED_BYTE)
        return np.flip(np.frombuffer(data, dtype=np.uint8).reshape(height, width), axis=0)
