// What can be set: sliders with a number beside them, choices, and the entries of a matrix.
"use strict";

/** A slider and a number field for the same setting.
 *  get, set: read it, and set it with the name of the gesture; least, most: where the slider ends, unless the number lies beyond. */
function slider(place, { id, words, get, set, least, most, step = 0.01, whole = false }, list = shows) {
  const box = element("div", { class: "setting" }), name = element("label", { for: id + "-number" });
  const range = element("input", { type: "range", id, min: least, max: most, step, "aria-label": id });
  const field = element("input", { type: "number", id: id + "-number", step: "any" });
  box.append(name, range, field);
  place.append(box);
  const take = (text, gestureName) => {
    const x = Number(text);
    if (text === "" || !Number.isFinite(x) || (whole && !Number.isInteger(x))) return show();
    set(whole ? Math.min(most, Math.max(least, x)) : x, gestureName);
    return undefined;
  };
  field.addEventListener("focus", () => {
    const x = get();
    if (x === null) return;
    field.value = typed(x);
    box.classList.toggle("long", field.value.length > MOST_SIGNS);
    field.select();  // as Tab does: another value has put the caret at its end, and what is typed would be appended
  });
  field.addEventListener("blur", () => { box.classList.remove("long"); show(); });
  range.addEventListener("input", () => take(range.value, id));
  field.addEventListener("change", () => take(field.value, null));
  function show() {
    const x = get(), label = typeof words === "function" ? words() : words;
    if (name.dataset.words !== label) { write(name, label); name.dataset.words = label; range.setAttribute("aria-label", spoken(label)); }
    const hidden = x === null;
    if (box.hidden !== hidden) box.hidden = hidden;
    if (hidden) return;
    if (!whole && !gesture?.startsWith(id)) put(range, { min: x < least ? -reachFor([x]) : least, max: x > most ? reachFor([x]) : most });  // it does not stretch under the pointer
    if (range.value !== String(x)) range.value = x;
    const short = inShort(x);
    if (document.activeElement !== field && field.value !== short) field.value = short;
    const said = label + " = " + shown(x, 4);
    if (range.getAttribute("aria-valuetext") !== spoken(said)) range.setAttribute("aria-valuetext", spoken(said));
  }
  list.push(show);
}
/** A number to read in a field: all its digits, or as many as there is room for. */
const MOST_SIGNS = 10;
function inShort(x) {
  let text = typed(x);
  for (let digits = 8; text.length > MOST_SIGNS && digits; digits--) {
    text = typed(Number(x.toPrecision(digits)));
    if (text.length > MOST_SIGNS) text = x.toExponential(digits - 1);
  }
  return text;
}
/** Called to bring the controls to what is chosen; those of a cell's weights are made anew for each cell. */
const shows = [], weightShows = [];

/** How far a slider for any of these numbers goes. */
const reachFor = (numbers, least = 2) => numbers.reduce((most, x) => Math.max(most, Math.ceil(1.5 * Math.abs(x))), least);

/** A choice among words. */
function choice(id, get, set) {
  const pick = byId(id);
  pick.addEventListener("change", () => set(pick.value));
  shows.push(() => { const value = String(get()); if (pick.value !== value) pick.value = value; });
  return pick;
}

// ---- the cell ------------------------------------------------------------------------------------------------------

const weights = byId("weights"), groupPick = byId("group"), entryGrid = byId("entries");
let entry = null;  // the place of the parameter that the slider sets
let weightsOf = null;

