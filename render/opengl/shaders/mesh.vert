#version 330 core
// Object to clip space; normals and positions stay in the world for mesh.frag. Names and defines are pyrender's.

layout(location = 0) in vec3 position;
layout(location = NORMAL_LOC) in vec3 normal;
#ifdef TEXCOORD_0_LOC
layout(location = TEXCOORD_0_LOC) in vec2 texcoord_0;
out vec2 uv;
#endif
layout(location = COLOR_0_LOC) in vec4 color_0;

uniform mat4 M;
uniform mat4 V;
uniform mat4 P;

out vec3 world_position;
out vec3 world_normal;
out vec3 albedo;

void main() {
    vec4 world = M * vec4(position, 1.0);
    gl_Position = P * (V * world);
    world_position = world.xyz;
    world_normal = mat3(M) * normal;  // M is a rotation
    albedo = color_0.rgb;
#ifdef TEXCOORD_0_LOC
    uv = texcoord_0;
#endif
}
