// The unrolled graph and the walk through it. Only the columns in view are in the document.
"use strict";

const graph = page.graph;

// ---- what is known at a position -----------------------------------------------------------------------------------

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

/** Whether the walk is over, and the picture that of the static drawing. */
const atTheEnd = () => selected.position === lastPosition;

/** Gradient so far, as text and as level. */
function gradientNow(value, finalLevel) {
  if (value === page.loss) return selected.position > forwardSteps ? ["1", finalLevel] : [null, -1];
  const step = latest(value);
  return step ? [step[SUM], step[LEVEL]] : [backwardTaken() ? "0" : null, -1];
}

// ---- columns come and go -------------------------------------------------------------------------------------------

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

// ---- looks ---------------------------------------------------------------------------------------------------------

/** The edges and the Values of the chain shown. */
const lit = new Set(), onChain = new Set();
const edgeKey = (child, position) => child * 64 + position;

/** The application of the chain rule that the walk is at, if it is at one. */
const current = () => page.backward[selected.position - forwardSteps - 1] || null;

/** The Value that is being computed, if one is. */
const computing = () => (selected.position && selected.position <= forwardSteps ? page.forward[selected.position - 1] : -1);

/** Set a class or a text only where it differs: most cards stay as they are from one step to the next. */
function look(part, name) {
  if (part.getAttribute("class") !== name) part.setAttribute("class", name);
}
function reads(part, text) {
  if (part && part.textContent !== text) part.textContent = text;
}

function styleColumn(parts, t) {
  const atEnd = atTheEnd(), step = current(), centre = step ? step[NODE] : computing(), thrown = isThrown(t);
  for (const { card, texts, value, kind, copies, level, rows } of parts.list) {
    const ahead = computedAt[value] > selected.position;
    const [gradient, so] = kind === "constant" ? [null, -1] : gradientNow(value, level), shade = atEnd ? level : so;
    look(card, "card " + kind + (copies > 1 ? " tied" : "") + (ahead ? " ahead" : "")
      + (shade >= 0 && kind !== "parameter" && kind !== "constant" ? " l" + shade : "")
      + (onChain.has(value) && kind !== "parameter" ? " on-chain" : "")
      + (value === selected.weight ? " use" : "") + (thrown ? " thrown" : "")
      + (step && step[PARENT] === value && (kind !== "parameter" || t === page.values[step[NODE]][TIME]) ? " to" : "")
      + (centre === value ? " at" : ""));
    if (kind === "constant") continue;
    reads(texts[1], ahead ? "data …" : rows[1]);
    reads(texts[2], atEnd ? rows[2] : gradient === null ? "grad …" : "grad " + gradient);
    reads(texts[3], atEnd ? rows[3] : "");
  }
  look(parts.lines, thrown ? "thrown" : "");
  parts.edges.forEach(styleEdge);
}

