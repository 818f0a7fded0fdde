// The explorer: images go to the server, settings of sliders too, pictures come back as raw grey bytes.

import { mountControls, valueName } from "./controls.js";
import { difference, drawGrey, meanSquaredError } from "./pixels.js";

const REST = 150; // ms without a move after which the true picture is asked for
const SWEEP_STEPS = 24;
const NOT_MOVED = "Move a slider: its command line stands here.";

const at = (id) => document.getElementById(id);
const say = (text) => (at("status").textContent = text);

let session; // what the server is, once it has said so
let controls;
let picture = null; // {id, name, start, warnings, drawn, kept}, and blob for one without a file
let shown = null; // {query, images}: what the decoded canvases show
let truth = null; // {query, image}: what the true canvas shows
let loads = 0; // the newest of them wins

/** What the server answers. Throws an Error with the one line that it says, or that it does not answer. */
async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is `dcign explore` still running?");
  }
  if (!answer.ok) {
    throw new Error((await answer.text()) || `The server answers ${answer.status}.`);
  }
  return answer;
}

const bytes = async (path) => new Uint8Array(await (await ask(path)).arrayBuffer());

function complain(error) {
  at("message").textContent = error.message;
}

/** Does the newest of what it is asked for, one at a time; what came between is left out. */
class Newest {
  constructor(work) {
    this.work = work;
    this.next = null;
    this.busy = false;
  }

  async ask(wanted) {
    this.next = wanted;
    if (this.busy) {
      return;
    }
    this.busy = true;
    while (this.next !== null) {
      const now = this.next;
      this.next = null;
      try {
        await this.work(now);
      } catch (error) {
        complain(error);
      }
    }
    this.busy = false;
  }
}

const decoder = new Newest(async ({ id, query }) => {
  const all = await bytes(`/api/pictures/${id}/decoded?${query}`);
  if (id !== picture.id) {
    return;
  }
  const images = [];
  let start = 0;
  for (const { size } of session.runs) {
    images.push(all.subarray(start, start + size * size));
    start += size * size;
  }
  images.forEach((image, k) => drawGrey(at(k ? "decoded-b" : "decoded"), image, session.runs[k].size));
  shown = { query, images };
  compare();
});

const renderer = new Newest(async ({ id, query }) => {
  const image = await bytes(`/api/pictures/${id}/true?${query}`);
  if (id !== picture.id) {
    return;
  }
  drawGrey(at("true"), image, session.runs[0].size);
  truth = { query, image };
  compare();
});

const commander = new Newest(async ({ id, query }) => {
  const text = query ? await (await ask(`/api/pictures/${id}/command?${query}`)).text() : "";
  if (id === picture.id) {
    showCommand(text);
  }
});

/** A command line that breaks between words only, not at hyphens. */
function showCommand(text) {
  at("copy").disabled = !text;
  const parts = (text || NOT_MOVED).split(/( |\n)/);
  at("command").replaceChildren(...parts.map((part) => (part.trim() ? words(part) : part)));
}

/** The sliders that were moved, as the server takes them. */
function query(values = controls.values()) {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null)).toString();
}

let rest;
function moved(_, name) {
  at("swept").value = name ?? at("swept").value;
  if (picture === null) {
    return;
  }
  const wanted = { id: picture.id, query: query() };
  decoder.ask(wanted);
  compare();
  clearTimeout(rest);
  rest = setTimeout(() => {
    commander.ask(wanted);
    if (picture.drawn && identityMoved() === null) {
      renderer.ask(wanted);
    }
  }, REST);
}

/** The label of a slider that the renderer has no counterpart of, if one was moved. */
function identityMoved() {
  const values = controls.values();
  const other = session.sliders.find((slider) => slider.unit !== "°" && values[slider.name] !== null);
  return other ? other.label : null;
}

