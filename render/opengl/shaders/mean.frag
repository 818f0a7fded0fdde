#version 330 core
// The mean of a pixel's samples.

uniform sampler2D samples;

out vec4 result;

void main() {
    ivec2 middle = centre();
    float sum = 0.0;
    for (int i = 0; i < 5; i++) sum += texelFetch(samples, middle + PLUS[i], 0).r;
    result = vec4(sum / 5.0);
}
