// The unrolled network at a glance: a box per state, the chain lit from the loss back, its factors on the links.
"use strict";

const outline = byId("outline-picture");
const ROWS = { loss: 22, state: 88, input: 150, name: 178 };
const LEAST_PITCH = 74;  // pixels from one time step to the next
const firstStep = page.first, rootAt = new Map(page.chains.roots.map((root, i) => [root.t, i]));
const stateNames = [...new Set(page.chains.entries.map(([value]) => page.values[value][NAME].split(/_\d/)[0]))];

/** The time step that the walk is at; null outside time. */
function timeNow() {
  const step = current(), value = step ? step[NODE] : computing();
  return value < 0 ? null : page.values[value][TIME];
}

/** What stands in a row: time steps, and folds between those that are not neighbours. */
const inARow = (times) => times.flatMap((t, i) => (i && t > times[i - 1] + 1 ? [{ fold: t - times[i - 1] - 1 }, { t }] : [{ t }]));

/** The row to show: all time steps, or those next to the ends, to the end of the chain and to the walk. */
function rowShown(room) {
  const all = page.T - firstStep + 1;
  if (all <= room) return inARow(Array.from({ length: all }, (_, i) => firstStep + i));
  const k = selected.entry === null ? null : entryTimes[selected.entry];
  const from = selected.entry === null ? null : chains.roots[selected.root].last;
  const anchors = [...new Set([page.T, k, from, firstStep, timeNow()])].filter((t) => t !== null);
  let row = [];
  const times = [];
  for (let away = 0; away < room; away++) {
    for (const t of anchors.flatMap((anchor) => (away ? [anchor - away, anchor + away] : [anchor]))) {
      if (t < firstStep || t > page.T || times.includes(t)) continue;
      const longer = inARow([...times, t].sort((a, b) => a - b));
      if (longer.length > room) continue;
      row = longer;
      times.push(t);
    }
  }
  return row;
}

/** The entry that the chain visits at each time step, with its product and level; and the factor that leads there. */
function chainByStep() {
  const found = new Map();
  if (selected.entry === null) return found;
  const way = visited(selected.root, chains.entries[selected.entry][0]);
  way.forEach((value, i) => {
    const [, , product, level] = rowsOf[selected.root].get(value), hop = i ? hops.get(way[i - 1] + ">" + value) : null;
    found.set(entryTimes[places.get(value)], { value, product, level, factor: hop && hop[5], times: hop ? hop[6] : 1 });
  });
  return found;
}

/** What a box says below its name, where no chain is lit. */
function boxSays(t) {
  const states = statesAt.get(t) || [];
  if (states.length !== 1) return "";
  const [[value, level, [, data, gradient]]] = states, number = (line) => line.slice(line.indexOf(" ") + 1);
  if (computedAt[value] > selected.position) return "…";
  if (selected.position <= forwardSteps) return number(data);
  return atTheEnd() ? number(gradient) : gradientNow(value, level)[0];
}

/** All that the picture depends on, but for the words below the boxes and their levels, which follow. */
function outlineShows(row) {
  const boxes = atTheEnd() ? [] : row.filter(({ t }) => t !== undefined).map(({ t }) => [boxSays(t), stateLevel(t)]);
  return [widthOf(outline), colour("l0"), atTheEnd(), selected.position > forwardSteps, timeNow(), current() !== null, selected.root, selected.entry,
    selected.window, row.length, boxes].join();
}

/** An arrow with a head of its own, as large as the line is thick. */
function arrow([x, y], [x2, y2], name, size) {
  const long = Math.hypot(x2 - x, y2 - y), dx = (x2 - x) / long, dy = (y2 - y) / long;
  const head = 5 + 1.6 * size, half = head * 0.55, bx = x2 - dx * head, by = y2 - dy * head;
  const tip = [[x2, y2], [bx - dy * half, by + dx * half], [bx + dy * half, by - dx * half]];
  return [drawn("line", { class: "link " + name, x1: x, y1: y, x2: bx, y2: by, "stroke-width": size }),
    drawn("path", { class: "head " + name, d: "M" + tip.map((point) => point.join(" ")).join("L") + "Z" })];
}
const plainArrow = (from, to) => arrow(from, to, "", 1.2);
/** Back in time, thicker the more of the gradient is left. */
const litArrow = (from, to, level) => arrow(from, to, "lit", 1.6 + Math.max(0, level) * 0.5);

