// One time step in full: every Value of it, and every application of the chain rule, one by one.
"use strict";

const graphSvg = byId("step-graph"), graphBox = graphSvg.parentElement, unitPick = byId("unit"), stage = byId("stage"), stepPanel = byId("step-panel");
const LEAST_SCALE = 0.6, MOST_SCALE = 1.3, MOST_HIGH = 420, LEAST_HIGH = 240;  // pixels: how high a graph may get where it is enlarged, and its box
let stepGraph = null;

/** Whether the graph of the time step stands directly below the chain, in place of what is not of this time step. */
const isClose = () => chosen.node !== null && !onPaper();

// Before anything is drawn, since what is drawn there has another width.
views.unshift(() => {
  if (stage.matches(".close") === isClose()) return;
  stage.classList.toggle("close", isClose());
  stage.insertBefore(stepPanel, isClose() ? byId("controls") : null);
  widths.clear();
  if (isClose() && stage.getBoundingClientRect().top < 0) stage.scrollIntoView();
});

/** How high the graph's box may be: down to the end of the screen. */
function roomBelow() {
  const { scrollTop } = document.fullscreenElement || document.documentElement;
  return Math.max(LEAST_HIGH, Math.floor(innerHeight - graphBox.getBoundingClientRect().top - scrollTop) - 16);
}

/** Scroll the graph's box as far as it takes to see a card. */
function keepInView({ x, y }, scale) {
  const { wide, high } = page.card, margin = 10;
  for (const [side, size, from, to] of [["scrollLeft", "clientWidth", x, x + wide], ["scrollTop", "clientHeight", y, y + high]]) {
    const least = scale * to + margin - graphBox[size], most = scale * from - margin;
    graphBox[side] = Math.min(most, Math.max(least, graphBox[side]));
  }
}

const LABEL = /^[^\s()·+−/√∂|^]{1,14}$/u;  // of what a person has named, and not a formula

/** The name of a place, at time step t. */
function nameOf(place, t) {
  const { nodes, width, parameters } = facts();
  if (place >= width) return parameters[place - width];
  return place < 0 ? at(nodes[-1 - place][0], called(t - 1)) : at(nodes[place][0], called(t));
}

/** The number of a place, at time step t. */
function numberOf(place, t) {
  const { sequence } = result.computation, { width } = facts();
  return place >= width ? sequence.p[place - width] : place < 0 ? sequence.now[t - 1][-1 - place] : sequence.now[t][place];
}

/** What the film goes through in its time step: the nodes on the way forward, applications of the chain rule on the way back. */
function itemsNow() {
  const film = filmNow();
  if (chosen.step === null || film.t === 0) return [];
  const { order, cardOf } = graphAt(film.t);
  if (chosen.step <= chosen.T) return order.map((node) => ({ node }));
  return applicationsNow().filter(({ node }) => cardOf.has(node));
}

let applied = { key: "", list: [] };

/** Every application of the chain rule in the time step of the film. */
function applicationsNow() {
  const { t } = filmNow(), key = result.version + " " + t;
  if (applied.key === key || t === 0 || result.error) return t === 0 ? [] : applied.list;
  const all = blocks(result.computation, () => false, true), wanted = new Set();
  all.forEach((block, i) => { if (block.t === t) wanted.add(i); });
  const list = blocks(result.computation, (i) => wanted.has(i), true).filter((_, i) => wanted.has(i))
    .flatMap((block) => applications(result.computation, block));
  applied = { key, list };
  return list;
}

/** The graph of a time step, at the level that is chosen. */
function graphAt(t) {
  const program = programNow(), hasLoss = result.computation.losses.includes(t), of = PROGRAMS.indexOf(program), levels = page.graphs[page.graph_of[of]];
  if (unitPick.dataset.of !== String(of)) {
    unitPick.replaceChildren(...levels.map(({ says }) => element("option", {}, inCharacters(says))));
    unitPick.dataset.of = String(of);
  }
  unitPick.selectedIndex = Math.min(chosen.detail, levels.length - 1);
  const level = levels[unitPick.selectedIndex];
  byId("unit-field").hidden = levels.length < 2;
  if (!stepGraph || stepGraph.level !== level || stepGraph.hasLoss !== hasLoss) stepGraph = { ...readGraph(program, level, hasLoss), level, hasLoss };
  return stepGraph;
}

