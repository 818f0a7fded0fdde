// The five samples of a pixel (see render/opengl/programs.py): the one at its centre and the four next to it.

uniform int size;    // of an image, in pixels
uniform int origin;  // of this tile, in rows

const ivec2 PLUS[5] = ivec2[](ivec2(0, 0), ivec2(1, 0), ivec2(0, 1), ivec2(-1, 0), ivec2(0, -1));

ivec2 centre() {
    ivec2 pixel = ivec2(gl_FragCoord.xy) - ivec2(0, origin);
    return ivec2(2 * pixel.x + pixel.y + 1, 2 * pixel.y - pixel.x + size);
}