/** A rounded box around a point. */
const boxed = (name, x, y, width, height, rx) => drawn("rect", { class: name, x: x - width / 2, y: y - height / 2, width, height, rx });

/** The link between two neighbours in the row, lit where the chain takes it, and its factor. */
function linkParts(place, before, now, chain) {
  const { x, pitch, end, gap } = place, y = ROWS.state;
  const right = [x - (now.fold ? 14 : end), y], left = [x - pitch + (before.fold ? 14 : end), y];
  const to = chain.get(before.t), from = chain.get(now.t);
  const taken = now.fold ? to && chain.has(before.t + 1) : before.fold ? from && chain.has(now.t - 1) : to && from;
  if (!taken) return plainArrow(left, right);
  const parts = litArrow(right, left, (to || from).level);
  if (!now.fold && !before.fold && to.factor) {
    parts.push(drawn("text", { class: "factor", x: x - pitch / 2, y: gap > 46 ? y - 8 : y - 29 }, "×" + to.factor));
  }
  return parts;
}

/** What a fold hides: as many factors as links, one more than states, and their product where the chain takes them. */
function foldParts(x, fold, before, chain) {
  const hidden = Array.from({ length: fold + 1 }, (_, i) => chain.get(before + i));
  const taken = chain.has(before + fold + 1) && hidden.every((link) => link && link.times !== null);
  const small = (dy, text) => drawn("text", { class: "small", x, y: ROWS.state + dy }, text), factors = fold + 1 + " factors";
  if (!taken) return [small(22, factors)];
  return [drawn("text", { class: "factor", x, y: ROWS.state - 14 }, "×" + shown(hidden.reduce((product, { times }) => product * times, 1))), small(22, factors)];
}

/** What has a text of about this width keep within its box. */
const squeezed = (width, box) => (width > box - 6 ? { textLength: box - 7, lengthAdjust: "spacingAndGlyphs" } : {});
const nameWidth = (name) => typeset(name).reduce((sum, [piece, set]) => sum + piece.length * (set ? 6.6 : 9.2), 0);

/** The state at a time step: its name, and what is left on the chain or what the walk has brought it. */
function stateParts({ x, wide }, t, link, chain) {
  const level = link ? link.level : chain.size ? -1 : stateLevel(t), said = link ? link.product : chain.size ? "" : boxSays(t);
  const name = link ? page.values[link.value][NAME] : stateNames.map((one) => one + "_" + t).join(" ");
  const group = drawn("g", { class: "box" + (t === timeNow() ? (current() ? " to" : " at") : "") + (isThrown(t) ? " thrown" : ""), "data-t": t });
  group.append(boxed("state" + (level >= 0 ? " l" + level : "") + (link ? " lit" : ""), x, ROWS.state, wide, 46, 9),
    drawn("text", { class: "of-state", x, y: ROWS.state + (said ? -3 : 5), ...squeezed(nameWidth(name), wide) }, name));
  if (said) {
    group.append(drawn("text", { class: "number", x, y: ROWS.state + 14, ...squeezed(said.length * 6.4, wide) }, said));
  }
  return [group];
}

function inputParts({ x, pitch }, t) {
  const called = page.names[t - 1 - page.first], most = Math.floor(pitch / 8), parts = plainArrow([x, ROWS.input - 14], [x, ROWS.state + 25]);
  parts.push(boxed("input", x, ROWS.input - 1, 34, 24, 7), drawn("text", { x, y: ROWS.input + 3 }, "x_" + t));
  if (called) parts.push(drawn("text", { class: "small", x, y: ROWS.name }, called.length > most ? called.slice(0, most - 1) + "…" : called));
  return parts;
}

function lossParts({ x }, t, link) {
  const root = rootAt.get(t), lit = atTheEnd() && root === selected.root && link;
  const name = chains.roots.length > 1 ? "L_" + t : page.root.length > 4 ? "L" : page.root;
  const group = drawn("g", { class: "box", "data-root": root });
  group.append(boxed("loss" + (lit ? " lit" : ""), x, ROWS.loss, 34, 24, 12), drawn("text", { x, y: ROWS.loss + 4 }, name));
  return [...(lit ? litArrow([x, ROWS.loss + 13], [x, ROWS.state - 25], link.level) : plainArrow([x, ROWS.state - 25], [x, ROWS.loss + 13])), group];
}