function showStep() {
  const t = timeInView();
  write(byId("step-title"), t ? "Time step " + called(t) + " in full" : "Before the first time step");
  graphAt(Math.max(1, t));
  stepPanel.classList.toggle("nothing", !t);
  if (!t) sayItem(t, [], 0);
  if (result.error) return undefined;
  if (!t) return drawStep(1, [], 0);  // unseen: it keeps the room that it takes from the first time step on
  const items = chosen.node !== null && t === filmNow().t ? itemsNow() : [], stands = Math.min(chosen.node, items.length);
  sayItem(t, items, stands);
  drawStep(t, items, stands);
  return listStep(t);
}

/** Draw it as far as the film has come. items: what the film goes through in it, node by node; stands: at which of them it is. */
function drawStep(t, items, stands) {
  const { cards, edges, cardOf, nodes, width, height } = stepGraph, { wide, high } = page.card, { sequence } = result.computation, { loss } = facts();
  const { computed: until, arrived } = filmNow(), backward = t >= arrived, now = sequence.now[t], item = items[stands - 1];
  // Node by node, only what has happened so far is there.
  const done = item ? items.slice(0, stands) : null, soFar = new Map();
  if (done && backward) {
    for (const { parent, before } of items) if (!soFar.has(parent)) soFar.set(parent, before);
    for (const { node, gradient } of items) if (!soFar.has(node)) soFar.set(node, gradient);  // it came from the time step after
    for (const { node, gradient, parent, after } of done) soFar.set(node, gradient).set(parent, after);
  }
  const computed = done && !backward ? new Set(done.map(({ node }) => node)) : null;
  const isAhead = (place) => (place < 0 ? t - 1 > until : nodes.has(place) && (t > until || (computed && !computed.has(place))));
  const gradientOf = (place) => (soFar.has(place) ? soFar.get(place) : place < 0 ? sequence.grad[t - 1][-1 - place] : sequence.grad[t][place]);
  const from = item ? cardOf.get(item.node) : null, to = item && item.parent !== undefined ? cardOf.get(item.parent) : null;
  const lines = [], boxes = [], text = (id, name, x, y, words) => boxes.push([id, "text", { class: name, x, y }, words]);
  for (const { id, tail, head, way } of edges) {
    const lit = head === from && (to === null || tail === to), points = [[tail.x + wide, tail.y + high / 2], ...way.flatMap(([x, y]) => [[x, y], [x + wide, y]]), [head.x - 1, head.y + high / 2]];
    const course = points.slice(1).map(([x, y], i) => { const [x0, y0] = points[i], middle = (x0 + x) / 2; return "C" + [middle, y0, middle, y, x, y].join(" "); });
    lines.push(["edge" + id, "path", { class: "edge" + (lit ? (backward ? " back" : " forth") : ""), d: "M" + points[0].join(" ") + course.join("") }]);
  }
  for (const card of cards) {
    const { id, places, small, x, y } = card, middle = x + wide / 2, [first] = places;
    const kind = first < 0 ? "state" : first === loss ? "loss" : !nodes.has(first) ? "input" : LABEL.test(facts().nodes[first][0]) ? "named" : "";
    boxes.push(["card" + id, "rect", { class: "card " + kind + (card === from ? " from" : card === to ? " to" : ""), x, y, width: wide, height: high, rx: 8 }]);
    const name = nameOf(first, t), numbers = places.map((place) => numberOf(place, t)), gradients = places.map(gradientOf);
    const written = clipped(places.length > 1 ? name.replace(/\[\d+\]$/, "") : name, 18);
    text("name" + id, written.length > 15 ? "name long" : "name", middle, y + 16, written);
    text("data" + id, "data", middle, y + 32, places.some(isAhead) ? "…" : sized(numbers));
    text("grad" + id, "grad", middle, y + 47, !backward || (done && first !== loss && !places.some((place) => soFar.has(place))) ? "…" : sized(gradients));
    const symbols = [...new Set(small.flatMap(choosersOf))];
    if (first === loss && targetIsClass()) symbols.push(facts().x);
    const words = [...symbols.map((slot) => nameOf(slot, t) + " = " + symbolName(now[slot])), ...new Set(small.map((parent) => { const place = parentAt(parent, now, facts()); return (place >= facts().width ? nameOf(place, t) + " = " : "") + shown(numberOf(place, t)); }))];
    if (words.length) text("small" + id, "small", middle, y + 66, clipped(words.join(", "), 24));
  }
  // The whole graph is in view wherever it can be read then; it uses the room that there is.
  const high_ = isClose() ? roomBelow() : MOST_HIGH, room = widthOf(graphBox) / width, most = Math.min(MOST_SCALE, high_ / height);
  const scale = room < LEAST_SCALE ? 1 : Math.min(room, isClose() && most > LEAST_SCALE ? most : Math.max(1, most));
  graphBox.style.setProperty("--room", high_ + "px");
  put(graphSvg, { width: Math.floor(scale * width), height: Math.ceil(scale * height), viewBox: "0 0 " + width + " " + height });
  paint(graphSvg, [...lines, ...boxes]);
  for (const card of [to, from]) if (card) keepInView(card, scale);
}