/** Build the sliders for the parameters: one for each number, or for one entry that is chosen. */
function buildWeights() {
  const { groups } = cellNow();
  weightsOf = chosen.cell;
  weights.replaceChildren();
  weightShows.length = 0;
  const single = groups.filter(({ shape }) => !shape.length);
  for (const { name, places: [place] } of single) {
    const reach = reachFor([built.p[chosen.cell][place]]);
    slider(weights, { id: "parameter" + place, words: name, get: () => numbersNow()[place], set: (x, g) => setParameter(place, x, g), least: -reach, most: reach }, weightShows);
  }
  const several = groups.filter(({ shape }) => shape.length);
  byId("entry-field").hidden = !several.length;
  if (several.length) {
    groupPick.replaceChildren(...several.map(({ name }) => element("option", { value: name }, inCharacters(name))));
    entry = several[0].places[0];
    const reach = reachFor(built.p[chosen.cell], 3);
    slider(weights, { id: "entry", words: () => parameterName(entry), get: () => numbersNow()[entry], set: (x, g) => setParameter(entry, x, g), least: -reach, most: reach }, weightShows);
    drawEntries();
  }
  const { recurrent, forget } = cellNow();
  if (recurrent.length && !single.some(({ places }) => places[0] === recurrent[0][0][0])) {
    normSlider(weights, "norm", weightShows);
  }
  if (forget.length) {
    const mean = () => forget.reduce((sum, place) => sum + numbersNow()[place], 0) / forget.length;
    slider(weights, { id: "forget", words: "b_f, all", get: () => round(mean()), set: (x, g) => change({ p: replaced(chosen.p, chosen.cell, numbersNow().map((each, i) => (forget.includes(i) ? x : each))) }, g), least: -4, most: 6, step: 0.05 }, weightShows);
  }
}
/** A slider for ‖W‖ as a whole. */
function normSlider(place, id, list) {
  const recurrent = () => cellNow().recurrent;
  slider(place, {
    id, words: () => (recurrent().length > 1 ? "max ‖W‖" : "‖W‖"), get: () => (recurrent().length ? round(normOfWeights(numbersNow(), recurrent())) : null),
    set: (x, g) => change({ p: replaced(chosen.p, chosen.cell, withNormNow(Math.max(0, x))) }, g), least: 0, most: 3,
  }, list);
}

/** The parameters with another ‖W‖. On the way through 0 the matrices keep the direction that they had last, or as built. */
function withNormNow(norm) {
  const { recurrent } = cellNow(), p = numbersNow().slice(), places = recurrent.flat(2), known = lastDirection && lastDirection.cell === chosen.cell ? lastDirection.p : built.p[chosen.cell];
  if (normOfWeights(p, recurrent) > LEAST_NORM) lastDirection = { cell: chosen.cell, p };
  else for (const place of places) p[place] = known[place];
  return Array.from(withNorm(p, recurrent, norm));
}
const LEAST_NORM = 1e-280;  // below it digits are lost
let lastDirection = null;
const round = (x) => (Number.isFinite(x) ? Number(x.toPrecision(6)) : x);

/** The entries of the chosen matrix as a grid of buttons, shaded by their sign and size. */
function drawEntries() {
  const group = cellNow().groups.find(({ name }) => name === groupPick.value), { shape, places } = group, columns = shape.length === 2 ? shape[1] : shape[0];
  const most = places.reduce((a, place) => Math.max(a, Math.abs(numbersNow()[place])), 1e-300), many = places.length > 256;
  entryGrid.style.gridTemplateColumns = "repeat(" + columns + ", minmax(0, 1fr))";
  entryGrid.hidden = many;
  byId("entry-index-field").hidden = !many;
  if (many) {
    byId("entry-index").max = places.length - 1;
    return;
  }
  if (entryGrid.children.length !== places.length || entryGrid.dataset.group !== group.name + chosen.cell) {
    entryGrid.dataset.group = group.name + chosen.cell;
    entryGrid.replaceChildren(...places.map((place) => {
      const cell = element("button", { type: "button", "data-place": place });
      cell.addEventListener("click", () => chooseEntry(place));
      return cell;
    }));
  }
  places.forEach((place, i) => {
    const cell = entryGrid.children[i], x = numbersNow()[place], isIt = place === entry;
    cell.style.setProperty("--size", Math.round(100 * Math.min(1, Math.abs(x) / most)) + "%");
    cell.className = (x < 0 ? "negative" : "positive") + (isIt ? " chosen" : "");
    cell.setAttribute("aria-pressed", String(isIt));
    cell.tabIndex = isIt || (i === 0 && !places.includes(entry)) ? 0 : -1;
    cell.setAttribute("aria-label", spoken(parameterName(place)) + " = " + shown(x));
    cell.title = parameterName(place) + " = " + shown(x);
  });
}

