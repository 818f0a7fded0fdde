// The exported page: sliders on a decoder that runs right here. engine.json says what there is.

import { applySliders, valuesOf } from "./code.js";
import { mountControls } from "./controls.js";
import { openDecoder, openEncoder } from "./network.js";
import { greySquare } from "./photo.js";
import { drawGrey } from "./pixels.js";

const NEEDS = "It needs WebAssembly with SIMD: Chrome 97, Firefox 104, Safari 16.4, or newer.";
const byId = (id) => document.getElementById(id);
const decoded = byId("decoded");

try {
  const engine = await (await get("engine.json")).json();
  run(engine, await openDecoder("decoder.onnx"));
} catch (error) {
  byId("caption").textContent = "not loaded";
  complain(`The network could not be started here: ${error.message}. ${NEEDS}`);
  setBusy(false);
}

function run(engine, decode) {
  const { size, sliders, background } = engine;
  const controls = mountControls(byId("controls"), engine, redraw);
  let code = null; // of the image that the sliders start from
  let [values, wanted, drawing, turn] = [{}, false, false, 0];

  /** Draws the newest setting; those that came while a picture was being decoded are passed over. */
  async function redraw(now) {
    values = now;
    wanted = code !== null;
    if (drawing || !wanted) {
      return;
    }
    drawing = true;
    setBusy(true);
    try {
      while (wanted) {
        wanted = false;
        drawGrey(decoded, await decode(applySliders(code, sliders, values)), size);
      }
    } catch (error) {
      complain(`The picture could not be decoded: ${error.message}`);
    } finally {
      drawing = false;
      setBusy(false);
    }
  }

  /** Starts from what `prepare` gives: {name, numbers, picture}, picture null where there is none. The last call wins. */
  async function begin(button, prepare) {
    const mine = ++turn;
    complain("");
    setBusy(true);
    try {
      const { name, numbers, picture } = await prepare();
      if (mine !== turn) {
        return;
      }
      code = Float32Array.from(numbers);
      for (const other of byId("starts").children) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      byId("given").hidden = picture === null;
      if (picture !== null) {
        drawGrey(byId("image"), picture, size);
      }
      byId("named").textContent = byId("status").textContent = name;
      controls.start(valuesOf(code, sliders));
      controls.reset();
    } catch (error) {
      complain(error.message);
      setBusy(false);
    }
  }

  for (const { name, picture, code: numbers } of engine.starts) {
    const button = startButton(name, picture);
    const pixels = async () => greySquare(await (await get(picture)).blob(), size, background);
    button.addEventListener("click", () =>
      begin(button, async () => ({ name, numbers, picture: picture === null ? null : await pixels() })),
    );
  }
  const own = startButton("Own image …", null);
  let encoder = null; // loaded when it is first wanted
  own.addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    target.value = ""; // the same file again is a change too
    if (file !== undefined) {
      begin(own, async () => {
        const picture = await greySquare(file, size, background);
        encoder ??= await openEncoder("encoder.onnx", size);
        return { name: file.name, numbers: await encoder(Float32Array.from(picture, (grey) => grey / 255)), picture };
      });
    }
  });
  byId("reset").addEventListener("click", () => controls.reset());
  byId("randomise").addEventListener("click", () => controls.randomise());
  byId("save").addEventListener("click", () => decoded.toBlob((blob) => download(blob, `${engine.name}.png`)));
  for (const id of ["reset", "randomise", "save"]) {
    byId(id).disabled = false;
  }
  byId("caption").textContent = "decoded";
  byId("starts").firstElementChild.click();
}

/** A button in the row of images to start from, with its picture or else its name. */
function startButton(name, picture) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "start", title: name });
  if (picture === null) {
    button.classList.add("words");
    button.textContent = name;
  } else {
    button.append(Object.assign(new Image(), { src: picture, alt: name }));
  }
  button.setAttribute("aria-pressed", "false");
  byId("starts").append(button);
  return button;
}

async function get(url) {
  const answer = await fetch(url);
  if (!answer.ok) {
    throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  }
  return answer;
}

function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function setBusy(busy) {
  document.querySelector("main").setAttribute("aria-busy", String(busy));
}

function complain(text) {
  byId("message").textContent = text;
}
