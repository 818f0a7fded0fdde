#version 330 core
// Shades the samples of one visible surface under four lights: one image in each of red, green, blue and alpha.

uniform sampler2D visible;    // xyz normal times grey albedo, w grey albedo, negative where nothing was hit
uniform mat4x3 lights;        // towards each light in the camera's frame
uniform vec4 diffuse;
uniform vec4 ambient;
uniform vec4 background;

out vec4 greys;

void main() {
    ivec2 middle = centre();
    vec4 sum = vec4(0.0);
    for (int i = 0; i < 5; i++) {
        vec4 surface = texelFetch(visible, middle + PLUS[i], 0);
        vec4 lit = surface.w * ambient + diffuse * max(surface.xyz * lights, 0.0);
        sum += surface.w < 0.0 ? background : clamp(lit, 0.0, 1.0);
    }
    greys = sum / 5.0;
}
