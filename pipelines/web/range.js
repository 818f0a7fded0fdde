// The control of a quantity: a range input with its number and unit beside it. A circle goes on where it ends.

import { Control, element, within } from "./control.js";

const WORDS = new Map([["°", "degrees"], ["σ", "standard deviations"], ["", "value"]]);
const CLOSE_UP = ["°", "σ"]; // units that follow their number without a space

export class Range extends Control {
  constructor(slider, changed) {
    super(slider, changed);
    const { label, unit, low, high, step } = slider;
    this.range = element("input", { type: "range", min: low, max: high, step });
    this.ends = this.range.title = `${plain(low, slider)} to ${this.text(high)}`.replaceAll("-", "−");
    this.number = element("input", { type: "number", id: `number-${slider.name}`, min: low, max: high, step });
    this.number.setAttribute("aria-label", `${label}, ${WORDS.get(unit) ?? unit}`);
    if (low < 0 && high > 0) {
      this.range.style.setProperty("--zero", -low / (high - low));
    }
    this.range.addEventListener("input", () => this.act(this.range.valueAsNumber));
    this.range.addEventListener("keydown", (event) => this.#turn(event));
    this.number.addEventListener("input", () => this.#typed());
    this.number.addEventListener("keydown", (event) => this.#count(event));
    this.number.addEventListener("change", () => this.show(this.value)); // what was typed beyond the range
    const field = element("span", { className: "field" });
    field.append(this.number, element("span", { className: "unit", textContent: unit, title: unit }));
    this.build(this.range, field);
  }

  /** A random value on a step: even over the range, normal for a direction. */
  draw() {
    const { low, high, step, relative } = this.slider;
    const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    const value = relative ? normal : low + (high - low) * Math.random();
    return rounded(low + step * Math.round((value - low) / step), this.slider);
  }

  text(value) {
    const { unit } = this.slider;
    return `${plain(value, this.slider)}${CLOSE_UP.includes(unit) ? "" : " "}${unit}`.trim();
  }

  /** Leaves alone the text of the field that it is being typed into. */
  show(value, typing = null) {
    super.show(value);
    const { low, high, relative } = this.slider;
    const known = value ?? (relative ? 0 : this.origin);
    this.range.value = known ?? (low + high) / 2;
    const text = known === null ? "" : this.text(known);
    this.range.setAttribute("aria-valuetext", value === null ? `as in the image ${text}`.trim() : text);
    if (typing === null) {
      this.number.value = value === null ? "" : plain(value, this.slider);
      this.number.placeholder = known === null ? "–" : plain(known, this.slider, 1);
    }
  }

  /** The ends by key, as an untouched knob may stand there already and the end may lie between two steps; and beyond. */
  #turn(event) {
    const { low, high, step, circular } = this.slider;
    const [now, page] = [this.range.valueAsNumber, Math.max(step, (high - low) / 10)];
    const far = { PageUp: page, PageDown: -page, ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step };
    const next = { Home: low, End: high }[event.key] ?? now + far[event.key];
    const beyond = circular && (next < low || next > high);
    if (event.key === "Home" || event.key === "End" || beyond) {
      event.preventDefault();
      this.act(beyond ? rounded(next, this.slider) : next);
    }
  }

  #typed() {
    if (this.number.value !== "") {
      this.show(within(this.number.valueAsNumber, this.slider), this.number);
      this.changed();
    } else if (!this.number.validity.badInput) {
      this.act(null);
    }
  }

  #count(event) {
    const { low, high, step, circular } = this.slider;
    const turn = { ArrowUp: step, ArrowDown: -step }[event.key];
    const next = (this.value ?? this.range.valueAsNumber) + turn;
    if (turn && (this.value === null || (circular && (next < low || next > high)))) {
      event.preventDefault(); // an empty field would count from 0, a full one stop
      this.act(rounded(next, this.slider));
    }
  }
}

/** The value of the range that `value` stands for, to as many digits as are shown. */
function rounded(value, slider) {
  return within(Number(plain(within(value, slider), slider)), slider);
}

/** A number to a digit beyond the slider's step, without the noise of binary fractions; `fewer` digits less. */
export function plain(value, { step }, fewer = 0) {
  return String(Number(value.toFixed(Math.min(Math.max(2, 1 - Math.floor(Math.log10(step))) - fewer, 100))));
}
