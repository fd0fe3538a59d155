// The unrolled graph and the walk through it. Only the columns in view are in the document.
"use strict";

const graph = page.graph;

// ---- what is known at a position ------------------------------------------------------------------------------

/** When each Value is computed (0: given), and which steps of the backward pass bring it something. */
const computedAt = new Array(page.values.length).fill(0);
page.forward.forEach((value, i) => { computedAt[value] = i + 1; });
const receives = new Map();
page.backward.forEach((step, i) => {
  if (!receives.has(step[PARENT])) receives.set(step[PARENT], []);
  receives.get(step[PARENT]).push(i);
});

const backwardTaken = () => Math.min(page.backward.length, Math.max(0, selected.position - forwardSteps));

/** The step that last brought something to a Value, so far; undefined if none did. */
function latest(value) {
  const steps = receives.get(value);
  if (!steps) return undefined;
  return page.backward[steps[lastUpTo(steps, backwardTaken() - 1)]];
}

/** Gradient so far, as text and as level. */
function gradientNow(value, finalLevel) {
  if (value === page.loss) return selected.position > forwardSteps ? ["1", finalLevel] : [null, -1];
  const step = latest(value);
  return step ? [step[SUM], step[LEVEL]] : [backwardTaken() ? "0" : null, -1];
}

// ---- columns come and go ------------------------------------------------------------------------------------------

const stage = byId("stage"), picture = byId("picture"), world = byId("world");
const layers = { frames: byId("frames"), lines: byId("lines"), cards: byId("cards") };
const shownColumns = new Map();
let far = false;
const view = { x: 0, y: 0, zoom: 1 };
const lefts = graph.columns.map((column) => column.x);
const steps = graph.columns.map((column) => column.t);

function columnParts(i) {
  const column = graph.columns[i];
  const move = { transform: "translate(" + column.x + " 0)" };
  const parts = { frames: drawn("g", move), lines: drawn("g", move), cards: drawn("g", move), list: [], edges: [] };
  const fold = column.cards.length ? "" : " fold";
  parts.frames.append(drawn("rect", { class: "frame" + fold, y: column.y, width: column.w, height: column.h, rx: 6 }));
  parts.frames.append(drawn("text", { class: "frame-title", x: column.w / 2, y: column.y + 15 }, column.title));
  for (const [path, parent, child, position] of column.lines) {
    const line = drawn("path", { d: graph.paths[path] });
    parts.edges.push({ line, parent, child, position });
    parts.lines.append(line);
  }
  for (const [value, kind, copies, x, y, width, height, level, rows] of column.cards) {
    const card = drawn("g", { "data-v": value, "data-kind": kind });
    card.append(drawn("rect", { x, y, width, height, rx: 6 }));
    const texts = far ? [] : rows.map((row, j) => {
      const text = drawn("text", { x: x + width / 2, y: y + height / 2 + (j - (rows.length - 1) / 2) * 11 + 3.1 }, row);
      card.append(text);
      return text;
    });
    parts.list.push({ card, texts, value, kind, copies, level, rows });
    parts.cards.append(card);
  }
  for (const name of Object.keys(layers)) layers[name].append(parts[name]);
  return parts;
}

const longLines = drawn("g");
layers.lines.append(longLines);
let longShown = "";

function showLong(left, right) {
  const inView = [];
  graph.long.forEach((line, i) => { if (line[6] >= left && line[5] <= right) inView.push(i); });
  if (inView.join() === longShown) return;
  longShown = inView.join();
  longEdges = inView.slice(0, 400).map((i) => {
    const [path, parent, child, position, x] = graph.long[i];
    const line = drawn("path", { d: graph.paths[path], transform: "translate(" + x + " 0)" });
    return { line, parent, child, position };
  });
  longLines.replaceChildren(...longEdges.map(({ line }) => line));
  longEdges.forEach(styleEdge);
}
let longEdges = [];

