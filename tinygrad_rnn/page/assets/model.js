// What the reader has chosen, and everything that follows from it: one object in, one object out.
"use strict";

const page = JSON.parse(byId("data").textContent);
for (const cell of page.cells) {
  cell.trained = spread(cell.trained);
  for (const group of cell.groups) group.places = spread(group.places);
}
page.x = page.x.rows || page.x.hot.map((i) => Array.from({ length: page.x.size }, (_, j) => (i === j ? 1 : 0)));

// What turns the direction of writing for all that follows is not written.
const TURNS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, plainly = (text) => text.replace(TURNS, "\ufffd");
for (const { facts: each } of PROGRAMS) {
  each.nodes = each.nodes.map(([name, formula]) => [plainly(name || formula), plainly(formula)]);
  each.parameters = each.parameters.map(plainly);
}

/** The settings of the page as it was built; losses: that before each update of the training. Lists in it are never changed in place: a new setting is a new list. */
const built = {
  cell: 0, nonlinearity: page.cells[0].nonlinearity, p: page.cells.map((cell) => cell.p), h0: page.cells.map((cell) => cell.h0),
  x: page.x, target: page.target, T: page.x.length, at: page.at, k1: null, k2: null, cuts: [], lr: 0.1, clip: null, losses: [],
  step: null, t: null, node: null, detail: 0, speed: 1,
};
let chosen = { ...built };

/** Settings that change what is seen of the numbers, and no number: step, where the film stands; t, the time step in view, null where
 *  that is the film's; node, which of the nodes or of the applications of the chain rule in it, counted from 1, null for the whole;
 *  detail, the level of the graph of a time step. They are not undone, except with what they were changed with. */
const LOOKS = ["step", "t", "node", "detail", "speed"], onlyLooks = (names) => [...names].every((name) => LOOKS.includes(name));

const cellNow = () => page.cells[chosen.cell];
const programNow = () => PROGRAMS[cellNow().programs[chosen.nonlinearity]];
const numbersNow = () => chosen.p[chosen.cell];
const stateNow = () => chosen.h0[chosen.cell];
/** A list with another entry at one place. */
const replaced = (list, place, entry) => list.map((each, i) => (i === place ? entry : each));

/** What follows from the settings.
 *  computation: with numbers and gradients; kept: what is left of the gradient of the last loss, by lag; law: the law beside
 *  it, or null; chain: the norm of the product of its Jacobians, once it was asked for; error: where there is no real value, or
 *  null; begun: whether it ever was null, so that there is something to see. */
const result = { computation: null, kept: [], law: null, factors: null, end: null, chain: null, error: null, begun: false, version: 0 };

function compute() {
  const program = programNow(), given = { p: numbersNow(), h0: stateNow(), x: chosen.x, target: chosen.target };
  if (!result.computation || result.computation.program !== program) result.computation = new Computation(program, given);
  const { computation } = result;
  computation.p.set(given.p);
  computation.h0.set(given.h0);
  Object.assign(computation, { x: chosen.x, target: chosen.target, T: chosen.T, at: chosen.at, mean: page.mean });
  Object.assign(computation, { k1: chosen.k1, k2: chosen.k2, cuts: new Set(chosen.cuts), within: false });
  Object.assign(result, { error: null, law: null, factors: null, end: null, chain: null, kept: [], version: result.version + 1 });
  try {
    computation.forward();
    computation.backward();
    result.begun = true;
    if (!computation.losses.length) return;
    result.kept = kept(computation);
    result.law = findLaw();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    result.error = error;
  }
}

// ---- changing it ---------------------------------------------------------------------------------------------------

const views = [];  // called with the names of what has changed
const past = [];  // of each change, what it changed as it was before
let gesture = null;

const refresh = oncePerFrame(() => {
  const changed = waiting;
  waiting = new Set();
  if (!onlyLooks(changed)) compute();
  for (const view of views) view(changed);
});
let waiting = new Set();

/** Change settings. Changes of one gesture, a drag or a run of the training say, are undone together. */
function change(changes, ofGesture = null) {
  const names = Object.keys(changes).filter((name) => chosen[name] !== changes[name]);
  if (!names.length) return;
  if (!onlyLooks(names)) {
    if (ofGesture === null || ofGesture !== gesture) past.push({});
    if (past.length > 500) past.shift();
    past.push({ ...Object.fromEntries(names.map((name) => [name, chosen[name]])), ...past.pop() });
    gesture = ofGesture;
  }
  chosen = { ...chosen, ...changes };
  for (const name of names) waiting.add(name);
  refresh();
}

const endGesture = () => { gesture = null; };
for (const name of ["pointerup", "keyup"]) addEventListener(name, () => { if (gesture !== "training") endGesture(); });

/** Go back to earlier settings; those that are not given stay as they are, as far as there are so many time steps. Each cell has
 *  levels of detail of its own. */
