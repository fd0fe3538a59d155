// What takes longer than a frame: it runs in a worker, made of the text of this page's own scripts.
"use strict";

/** Split a gradient, or measure the decay for many ‖W‖. Runs in the worker. */
function longWork({ kind, program, given, settings, which, recurrent, norms }) {
  const computation = new Computation(PROGRAMS[program], given, { ...settings, cuts: new Set(settings.cuts) });
  computation.forward();
  if (kind === "split") {
    const sums = new SplitSums(computation, which.length), cells = new Map(computation.losses.map((t) => [t, new Float64Array(t)]));
    split(computation, which, (k, t, cell) => {
      const size = sizeOf(cell);
      if (size === 0) return;  // as most are where a gradient has vanished
      sums.add(k, t, cell);
      cells.get(t)[k - 1] = size;
    });
    const outside = outsideTime(computation, which), { total, kept: left, cut } = sums, by = Object.entries(sums).filter(([name]) => name.includes("by_"));
    return { losses: computation.losses, uses: countUses(computation, which), cells: [...cells.values()], ...Object.fromEntries(by.map(([name, lists]) => [name, lists.map(sizeOf)])),
      total: sizeOf(total.map((sum, i) => sum + outside[i])), outside: sizeOf(outside), kept: sizeOf(left), cut: sizeOf(cut) };
  }
  const own = computation.p;
  return norms.map((norm) => {
    try {
      computation.p = withNorm(own, recurrent, norm);
      computation.forward();
      return decayCurves(computation);
    } catch { return null; }
  });
}

/** The only number of a list, or the norm of several: as `library.hypot` computes it, which takes ten times as long. */
function sizeOf(cell) {
  if (cell.length === 1) return cell[0];
  let squares = 0, isZero = true;
  for (let i = 0; i < cell.length; i++) {
    squares += cell[i] * cell[i];
    isZero = isZero && cell[i] === 0;
  }
  return isZero ? 0 : squares > 1e-280 && squares < 1e280 ? Math.sqrt(squares) : library.hypot(...cell);
}

/** A worker with all that `longWork` needs; null where there can be none: then it runs here, a little later. It keeps the
 *  sequence, which is sent only when it has changed. */
const helper = (() => {
  const text = [...document.querySelectorAll("script[data-engine]")].map((script) => script.textContent);
  const listen = `let sequence = null;
onmessage = ({ data: { id, task, sent } }) => {
  sequence = sent || sequence;
  postMessage({ id, answer: longWork({ ...task, given: { ...task.given, ...sequence } }) });
};`;
  try {
    return new Worker(URL.createObjectURL(new Blob([[...text, longWork, sizeOf, listen].join("\n")], { type: "text/javascript" })));
  } catch { return null; }
})();
const asked = new Map();
let usable = helper !== null, requests = 0, sent = {};
if (helper) {
  helper.onmessage = ({ data: { id, answer } }) => { const ask = asked.get(id); asked.delete(id); ask?.(answer); };
  helper.onerror = () => {  // a frame may forbid it only now
    usable = false;
    for (const ask of [...asked.values()]) ask(null);
    asked.clear();
  };
}

/** A part of the page that shows long work. What is returned asks anew, where that is wanted, and returns whether there is
 *  something to wait for: one question at a time, and only for what is wanted last. Until then the part is marked as old. */
function askFor(part, question, then) {
  let busy = false, next = false;
  const go = () => {
    const task = question();
    if (!task) return;
    busy = true;
    const here = () => setTimeout(() => done(longWork(task)), 0);
    const done = (answer) => {
      if (answer === null) return void here();
      busy = false;
      part.classList.toggle("old", next || part.due);
      then(answer, task);
      if (next) { next = false; go(); }
    };
    if (!usable) return void here();
    const id = ++requests, { x, target, ...given } = task.given, isNew = sent.x !== x || sent.target !== target;
    asked.set(id, done);
    if (isNew) sent = { x, target };
    helper.postMessage({ id, task: { ...task, given }, sent: isNew ? sent : null });
  };
  return (anew) => {
    if (onPaper() && (anew || busy)) {  // a printer does not wait
      const task = question();
      if (task) then(longWork(task), task);
      return false;
    }
    if (anew && busy) next = true;
    else if (anew) go();
    return busy;
  };
}

/** What the worker needs to know of the settings. */
const taskNow = () => ({
  program: cellNow().programs[chosen.nonlinearity], given: { p: numbersNow(), h0: stateNow(), x: chosen.x, target: chosen.target },
  settings: { T: chosen.T, at: chosen.at, mean: page.mean, k1: chosen.k1, k2: chosen.k2, cuts: chosen.cuts },
});