function styleEdge({ line, parent, child, position }) {
  const step = current();
  const now = step && step[NODE] === child && step[POSITION] === position;
  const forth = computing() === child;
  look(line, "edge" + (now ? " now" : forth ? " forth" : lit.has(edgeKey(child, position)) ? " lit" : "")
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

/** Work that is left out where what it depends on is as it was: most steps of the walk change little. */
function whenChanged(what, work) {
  let before;
  return (...given) => {
    const now = what(...given);
    if (now === before) return;
    before = now;
    work(...given);
  };
}

// ---- the view ------------------------------------------------------------------------------------------------------

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

const LEAST_READABLE = 0.9;
/** The states of the last step and the loss, of which the picture has to show at least the latter: left, top, right, bottom. */
const theEnd = () => {
  const last = graph.columns[graph.columns.length - 1];
  const boxes = graph.columns.flatMap((column) => column.cards.filter((card) => card[0] === page.loss || (column === last && card[1] === "state"))
    .map(([value, , , x, y, width, height]) => [value, column.x + x, y, column.x + x + width, y + height]));
  const around = (some) => [0, 1, 2, 3].map((i) => (i < 2 ? Math.min : Math.max)(...some.map((box) => box[i + 1])));
  const loss = around(boxes.filter(([value]) => value === page.loss)), all = around(boxes);
  return (all[3] - all[1]) * view.zoom + 24 < stageHeight ? [loss, all] : [loss, loss];
};

/** All of it, if it can be read then; else as much as can be read: h_T and the loss, the latest time step first. */
function fit() {
  const tall = (stageHeight - 24) / (graph.bottom - graph.top), wide = (stageWidth - 24) / graph.width;
  view.zoom = Math.min(readable(), Math.max(tall, LEAST_READABLE), wide > LEAST_READABLE ? wide : readable());
  view.x = stageWidth - graph.width * view.zoom;
  const [loss, all] = theEnd();
  view.y = stageHeight / 2 - ((all[1] + all[3]) / 2) * view.zoom;
  const column = graph.columns[graph.columns.length - 1], state = column.cards.find((card) => card[1] === "state");
  if (state) view.x = Math.max(view.x, stageWidth * 0.2 - (column.x + state[3]) * view.zoom);
  view.x = Math.min(view.x, stageWidth - 12 - loss[2] * view.zoom);
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

/** Bring a time step into view, and the card of a Value in it; what is in view stays where it is. */
function reveal(t, value = null) {
  const column = graph.columns[steps.indexOf(t)];
  if (!column) return;
  const card = column.cards.find((one) => one[0] === value), edge = 6;
  const [, , , x, y, width, height] = card || [0, 0, 0, 0, column.y, column.w, column.h];
  const left = (column.x + x) * view.zoom + view.x, top = y * view.zoom + view.y;
  if (left < edge || left + width * view.zoom > stageWidth - edge) {
    const [from, wide] = column.w * view.zoom < stageWidth ? [column.x, column.w] : [column.x + x, width];
    view.x = stageWidth / 2 - (from + wide / 2) * view.zoom;
  }
  if (card && (top < edge || top + height * view.zoom > stageHeight - edge)) view.y = stageHeight / 2 - (y + height / 2) * view.zoom;
  clamp();
  placeSoon();
}

// ---- every time step at a glance -----------------------------------------------------------------------------------

const overview = byId("overview");
/** Per time step its states: the Value, its level and the lines of its card. */
const statesAt = new Map(graph.columns.map(({ t, cards }) => [t, cards.filter((card) => card[1] === "state").map((card) => [card[0], card[7], card[8]])]));

const stateValues = new Set([...statesAt.values()].flat().map(([value]) => value));

/** The level of the largest gradient of a state, so far. */
function stateLevel(t) {
  const atEnd = atTheEnd();
  let level = -1;
  for (const [value, final] of statesAt.get(t) || []) level = Math.max(level, atEnd ? final : gradientNow(value, final)[1]);
  return level;
}

function paintOverview() {
  const [pen, width] = sharp(byId("overview-steps"), 26), scale = width / graph.width;
  let painted = -1;
  for (const column of graph.columns) {
    const x = column.x * scale, wide = column.w * scale;
    if (Math.round(x) === painted) continue;  // there are more time steps than pixels
    painted = Math.round(x);
    const level = stateLevel(column.t);
    if (level < 0) continue;
    pen.fillStyle = colour("l" + level);
    pen.fillRect(x, 3, Math.max(1, wide > 4 ? wide - 1 : wide), 20);
  }
}
/** How many gradients of states have arrived, and at what: the overview shows no more than that. */
const statesTouched = page.backward.flatMap((step, i) => (stateValues.has(step[PARENT]) ? [i] : []));
const overviewShows = () => [atTheEnd(), selected.position > forwardSteps, lastUpTo(statesTouched, backwardTaken() - 1), widthOf(overview),
  colour("l0"), window.devicePixelRatio].join();
const drawOverview = oncePerFrame(whenChanged(overviewShows, paintOverview));

function placeOverviewWindow() {
  const scale = widthOf(overview) / (graph.width * view.zoom), box = byId("overview-window").style;
  const left = Math.max(0, -view.x * scale);
  box.left = left + "px";
  box.width = Math.min(Math.max(6, stageWidth * scale), widthOf(overview) - left) + "px";
}

function goTo(event) {
  const box = overview.getBoundingClientRect();
  view.x = stageWidth / 2 - ((event.clientX - box.left) / box.width) * graph.width * view.zoom;
  clamp();
  placeSoon();
}
overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); goTo(event); });
overview.addEventListener("pointermove", (event) => { if (event.buttons) goTo(event); });

// ---- pointing ------------------------------------------------------------------------------------------------------

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
  const so = atTheEnd() ? gradient : gradientNow(value, -1)[0];
  tip.replaceChildren(element("b", {}, name));
  const line = (text) => tip.append(element("span", {}, text));
  if (formula && formula !== name) line("= " + formula);
  if (formula) line("= " + inNumbers);
  line("data " + data);
  line(so === null || so === "" ? "no gradient yet" : "∂" + page.root + "/∂" + (formula && name === formula ? "(…)" : name) + " = " + so);
  const brought = receives.get(value);
  if (brought && brought.length > 1) line(brought.length + " contributions add up to it");
  if (card.dataset.kind === "state") line("click: the chain back to here");
  if (card.dataset.kind === "parameter") line("click: all its uses");
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

// ---- beginning -----------------------------------------------------------------------------------------------------

function measureStage() {
  const before = stageWidth;
  stageWidth = stage.clientWidth;
  const wanted = (graph.bottom - graph.top) * readable() + 24;
  stage.style.height = Math.round(Math.max(240, Math.min(wanted, 0.62 * Math.max(window.innerHeight, 520)))) + "px";
  stageHeight = stage.clientHeight;
  if (before === 1) fit(); else { clamp(); placeSoon(); }
}

function setUpKey() {
  const sign = (...what) => { const one = element("span"); one.append(...what); byId("key").append(one); };
  if (page.shades.low !== undefined) {
    const ramp = element("span", { class: "ramp" });
    for (let i = 0; i <= 10; i++) ramp.append(element("i", { class: "b" + i }));
    sign("|gradient| 10" + raised(page.shades.low), ramp, "10" + raised(page.shades.high));
  }
  sign(element("i", { class: "i-weight" }), " a tied weight: one Value, a copy per step");
  sign(element("i", { class: "i-input" }), " input");
  sign(element("i", { class: "i-chain" }), " the chain");
}

function setUpGraph() {
  setUpKey();
  measureStage();
  place();
  drawOverview();
  new ResizeObserver(oncePerFrame(() => { measureStage(); drawOverview(); })).observe(stage);
  redrawers.push(drawOverview);
}

views.push((changed) => {
  if (changed.some((key) => ["position", "root", "entry", "weight", "window"].includes(key))) restyle();
});