/** Put the picture where the view is, and have exactly the columns in view in the document. */
function place() {
  world.setAttribute("transform", "translate(" + view.x + " " + view.y + ") scale(" + view.zoom + ")");
  const nowFar = view.zoom < 0.36;
  if (nowFar !== far) {  // from afar cards are drawn without their text, which could not be read
    far = nowFar;
    for (const parts of shownColumns.values()) for (const name of Object.keys(layers)) parts[name].remove();
    shownColumns.clear();
  }
  const left = -view.x / view.zoom, right = left + stageWidth / view.zoom;
  const first = Math.max(0, lastUpTo(lefts, left)), last = Math.max(first, lastUpTo(lefts, right));
  for (const [i, parts] of shownColumns) {
    if (i < first || i > last) {
      for (const name of Object.keys(layers)) parts[name].remove();
      shownColumns.delete(i);
    }
  }
  for (let i = first; i <= last; i++) {
    if (!shownColumns.has(i)) {
      const parts = columnParts(i);
      shownColumns.set(i, parts);
      styleColumn(parts, steps[i]);
    }
  }
  showLong(left, right);
  placeOverviewWindow();
}
const placeSoon = oncePerFrame(place);

// ---- looks ----------------------------------------------------------------------------------------------------------

let lit = new Set(), onChain = new Set();
const edgeKey = (child, position) => child * 64 + position;

/** The application of the chain rule that the walk is at, if it is at one. */
const current = () => page.backward[selected.position - forwardSteps - 1] || null;

/** The Value that is being computed, if one is. */
const computing = () => (selected.position && selected.position <= forwardSteps ? page.forward[selected.position - 1] : -1);

function styleColumn(parts, t) {
  const atEnd = selected.position === lastPosition;
  const step = current(), centre = step ? step[NODE] : computing();
  const thrown = isThrown(t);
  for (const { card, texts, value, kind, copies, level, rows } of parts.list) {
    const ahead = computedAt[value] > selected.position;
    let [gradient, shade] = kind === "constant" ? [null, -1] : gradientNow(value, level);
    if (atEnd) shade = level;
    card.setAttribute("class", "card " + kind + (copies > 1 ? " tied" : "") + (ahead ? " ahead" : "")
      + (shade >= 0 && kind !== "parameter" && kind !== "constant" ? " l" + shade : "")
      + (onChain.has(value) && kind !== "parameter" ? " on-chain" : "")
      + (value === selected.weight ? " use" : "") + (thrown ? " thrown" : "")
      + (step && step[PARENT] === value && (kind !== "parameter" || t === page.values[step[NODE]][TIME]) ? " to" : "")
      + (centre === value ? " at" : ""));
    if (kind === "constant") continue;
    if (texts[1]) texts[1].textContent = ahead ? "data …" : rows[1];
    if (texts[2]) texts[2].textContent = atEnd ? rows[2] : gradient === null ? "grad …" : "grad " + gradient;
    if (texts[3]) texts[3].textContent = atEnd ? rows[3] : "";
  }
  parts.lines.setAttribute("class", thrown ? "thrown" : "");
  parts.edges.forEach(styleEdge);
}

function styleEdge({ line, parent, child, position }) {
  const step = current();
  const now = step && step[NODE] === child && step[POSITION] === position;
  const forth = computing() === child;
  line.setAttribute("class", "edge" + (now ? " now" : forth ? " forth" : lit.has(edgeKey(child, position)) ? " lit" : "")
    + (parent === selected.weight ? " use" : "") + (computedAt[child] > selected.position ? " ahead" : ""));
}

/** Whether truncation keeps the selected loss from this time step. */
function isThrown(t) {
  const root = page.chains.roots[selected.root];
  return selected.window !== null && t !== null && root !== undefined && root.t !== null
    && (t <= root.t - selected.window || t > root.t);
}

function restyle() {
  for (const [i, parts] of shownColumns) styleColumn(parts, steps[i]);
  longEdges.forEach(styleEdge);
  drawOverview();
}

// ---- the view -------------------------------------------------------------------------------------------------------

let stageWidth = 1, stageHeight = 1;
const MOST_IN_VIEW = 12;
/** A zoom at which cards can be read, and more than two time steps seen where there is room for them. */
const readable = () => Math.min(1.35, Math.max(1, (stageWidth / graph.width) * (graph.columns.length / 2.4)));

function leastZoom() {
  const widest = graph.columns.length > MOST_IN_VIEW ? (graph.width / graph.columns.length) * MOST_IN_VIEW : graph.width;
  return Math.min(1, stageWidth / (widest + 24), stageHeight / (graph.bottom - graph.top + 24));
}

