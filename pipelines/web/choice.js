// The control of a factor that has names for values: a drop-down, whose first line is the image's own.

import { Control, element } from "./control.js";

export class Choice extends Control {
  constructor(slider, changed) {
    super(slider, changed);
    this.own = new Option("", "");
    const options = slider.choices.map((name, k) => {
      const option = new Option(name, String(slider.low + k));
      option.disabled = !slider.knots.includes(slider.low + k); // nothing is known of it
      return option;
    });
    const select = element("select");
    select.append(this.own, ...options);
    select.addEventListener("input", () => this.act(select.value === "" ? null : Number(select.value)));
    this.build(select);
  }

  draw() {
    const { knots } = this.slider;
    return knots[Math.floor(knots.length * Math.random())];
  }

  text(value) {
    return this.slider.choices[Math.round(value - this.slider.low)];
  }

  show(value) {
    super.show(value);
    this.own.text = this.origin === null ? "as in the image" : `as in the image: ${this.text(this.origin)}`;
    this.input.value = value === null ? "" : String(value);
  }
}
