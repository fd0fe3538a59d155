// The walk through the computation: every number as it is computed, then every application of the chain rule.
"use strict";

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

// ---- what the step says --------------------------------------------------------------------------------------------

/** What the walk's place says: [what it is, the text] for each line, and the time step. */
function stepSays() {
  const { position } = selected, step = current();
  if (step) {
    const [node, parent, , name, numbers, flow] = step, taken = position - forwardSteps;
    const t = page.values[node][TIME], brought = receives.get(parent), which = brought.indexOf(taken - 1) + 1;
    return [t, "backward " + taken + " of " + page.backward.length + (t === null ? "" : " · " + stepName(t)), {
      name: ["local derivative", name],
      numbers: ["in numbers", numbers],
      flow: ["what flows, and adds up", flow],
      count: brought.length > 1 ? ["accumulates", "contribution " + which + " of " + brought.length + " to " + page.values[parent][NAME]] : ["", ""],
    }];
  }
  if (position === lastPosition) {
    return [null, "complete", { name: ["", forwardSteps + " values computed, " + page.backward.length
      + " local derivatives multiplied and added: every gradient is final. Play shows how."] }];
  }
  if (!position) return [null, "at the start", { name: ["", "Inputs and weights are given; nothing is computed yet."] }];
  const value = page.forward[position - 1], [name, formula, inNumbers, data, , t] = page.values[value];
  return [t, "forward " + position + " of " + forwardSteps + (t === null ? "" : " · " + stepName(t)), {
    name: ["computed", name === formula ? formula : name + " = " + formula],
    numbers: ["in numbers", "= " + inNumbers + " = " + shown(Number(data))],
  }];
}

function sayStep() {
  const { position } = selected, [time, where, lines] = stepSays();
  scrubber.value = position;
  write(byId("now-where"), where);
  for (const key of ["name", "numbers", "flow", "count"]) {
    const [what, text] = lines[key] || ["", ""];
    write(byId("now-" + key), text);
    byId("now-" + key + "-is").textContent = what;
    byId("now-" + key).parentElement.hidden = !text;
  }
  const words = spoken([where, ...Object.values(lines).map(([, text]) => text)].filter(Boolean).join("; "));
  scrubber.setAttribute("aria-valuetext", words);
  if (document.activeElement !== scrubber && !timer) say(words);
  const off = { "to-start": !position, "step-back": !position, "step-on": position === lastPosition, "to-end": position === lastPosition };
  for (const [id, isOff] of Object.entries(off)) byId(id).setAttribute("aria-disabled", String(isOff));
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
      const soFar = gradientNow(value, -1)[0], final = page.values[value][GRADIENT] || "not reached";
      rows.push([name, formula || "given", computedAt[value] > selected.position ? "…" : data,
        selected.position === lastPosition ? final : soFar === null ? "…" : soFar]);
    }
  }
  table("values", t === null ? "Before time" : "Time step " + t, null, rows);
}

views.push((changed) => {
  if (!changed.includes("position")) return;
  const t = sayStep();
  const step = current();
  if (t !== null) reveal(t, step ? step[NODE] : computing());
  if (byId("values").closest("details").open) sayValues(t === null ? page.T : t);
});
byId("values").closest("details").addEventListener("toggle", () => {
  const step = current();
  const value = step ? step[NODE] : computing();
  const t = value < 0 ? null : page.values[value][TIME];
  sayValues(t === null ? page.T : t);
});

function setUpWalk() {
  byId("phase-forward").style.flex = forwardSteps + " 1 0";
  byId("phase-backward").style.flex = page.backward.length + " 1 0";
  sayStep();
}