function chooseEntry(place) {
  entry = place;
  showControls();
}
groupPick.addEventListener("change", () => { chooseEntry(cellNow().groups.find(({ name }) => name === groupPick.value).places[0]); chooseGroup(groupPick.value); });
byId("entry-index").addEventListener("input", (event) => {
  const { places } = cellNow().groups.find(({ name }) => name === groupPick.value);
  chooseEntry(places[Math.min(places.length - 1, Math.max(0, Math.round(Number(event.target.value)) || 0))]);
});
entryGrid.addEventListener("keydown", (event) => {
  const cells = [...entryGrid.children], i = cells.indexOf(document.activeElement), columns = getComputedStyle(entryGrid).gridTemplateColumns.split(" ").length;
  const to = { ArrowRight: i + 1, ArrowLeft: i - 1, ArrowDown: i + columns, ArrowUp: i - columns, Home: 0, End: cells.length - 1 }[event.key];
  if (to === undefined || i < 0) return;
  event.preventDefault();
  event.stopPropagation();
  if (!cells[to]) return;
  chooseEntry(Number(cells[to].dataset.place));
  cells[to].focus();
});

// What is computed once, outside time: those with a name of their own, or all.
const outsideList = byId("outside"), MOST_OUTSIDE = 12;
shows.push(() => {
  const { outside, parameters } = facts(), { p, sequence } = result.computation, first = parameters.length - outside.length;
  outsideList.hidden = !outside.length;
  if (outsideList.hidden) return;
  const all = outside.map((formula, i) => ({ formula, name: parameters[first + i], place: first + i }));
  const named = all.filter(({ name, formula }) => name !== formula), listed = named.length ? named : all;
  const lines = listed.slice(0, MOST_OUTSIDE).map(({ name, formula, place }) => name + " = " + (formula && name !== formula ? formula + " = " : "") + shown(p[place])
    + (result.error ? "" : "; gradient " + shown(sequence.p_grad[place])));
  if (listed.length > MOST_OUTSIDE) lines.push("and " + (listed.length - MOST_OUTSIDE) + " more");
  while (outsideList.children.length > lines.length) outsideList.lastChild.remove();
  while (outsideList.children.length < lines.length) outsideList.append(element("li"));
  lines.forEach((line, i) => write(outsideList.children[i], line));
});

const cellPick = choice("cell", () => chosen.cell, (value) => {
  const cell = Number(value);
  change({ cell, nonlinearity: page.cells[cell].nonlinearity, detail: 0, losses: [] });
});
cellPick.replaceChildren(...page.cells.map(({ name }, i) => element("option", { value: i }, name)));
byId("cell-field").hidden = page.cells.length < 2;
const nonlinearityPick = choice("nonlinearity", () => chosen.nonlinearity, (nonlinearity) => change({ nonlinearity, losses: [] }));
shows.push(() => {
  const names = Object.keys(cellNow().programs);
  byId("nonlinearity-field").hidden = names.length < 2;
  if (nonlinearityPick.dataset.names !== names.join()) {
    nonlinearityPick.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    nonlinearityPick.dataset.names = names.join();
    nonlinearityPick.value = chosen.nonlinearity;
  }
});

// ---- the sequence -----------------------------------------------------------------------------------------------------

choice("at", () => chosen.at, (at) => change({ at }));
choice("speed", () => chosen.speed, (speed) => change({ speed: Number(speed) }));
slider(byId("sequence-settings"), { id: "T", words: "T", get: () => chosen.T, set: (T, g) => change({ T, step: stepAmong(T), t: chosen.t > T ? null : chosen.t, cuts: chosen.cuts.filter((t) => t < T) }, g), least: 1, most: Math.max(1, built.T), step: 1, whole: true });

/** The time step whose input and target can be set. */
const stepNow = () => Math.max(1, timeInView());
const ofStep = byId("step-settings");
let part = 0;  // which entry of x_t
const entriesOfX = () => chosen.x[stepNow() - 1].length;
const isSymbol = () => "0" in facts().symbols || (page.alphabet && entriesOfX() === page.alphabet.length);
const symbolOf = (numbers) => ("0" in facts().symbols ? numbers[0] : numbers.indexOf(1));
const targetIsClass = () => String(facts().x) in facts().symbols;
const setX = (row, g) => change({ x: replaced(chosen.x, stepNow() - 1, row) }, g);
const setTarget = (row, g) => change({ target: replaced(chosen.target, stepNow() - 1, row) }, g);