function clamp() {
  view.zoom = Math.min(4, Math.max(Math.min(leastZoom(), 4), view.zoom));
  const margin = 12, width = graph.width * view.zoom, height = (graph.bottom - graph.top) * view.zoom;
  const within = (x, room, size) => (size + 2 * margin <= room ? (room - size) / 2
    : Math.min(margin, Math.max(room - size - margin, x)));
  view.x = within(view.x, stageWidth, width);
  view.y = within(view.y + graph.top * view.zoom, stageHeight, height) - graph.top * view.zoom;
}

/** All of it, if it can be read then; else as much as can be read, the latest time steps first. */
function fit() {
  const tall = (stageHeight - 24) / (graph.bottom - graph.top), wide = (stageWidth - 24) / graph.width;
  view.zoom = Math.min(readable(), Math.max(tall, 0.6), wide > 0.8 ? wide : readable());
  view.x = stageWidth - graph.width * view.zoom;
  view.y = stageHeight / 2;  // the state runs along y = 0
  clamp();
  placeSoon();
}

function zoomBy(factor, x = stageWidth / 2, y = stageHeight / 2) {
  const before = view.zoom;
  view.zoom *= factor;
  view.zoom = Math.min(4, Math.max(leastZoom(), view.zoom));
  view.x = x - ((x - view.x) * view.zoom) / before;
  view.y = y - ((y - view.y) * view.zoom) / before;
  clamp();
  placeSoon();
}

function moveBy(dx, dy) {
  view.x += dx;
  view.y += dy;
  clamp();
  placeSoon();
}

/** Bring a time step into view. */
function reveal(t) {
  const i = steps.indexOf(t);
  if (i < 0) return;
  const column = graph.columns[i], left = column.x * view.zoom + view.x, right = left + column.w * view.zoom;
  if (left >= 0 && right <= stageWidth) return;
  view.x = stageWidth / 2 - (column.x + column.w / 2) * view.zoom;
  clamp();
  placeSoon();
}

// ---- every time step at a glance --------------------------------------------------------------------------------------

const overview = byId("overview");
const stateLevels = graph.columns.map((column) => column.cards.filter((card) => card[1] === "state").map((card) => [card[0], card[7]]));

function paintOverview() {
  const [pen, width] = sharp(byId("overview-steps"), 26);
  const scale = width / graph.width, atEnd = selected.position === lastPosition;
  graph.columns.forEach((column, i) => {
    let level = -1;
    for (const [value, final] of stateLevels[i]) level = Math.max(level, atEnd ? final : gradientNow(value, final)[1]);
    if (level < 0) return;
    const wide = column.w * scale;
    pen.fillStyle = colour("l" + level);
    pen.fillRect(column.x * scale, 3, Math.max(1, wide > 4 ? wide - 1 : wide), 20);
  });
}
const drawOverview = oncePerFrame(paintOverview);

function placeOverviewWindow() {
  const scale = overview.clientWidth / (graph.width * view.zoom), box = byId("overview-window").style;
  const left = Math.max(0, -view.x * scale);
  box.left = left + "px";
  box.width = Math.min(Math.max(6, stageWidth * scale), overview.clientWidth - left) + "px";
}

function goTo(event) {
  const box = overview.getBoundingClientRect();
  view.x = stageWidth / 2 - ((event.clientX - box.left) / box.width) * graph.width * view.zoom;
  clamp();
  placeSoon();
}
overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); goTo(event); });
overview.addEventListener("pointermove", (event) => { if (event.buttons) goTo(event); });

// ---- pointing -----------------------------------------------------------------------------------------------------------

const held = new Map();
let dragged = false, spread = 0;

stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  held.set(event.pointerId, [event.clientX, event.clientY]);
  dragged = false;
  spread = 0;
});
stage.addEventListener("pointermove", (event) => {
  const before = held.get(event.pointerId);
  if (!before) return showTip(event);
  const dx = event.clientX - before[0], dy = event.clientY - before[1];
  if (!dragged && Math.abs(dx) + Math.abs(dy) < 4) return undefined;
  if (!dragged) stage.setPointerCapture(event.pointerId);
  dragged = true;
  stage.classList.add("held");
  hideTip();
  held.set(event.pointerId, [event.clientX, event.clientY]);
  if (held.size === 1) return moveBy(dx, dy);
  const [[ax, ay], [bx, by]] = [...held.values()], apart = Math.hypot(ax - bx, ay - by);
  const box = stage.getBoundingClientRect();
  if (spread) zoomBy(apart / spread, (ax + bx) / 2 - box.left, (ay + by) / 2 - box.top);
  spread = apart;
  return undefined;
});
for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, (event) => { held.delete(event.pointerId); stage.classList.remove("held"); });
}
stage.addEventListener("pointerleave", hideTip);
stage.addEventListener("wheel", (event) => {
  const box = stage.getBoundingClientRect();
  if (event.ctrlKey || event.metaKey) zoomBy(Math.exp(-event.deltaY / 240), event.clientX - box.left, event.clientY - box.top);
  else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) moveBy(-(event.deltaX || event.deltaY), 0);
  else return;  // the page scrolls
  event.preventDefault();
}, { passive: false });
stage.addEventListener("click", (event) => {
  const card = event.target.closest("[data-v]");
  if (card && !dragged) choose(Number(card.dataset.v), card.dataset.kind);
});

const tip = byId("tip");
function hideTip() { tip.hidden = true; }
function showTip(event) {
  const card = event.target.closest("[data-v]");
  if (!card) return hideTip();
  const value = Number(card.dataset.v), [name, formula, inNumbers, data, gradient] = page.values[value];
  const so = selected.position === lastPosition ? gradient : gradientNow(value, -1)[0];
  tip.replaceChildren(element("b", {}, name));
  const say = (text) => tip.append(element("span", {}, text));
  if (formula) say("= " + formula);
  if (formula) say("= " + inNumbers);
  say("data " + data);
  say(so === null || so === "" ? "no gradient yet" : "∂" + page.root + "/∂" + (formula && name === formula ? "(…)" : name) + " = " + so);
  const brought = receives.get(value);
  if (brought && brought.length > 1) say(brought.length + " contributions add up to it");
  if (card.dataset.kind === "state") say("click: the chain back to here");
  if (card.dataset.kind === "parameter") say("click: all its uses");
  tip.hidden = false;
  const box = stage.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  tip.style.left = Math.min(x + 14, Math.max(4, box.width - tip.offsetWidth - 6)) + "px";
  tip.style.top = (y + tip.offsetHeight + 20 < box.height ? y + 14 : Math.max(4, y - tip.offsetHeight - 12)) + "px";
  return undefined;
}

/** Light what was clicked: the chain to a state, the uses of a weight. */
function choose(value, kind) {
  if (kind === "parameter") return select({ weight: selected.weight === value ? null : value });
  const entry = page.chains.entries.findIndex((row) => row[0] === value);
  if (entry >= 0) chooseChain(selected.root, entry);
  return undefined;
}

// ---- stepping -------------------------------------------------------------------------------------------------------------

const scrubber = byId("position");
scrubber.max = lastPosition;
let timer = 0;

function goToPosition(position) {
  select({ position: Math.min(lastPosition, Math.max(0, position)) });
}

function stop() {
  clearInterval(timer);
  timer = 0;
  byId("play").textContent = "Play";
  byId("play").setAttribute("aria-label", "Play");
}

function play() {
  if (timer) return stop();
  if (selected.position === lastPosition) goToPosition(0);
  byId("play").textContent = "Pause";
  byId("play").setAttribute("aria-label", "Pause");
  timer = setInterval(() => {
    goToPosition(selected.position + 1);
    if (selected.position === lastPosition) stop();
  }, 450);
  return undefined;
}

const by = (n) => () => { stop(); goToPosition(selected.position + n); };
const at = (position) => () => { stop(); goToPosition(position); };
byId("step-on").addEventListener("click", by(1));
byId("step-back").addEventListener("click", by(-1));
byId("to-start").addEventListener("click", at(0));
byId("to-end").addEventListener("click", at(lastPosition));
byId("to-backward").addEventListener("click", at(forwardSteps));
byId("play").addEventListener("click", play);
scrubber.addEventListener("input", () => { stop(); goToPosition(Number(scrubber.value)); });
byId("zoom-in").addEventListener("click", () => zoomBy(1.3));
byId("zoom-out").addEventListener("click", () => zoomBy(1 / 1.3));
byId("fit").addEventListener("click", fit);

