#version 330 core
// Object to clip space for one tile of the batched renderer; normals go to the camera's frame for tile.frag.

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec3 albedo;
#ifdef TEXTURED
layout(location = 3) in vec2 texture_position;
out vec2 uv;
out vec3 colour;
#endif

layout(std140) uniform Tile {
    mat4 object_to_clip;
    mat4 object_to_camera;
    vec4 light;   // xyz towards the light in the camera's frame, w strength
    vec4 window;  // xy centre of the tile in pixels, z pixels per unit of x / -z in the camera's frame, w ambient
};

out vec4 surface;  // xyz normal in the camera's frame, w grey albedo: few attributes, since setting up triangles costs most

void main() {
    gl_Position = object_to_clip * vec4(position, 1.0);
    surface.xyz = mat3(object_to_camera) * normal;  // a rotation
    surface.w = dot(albedo, GREY_WEIGHTS);
#ifdef TEXTURED
    uv = texture_position;
    colour = albedo;
#endif
}
