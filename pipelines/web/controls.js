// Controls of a page: one for each slider. An untouched one stands where the image has it.

import { element } from "./control.js";
import { Choice } from "./choice.js";
import { plain, Range } from "./range.js";

const LONGEST_UNIT = 8; // letters; of a longer one the beginning is shown

/**
 * Fill `root` with controls for `sliders`, as `dcign.engine.variations.sliders_to_json` gives them; `imported` is whether
 * the training images were, and not rendered in degrees of pose and light.
 *
 * onChange(values, name) follows every change: name -> number, or null where the slider is as in the image; and the name
 * of the one that a hand moved.
 * Returns {values(), set(values), start(origins), reset(), randomise()}: `set` moves the sliders that it names (null
 * gives one back to the image), `start` says where untouched ones stand, and is the only one that changes no value.
 */
export function mountControls(root, { sliders, imported }, onChange) {
  const values = () => Object.fromEntries(rows.map((row) => [row.slider.name, row.value]));
  const changed = (name) => onChange(values(), name);
  const rows = sliders.map((slider) => new (slider.choices.length ? Choice : Range)(slider, () => changed(slider.name)));
  const [factors, identity] = [false, true].map((relative) => rows.filter((row) => row.slider.relative === relative));
  if (imported) {
    factors.forEach((row) => row.tellRange()); // of pose and light anybody knows it
  }
  const groups = [group(imported ? "Factors" : "Pose and light", factors), group("Identity", identity)];
  root.replaceChildren(...groups.filter((each) => each !== null));
  align(root, sliders);

  const controls = {
    values,
    set(wanted) {
      for (const row of rows.filter((each) => Object.hasOwn(wanted, each.slider.name))) {
        row.show(wanted[row.slider.name]);
      }
      changed();
    },
    start(origins) {
      for (const row of rows) {
        row.start(origins[row.slider.name]);
      }
    },
    reset() {
      rows.forEach((row) => row.show(null));
      changed();
    },
    randomise() {
      rows.forEach((row) => row.show(row.draw()));
      changed();
    },
  };
  document.addEventListener("keydown", (event) => {
    const typed = event.target.matches?.("input:not([type=range]), select, textarea, [contenteditable]");
    const action = { r: controls.reset, x: controls.randomise }[event.key];
    if (action && !typed && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  });
  return controls;
}

/** What stands for a value of a slider in a name of a file: a number, or the name of a category. */
export function valueName({ choices, low }, value) {
  return choices.length ? choices[Math.round(value - low)].replace(/[^\p{L}\p{N}_(). -]/gu, "_") : String(value);
}

function group(title, rows) {
  if (rows.length === 0) {
    return null;
  }
  const fieldset = element("fieldset");
  fieldset.append(element("legend", { textContent: title }), ...rows.map((row) => row.element));
  return fieldset;
}

/** Gives all numbers and all units the room that the longest takes, so that they stand in columns. */
function align(root, sliders) {
  const longest = (texts) => Math.max(1, ...texts.map((text) => [...text].length));
  const unit = Math.min(longest(sliders.map((slider) => slider.unit)), LONGEST_UNIT);
  const ends = sliders.flatMap((slider) => [slider.low, slider.high, slider.low + slider.step].map((x) => plain(x, slider)));
  root.style.setProperty("--unit", unit === 1 ? "1ch" : `${1.3 * unit}ch`);
  root.style.setProperty("--number", `${longest(ends) + 3}ch`); // and the two arrows
}