/** Light what the step is about, as a click would. */
function chooseCurrent() {
  const step = current();
  if (selected.position === lastPosition) return chains.roots.length && chooseChain(chains.roots.length - 1, 0);
  const candidates = step ? [step[PARENT], step[NODE]] : [computing()];
  for (const value of candidates) {
    if (page.chains.entries.some((row) => row[0] === value)) return choose(value, "state");
    if (weightPlaces.has(value)) return choose(value, "parameter");
  }
  return undefined;
}

const keys = {
  ArrowRight: by(1), ArrowLeft: by(-1), Home: at(0), End: at(lastPosition), " ": play,
  "+": () => zoomBy(1.3), "=": () => zoomBy(1.3), "-": () => zoomBy(1 / 1.3), 0: fit,
  Enter: chooseCurrent, Escape: () => { hideTip(); select({ weight: null, root: null, entry: null }); },
};
const shifted = {
  ArrowRight: () => moveBy(-80, 0), ArrowLeft: () => moveBy(80, 0), ArrowUp: () => moveBy(0, 60), ArrowDown: () => moveBy(0, -60),
  "+": () => zoomBy(1.3),
};
stage.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = (event.shiftKey ? shifted : keys)[event.key];
  if (!act) return;
  act();
  event.preventDefault();
});

// ---- what the step says -----------------------------------------------------------------------------------------------------

function sayStep() {
  const { position } = selected;
  scrubber.value = position;
  const lines = { where: "", name: "", numbers: "", flow: "", count: "" };
  let time = null;
  const step = current();
  if (step) {
    const [node, parent, , name, numbers, flow] = step, taken = position - forwardSteps;
    time = page.values[node][TIME];
    lines.where = "backward " + taken + " of " + page.backward.length + (time === null ? "" : " · " + stepName(time));
    lines.name = name;
    lines.numbers = numbers === name ? "" : numbers;
    lines.flow = flow;
    const brought = receives.get(parent), which = brought.indexOf(taken - 1) + 1;
    if (brought.length > 1) lines.count = "contribution " + which + " of " + brought.length + " to " + page.values[parent][NAME] + ": they add up";
  } else if (position === lastPosition) {
    lines.where = "complete";
    lines.name = forwardSteps + " values computed, " + page.backward.length + " local derivatives multiplied and added: every gradient is final.";
  } else if (position) {
    const value = page.forward[position - 1], [name, formula, inNumbers, data, , t] = page.values[value];
    time = t;
    const labelled = name !== formula;
    lines.where = "forward " + position + " of " + forwardSteps + (t === null ? "" : " · " + stepName(t));
    lines.name = labelled ? name + " = " + formula : formula;
    lines.numbers = "= " + inNumbers + " = " + shown(Number(data));
  } else {
    lines.where = "at the start";
    lines.name = "Inputs and weights are given; nothing is computed yet.";
  }
  for (const [key, text] of Object.entries(lines)) byId("now-" + key).textContent = text;
  const spoken = [lines.where, lines.name, lines.numbers, lines.flow, lines.count].filter(Boolean).join("; ");
  scrubber.setAttribute("aria-valuetext", spoken);
  if (document.activeElement !== scrubber && !timer) byId("said").textContent = spoken;
  for (const [id, off] of [["to-start", !position], ["step-back", !position], ["step-on", position === lastPosition], ["to-end", position === lastPosition]]) {
    byId(id).setAttribute("aria-disabled", String(off));
  }
  return time;
}

/** The time step that the walk is at, as a table. */
function sayValues(t) {
  const rows = [], seen = new Set();
  for (const column of graph.columns) {
    if (column.t !== t) continue;
    for (const [value] of column.cards) {
      if (seen.has(value)) continue;
      seen.add(value);
      const [name, formula, , data] = page.values[value];
      const gradient = gradientNow(value, -1)[0];
      rows.push([name, formula || "given", computedAt[value] > selected.position ? "…" : data,
        selected.position === lastPosition ? page.values[value][GRADIENT] || "not reached" : gradient === null ? "…" : gradient]);
    }
  }
  table("values", t === null ? "Before time" : "Time step " + t, null, rows);
}