function restore(settings) {
  const { T, t } = { ...chosen, ...settings }, detail = "cell" in settings ? 0 : chosen.detail;
  chosen = { ...chosen, step: stepAmong(T), detail, ...settings, t: t > T ? null : t };
  for (const name of [...Object.keys(settings), "restored"]) waiting.add(name);
  endGesture();
  refresh();
}
const undo = () => { if (past.length) { restore(past.pop()); say("undone"); } };
const reset = () => { if (chosen !== built) { past.push(chosen); restore(built); say("as it was built"); } };

/** Set the parameter at a place. */
function setParameter(place, number, ofGesture) {
  change({ p: replaced(chosen.p, chosen.cell, replaced(numbersNow(), place, number)) }, ofGesture);
}

/** Where the film can stand: each of T time steps forward, then back again. At null all is done. */
const lastPosition = ({ T }) => 2 * T + 1;

/** Where the film stands among T time steps: forward or back at the same time step, or at the last one. */
function stepAmong(T) {
  const { step } = chosen;
  if (step === null || step <= chosen.T) return step && Math.min(step, T);
  return lastPosition({ T }) - Math.min(lastPosition(chosen) - step, T);
}

// ---- the link: what differs from the page as it was built ------------------------------------------------------------------

const PLAIN = ["nonlinearity", "T", "at", "k1", "k2", "step", "t", "node", "detail", "speed", "lr", "clip"];
const SPEEDS = [...byId("speed").options].map(({ value }) => value);

/** What the parameters of each cell are called: w, or W[0,1]. */
const NAMES = page.cells.map(({ p, groups }) => {
  const names = p.map((_, i) => "parameter " + i);
  for (const { name, shape, places } of groups) {
    places.forEach((place, i) => { names[place] = name + (shape.length === 2 ? "[" + Math.floor(i / shape[1]) + "," + (i % shape[1]) + "]" : shape.length ? "[" + i + "]" : ""); });
  }
  return names;
});
const parameterName = (place) => NAMES[chosen.cell][place];

/** The settings as the end of a link. */
function asLink() {
  const parts = [];
  const put = (key, value) => parts.push(encodeURIComponent(key) + "=" + encodeURIComponent(value));
  if (chosen.cell !== built.cell) put("cell", cellNow().name);
  for (const name of PLAIN) {
    const usual = name === "nonlinearity" ? cellNow().nonlinearity : built[name];
    if (chosen[name] !== usual) put(name, chosen[name] === null ? "" : name === "t" ? called(chosen.t) : chosen[name]);
  }
  if (chosen.cuts.length) put("cut", chosen.cuts.join(","));
  const putCell = (cell, front) => {
    for (const i of page.cells[cell].groups.flatMap(({ places }) => places)) if (chosen.p[cell][i] !== built.p[cell][i]) put(front + NAMES[cell][i], chosen.p[cell][i]);
    chosen.h0[cell].forEach((x, i) => { if (x !== built.h0[cell][i]) put(front + "h0[" + i + "]", x); });
  };
  putCell(chosen.cell, "");
  for (const [key, list, usual] of [["x", chosen.x, built.x], ["target", chosen.target, built.target]]) {
    list.forEach((row, t) => row !== usual[t] && row.forEach((x, i) => { if (x !== usual[t][i]) put(key + "_" + (t + page.first) + "[" + i + "]", x); }));
  }
  page.cells.forEach((_, cell) => { if (cell !== chosen.cell) putCell(cell, "cell" + (cell + 1) + "."); });
  return parts.length ? "#" + parts.join("&") : "#";
}

/** What of a link could not be taken, in words. */
let misread = [];