const plotOutline = whenChanged(outlineShows, (row) => {
  const width = widthOf(outline) || 320, pitch = Math.min(150, width / row.length), left = (width - pitch * row.length) / 2;
  const wide = Math.min(80, pitch * (pitch < 75 ? 0.74 : 0.68)), size = { pitch, wide, gap: pitch - wide, end: wide / 2 + 2 };
  const chain = atTheEnd() ? chainByStep() : new Map();
  outline.replaceChildren(...row.flatMap(({ t, fold }, i) => {
    const place = { x: left + (i + 0.5) * pitch, ...size }, link = chain.get(t);
    const parts = i ? linkParts(place, row[i - 1], row[i], chain) : [];
    if (fold) {
      return [...parts, drawn("text", { class: "fold", x: place.x, y: ROWS.state + 5 }, "⋯"),
        ...foldParts(place.x, fold, row[i - 1].t, chain)];
    }
    return [...parts, ...stateParts(place, t, link, chain), ...(t > firstStep ? inputParts(place, t) : []), ...(rootAt.has(t) ? lossParts(place, t, link) : [])];
  }));
  sayOutline(chain.size);
});

function sayOutline(lit) {
  const L = page.root, several = entriesAt(firstStep).length > 1;
  write(byId("outline-says"), lit
    ? "Lit: what " + (chains.roots.length > 1 ? page.values[chains.roots[selected.root].root][NAME] : L)
      + " sends back" + (several ? ", along the strongest path" : "") + ". On each link the factor of one step; in each box the product so far. Click a state to end the chain there"
      + (chains.roots.length > 1 ? ", a loss to begin it there." : ".")
    : atTheEnd() ? "In each box ∂" + L + "/∂h_t. Click a state to light the chain back to it."
    : selected.position <= forwardSteps ? "Forward: in each box the state h_t, once it is computed."
    : "Backward: in each box ∂" + L + "/∂h_t so far.");
}

const outlineSoon = oncePerFrame(() => plotOutline(rowShown(Math.max(5, Math.floor((widthOf(outline) || 320) / LEAST_PITCH)))));
outline.addEventListener("click", (event) => {
  const box = event.target.closest("[data-t], [data-root]");
  if (!box) return;
  if (box.dataset.root !== undefined) return void chooseChain(Number(box.dataset.root), selected.entry === null ? 0 : selected.entry);
  const t = Number(box.dataset.t), place = selected.entry === null ? 0 : entriesAt(entryTimes[selected.entry]).indexOf(selected.entry);
  const entry = entriesAt(t)[place];
  chooseChain(selected.root, entry);
  reveal(t, chains.entries[entry][0]);
});

/** What the page is about, in one sentence that ends with what the engine measured. */
function sayLead() {
  const words = { vanishing: "it vanishes", exploding: "it explodes", flat: "it stays", "not a number": "it is not a number" };
  const lead = byId("lead"), { mine, lags: steps, of } = page.decay;
  lead.append("The loss sees an early state only through all the later ones. So on its way back in time its gradient is multiplied by one factor per step, ");
  const factor = write(element("b", { class: "whole" }), page.factor || "∂h_t/∂h");
  if (!page.factor) factor.append(element("sub", {}, "t−1"));
  lead.append(factor, ". " + (steps < of ? "The last " + steps + " of " + of : "Here " + steps) + (steps === 1 && of === 1 ? " step leaves " : " steps leave "));
  mine.forEach(({ state, kept, fate, words: inWords }, i) => {
    if (i) lead.append("; along the cell state " + state + ", ");
    lead.append(element("b", {}, kept), (i ? "" : " of it") + ": ", element("strong", { class: fate }, words[inWords] || "it " + inWords));
  });
  lead.append(".");
}

function setUpOutline() {
  sayLead();
  new ResizeObserver(outlineSoon).observe(byId("outline"));
  redrawers.push(outlineSoon);
}
views.push(outlineSoon);
