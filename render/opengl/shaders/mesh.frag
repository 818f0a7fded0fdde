#version 330 core
// The shading model of render.scene.Shading: two-sided Lambert, written out as grey. GREY_WEIGHTS are filled in.

struct DirectionalLight {
    vec3 color;
    float intensity;
    vec3 direction;
};
struct Material {
    int unused;
#ifdef HAS_BASE_COLOR_TEX
    sampler2D base_color_texture;
#endif
};

uniform Material material;
uniform DirectionalLight directional_lights[MAX_DIRECTIONAL_LIGHTS];
uniform vec3 ambient_light;
uniform vec3 cam_pos;

in vec3 world_position;
in vec3 world_normal;
in vec3 albedo;
#ifdef TEXCOORD_0_LOC
in vec2 uv;
#endif

out vec4 colour;

void main() {
    // The side that is seen is the side that is lit: turn the normal towards the visible side of the triangle itself,
    // since the winding of CAD files is not to be trusted.
    vec3 side = cross(dFdx(world_position), dFdy(world_position));
    if (dot(side, cam_pos - world_position) < 0.0) side = -side;
    vec3 n = normalize(world_normal);
    if (dot(n, side) < 0.0) n = -n;

    vec3 surface = albedo;
#ifdef HAS_BASE_COLOR_TEX
    surface *= texture(material.base_color_texture, uv).rgb;
#endif
    float lit = directional_lights[0].intensity * max(dot(n, -directional_lights[0].direction), 0.0);
    float grey = dot(surface, GREY_WEIGHTS) * (ambient_light.r + lit);
    colour = vec4(vec3(clamp(grey, 0.0, 1.0)), 1.0);
}
