// One time step in full: every Value of it, and every application of the chain rule, one by one.
"use strict";

const graphSvg = byId("step-graph"), unitPick = byId("unit");
const LEAST_SCALE = 0.6, MOST_HIGH = 420;  // pixels: how high a graph may get where it is enlarged
const CARD = { wide: 118, high: 54, across: 158, down: 74 };
let stepLayout = null;

/** The levels of detail: every Value of a small time step; of a larger one its quantities, or what one entry is computed from. */
function levelsOf({ facts: { nodes, parts, loss, x, target, width } }) {
  const first = x + target, few = width <= 30, found = few ? [["all", "every Value"]] : [["quantities", "its quantities"]];
  if (few) return found;
  for (const [name, [from, to]] of Object.entries(parts)) {
    for (let i = from; i < to; i++) found.push([String(first + i), "what " + name + "_t" + (to - from > 1 ? "[" + (i - from) + "]" : "") + " is computed from"]);
  }
  if (loss !== null) found.push([String(loss), "all, to the loss"]);
  return found.filter(([value]) => value === "quantities" || nodes[value]);
}

/** Places in the order in which they are computed; the edges have the order of the walk back. */
const rankOfNodes = ({ edges }) => new Map(Object.values(edges).flatMap((list) => [...new Set(list.map(([node]) => node))].reverse()).map((node, i) => [node, i]));
const parentsOf = (where) => (typeof where === "number" ? [where] : where[1]);
const LABEL = /^[^\s()·+−/√∂|^]{1,14}$/u;  // of what a person has named, and not a formula

/** The graph of a time step, in layers from left to right. A card stands for one place (a slot; -1 - slot of the time step
 *  before), or for all entries of a quantity. */
function layOut(program, level, hasLoss) {
  const { facts } = program, edges = Object.entries(facts.edges).flatMap(([unit, list]) => (unit === "cell" || hasLoss ? list : [])), parents = new Map();
  for (const [node, operand, where] of edges) {
    if (!parents.has(node)) parents.set(node, []);
    parents.get(node).push({ operand, where });
  }
  const isGiven = (place) => place >= 0 && place < facts.x + facts.target, raw = (place) => facts.nodes[place < 0 ? -1 - place : place][0];
  // Of constants and parameters a line below the card will do.
  const isLeaf = (place) => place >= facts.width || (place >= 0 && !parents.has(place) && !isGiven(place) && !facts.computed.cell.includes(place));
  const rank = rankOfNodes(facts), rankOf = (place) => rank.get(place) ?? -1;
  const wanted = Number(level), members = new Set(), toVisit = parents.has(wanted) ? [wanted] : [...parents.keys()];
  while (toVisit.length) {
    const place = toVisit.pop();
    if (members.has(place)) continue;
    members.add(place);
    for (const { where } of parents.get(place) || []) for (const one of parentsOf(where)) if (!isLeaf(one)) toVisit.push(one);
  }
  // The card of every place; what has no name belongs to the card of what is computed from it.
  const users = new Map(), cardOf = new Map();
  for (const node of members) for (const { where } of parents.get(node) || []) for (const one of parentsOf(where)) {
    if (members.has(one)) users.set(one, [...(users.get(one) || []), node]);
  }
  const find = (place) => {
    if (!cardOf.has(place)) {
      const named = place < 0 || isGiven(place) || LABEL.test(raw(place)) || !users.has(place);
      cardOf.set(place, level !== "quantities" ? place : !named ? find(users.get(place).reduce((a, b) => (rankOf(b) > rankOf(a) ? b : a)))
        : (place < 0 ? "before " : "") + raw(place).replace(/\[\d+\]$/, ""));
    }
    return cardOf.get(place);
  };
  const order = [...members].sort((a, b) => rankOf(a) - rankOf(b) || a - b), cards = new Map();
  for (const place of order) {
    const card = find(place);
    if (!cards.has(card)) cards.set(card, { places: [], before: new Map(), small: [] });
    if (level !== "quantities" || place < 0 || isGiven(place) || LABEL.test(raw(place)) || !users.has(place)) cards.get(card).places.push(place);
  }
  for (const node of order) for (const { operand, where } of parents.get(node) || []) {
    const card = cards.get(find(node));
    for (const one of parentsOf(where)) {
      if (!members.has(one)) { if (level !== "quantities" || cards.size < 8) card.small.push(where); break; }
      if (find(one) !== find(node)) card.before.set(find(one) + (level === "quantities" ? "" : "." + operand), find(one));
    }
  }
  const depth = new Map(), depthOf = (card) => {
    if (!depth.has(card)) {
      depth.set(card, 0);
      depth.set(card, 1 + Math.max(-1, ...[...cards.get(card).before.values()].map(depthOf)));
    }
    return depth.get(card);
  };
  [...cards.keys()].forEach(depthOf);
  const after = new Map();
  for (const [card, { before }] of cards) for (const one of before.values()) after.set(one, [...(after.get(one) || []), card]);
  for (const [card, { before }] of cards) {  // what comes from outside stands before its first use
    if (!before.size && after.has(card)) depth.set(card, Math.max(0, Math.min(...after.get(card).map((each) => depth.get(each))) - 1));
  }
  const layers = [];
  for (const card of cards.keys()) (layers[depth.get(card)] ||= []).push(card);
  const row = new Map(), mean = (rows, otherwise) => (rows.length ? rows.reduce((a, b) => a + b, 0) / rows.length : otherwise);
  for (const layer of layers) layer.forEach((card, i) => row.set(card, i - layer.length / 2));
  for (let sweep = 0; sweep < 8; sweep++) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const wants = new Map(layer.map((card) => [card, mean((sweep % 2 ? after.get(card) || [] : [...cards.get(card).before.values()]).map((one) => row.get(one)), row.get(card))]));
      layer.sort((a, b) => wants.get(a) - wants.get(b));
      layer.forEach((card, i) => row.set(card, i - layer.length / 2));
    }
  }
  const tall = Math.max(...layers.map((layer) => layer.length)), spots = new Map();
  for (const layer of layers) for (const card of layer) spots.set(card, [depth.get(card), row.get(card) + tall / 2]);
  return { program, level, hasLoss, parents, cards, cardOf, order, spots, wide: layers.length, tall };
}