const inputReach = reachFor(built.x.flat()), targetReach = reachFor(built.target.flatMap((row) => row || [])), stateReach = reachFor(built.h0.flat(), 1);
slider(ofStep, {
  id: "x", words: () => "x_" + called(stepNow()) + (entriesOfX() > 1 ? "[" + part + "]" : ""), get: () => (isSymbol() ? null : chosen.x[stepNow() - 1][part]),
  set: (x, g) => setX(replaced(chosen.x[stepNow() - 1], part, x), g && g + stepNow()), least: -inputReach, most: inputReach,
});
slider(ofStep, {
  id: "target", words: () => "target" + (targetsNow().length > 1 ? "[" + Math.min(part, targetsNow().length - 1) + "]" : ""),
  get: () => (!targetsNow().length || targetIsClass() ? null : targetsNow()[Math.min(part, targetsNow().length - 1)]),
  set: (x, g) => setTarget(replaced(targetsNow(), Math.min(part, targetsNow().length - 1), x), g && g + stepNow()), least: -targetReach, most: targetReach,
});
/** The target of the time step in view, where there is a loss. */
const targetsNow = () => (result.computation.losses.includes(stepNow()) && chosen.target[stepNow() - 1]) || [];
slider(ofStep, {
  id: "h0", words: () => { const [name] = h0Name(); return name; }, get: () => stateNow()[h0Name()[1]],
  set: (x, g) => change({ h0: replaced(chosen.h0, chosen.cell, replaced(stateNow(), h0Name()[1], x)) }, g), least: -stateReach, most: stateReach,
});
/** The entry of the initial state that can be set, and its place. */
function h0Name() {
  const at_ = Math.min(unit, facts().state - 1);
  const [name, [from, to]] = Object.entries(facts().parts).find(([, [, end]]) => at_ < end);
  return [name + "_" + called(0) + (to - from > 1 ? "[" + (at_ - from) + "]" : ""), at_];
}
let unit = 0;
const partPick = byId("part"), unitOfH0 = byId("unit-of-h0");
partPick.addEventListener("change", () => { part = Number(partPick.value); showControls(); drawSeries(); });
unitOfH0.addEventListener("change", () => { unit = Number(unitOfH0.value); showControls(); });

/** A choice among whole numbers, or symbols with a name. */
function options(pick, count, words) {
  if (pick.children.length !== count) pick.replaceChildren(...Array.from({ length: count }, (_, i) => element("option", { value: i }, words(i))));
}
const symbolName = (i) => (page.alphabet ? "“" + page.alphabet[i] + "”" : String(i));
const symbolPick = byId("symbol"), classPick = byId("class");
symbolPick.addEventListener("change", () => {
  const i = Number(symbolPick.value);
  setX("0" in facts().symbols ? [i] : chosen.x[stepNow() - 1].map((_, j) => (j === i ? 1 : 0)), null);
});
classPick.addEventListener("change", () => setTarget([Number(classPick.value)], null));
shows.push(() => {
  const t = stepNow(), row = chosen.x[t - 1], symbol = isSymbol(), target = targetsNow();
  byId("symbol-field").hidden = !symbol;
  if (symbol) {
    options(symbolPick, facts().symbols["0"] || row.length, symbolName);
    write(byId("symbol-words"), "x_" + called(t));
    symbolPick.value = symbolOf(row);
  }
  byId("class-field").hidden = !targetIsClass() || !target.length;
  if (targetIsClass() && target.length) {
    options(classPick, facts().symbols[String(facts().x)], symbolName);
    write(byId("class-words"), "target");
    classPick.value = target[0];
  }
  byId("part-field").hidden = symbol || row.length < 2;
  options(partPick, row.length, String);
  byId("unit-of-h0-field").hidden = facts().state < 2;
  options(unitOfH0, facts().state, String);
  write(byId("step-settings-of"), "time step " + called(t) + nameOfStep(t));
});

// ---- truncation ---------------------------------------------------------------------------------------------------------

const truncate = byId("truncate");
truncate.addEventListener("change", () => change(truncate.checked ? { k1: Math.max(1, Math.ceil(chosen.T / 3)), k2: Math.max(1, Math.ceil(chosen.T / 3)) } : { k1: null, k2: null }));
const chunks = byId("chunks");
slider(chunks, { id: "k1", words: "k_1", get: () => chosen.k1, set: (k1, g) => change({ k1, k2: Math.max(k1, chosen.k2) }, g), least: 1, most: Math.max(1, built.T), step: 1, whole: true });
slider(chunks, { id: "k2", words: "k_2", get: () => chosen.k2, set: (k2, g) => change({ k2, k1: Math.min(k2, chosen.k1) }, g), least: 1, most: Math.max(1, built.T), step: 1, whole: true });
shows.push(() => {
  truncate.checked = chosen.k1 !== null;
  byId("join").hidden = !chosen.cuts.length;
  byId("undo").disabled = !past.length;
  byId("reset").disabled = Object.keys(built).every((name) => JSON.stringify(chosen[name]) === JSON.stringify(built[name]));
});
shows.push(() => {
  const t = stepNow();
  write(byId("cut"), (chosen.cuts.includes(t - 1) ? "join" : "cut") + " before step " + called(t));
});
byId("cut").addEventListener("click", () => toggleCut(stepNow() - 1));
byId("join").addEventListener("click", () => change({ cuts: [] }));
byId("undo").addEventListener("click", undo);
byId("reset").addEventListener("click", reset);

