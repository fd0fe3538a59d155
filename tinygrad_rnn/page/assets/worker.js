// What takes longer than a frame: it runs in a worker, made of the text of this page's own scripts.
"use strict";

/** Split a gradient, or measure the decay for many ‖W‖. Runs in the worker. */
function longWork({ kind, program, given, settings, which, recurrent, norms }) {
  const computation = new Computation(PROGRAMS[program], given, { ...settings, cuts: new Set(settings.cuts) });
  computation.forward();
  if (kind === "split") {
    const parts = split(computation, which), sums = splitSums(computation, parts), size = (cell) => (cell.length === 1 ? cell[0] : library.hypot(...cell));
    return { losses: parts.map(({ t }) => t), cells: parts.map(({ t, cells }) => Float64Array.from(cells.slice(0, t), size)),
      by_use: sums.by_use.map(size), by_loss: sums.by_loss.map(size), by_lag: sums.by_lag.map(size), total: size(sums.total), kept: size(sums.kept), cut: size(sums.cut) };
  }
  const own = computation.p, parts = Object.keys(computation.program.facts.parts);
  return norms.map((norm) => {
    try {
      computation.p = withNorm(own, recurrent, norm);
      computation.forward();
      return parts.map((part) => decayCurve(computation, part));
    } catch { return null; }
  });
}

/** A worker with all that `longWork` needs; null where there can be none: then it runs here, a little later. */
const helper = (() => {
  const text = [...document.querySelectorAll("script[data-engine]")].map((script) => script.textContent).join("\n");
  try {
    const made = new Worker(URL.createObjectURL(new Blob([text + "\n" + longWork + "\nonmessage = ({ data }) => postMessage({ id: data.id, answer: longWork(data) });"], { type: "text/javascript" })));
    return made;
  } catch { return null; }
})();
const asked = new Map();
let usable = helper !== null, requests = 0;
if (helper) {
  helper.onmessage = ({ data: { id, answer } }) => { const then = asked.get(id); asked.delete(id); if (then) then(answer); };
  helper.onerror = () => { usable = false; for (const [, , task] of asked) task?.(); };
}

/** A view of long work: it asks when something has changed, one question at a time, and only for what is wanted last. */
function askFor(question, then) {
  let busy = false, next = null;
  const go = () => {
    const task = question();
    if (!task) return;
    busy = true;
    const done = (answer) => {
      busy = false;
      then(answer, task);
      if (next) { next = null; go(); }
    };
    const id = ++requests;
    if (usable) {
      asked.set(id, done);
      helper.postMessage({ ...task, id });
      const fallBack = () => { if (asked.delete(id)) done(longWork(task)); };
      setTimeout(() => { if (!usable) fallBack(); }, 300);
    } else setTimeout(() => done(longWork(task)), 0);
  };
  return () => { if (busy) next = true; else go(); };
}

/** What the worker needs to know of the settings. */
const taskNow = () => ({
  program: cellNow().programs[chosen.nonlinearity], given: { p: numbersNow(), h0: stateNow(), x: chosen.x, target: chosen.target },
  settings: { T: chosen.T, at: chosen.at, mean: page.mean, k1: chosen.k1, k2: chosen.k2, cuts: chosen.cuts },
});
