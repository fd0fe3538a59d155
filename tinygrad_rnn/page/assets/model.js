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

/** The settings of the page as it was built. Lists in it are never changed in place: a new setting is a new list. */
const built = {
  cell: 0, nonlinearity: page.cells[0].nonlinearity, p: page.cells.map((cell) => cell.p), h0: page.cells.map((cell) => cell.h0),
  x: page.x, target: page.target, T: page.x.length, at: page.at, k1: null, k2: null, cuts: [], step: null, lr: 0.1, clip: null,
};
let chosen = { ...built };

const cellNow = () => page.cells[chosen.cell];
const programNow = () => PROGRAMS[cellNow().programs[chosen.nonlinearity]];
const numbersNow = () => chosen.p[chosen.cell];
const stateNow = () => chosen.h0[chosen.cell];
/** A list with another entry at one place. */
const replaced = (list, place, entry) => list.map((each, i) => (i === place ? entry : each));

/** What follows from the settings.
 *  computation: with numbers and gradients; kept: what is left of the gradient of the last loss, by lag; law: the law beside
 *  it, or null; chain: the norm of the product of its Jacobians, once it was asked for; error: where there is no real value, or
 *  null. */
const result = { computation: null, kept: [], law: null, factors: null, end: null, chain: null, error: null, version: 0 };

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
const past = [];
let gesture = null;

const refresh = oncePerFrame(() => {
  const changed = waiting;
  waiting = new Set();
  if ([...changed].some((name) => name !== "step")) compute();
  for (const view of views) view(changed);
});
let waiting = new Set();

/** Change settings. Changes of one gesture, a drag or a run of the training say, are undone together. */
function change(changes, ofGesture = null) {
  const names = Object.keys(changes).filter((name) => chosen[name] !== changes[name]);
  if (!names.length) return;
  if (names.some((name) => name !== "step")) {
    if (ofGesture === null || ofGesture !== gesture) past.push(chosen);
    if (past.length > 500) past.shift();
    gesture = ofGesture;
  }
  chosen = { ...chosen, ...changes };
  for (const name of names) waiting.add(name);
  refresh();
}

const endGesture = () => { gesture = null; };
for (const name of ["pointerup", "keyup"]) addEventListener(name, () => { if (gesture !== "training") endGesture(); });

/** Go back to earlier settings, whatever step is in view, or to one that is given. */
function restore(settings, step = chosen.step) {
  const names = Object.keys(settings).filter((name) => chosen[name] !== settings[name]);
  chosen = { ...settings, step: step === null ? null : Math.min(step, lastPosition({ T: settings.T })) };
  for (const name of names) waiting.add(name);
  waiting.add("restored");
  endGesture();
  refresh();
}
const undo = () => { if (past.length) { restore(past.pop()); say("undone"); } };
const reset = () => { if (chosen !== built) { past.push(chosen); restore(built, built.step); say("as it was built"); } };

/** Set the parameter at a place. */
function setParameter(place, number, ofGesture) {
  change({ p: replaced(chosen.p, chosen.cell, replaced(numbersNow(), place, number)) }, ofGesture);
}

/** Where the film can stand: each of T time steps forward, then back again. At null all is done. */
const lastPosition = ({ T }) => 2 * T + 1;

// ---- the link: what differs from the page as it was built ------------------------------------------------------------------

const PLAIN = ["nonlinearity", "T", "at", "k1", "k2", "step", "lr", "clip"];

/** The settings as the end of a link. */
function asLink() {
  const parts = [];
  const put = (key, value) => parts.push(encodeURIComponent(key) + "=" + encodeURIComponent(value));
  if (chosen.cell !== built.cell) put("cell", cellNow().name);
  for (const name of PLAIN) {
    const usual = name === "nonlinearity" ? cellNow().nonlinearity : built[name];
    if (chosen[name] !== usual) put(name, chosen[name] === null ? "" : chosen[name]);
  }
  if (chosen.cuts.length) put("cut", chosen.cuts.join(","));
  numbersNow().forEach((x, i) => { if (x !== built.p[chosen.cell][i]) put(parameterName(i), x); });
  stateNow().forEach((x, i) => { if (x !== built.h0[chosen.cell][i]) put("h0[" + i + "]", x); });
  for (const [key, list, usual] of [["x", chosen.x, built.x], ["target", chosen.target, built.target]]) {
    list.forEach((row, t) => row !== usual[t] && row.forEach((x, i) => { if (x !== usual[t][i]) put(key + "_" + (t + page.first) + "[" + i + "]", x); }));
  }
  return parts.length ? "#" + parts.join("&") : "#";
}

/** What a parameter is called: w, or W[0,1]. */
function parameterName(place) {
  for (const { name, shape, places } of cellNow().groups) {
    const i = places.indexOf(place);
    if (i >= 0) return shape.length === 2 ? name + "[" + Math.floor(i / shape[1]) + "," + (i % shape[1]) + "]" : shape.length ? name + "[" + i + "]" : name;
  }
  return "parameter " + place;
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
    return text.trim() !== "" && Number.isInteger(n) && n >= least && n <= most ? n : wrong(key, text, least === most ? String(least) : "a whole number from " + least + " to " + most);
  };
  /** Take what the link says of a setting, unless it cannot be read. */
  const take = (key, read, usual) => {
    if (!words.has(key)) return usual;
    const text = words.get(key);
    words.delete(key);
    return (text === "" && usual === null ? null : read(key, text)) ?? usual;
  };
  const names = page.cells.map(({ name }) => name), cell = names.indexOf(take("cell", among(names), names[0])), { programs, nonlinearity, p } = page.cells[cell];
  Object.assign(found, { cell, nonlinearity: take("nonlinearity", among(Object.keys(programs)), nonlinearity) });
  found.at = take("at", among(["last", "every"]), built.at);
  const T = found.T = take("T", whole(1, built.T), built.T), k1 = take("k1", whole(1, built.T), null), k2 = take("k2", whole(1, built.T), null);
  Object.assign(found, { k1: k1 === null || k2 < k1 ? k2 ?? k1 : k1, k2: k2 ?? k1, lr: take("lr", number(0), built.lr), clip: take("clip", number(0), null) });
  found.step = take("step", whole(0, lastPosition(found)), null);
  found.cuts = take("cut", (key, text) => text.split(",").filter(Boolean).map((each) => whole(0, T - 1)(key, each)).filter((t) => t !== null), []);
  chosen = { ...chosen, cell };  // what the parameters are called
  const places = new Map(p.map((_, i) => [parameterName(i), i])), { symbols, x: size } = PROGRAMS[programs[found.nonlinearity]].facts;
  for (const [key, text] of words) {
    const entry = /^(x|target)_(\d+)(?:\[(\d+)\])?$/.exec(key), state = /^h0(?:\[(\d+)\])?$/.exec(key), single = !key.endsWith("]");
    const [list, at_, place] = places.has(key) ? [found.p, cell, places.get(key)] : state ? [found.h0, cell, Number(state[1] ?? 0)]
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
  past.push(chosen);
  chosen = fromLink(link);
  waiting.add("restored").add("p").add("link");
  refresh();
}
