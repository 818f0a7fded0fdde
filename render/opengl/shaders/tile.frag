#version 330 core
// The shading model of render.scene.Shading, as in mesh.frag, in the camera's frame.
// With VISIBLE_SURFACE, writes what light.frag needs to shade the same surface under many lights.

layout(std140) uniform Tile {
    mat4 object_to_clip;
    mat4 object_to_camera;
    vec4 light;
    vec4 window;
};
#ifdef TEXTURED
uniform sampler2D image;
in vec2 uv;
in vec3 colour;
#endif

in vec4 surface;
out vec4 result;

void main() {
    // 1 / depth is linear in the window, so its slopes give the plane of the triangle: `away` is the triangle's normal
    // that points away from the camera. The normal is turned to the visible side, whatever the winding.
    vec2 slope = vec2(dFdx(gl_FragCoord.w), dFdy(gl_FragCoord.w));
    vec3 away = vec3(slope, (dot(slope, gl_FragCoord.xy - window.xy) - gl_FragCoord.w) / window.z);
    vec3 n = normalize(surface.xyz);
    if (dot(n, away) > 0.0) n = -n;

#ifdef TEXTURED
#ifdef MULTISAMPLED
    const float BIAS = 0.0;
#else
    const float BIAS = 1.16;  // a mipmap level of pixels, not of samples: those are 1 / sqrt(5) pixel apart
#endif
    float albedo = dot(colour * texture(image, uv, BIAS).rgb, GREY_WEIGHTS);
#else
    float albedo = surface.w;
#endif
#ifdef VISIBLE_SURFACE
    result = vec4(albedo * n, albedo);
#else
    float grey = albedo * (window.w + light.w * max(dot(n, light.xyz), 0.0));
    result = vec4(vec3(clamp(grey, 0.0, 1.0)), 1.0);
#endif
}
