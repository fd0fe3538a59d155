// The film: forward by time step, then the gradient back by time step; or node by node within each.
"use strict";

const scrubber = byId("position"), byNode = byId("by-node");
let playing = 0;

function selectStep(t) { goTo(t, true); }

/** Bring a time step into view. The film stays where it is, except node by node: then it goes there. */
function goTo(t, quietly = false) {
  stop();
  if (chosen.node === null) change({ t });
  else putFilm(placeOf(t));
  if (!quietly) say("time step " + called(t));
}

/** Where the film stands at a time step: on the way forward if it is there, else on the way back. */
const placeOf = (t) => (chosen.step !== null && chosen.step <= chosen.T ? t : lastOf() - t);

/** Have the film stand somewhere, which brings its time step into view; node by node at the first node of that, or at the last. */
function putFilm(step, atLast = false) {
  change({ step, t: null });
  if (chosen.node !== null) change({ node: atLast ? Math.max(1, itemsNow().length) : 1 });
}

const lastOf = () => lastPosition(chosen);

/** Go on or back by that many steps, not past the end of the way forward; node by node where that is chosen. */
function advance(by) {
  const from = chosen.step === null ? (by < 0 ? lastOf() + 1 : lastOf()) : chosen.step;
  if (chosen.node !== null && chosen.step !== null) {
    const count = itemsNow().length, node = Math.min(chosen.node, count) + by;
    if (node >= 1 && node <= count) { change({ node, t: null }); return true; }
  }
  const end = [chosen.T, lastOf()].find((each) => from < each && each < from + by), to = end ?? from + by;
  putFilm(to > lastOf() ? null : Math.max(0, to), by < 0);
  return chosen.step !== null;
}

function stop() {
  clearTimeout(playing);
  playing = 0;
  byId("play").textContent = "Play";
  sayFilm();
}

const ONE_STEP = 900, FEW_STEPS = 14, SHORTEST = 60;  // milliseconds; time steps; milliseconds

/** How it plays: milliseconds to wait, and how many steps to go on by. A long sequence takes no longer than one of a few time steps. */
function paceNow() {
  const wait = ONE_STEP / chosen.speed, each = chosen.node !== null ? wait : Math.min(wait, (wait * FEW_STEPS) / chosen.T);
  return { wait: Math.max(SHORTEST, each), by: Math.ceil(SHORTEST / each) };
}

function play() {
  if (playing) return stop();
  if (chosen.step === null) putFilm(0);
  byId("play").textContent = "Pause";
  const tick = () => {
    const { wait, by } = paceNow();
    playing = setTimeout(() => { if (advance(by)) tick(); else stop(); }, wait);
  };
  tick();
  sayFilm();
  return undefined;
}

const moved = (by) => () => { stop(); advance(by); };
const jumped = (to) => () => { stop(); putFilm(to()); };
byId("to-start").addEventListener("click", jumped(() => 0));
byId("step-back").addEventListener("click", moved(-1));
byId("play").addEventListener("click", play);
byId("step-on").addEventListener("click", moved(1));
byId("to-end").addEventListener("click", jumped(() => null));
byId("to-backward").addEventListener("click", jumped(() => chosen.T + 1));

const placeNow = () => [chosen.T, chosen.step, chosen.node].join();
views.push((changed) => { if (changed.has("link")) begun = null; });
let begun = null;  // where the film was when node by node began, and the place to which that took it
byNode.addEventListener("change", () => {
  const { step, t } = chosen, isBack = !byNode.checked && begun?.place === placeNow();
  change(byNode.checked ? { node: 1, step: placeOf(timeInView()), t: null } : { node: null, ...(isBack ? begun.from : {}) });
  if (byNode.checked) begun = { from: { step, t }, place: placeNow() };
});
scrubber.addEventListener("input", () => { stop(); putFilm(Number(scrubber.value) > lastOf() ? null : Number(scrubber.value)); });

/** What the user calls a time step, in parentheses. The name of a symbol follows it. */
function nameOfStep(t) {
  const symbolAt = ({ x }) => page.alphabet && page.alphabet[symbolOf(x[t - 1])], name = page.names[t - 1];
  return name === undefined ? "" : " (" + ((name === symbolAt(built) && symbolAt(chosen)) || name) + ")";
}

/** What the film's place says. */
function filmSays() {
  const { T, step } = chosen, { t } = filmNow(), name = nameOfStep(t), last = called(lastLoss());
  if (step === null) return "complete: forward over " + plural(T, "step") + (hasLoss() ? ", and back" : "");
  if (step === 0) return "forward, at the start: only h_" + called(0) + " and the inputs are there";
  if (step <= T) return "forward, t = " + called(t) + name;
  if (result.error) return "backward, t = " + called(t) + name;
  if (hasLoss() && t === lastLoss()) return "backward, from the loss to t = " + last;
  return "backward, t = " + called(t) + name + ": " + (!hasLoss() ? "there is no loss" : t > lastLoss() ? "no gradient comes here, since the last loss is that of t = " + last
    : t < endOfChain() ? "beyond the cut" : shown(leftAt(t)) + " is left of the gradient at t = " + last);
}

function sayFilm() {
  const words = filmSays(), { by } = paceNow();
  write(byId("film-says"), words + (playing && by > 1 ? "; playing " + by + " time steps at a time" : ""));
  scrubber.setAttribute("aria-valuetext", spoken(words));
}
views.push(() => {
  scrubber.max = lastOf() + 1;
  scrubber.value = chosen.step === null ? lastOf() + 1 : chosen.step;
  byNode.checked = chosen.node !== null;
  byId("phase-forward").style.flexGrow = chosen.T;
  byId("phase-backward").style.flexGrow = chosen.T + 1;
  sayFilm();
});

// ---- keys, anywhere on the page: a presenter's remote sends PageUp and PageDown ------------------------------------------

const typing = (target) => target.matches("input:not([type=checkbox]), select, textarea, [role=grid] *, [contenteditable]");
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !event.target.matches("input[type=number]")) {
    undo();
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const act = { PageDown: moved(1), PageUp: moved(-1), ArrowRight: moved(1), ArrowLeft: moved(-1), Home: jumped(() => 0), End: jumped(() => null), f: fullScreen }[event.key] || (event.key === " " && event.target.matches("body, #stage") ? play : null);
  const remote = event.key.startsWith("Page");  // a presenter's: whatever has the focus, a slider that was dragged say
  if (!act || (typing(event.target) && !remote)) return;
  if (["Home", "End", "ArrowLeft", "ArrowRight"].includes(event.key) && event.target.closest(".scroll") && !cameByPointer) return;
  act();
  event.preventDefault();
});

// What got the focus by the pointer gives it back when it is done, so that ← → step again; who came by a key keeps it.
let pressed = false, cameByPointer = false;
addEventListener("pointerdown", () => { pressed = true; }, true);
addEventListener("keydown", () => { pressed = false; }, true);
addEventListener("focusin", () => { cameByPointer = pressed; });
addEventListener("pointerup", () => { if (document.activeElement?.matches("input[type=range]")) document.activeElement.blur(); });
addEventListener("change", ({ target }) => { if (pressed && target.matches("select")) target.blur(); });
addEventListener("click", ({ target }) => { if (pressed && target.matches("#entries button")) target.blur(); });
addEventListener("keydown", ({ target, key }) => { if (cameByPointer && key === "Enter" && target.matches("input[type=number]")) target.blur(); });

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else byId("stage").requestFullscreen?.().catch(() => say("this place does not allow full screen"));
}
byId("full-screen").addEventListener("click", fullScreen);