/** Shows the error where the decoded and the true picture are of the same settings; else dims what is out of date. */
function compare() {
  const now = query();
  const fits = truth !== null && truth.query === now;
  const compared = fits && shown !== null && shown.query === now;
  const foreign = picture.drawn ? identityMoved() : null;
  at("true").closest("figure").classList.toggle("stale", !fits);
  at("true-caption").textContent = foreign ? `true: none with ${foreign} moved` : "true";
  session.runs.forEach(({ size }, k) => {
    const end = k ? "-b" : "";
    const same = size === session.runs[0].size;
    at(`difference${end}`).closest("figure").classList.toggle("stale", !compared);
    if (compared && same) {
      const error = meanSquaredError(shown.images[k], truth.image);
      drawGrey(at(`difference${end}`), difference(shown.images[k], truth.image), size);
      at(`error${end}`).textContent = `, MSE ${error.toFixed(4)}`;
    } else {
      at(`error${end}`).textContent = "";
    }
  });
}

/** Shows a picture that `get` loads on the server; `about` is what is said meanwhile. */
async function load(about, get) {
  const turn = ++loads;
  say(about);
  document.body.classList.add("loading");
  try {
    const loaded = await get();
    const input = await bytes(`/api/pictures/${loaded.id}/input`);
    if (turn !== loads) {
      return;
    }
    picture = loaded;
    shown = truth = null;
    at("message").textContent = "";
    at("unlike").textContent = picture.warnings.map((text) => `Unlike the training data: ${text}.`).join(" ");
    drawGrey(at("input"), input, session.runs[0].size);
    at("input-caption").textContent = picture.name;
    at("input-caption").title = picture.name;
    at("pictures").classList.toggle("with-truth", picture.drawn);
    at("save-input").hidden = !picture.kept && !picture.blob;
    at("save").disabled = false;
    at("record").disabled = session.sliders.length === 0;
    controls.start(picture.start);
    moved();
    say(`${picture.name} is shown`);
  } catch (error) {
    if (turn === loads) {
      say("");
      complain(error);
    }
  } finally {
    if (turn === loads) {
      document.body.classList.remove("loading");
    }
  }
}

function loadFile(file, pasted = false) {
  if (!file) {
    return;
  }
  const most = session.most_bytes;
  load(`Reading ${file.name}`, async () => {
    if (file.size > most) {
      throw new Error(`${file.name}: expected at most ${most / 2 ** 20} MiB, found ${Math.ceil(file.size / 2 ** 20)}.`);
    }
    const answer = await ask(`/api/pictures?${new URLSearchParams({ name: file.name })}`, { method: "POST", body: file });
    return { ...(await answer.json()), blob: pasted ? file : null };
  });
}

let object = -1;
function loadObject() {
  object = (object + 1) % session.objects;
  const number = object;
  load("Fetching a test object", async () => (await ask(`/api/objects/${number}`, { method: "POST" })).json());
}

/** Hands a file to the visitor. */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(`${name} is saved`);
}

const stem = () => picture.name.replace(/\.[^.]*$/, "") || "image";
const fetched = async (path) => (await ask(`/api/pictures/${picture.id}/${path}`)).blob();

/** A name for a file of what the sliders show, as `dcign rerender` has it: face-azimuth=30,light=-40. */
function fileName(suffix) {
  const values = controls.values();
  const moved = session.sliders.filter((slider) => values[slider.name] !== null);
  const words = moved.map((slider) => `${slider.name}=${valueName(slider, values[slider.name])}`);
  return `${stem()}-${words.join(",") || "decoded"}${suffix}`;
}

/** Runs `work` for a button, which waits meanwhile. */
async function busy(button, about, work) {
  const text = button.innerHTML;
  button.disabled = true;
  button.textContent = about;
  try {
    await work();
    at("message").textContent = "";
  } catch (error) {
    complain(error);
  } finally {
    button.innerHTML = text;
    button.disabled = false;
  }
}

async function copy() {
  const text = at("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    at("copy").textContent = "Copied";
    setTimeout(() => (at("copy").textContent = "Copy"), 1500);
    say("The command line is copied");
  } catch {
    getSelection().selectAllChildren(at("command")); // pages of other machines may not use the clipboard
    say("The command line is selected: copy it");
  }
}

