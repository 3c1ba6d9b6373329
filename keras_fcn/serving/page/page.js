"use strict";

const $ = (id) => document.getElementById(id);
const MOST_TOP = 5;
let model, file, reply, heat, asked = new AbortController();

/** Ask the server; an error becomes its message. */
async function ask(path, options = {}) {
  const response = await fetch(path, options);
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Error(told?.error?.message ?? `the server answered ${response.status}`);
}

function post(path) {
  const headers = { "Content-Type": "application/octet-stream" };
  return ask(path, { method: "POST", body: file, headers, signal: asked.signal });
}

function percent(share) {
  return share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

/** Do something that may fail; what was asked for later takes its place. */
async function tried(work) {
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
}

async function show(chosen) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  [file, heat] = [chosen, null];
  $("result").hidden = true;
  say(`Looking at ${chosen.name || "the image"} ...`);
  await tried(async () => {
    if (chosen.size > model.max_bytes) throw new Error(`the file has more than ${model.max_bytes} bytes`);
    const map = model.task === "map";
    const path = map ? `v1/segment?labels=colours&top=${MOST_TOP}` : `v1/classify?top=${MOST_TOP}`;
    const answer = await (await post(path)).json();
    if (signal.aborted) return;
    reply = answer;
    await draw($("image"), URL.createObjectURL(chosen));
    $("image").alt = `The image ${chosen.name || ""}`.trim();
    list($("top"), map ? reply.top : reply.classes, (x) => x.score.toPrecision(3));
    if (map) list($("legend"), reply.classes, (x) => percent(x.share));
    for (const id of ["shares", "controls", "save-labels", "save-picture"]) $(id).hidden = !map;
    $("result").hidden = false;
    say(`${chosen.name || "The image"}: ${reply.width} x ${reply.height} pixels`);
    if (map) {
      $("class").value = (reply.top[0] ?? reply.classes[0]).index;
      await over();
    }
  });
}

function draw(image, address) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  return new Promise((done, failed) => {
    image.onload = done;
    image.onerror = () => failed(new Error("this browser cannot show the image"));
    image.src = address;
  });
}

const view = () => document.querySelector("input[name=view]:checked").value;

/** What lies over the image, as the controls say. */
async function over() {
  $("scale").hidden = view() !== "heat";
  if (view() === "none") {
    $("over").hidden = true;
  } else if (view() === "labels") {
    await draw($("over"), `data:image/png;base64,${reply.labels_png}`);
    const told = reply.classes.slice(0, 4).map((x) => `${x.label} ${(100 * x.share).toFixed(0)} %`);
    $("over").alt = `Labels of its pixels: ${told.join(", ")}`;
    $("over").hidden = false;
  } else {
    await heatMap($("class").value);
  }
}

async function heatMap(index) {
  const name = model.classes[index]?.label ?? index;
  if (heat?.index !== index) {
    const { signal } = asked;
    say(`Heat map of ${name} ...`);
    const response = await post(`v1/heat-map?class=${encodeURIComponent(index)}`);
    const found = {
      index, blob: await response.blob(),
      low: Number(response.headers.get("X-Low")), high: Number(response.headers.get("X-High")),
    };
    if (signal.aborted || $("class").value !== index) return;
    heat = found;
  }
  if (view() !== "heat") return; // something else was chosen meanwhile
  await draw($("over"), URL.createObjectURL(heat.blob));
  $("low").textContent = heat.low.toPrecision(3);
  $("high").textContent = heat.high.toPrecision(3);
  $("over").alt = `Heat map of ${name}, from ${heat.low.toPrecision(3)} to ${heat.high.toPrecision(3)}`;
  $("over").hidden = view() === "none";
  say(`Heat map of ${name}`);
}

/** Lines of classes; a press on one shows its heat map. */
function list(element, classes, number) {
  element.replaceChildren(...classes.map((each) => {
    const line = document.createElement("li");
    const name = document.createElement(model.task === "map" ? "button" : "span");
    const value = document.createElement("span");
    name.textContent = each.label;
    value.textContent = number(each);
    value.className = "number";
    if (model.task === "map") {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.backgroundColor = each.colour ?? model.classes[each.index]?.colour ?? "";
      line.append(swatch);
      name.type = "button";
      name.title = `Heat map of ${each.label}`;
      name.addEventListener("click", () => {
        $("class").value = String(each.index);
        choose("heat");
      });
    }
    line.append(name, value);
    return line;
  }));
}

function choose(wanted) {
  document.querySelector(`input[name=view][value=${wanted}]`).checked = true;
  tried(over);
}

function opacity() {
  $("over").style.opacity = $("opacity").value / 100;
  $("percent").textContent = `${$("opacity").value} %`;
}

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${(file.name || "image").replace(/\.[^.]*$/, "")}${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** The image with what lies over it, in its own size. */
function picture() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [reply.width, reply.height];
  const context = canvas.getContext("2d");
  context.drawImage($("image"), 0, 0, reply.width, reply.height);
  if (!$("over").hidden) {
    context.globalAlpha = $("opacity").value / 100;
    context.imageSmoothingEnabled = false;
    context.drawImage($("over"), 0, 0, reply.width, reply.height);
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function listen() {
  $("file").addEventListener("change", (event) => {
    if (event.target.files[0]) show(event.target.files[0]);
  });
  $("file").addEventListener("click", () => { $("file").value = ""; }); // the same file may be chosen again
  document.addEventListener("paste", (event) => {
    const found = [...event.clipboardData.files].find((x) => x.type.startsWith("image/"));
    $("file").value = "";
    if (found) show(found);
    else say("The clipboard holds no image", true);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    $("file").value = "";
    if (event.dataTransfer.files[0]) show(event.dataTransfer.files[0]);
    else say("What was dropped is no file", true);
  });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const radio of document.querySelectorAll("input[name=view]")) radio.addEventListener("change", () => tried(over));
  $("class").addEventListener("change", () => choose("heat"));
  $("opacity").addEventListener("input", opacity);
  $("save-labels").addEventListener("click", () => tried(async () => save(await (await post("v1/labels")).blob(), "_labels.png")));
  $("save-picture").addEventListener("click", () => tried(async () => save(await picture(), "_picture.png")));
  $("save-json").addEventListener("click", () => {
    const { labels_png, ...facts } = reply;
    save(new Blob([JSON.stringify(facts, null, 1)], { type: "application/json" }), ".json");
  });
}

tried(async () => {
  model = await (await ask("v1/model")).json();
  const kind = model.task === "map" ? "labels pixels" : "classifies images";
  document.title = $("name").textContent = model.name;
  $("about").textContent = `${kind}, ${model.classes.length} classes, in ${model.engine}`;
  $("class").replaceChildren(...model.classes.map((x) => new Option(x.label, x.index)));
  opacity();
  listen();
  document.body.dataset.ready = "true";
});