/** Take the settings from the end of a link. What it does not say is as built, and also what it says wrongly: see `misread`. */
function fromLink(link) {
  const found = { ...built, p: built.p.slice(), h0: built.h0.slice(), x: built.x.slice(), target: built.target.slice() }, words = new Map();
  misread = [];
  for (const part of link.replace(/^#/, "").split("&").filter(Boolean)) {
    try {
      const [key, text = ""] = part.split("=").map((piece) => decodeURIComponent(piece));
      words.set(key, text);
    } catch { misread.push("“" + part + "” cannot be read"); }
  }
  const wrong = (key, text, must) => { misread.push(key + " = “" + text + "” must be " + must); return null; };
  const among = (choices) => (key, text) => (choices.includes(text) ? text : wrong(key, text, choices.join("") ? "one of " + choices.join(", ") : "left out: this cell has none"));
  const number = (least) => (key, text) => {
    const x = Number(text);
    return text.trim() !== "" && Number.isFinite(x) && x >= least ? x : wrong(key, text, least === 0 ? "a number that is not negative" : "a number");
  };
  const whole = (least, most) => (key, text) => {
    const n = Number(text);
    return text.trim() !== "" && Number.isInteger(n) && n >= least && n <= most ? n : wrong(key, text, least === most ? String(least) : "a whole number from " + least + (most === Infinity ? " on" : " to " + most));
  };
  /** Take what the link says of a setting, unless it cannot be read. */
  const take = (key, read, usual) => {
    if (!words.has(key)) return usual;
    const text = words.get(key);
    words.delete(key);
    return (text === "" && usual === null ? null : read(key, text)) ?? usual;
  };
  const names = page.cells.map(({ name }) => name), cell = names.indexOf(take("cell", among(names), names[0])), { programs, nonlinearity } = page.cells[cell];
  Object.assign(found, { cell, nonlinearity: take("nonlinearity", among(Object.keys(programs)), nonlinearity) });
  found.at = take("at", among(["last", "every"]), built.at);
  const T = found.T = take("T", whole(1, built.T), built.T), k1 = take("k1", whole(1, built.T), null), k2 = take("k2", whole(1, built.T), null);
  Object.assign(found, { k1: k1 === null || k2 < k1 ? k2 ?? k1 : k1, k2: k2 ?? k1, lr: take("lr", number(0), built.lr), clip: take("clip", number(0), null) });
  found.step = take("step", whole(0, lastPosition(found)), null);
  found.t = take("t", (key, text) => { const name = whole(called(0), called(T))(key, text); return name === null ? null : name - called(0); }, null);
  const program = programs[found.nonlinearity], detail = take("detail", whole(0, page.graphs[page.graph_of[program]].length - 1), 0);
  Object.assign(found, { detail, node: take("node", whole(1, Infinity), null), speed: Number(take("speed", among(SPEEDS), "1")) });
  found.cuts = take("cut", (key, text) => text.split(",").filter(Boolean).map((each) => whole(0, T - 1)(key, each)).filter((t) => t !== null), []);
  const places = NAMES.map((names_) => new Map(names_.map((name, i) => [name, i]))), { symbols, x: size } = PROGRAMS[program].facts;
  for (const [key, text] of words) {
    const [, number_, name] = /^(?:cell(\d+)\.)?(.*)$/s.exec(key), of = number_ === undefined ? cell : number_ - 1;
    const entry = /^(x|target)_(\d+)(?:\[(\d+)\])?$/.exec(key), state = /^h0(?:\[(\d+)\])?$/.exec(name), single = !key.endsWith("]");
    const [list, at_, place] = places[of]?.has(name) ? [found.p, of, places[of].get(name)] : state ? [found.h0, of, Number(state[1] ?? 0)]
      : entry ? [found[entry[1]], Number(entry[2]) - page.first, Number(entry[3] ?? 0)] : [[], 0, 0];
    const isThere = list[at_] && place < list[at_].length, isSeveral = isThere && single && (state || entry) && list[at_].length > 1;
    if (!isThere || isSeveral) {
      misread.push(isSeveral ? "“" + key + "” is several numbers, such as " + key + "[0]" : "there is no “" + key + "”");
      continue;
    }
    const symbol = entry && symbols[entry[1] === "x" ? place : size + place];  // a whole number below this
    const given = (symbol ? whole(0, symbol - 1) : number(-Infinity))(key, text);
    if (given !== null) list[at_] = replaced(list[at_], place, given);
  }
  return found;
}

const MOST_SAID = 3;  // of what could not be taken; until something else is set
views.push((changed) => {
  const said = byId("link-says"), more = misread.length - MOST_SAID;
  if (!changed.has("link") && !(changed.size === 1 && changed.has("size"))) misread = [];
  said.hidden = !misread.length;
  if (misread.length) said.textContent = "The link could not be taken as it is: " + misread.slice(0, MOST_SAID).map((each) => clipped(each, 160)).join("; ") + (more > 0 ? "; and " + more + " more" : "") + ". The rest is as it says.";
});

let linked = "#";
const putLink = () => {
  linked = asLink();
  try { history.replaceState(null, "", linked); } catch { /* a frame without rights has no address */ }
};
let linkTimer = 0;
views.push(() => { clearTimeout(linkTimer); linkTimer = setTimeout(putLink, 250); });
addEventListener("hashchange", () => {
  if (location.hash === linked || (location.hash === "" && linked === "#")) return;
  follow(location.hash);
});
/** Go to the settings of a link. */
function follow(link) {
  const found = fromLink(link), names = Object.keys(found).filter((name) => name !== "losses" && JSON.stringify(found[name]) !== JSON.stringify(chosen[name]));
  if (onlyLooks(names)) found.losses = chosen.losses;
  else {
    past.push(chosen);
    waiting.add("restored");
  }
  chosen = found;
  for (const name of [...names, "link"]) waiting.add(name);
  refresh();
}