function figure(id, kind, ...caption) {
  const element = document.createElement("figure");
  element.className = `picture ${kind} ${id}`;
  const canvas = Object.assign(document.createElement("canvas"), { id, width: 150, height: 150 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${kind} picture`);
  const text = document.createElement("figcaption");
  text.append(...caption);
  element.append(canvas, text);
  return element;
}

function words(text, id = "") {
  const span = document.createElement("span");
  span.textContent = text;
  if (id) {
    span.id = id;
  }
  return span;
}

function build() {
  const [first, second] = session.runs;
  document.title = `${first.name}: dcign explore`;
  at("title").textContent = second ? `${first.name} beside ${second.name}` : first.word;
  const about = (run) => `${run.size} × ${run.size} pixels, step ${run.step.toLocaleString("en")}`;
  at("subtitle").textContent = second
    ? `Graphics codes of ${session.object}s. ${first.word}: ${about(first)}. ${second.word}: ${about(second)}.`
    : `A graphics code of ${session.object}s, ${about(first)}`;
  const lines = (notes, className) =>
    notes.map((textContent) => Object.assign(document.createElement("p"), { className, textContent }));
  at("notes").replaceChildren(...lines(session.notes, "warning"), ...lines([...session.remarks, ...session.compared], "soft"));
  const pictures = [
    figure("input", "input", words("input", "input-caption")),
    figure("true", "true", words("true", "true-caption")),
  ];
  session.runs.forEach((run, k) => {
    const end = k ? "-b" : "";
    pictures.push(figure(`decoded${end}`, "decoded", second ? run.name : "decoded", words("", `error${end}`)));
    pictures.push(figure(`difference${end}`, "difference", "difference"));
  });
  at("pictures").replaceChildren(...pictures);
  at("pictures").classList.toggle("two", Boolean(second));
  controls = mountControls(at("controls"), session, moved);
  at("swept").replaceChildren(...session.sliders.map((slider) => new Option(slider.label, slider.name)));
  at("reset").disabled = at("randomise").disabled = session.sliders.length === 0;
  at("another").hidden = session.objects === 0;
  at("another").textContent = `Another test ${session.object}`;
  showCommand("");
}

function listen() {
  at("choose").addEventListener("click", () => at("file").click());
  at("choose").disabled = false;
  at("file").addEventListener("change", () => {
    loadFile(at("file").files[0]);
    at("file").value = ""; // the same file can be chosen again
  });
  at("another").addEventListener("click", loadObject);
  at("reset").addEventListener("click", () => controls.reset());
  at("randomise").addEventListener("click", () => controls.randomise());
  at("copy").addEventListener("click", copy);
  at("save").addEventListener("click", () => {
    const name = fileName(".png");
    const path = `decoded.png?${query()}`;
    busy(at("save"), "Saving …", async () => save(await fetched(path), name));
  });
  at("save-input").addEventListener("click", () => {
    const { name, blob } = picture;
    busy(at("save-input"), "Saving …", async () => save(blob ?? (await fetched("input.png")), name));
  });
  at("record").addEventListener("click", () => {
    const asked = new URLSearchParams({ "sweep-of": at("swept").value, "sweep-steps": SWEEP_STEPS });
    const path = `sweep.gif?${asked}&${query()}`;
    const name = `${stem()}-${at("swept").value}.gif`;
    busy(at("record"), "Recording …", async () => save(await fetched(path), name));
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) {
      event.preventDefault();
      loadFile(new File([file], "pasted.png", { type: file.type }), true);
    }
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) {
      document.body.classList.remove("dropping");
    }
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    loadFile(event.dataTransfer.files[0]);
  });
}

try {
  session = await (await ask("/api/session")).json();
  build();
  listen();
  if (session.objects > 0) {
    loadObject();
  } else {
    say("Choose an image");
  }
} catch (error) {
  complain(error);
}
