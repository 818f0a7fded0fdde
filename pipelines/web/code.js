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

/** Where the knobs stand in `code`: name -> value of the nearest point of each curve that can be read backwards. */
export function valuesOf(code, sliders) {
  const found = {};
  for (const slider of sliders) {
    if (!slider.relative && !(slider.circular && slider.latents.length === 1)) {
      const read = slider.choices.length ? nearestKnot : nearest;
      found[slider.name] = read(slider, slider.latents.map((latent) => code[latent]));
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
  let [best, value] = [Infinity, knots[0]];
  for (let k = 0; k + 1 < knots.length; k++) {
    const along = values[k + 1].map((end, column) => end - values[k][column]);
    const offset = point.map((at, column) => at - values[k][column]);
    const share = Math.min(Math.max(dot(offset, along) / (dot(along, along) || 1), 0), 1);
    const rest = offset.map((at, column) => at - share * along[column]);
    if (dot(rest, rest) < best) {
      best = dot(rest, rest);
      value = knots[k] + share * (knots[k + 1] - knots[k]);
    }
  }
  return value;
}

/** The category whose values are nearest: there is nothing between two of them. */
function nearestKnot({ knots, values }, point) {
  const distances = values.map((row) => {
    const offset = point.map((at, column) => at - row[column]);
    return dot(offset, offset);
  });
  return knots[distances.indexOf(Math.min(...distances))];
}

function dot(one, other) {
  return one.reduce((sum, value, i) => sum + value * other[i], 0);
}
