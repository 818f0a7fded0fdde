// Grey pictures on canvases. A canvas has one pixel for each of the picture; CSS enlarges it.

/** Draw `grey`, a Uint8Array of size * size values, row 0 at the top. */
export function drawGrey(canvas, grey, size) {
  const image = new ImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer); // of equal red, green and blue, so the order of bytes is no matter
  for (let i = 0; i < size * size; i++) {
    pixels[i] = 0xff000000 | (grey[i] * 0x010101);
  }
  if (canvas.width !== size || canvas.height !== size) {
    canvas.width = canvas.height = size;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Mean squared difference of two pictures, grey values taken from 0 to 1. */
export function meanSquaredError(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) {
    sum += (one[i] - other[i]) ** 2;
  }
  return sum / one.length / 255 ** 2;
}

/** `one` - `other` as a picture: equal is mid-grey, brighter in `one` is bright; twice enhanced. */
export function difference(one, other) {
  return Uint8ClampedArray.from(one, (value, i) => 128 + 2 * (value - other[i]));
}