const showControls = () => {
  if (weightsOf !== chosen.cell) buildWeights();
  for (const show of [...weightShows, ...shows]) show();
  if (!byId("entry-field").hidden) drawEntries();
};
views.push(showControls);

// ---- the picture as a file, the link, colours ------------------------------------------------------------------------------

const FONTS = "system-ui, Helvetica, Arial, sans-serif";

/** A text in lines, each no wider than there is room. */
function inLines(text, room, font) {
  const pen = document.createElement("canvas").getContext("2d"), found = [];
  pen.font = font;
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = found.length ? found[found.length - 1] + " " + word : "";
    if (longer && pen.measureText(inCharacters(longer)).width <= room) found[found.length - 1] = longer;
    else found.push(word);
  }
  return found;
}

/** The picture as an SVG that stands by itself: its styles written out. */
function pictureAsFile() {
  const copy = picture.cloneNode(true), from = [...picture.querySelectorAll("*")], to = [...copy.querySelectorAll("*")];
  const kept = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-weight", "text-anchor", "opacity", "fill-opacity", "stroke-linecap", "font-family"];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    to[i].removeAttribute("class");
    if (node.matches(".hit")) to[i].remove();
    else for (const name of kept) to[i].setAttribute(name, style.getPropertyValue(name));
  });
  const { width, height } = picture.viewBox.baseVal, words = [];
  let head = 12;
  for (const [from_, said, size, weight] of [[byId("headline"), headline()[0], 24, 750], [byId("equation"), result.error ? "The picture shows what was before." : equation(), 15, 500]]) {
    const look = { x: 8, "font-size": size, "font-weight": weight, fill: getComputedStyle(from_).color, "font-family": FONTS };
    for (const line of inLines(said, width - 16, weight + " " + size + "px " + FONTS)) {
      head += 1.25 * size;
      const text = filled(document.createElementNS(SVG, "text"), { ...look, y: head }, line);
      for (const part_ of text.querySelectorAll(".set")) filled(part_, { "font-size": SMALLER * size }, null).removeAttribute("class");
      words.push(text);
    }
  }
  head += 12;
  for (const text of words) text.setAttribute("y", text.getAttribute("y") - head);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("viewBox", "0 " + -head + " " + width + " " + (height + head));
  copy.setAttribute("width", width);
  copy.setAttribute("height", height + head);
  copy.removeAttribute("style");
  const paper = document.createElementNS(SVG, "rect");
  filled(paper, { x: 0, y: -head, width, height: height + head, fill: colour("panel") }, null);
  copy.prepend(paper, ...words);
  const title = document.createElementNS(SVG, "title");
  title.textContent = described();
  copy.prepend(title);
  return new XMLSerializer().serializeToString(copy);
}
byId("save").addEventListener("click", () => {
  const link = element("a", { download: "bptt.svg", href: URL.createObjectURL(new Blob([pictureAsFile()], { type: "image/svg+xml" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
byId("link").addEventListener("click", () => {
  putLink();
  const here = (location.protocol === "about:" ? "" : location.href.split("#")[0]) + linked;  // a frame has no address
  const tell = (words, said) => {
    byId("link").textContent = words;
    say(said);
    setTimeout(() => { byId("link").textContent = "Copy link"; }, 1500);
  };
  const copied = () => tell("Copied", "the link is copied"), not = () => tell("In the address bar", "the link is in the address bar");
  if (navigator.clipboard) navigator.clipboard.writeText(here).then(copied, not);
  else not();
});
const theme = byId("theme");
theme.addEventListener("change", () => {
  document.documentElement.dataset.theme = theme.value;
  redrawAll();
});