views.push((changed) => {
  if (changed.includes("position")) {
    const t = sayStep();
    const step = current();
    if (t !== null && selected.position !== lastPosition) reveal(t);
    if (byId("values").closest("details").open) sayValues(t === null ? page.T : t);
    stage.setAttribute("aria-label", "Unrolled graph, " + (step ? "backward" : "forward") + (t === null ? "" : ", t = " + t));
  }
  if (changed.some((key) => ["position", "root", "entry", "weight", "window"].includes(key))) restyle();
});
byId("values").closest("details").addEventListener("toggle", () => {
  const step = current();
  const value = step ? step[NODE] : computing();
  const t = value < 0 ? null : page.values[value][TIME];
  sayValues(t === null ? page.T : t);
});

// ---- the chain -----------------------------------------------------------------------------------------------------------------

const chains = page.chains;
const hops = new Map(chains.hops.map((hop) => [hop[0] + ">" + hop[1], hop]));
const places = new Map(chains.entries.map(([value], i) => [value, i]));
/** Per root: the row of every entry that it reaches. */
const rowsOf = chains.roots.map((root) => new Map(root.rows.map((row) => [row[0], row])));
const entryTimes = chains.entries.map(([, t]) => t);

/** Select a chain: from this root, or the nearest that reaches the entry, to this entry. */
function chooseChain(root, entry) {
  const value = chains.entries[entry][0];
  if (root === null) root = chains.roots.length - 1;
  if (!rowsOf[root] || !rowsOf[root].has(value)) {
    const reaching = chains.roots.findIndex((_, i) => i >= root && rowsOf[i].has(value));
    root = reaching >= 0 ? reaching : chains.roots.length - 1;
  }
  select({ root, entry: rowsOf[root] && rowsOf[root].has(value) ? entry : null });
}

/** The entries that a chain visits, from the loss on. */
function visited(root, value) {
  const way = [];
  for (let at = value; at >= 0; at = rowsOf[root].get(at)[1]) way.push(at);
  return way.reverse();
}

const FACTORS_SHOWN = 14;

function sayChain() {
  lit = new Set();
  onChain = new Set();
  const list = byId("chain-factors"), equation = byId("chain-equation"), law = byId("chain-law");
  list.replaceChildren();
  law.textContent = "";
  if (selected.entry === null) {
    equation.textContent = chains.roots.length ? "Nothing is lit." : "The loss reaches no state.";
    return;
  }
  const root = chains.roots[selected.root], value = chains.entries[selected.entry][0];
  const [, , product, whole] = rowsOf[selected.root].get(value);
  const way = visited(selected.root, value);
  const head = root.heads.find((one) => one[0] === way[0]);
  const light = (edges) => { for (const [child, position] of edges) { lit.add(edgeKey(child, position)); onChain.add(child); } };
  light(head[1]);
  const names = way.map((at) => page.values[at][NAME]), L = page.root;
  const through = chains.roots.length > 1 ? " through " + page.values[root.root][NAME] : "";
  const items = [["", "∂" + L + "/∂" + names[0] + through, head[2]]];
  for (let i = 1; i < way.length; i++) {
    const [, , edges, name, numbers, factor] = hops.get(way[i - 1] + ">" + way[i]);
    light(edges);
    items.push(["∂" + names[i - 1] + "/∂" + names[i], name, numbers === factor ? factor : numbers + " = " + factor]);
  }
  onChain.add(value);
  const target = names[names.length - 1];
  equation.textContent = "∂" + L + "/∂" + target + through + (whole === undefined ? " = " : ", along the strongest path, = ") + product;
  const told = items.length <= FACTORS_SHOWN ? items
    : [...items.slice(0, FACTORS_SHOWN - 4), ["", items.length - FACTORS_SHOWN + 1 + " more factors", "⋯"], ...items.slice(-3)];
  for (const [what, name, numbers] of told) {
    const item = element("li");
    if (what) item.append(element("span", {}, what));
    item.append(element("b", {}, name), element("span", {}, numbers));
    list.append(item);
  }
  const end = element("li", { class: "product" });
  end.append(element("span", {}, "∂" + L + "/∂" + target + through), element("b", {}, product));
  list.append(end);
  const lag = root.last - entryTimes[selected.entry], said = [];
  if (whole !== undefined) said.push("All paths together, from every unit to every other, bring " + whole + ".");
  if (chains.roots.length > 1) said.push("All losses together: ∂" + L + "/∂" + target + " = " + shown(Number(page.values[value][GRADIENT])) + ".");
  const own = page.decay.own;
  if (own !== null && lag && lag <= page.decay.lags) {
    said.push("The law alone, ‖W‖" + raised(lag) + " with ‖W‖ = " + shown(page.decay.norms[own]) + ", would leave " + shown(page.decay.law[own].g[lag])
      + " of what is at " + names[0] + ".");
  }
  law.textContent = said.join(" ");
}

