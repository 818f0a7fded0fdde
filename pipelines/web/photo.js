// A visitor's picture as the network reads it: the largest centred square, grey, resized. It never leaves the browser.

const GREY_WEIGHTS = [0.21, 0.72, 0.07]; // of red, green, blue, as in assets/mesh.py
const MOST_BYTES = 64 * 2 ** 20;

/** Grey values 0 to 255, Uint8ClampedArray (size * size), of an image file; clear pixels become `background` (0 to 1). */
export async function greySquare(file, size, background) {
  const name = file.name ?? "image";
  if (file.size > MOST_BYTES) {
    throw new Error(`${name}: expected at most ${MOST_BYTES / 2 ** 20} MB`);
  }
  const image = await createImageBitmap(file).catch(() => {
    throw new Error(`${name}: not an image that this browser can read`);
  });
  const side = Math.min(image.width, image.height);
  const [left, top] = [Math.floor((image.width - side) / 2), Math.floor((image.height - side) / 2)];
  let now = Math.max(size, Math.min(side, 16 * size));
  let canvas = square(now, background, (pen) => pen.drawImage(image, left, top, side, side, 0, 0, now, now));
  image.close();
  while (now > size) {
    const [before, next] = [canvas, Math.max(size, Math.ceil(now / 2))]; // by halves: no browser then skips pixels
    canvas = square(next, background, (pen) => pen.drawImage(before, 0, 0, next, next));
    now = next;
  }
  const { data } = canvas.getContext("2d").getImageData(0, 0, size, size);
  const [red, green, blue] = GREY_WEIGHTS;
  return Uint8ClampedArray.from({ length: size * size }, (_, i) =>
    Math.round(red * data[4 * i] + green * data[4 * i + 1] + blue * data[4 * i + 2]),
  );
}

function square(side, background, draw) {
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const grey = Math.round(255 * background);
  pen.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
  pen.fillRect(0, 0, side, side);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = "high";
  draw(pen);
  return canvas;
}