/** A number, or the norm of several. */
const sized = (numbers) => (numbers.length === 1 ? shown(numbers[0]) : "‖" + shown(library.hypot(...numbers)) + "‖");

/** What the item of the film says: the rule by name, and what flows in numbers. */
function sayItem(t, items, stands) {
  const place = byId("item-says"), item = items[stands - 1];
  place.classList.toggle("idle", !item);
  if (!item) {
    const isBack = t >= filmNow().arrived, isReached = result.computation.sequence.walks[t] >= 0 || result.computation.losses.includes(t);
    const tick = !isBack ? "" : !isReached ? "No gradient comes to this time step." : chosen.node === null ? "Tick “node by node” to see every application of the chain rule in this time step." : "";
    const given = partNames().map((name) => name + "_" + called(0)).join(" and ");
    write(place, t ? tick : given + (partNames().length > 1 ? " are" : " is") + " given: nothing is computed before time step " + called(1) + ".");
    return;
  }
  const of = " (" + stands + " of " + items.length + ")";
  if (item.parent === undefined) {
    write(place, nameOf(item.node, t) + " = " + at(facts().nodes[item.node][1], called(t)) + " = " + shown(numberOf(item.node, t)) + of);
    return;
  }
  const node = nameOf(item.node, t), parent = nameOf(item.parent, t);
  write(place, "∂" + wrapped(node) + "/∂" + wrapped(parent) + " = " + shown(item.local) + ";  ∂L/∂" + wrapped(parent) + " = " + shown(item.before) + " + " + bracketed(item.local) + "·"
    + bracketed(item.gradient) + " = " + shown(item.after) + of);
}
const wrapped = (name) => (/^[\p{L}\p{N}_[\],{}.′]+$/u.test(name) ? name : "(" + name + ")");

/** The same as a table. */
function listStep(t) {
  const { sequence } = result.computation;
  const rank = rankOfNodes(facts()), slots = [...facts().nodes.keys()].filter((slot) => !rank.has(slot)).concat(...rank.keys());
  table("values", "Time step " + called(t), ["value", "formula", "data", "gradient"], slots.length, (i) => {
    const slot = slots[i], formula = facts().nodes[slot][1];
    return [nameOf(slot, t), formula ? at(formula, called(t)) : "given", shown(sequence.now[t][slot]),
      (formula && !rank.has(slot)) || slot in facts().symbols ? "" : shown(sequence.grad[t][slot])];  // what is looked up passes its gradient on to the parameters
  });
}

unitPick.addEventListener("change", () => change({ detail: unitPick.selectedIndex, node: chosen.node && 1 }));
byId("values").closest("details").addEventListener("toggle", showStep);
const showStepSoon = whenSeen(stepPanel, showStep);
views.push(showStepSoon);