const kSlider = byId("chain-k"), lossSlider = byId("chain-loss"), entryPick = byId("chain-entry");

/** The entries of the state at a time step. */
const entriesAt = (t) => entryTimes.flatMap((time, i) => (time === t ? [i] : []));

function setUpChain() {
  lossSlider.max = Math.max(0, chains.roots.length - 1);
  byId("chain-loss-field").hidden = chains.roots.length < 2;
  kSlider.min = entryTimes[0];
  const perStep = entriesAt(entryTimes[0]);
  byId("chain-entry-field").hidden = perStep.length < 2;
  perStep.forEach((i, place) => {
    const name = page.values[chains.entries[i][0]][NAME].replace("_" + entryTimes[0], "");
    entryPick.append(element("option", { value: place }, name));
  });
  const followSliders = () => {
    const root = Number(lossSlider.value), t = Math.min(Number(kSlider.value), chains.roots[root].last);
    chooseChain(root, entriesAt(t)[Number(entryPick.value) || 0]);
  };
  for (const control of [lossSlider, kSlider, entryPick]) control.addEventListener("input", followSliders);
  lossSlider.disabled = kSlider.disabled = !chains.roots.length;
}

function followChain() {
  const { root, entry } = selected;
  if (root !== null && chains.roots[root]) {
    const t = chains.roots[root].t;
    lossSlider.value = root;
    byId("chain-loss-text").textContent = String(t === null ? "–" : t);
    lossSlider.setAttribute("aria-valuetext", t === null ? "the loss" : stepName(t));
    kSlider.max = chains.roots[root].last;
  }
  if (entry !== null) {
    const k = entryTimes[entry];
    kSlider.value = k;
    entryPick.value = entriesAt(k).indexOf(entry);
    byId("chain-k-text").textContent = String(k);
    kSlider.setAttribute("aria-valuetext", (k ? stepName(k) : "t = 0") + ", " + byId("chain-equation").textContent);
  } else byId("chain-k-text").textContent = "–";
}

// Before the graph is drawn anew, so that it finds what is lit.
views.unshift((changed) => {
  if (!changed.some((key) => key === "root" || key === "entry")) return;
  sayChain();
  followChain();
});

// ---- a weight ----------------------------------------------------------------------------------------------------------------------

const weightPlaces = new Map(page.sums.map(([value], i) => [value, i]));
const weightPick = byId("weight");

function sayWeight() {
  const plot = byId("weight-plot");
  const place = weightPlaces.get(selected.weight === null ? Number(weightPick.value) : selected.weight);
  if (place === undefined) {
    byId("weight-equation").textContent = "No weight is used more than once.";
    plot.hidden = true;
    return;
  }
  const [value, terms] = page.sums[place], name = page.values[value][NAME];
  weightPick.value = value;
  const arrived = terms.slice(0, lastUpTo(terms.map(([i]) => i), backwardTaken() - 1) + 1);
  const sum = arrived.length ? page.backward[arrived[arrived.length - 1][0]][SUM] : "0";
  byId("weight-equation").textContent = name + ".grad = " + sum + (arrived.length === terms.length ? ", the sum of " + terms.length + " contributions"
    : " so far, of " + arrived.length + " of " + terms.length + " contributions");
  plotSums(plot, name, terms, arrived.length);
  const rows = arrived.length > 300 ? arrived.slice(-300) : arrived;
  if (byId("weight-table").closest("details").open) {
    table("weight-table", "How " + name + ".grad adds up, last use first" + (rows.length < arrived.length ? " (the latest 300)" : ""), null, rows.map(([i]) => {
      const step = page.backward[i], t = page.values[step[NODE]][TIME];
      return [t === null ? "–" : String(t), step[FLOW], step[BROUGHT], step[SUM]];
    }));
  }
}

