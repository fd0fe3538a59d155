// The chain from a loss back to a state: lit in the graph, and written out factor by factor.
"use strict";

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
let spokenEquation = "";

function sayChain() {
  lit.clear();
  onChain.clear();
  const list = byId("chain-factors"), equation = byId("chain-equation"), law = byId("chain-law");
  list.replaceChildren();
  law.textContent = "";
  if (selected.entry === null) {
    spokenEquation = "nothing is lit";
    equation.textContent = chains.roots.length ? "Nothing is lit." : "The loss reaches no state.";
    return;
  }
  const root = chains.roots[selected.root], value = chains.entries[selected.entry][0];
  const [, , product, , whole] = rowsOf[selected.root].get(value);
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
  const said = "∂" + L + "/∂" + target + through + (whole === undefined ? " = " : ", along the strongest path, = ") + product;
  write(equation, said);
  spokenEquation = spoken(said);
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
  const lag = root.last - entryTimes[selected.entry], remarks = [];
  if (whole !== undefined) remarks.push("All paths together, from every unit to every other, bring " + whole + ".");
  if (chains.roots.length > 1) remarks.push("All losses together: ∂" + L + "/∂" + target + " = " + shown(Number(page.values[value][GRADIENT])) + ".");
  const own = page.decay.own;
  if (own !== null && lag && lag <= page.decay.lags) {
    remarks.push("The law alone, ‖W‖" + raised(lag) + " with ‖W‖ = " + shown(page.decay.norms[own]) + ", would leave "
      + shown(page.decay.law[own].g[lag]) + " of what is at " + names[0] + ".");
  }
  write(law, remarks.join(" "));
}

const kSlider = byId("chain-k"), lossSlider = byId("chain-loss"), entryPick = byId("chain-entry");

/** The entries of the state at a time step. */
const entriesAt = (t) => entryTimes.flatMap((time, i) => (time === t ? [i] : []));

function setUpChain() {
  if (chains.left_out) {
    byId("chain-about").textContent = "There are " + (chains.roots.length + chains.left_out)
      + " losses; the chains of the latest " + chains.roots.length + " are told.";
  }
  lossSlider.max = Math.max(0, chains.roots.length - 1);
  byId("chain-loss-field").hidden = chains.roots.length < 2;
  kSlider.min = entryTimes[0];
  const perStep = entriesAt(entryTimes[0]);
  byId("chain-entry-field").hidden = perStep.length < 2;
  perStep.forEach((i, place) => {
    const name = page.values[chains.entries[i][0]][NAME].replace("_" + entryTimes[0], "");
    entryPick.append(element("option", { value: place }, inCharacters(name)));
  });
  if (!chains.roots.length) {
    sayChain();
    lossSlider.disabled = kSlider.disabled = entryPick.disabled = true;
    return;
  }
  const followSliders = () => {
    const root = Number(lossSlider.value), t = Math.min(Number(kSlider.value), chains.roots[root].last);
    chooseChain(root, entriesAt(t)[Number(entryPick.value) || 0]);
  };
  for (const control of [lossSlider, kSlider, entryPick]) control.addEventListener("input", followSliders);
  chooseChain(chains.roots.length - 1, 0);
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
    kSlider.setAttribute("aria-valuetext", (k ? stepName(k) : "t = 0") + ", " + spokenEquation);
  } else byId("chain-k-text").textContent = "–";
}

// Before the graph is styled anew, so that it finds what is lit: this file comes before graph.js.
views.push((changed) => {
  if (!changed.some((key) => key === "root" || key === "entry")) return;
  sayChain();
  followChain();
  if (![kSlider, lossSlider].includes(document.activeElement)) say(spokenEquation);  // those say it as their value
});
