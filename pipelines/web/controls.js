// Sliders: a labelled range input for each, with its number beside it. An untouched slider stands where the image has it.

const GROUPS = [
  ["Pose and light", (slider) => !slider.relative],
  ["Identity", (slider) => slider.relative],
];

/**
 * Fill `root` with controls for `sliders`, as `dcign.engine.variations.sliders_to_json` gives them.
 *
 * onChange(values) follows every change: name -> number, or null where the slider is as in the image.
 * Returns {values(), set(values), start(degrees), reset(), randomise()}: `set` moves the sliders that it names (null
 * gives one back to the image), `start` says where untouched knobs stand, and is the only one that changes no value.
 */
export function mountControls(root, sliders, onChange) {
  const values = () => Object.fromEntries(rows.map((row) => [row.slider.name, row.value]));
  const changed = () => onChange(values());
  const rows = sliders.map((slider) => new Row(slider, changed));
  const groups = GROUPS.map(([title, belongs]) => group(title, rows.filter((row) => belongs(row.slider))));
  root.replaceChildren(...groups.filter((each) => each !== null));

  const controls = {
    values,
    set(wanted) {
      for (const row of rows.filter((each) => each.slider.name in wanted)) {
        row.show(wanted[row.slider.name]);
      }
      changed();
    },
    start(degrees) {
      for (const row of rows) {
        row.start(degrees[row.slider.name]);
      }
    },
    reset() {
      rows.forEach((row) => row.show(null));
      changed();
    },
    randomise() {
      rows.forEach((row) => row.show(draw(row.slider)));
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

/** One slider. `value` is null while it is as in the image. */
class Row {
  constructor(slider, changed) {
    this.slider = slider;
    this.value = null;
    this.origin = null; // where the image has it, if that is known
    const { name, label, unit, low, high, step } = slider;
    this.range = element("input", { type: "range", id: `slider-${name}`, min: low, max: high, step });
    this.number = element("input", { type: "number", id: `number-${name}`, min: low, max: high, step });
    this.number.setAttribute("aria-label", `${label}, ${{ "°": "degrees", σ: "standard deviations" }[unit] ?? "value"}`);
    this.clear = element("button", { type: "button", className: "clear", textContent: "↺" });
    this.clear.title = `${label} as in the image`;
    this.clear.setAttribute("aria-label", this.clear.title);
    if (low < 0 && high > 0) {
      this.range.style.setProperty("--zero", -low / (high - low));
    }
    const act = (value) => (this.show(value), changed());
    this.range.addEventListener("input", () => act(this.range.valueAsNumber));
    this.range.addEventListener("keydown", (event) => {
      if (event.key === "Home" || event.key === "End") {
        event.preventDefault(); // an untouched knob may stand there already, and the end may lie between two steps
        act(event.key === "Home" ? low : high);
      }
    });
    this.number.addEventListener("input", () => {
      if (this.number.value !== "") {
        this.show(clamp(this.number.valueAsNumber, slider), this.number);
        changed();
      } else if (!this.number.validity.badInput) {
        act(null);
      }
    });
    this.number.addEventListener("keydown", (event) => {
      const turn = { ArrowUp: step, ArrowDown: -step }[event.key];
      if (turn && this.value === null) {
        event.preventDefault(); // an empty field would count from 0
        act(clamp(this.range.valueAsNumber + turn, slider));
      }
    });
    this.number.addEventListener("change", () => this.show(this.value)); // what was typed beyond the range
    this.clear.addEventListener("click", () => {
      act(null);
      this.range.focus();
    });
    this.element = element("div", { className: "control" });
    const heading = element("label", { htmlFor: this.range.id, textContent: label });
    const field = element("span", { className: "field" });
    field.append(this.number, element("span", { className: "unit", textContent: unit }));
    this.element.append(heading, this.range, field, this.clear);
    this.show(null);
  }

  /** Where the knob stands while untouched; undefined where that is not known. */
  start(origin) {
    this.origin = Number.isFinite(origin) ? clamp(origin, this.slider) : null;
    this.show(this.value);
  }

  /** Takes `value`; leaves alone the text of the field that it is being typed into. */
  show(value, typing = null) {
    const { low, high, relative, unit } = this.slider;
    this.value = value;
    const known = value ?? (relative ? 0 : this.origin);
    this.range.value = known ?? (low + high) / 2;
    this.element.classList.toggle("untouched", value === null);
    this.clear.disabled = value === null;
    const text = known === null ? "" : `${plain(known)}${unit}`;
    this.range.setAttribute("aria-valuetext", value === null ? `as in the image ${text}`.trim() : text);
    if (typing === null) {
      this.number.value = value === null ? "" : plain(value);
      this.number.placeholder = known === null ? "–" : plain(Number(known.toFixed(1)));
    }
  }
}

function group(title, rows) {
  if (rows.length === 0) {
    return null;
  }
  const fieldset = element("fieldset");
  fieldset.append(element("legend", { textContent: title }), ...rows.map((row) => row.element));
  return fieldset;
}

/** A random value on a step of the slider: even over an angle's range, normal for a direction. */
function draw(slider) {
  const { low, high, step, relative } = slider;
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const value = relative ? normal : low + (high - low) * Math.random();
  return clamp(Number(plain(low + step * Math.round((value - low) / step))), slider);
}

function clamp(value, { low, high }) {
  return Math.min(Math.max(value, low), high);
}

/** A number without the noise of binary fractions. */
function plain(value) {
  return String(Number(value.toFixed(2)));
}

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