const parentNow = (where, now) => (typeof where === "number" ? where : where[1][now[where[0]]]);

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

/** What the film goes through in this time step: its nodes on the way forward, applications of the chain rule on the way back. */
function itemsNow() {
  const film = filmNow();
  if (chosen.step === null || film.t === 0) return [];
  const { parents, order, cardOf } = layoutNow();
  if (chosen.step <= chosen.T) return order.filter((place) => parents.has(place)).map((node) => ({ node }));
  return applicationsNow().filter(({ node }) => cardOf.has(node));
}

let applied = { key: "", list: [] };

/** Every application of the chain rule in the time step in view, in the order of the walk. */
function applicationsNow() {
  const { t } = filmNow(), key = result.version + " " + t;
  if (applied.key === key || t === 0 || result.error) return t === 0 ? [] : applied.list;
  const all = blocks(result.computation, () => false), wanted = new Set();
  all.forEach((block, i) => { if (block.t === t) wanted.add(i); });
  const list = blocks(result.computation, (i) => wanted.has(i)).filter((_, i) => wanted.has(i))
    .flatMap((block) => applications(result.computation, block));
  applied = { key, list };
  return list;
}

/** The layout of the time step in view, at the level that is chosen. */
function layoutNow() {
  const program = programNow(), hasLoss = result.computation.losses.includes(filmNow().t);
  if (!stepLayout || stepLayout.program !== program || stepLayout.level !== unitPick.value || stepLayout.hasLoss !== hasLoss) {
    const levels = levelsOf(program), of = String(PROGRAMS.indexOf(program));
    if (unitPick.dataset.of !== of) {
      unitPick.replaceChildren(...levels.map(([value, words]) => element("option", { value }, inCharacters(words))));
      unitPick.dataset.of = of;
    }
    byId("unit-field").hidden = levels.length < 2;
    stepLayout = layOut(program, unitPick.value, hasLoss);
  }
  return stepLayout;
}

function showStep() {
  const { t } = filmNow();
  write(byId("step-title"), t ? "Time step " + called(t) + " in full" : "Before the first time step");
  layoutNow();
  byId("step-panel").classList.toggle("nothing", !t);
  if (!t || result.error) return;
  const items = itemsNow();
  if (detail.at >= items.length) detail.at = Math.max(0, items.length - 1);
  const item = detail.on && items.length ? items[detail.at] : null;
  drawStep(t, item, items);
  sayItem(t, item, items);
  listStep(t);
}

