// Sliders and graphics codes: the arithmetic of dcign/engine/variations.py and dcign/engine/curves.py, digit for digit.

/** A copy of `code` (Float32Array of Z) with the sliders at `values`, name -> number; null leaves a slider as it is. */
export function applySliders(code, sliders, values) {
  const moved = Float32Array.from(code);
  const set = sliders.filter((slider) => Number.isFinite(values[slider.name]));
  for (const slider of [...set.filter((each) => !each.relative), ...set.filter((each) => each.relative)]) {
    slider.latents.forEach((latent, column) => {
      const value = Math.fround(between(slider, values[slider.name], column));
      moved[latent] = slider.relative ? moved[latent] + value : value;
    });
  }
  return moved;
}

/** Where the knobs stand in `code`: name -> degrees of the nearest point of each curve that can be read backwards. */
export function degreesOf(code, sliders) {
  const found = {};
  for (const slider of sliders) {
    if (!slider.relative && !(slider.circular && slider.latents.length === 1)) {
      found[slider.name] = nearest(slider, slider.latents.map((latent) => code[latent]));
    }
  }
  return found;
}

/** Linear between the knots, held beyond them. */
function between({ knots, values }, at, column) {
  const last = knots.length - 1;
  if (at >= knots[last]) {
    return values[last][column];
  }
  if (at <= knots[0]) {
    return values[0][column];
  }
  const k = knots.findLastIndex((knot) => knot <= at);
  const slope = (values[k + 1][column] - values[k][column]) / (knots[k + 1] - knots[k]);
  return slope * (at - knots[k]) + values[k][column];
}

function nearest({ knots, values }, point) {
  let [best, angle] = [Infinity, knots[0]];
  for (let k = 0; k + 1 < knots.length; k++) {
    const along = values[k + 1].map((end, column) => end - values[k][column]);
    const offset = point.map((value, column) => value - values[k][column]);
    const share = Math.min(Math.max(dot(offset, along) / (dot(along, along) || 1), 0), 1);
    const rest = offset.map((value, column) => value - share * along[column]);
    if (dot(rest, rest) < best) {
      best = dot(rest, rest);
      angle = knots[k] + share * (knots[k + 1] - knots[k]);
    }
  }
  return angle;
}

function dot(one, other) {
  return one.reduce((sum, value, i) => sum + value * other[i], 0);
}