function plotSums(plot, name, terms, arrived) {
  const height = 190, left = 8, top = 26, bottom = height - 26;
  const [pen, width] = sharp(plot, height), right = width - 8;
  const numbers = terms.flatMap(([, brought, sum]) => [brought, sum]).filter((x) => x !== null);
  const low = numbers.reduce((a, b) => Math.min(a, b), 0), high = numbers.reduce((a, b) => Math.max(a, b), 0), span = high - low || 1;
  const y = (v) => bottom - ((v - low) / span) * (bottom - top), slot = (right - left) / terms.length;
  pen.fillStyle = colour("line");
  pen.fillRect(left, y(0), right - left, 1);
  terms.forEach(([, brought, sum], i) => {
    if (brought === null) return;
    pen.fillStyle = colour(i >= arrived ? "cut" : brought < 0 ? "negative" : "positive");
    pen.fillRect(left + (i + 0.15) * slot, Math.min(y(0), y(brought)), Math.max(0.5, slot * 0.7), Math.max(0.5, Math.abs(y(brought) - y(0))));
  });
  pen.strokeStyle = colour("weight");
  pen.lineWidth = 2.5;
  pen.lineJoin = "round";
  pen.beginPath();
  for (let i = 0; i < arrived; i++) if (terms[i][2] !== null) pen.lineTo(left + (i + 0.5) * slot, y(terms[i][2]));
  pen.stroke();
  const time = (i) => page.values[page.backward[terms[i][0]][NODE]][TIME];
  pen.fillStyle = colour("quiet");
  pen.fillText("bars: what each step brings · line: the sum so far", left, 13);
  pen.fillText("t = " + time(0), left, height - 8);
  pen.textAlign = "right";
  pen.fillText("t = " + time(terms.length - 1), right, height - 8);
  plot.setAttribute("aria-label", "How " + name + ".grad adds up over " + terms.length + " contributions; the table below has the numbers");
}

function setUpWeights() {
  for (const [value] of page.sums) weightPick.append(element("option", { value }, page.values[value][NAME]));
  weightPick.disabled = !page.sums.length;
  weightPick.addEventListener("input", () => select({ weight: Number(weightPick.value) }));
  byId("weight-table").closest("details").addEventListener("toggle", sayWeight);
}
views.push((changed) => { if (changed.includes("weight") || changed.includes("position")) sayWeight(); });

// ---- beginning ------------------------------------------------------------------------------------------------------------------------

function measureStage() {
  const before = stageWidth;
  stageWidth = stage.clientWidth;
  const wanted = (graph.bottom - graph.top) * readable() + 24;
  stage.style.height = Math.round(Math.max(240, Math.min(wanted, 0.62 * Math.max(window.innerHeight, 520)))) + "px";
  stageHeight = stage.clientHeight;
  if (before === 1) fit(); else { clamp(); placeSoon(); }
}

function setUpGraph() {
  byId("phase-forward").style.flex = String(forwardSteps) + " 1 0";
  byId("phase-backward").style.flex = String(page.backward.length) + " 1 0";
  const key = byId("key");
  const sign = (name, words) => { const one = element("span"); one.append(element("i", { class: name }), " " + words); key.append(one); };
  if (page.shades.low !== undefined) {
    const ramp = element("span", { class: "ramp" }), one = element("span");
    for (let i = 0; i <= 10; i++) ramp.append(element("i", { class: "b" + i }));
    one.append("|gradient| 10" + raised(page.shades.low), ramp, "10" + raised(page.shades.high));
    key.append(one);
  }
  sign("i-weight", "a tied weight: one Value, a copy per step");
  sign("i-input", "input");
  sign("i-chain", "the chain");
  setUpChain();
  setUpWeights();
  sayStep();
  sayWeight();
  new ResizeObserver(oncePerFrame(() => { measureStage(); drawOverview(); sayWeight(); })).observe(stage);
  measureStage();
  place();
  drawOverview();
  redrawers.push(drawOverview, sayWeight);
  if (chains.roots.length) chooseChain(chains.roots.length - 1, 0);
}