function drawStep(t, item, items) {
  const { spots, cards, cardOf, parents, wide, tall } = stepLayout, { sequence } = result.computation, { loss } = facts();
  const backward = chosen.step === null || chosen.step > chosen.T, now = sequence.now[t];
  // Node by node, only what has happened so far is there.
  const done = item ? items.slice(0, detail.at + 1) : null, soFar = new Map();
  if (done && backward) {
    for (const { parent, before } of items) if (!soFar.has(parent)) soFar.set(parent, before);
    for (const { parent, after } of done) soFar.set(parent, after);
  }
  const computed = done && !backward ? new Set(done.map(({ node }) => node)) : null;
  const gradientOf = (place) => (soFar.has(place) ? soFar.get(place) : place < 0 ? sequence.grad[t - 1][-1 - place] : sequence.grad[t][place]);
  const spot = (card) => { const [i, j] = spots.get(card); return [16 + i * CARD.across, 10 + j * CARD.down]; };
  const fromCard = item ? cardOf.get(item.node) : null, toCard = item && item.parent !== undefined ? cardOf.get(item.parent) : null;
  const lines = [], boxes = [], text = (id, name, x, y, words) => boxes.push([id, "text", { class: name, x, y }, words]);
  for (const [card, { places, before, small }] of cards) {
    const [x, y] = spot(card), middle = x + CARD.wide / 2, [first] = places;
    for (const [key, one] of before) {
      const [px, py] = spot(one), x0 = px + CARD.wide, y0 = py + CARD.high / 2, y1 = y + CARD.high / 2, bend = Math.min(60, Math.abs(x - x0) / 2);
      const lit = card === fromCard && (toCard === null || one === toCard);
      lines.push(["edge" + card + "." + key, "path", { class: "edge" + (lit ? (backward ? " back" : " forth") : ""), d: "M" + x0 + " " + y0 + "C" + (x0 + bend) + " " + y0 + " " + (x - bend) + " " + y1 + " " + (x - 1) + " " + y1 }]);
    }
    const kind = first < 0 ? "state" : first === loss ? "loss" : !parents.has(first) ? "input" : LABEL.test(facts().nodes[first][0]) ? "named" : "";
    boxes.push(["card" + card, "rect", { class: "card " + kind + (card === fromCard ? " from" : card === toCard ? " to" : ""), x, y, width: CARD.wide, height: CARD.high, rx: 8 }]);
    const name = nameOf(first, t), numbers = places.map((place) => numberOf(place, t)), gradients = places.map(gradientOf);
    text("name" + card, "name", middle, y + 16, clipped(places.length > 1 ? name.replace(/\[\d+\]$/, "") : name, 18));
    text("data" + card, "data", middle, y + 32, computed && places.some((place) => parents.has(place) && !computed.has(place)) ? "…" : sized(numbers));
    text("grad" + card, "grad", middle, y + 47, !backward || (done && first !== loss && !places.some((place) => soFar.has(place))) ? "…" : sized(gradients));
    const words = [...new Set(small.map((where) => { const place = parentNow(where, now); return (place >= facts().width ? nameOf(place, t) + " = " : "") + shown(numberOf(place, t)); }))];
    if (words.length) text("small" + card, "small", middle, y + 66, clipped(words.join(", "), 24));
  }
  // The whole graph is in view wherever it can be read then; it uses the room that there is.
  const width = 32 + (wide - 1) * CARD.across + CARD.wide, height = 26 + tall * CARD.down, room = widthOf(graphSvg.parentElement) / width;
  const scale = room < LEAST_SCALE ? 1 : Math.min(room, Math.max(1, Math.min(1.3, MOST_HIGH / height)));
  put(graphSvg, { width: Math.floor(scale * width), height: Math.ceil(scale * height), viewBox: "0 0 " + width + " " + height });
  paint(graphSvg, [...lines, ...boxes]);
}

/** A number, or the norm of several. */
const sized = (numbers) => (numbers.length === 1 ? shown(numbers[0]) : "‖" + shown(library.hypot(...numbers)) + "‖");

/** What the item of the film says: the rule by name, and what flows in numbers. */
function sayItem(t, item, items) {
  const place = byId("item-says");
  if (!item) {
    write(place, chosen.step === null || chosen.step > chosen.T ? "Tick “node by node” to see every application of the chain rule in this time step." : "");
    return;
  }
  const of = " (" + (detail.at + 1) + " of " + items.length + ")";
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
  table("values", "Time step " + called(t), ["value", "formula", "data", "gradient"], () => {
    const rank = rankOfNodes(facts()), given = facts().nodes.map((_, slot) => slot).filter((slot) => !rank.has(slot));
    return [...given, ...rank.keys()].map((slot) => [nameOf(slot, t), facts().nodes[slot][1] ? at(facts().nodes[slot][1], called(t)) : "given",
      shown(sequence.now[t][slot]), shown(sequence.grad[t][slot])]);
  });
}

unitPick.addEventListener("change", () => { stepLayout = null; detail.at = 0; showStep(); });
byId("values").closest("details").addEventListener("toggle", showStep);
const showStepSoon = whenSeen(byId("step-panel"), showStep);
views.push(showStepSoon);
