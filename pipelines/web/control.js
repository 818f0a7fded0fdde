// What the controls of a page share: a value that is null while the picture has the image's own, and a way back to it.

/** The control of one slider, whatever it looks like. Its `show` says what stands in it. */
export class Control {
  /** `changed` is called after each change by hand. */
  constructor(slider, changed) {
    this.slider = slider;
    this.changed = changed;
    this.value = null; // as in the image
    this.origin = null; // where the image has it, if that is known
    this.clear = element("button", { type: "button", className: "clear", textContent: "↺" });
    this.clear.title = `${slider.label} as in the image`;
    this.clear.setAttribute("aria-label", this.clear.title);
    this.clear.addEventListener("click", () => {
      this.act(null);
      this.input.focus();
    });
  }

  /** Fills `this.element`: a label, `input`, which is what takes the focus, `more`, and the way back. */
  build(input, ...more) {
    this.input = input;
    input.id = `slider-${this.slider.name}`;
    this.label = element("label", { htmlFor: input.id, textContent: this.slider.label });
    this.element = element("div", { className: "control" });
    this.element.append(this.label, input, ...more, this.clear);
    this.show(null);
  }

  /** Says the range below the label, of a slider that has one. */
  tellRange() {
    if (this.ends) {
      this.label.append(" ", element("span", { className: "ends", textContent: this.ends }));
    }
  }

  /** Takes a value from a hand. */
  act(value) {
    this.show(value);
    this.changed();
  }

  /** Where it stands while untouched; undefined where that is not known. */
  start(origin) {
    this.origin = Number.isFinite(origin) ? within(origin, this.slider) : null;
    this.show(this.value);
  }

  /** Takes `value`, or null for the image's own. */
  show(value) {
    this.value = value;
    this.element.classList.toggle("untouched", value === null);
    this.clear.disabled = value === null;
  }
}

/** The value of the range that `value` stands for: on a circle once round or more, else the end that is nearer. */
export function within(value, { low, high, circular }) {
  const turn = high - low;
  if (circular && (value < low || value > high)) {
    return low + ((((value - low) % turn) + turn) % turn);
  }
  return Math.min(Math.max(value, low), high);
}

export function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
