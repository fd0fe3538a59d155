// The film: forward by time step, then the gradient back by time step; or node by node within each.
"use strict";

const scrubber = byId("position");
let playing = 0;

/** Within a time step, node by node: which of the nodes or of the applications of the chain rule; null for the whole. */
const detail = { on: false, at: 0 };

function selectStep(t) { goTo(t, true); }

/** Bring a time step into view: on the way back if the film is there, or done. */
function goTo(t, quietly = false) {
  const { T, step } = chosen;
  stop();
  detail.at = 0;
  change({ step: step !== null && step <= T ? Math.max(1, t) : 2 * T + 1 - t });
  if (!quietly) say("time step " + called(t));
}

const lastOf = () => lastPosition(chosen);

/** One step on or back; node by node where that is chosen. */
function advance(by) {
  const from = chosen.step === null ? (by < 0 ? lastOf() + 1 : lastOf()) : chosen.step;
  if (detail.on && chosen.step !== null) {
    const next = detail.at + by, count = itemsNow().length;
    if (next >= 0 && next < count) {
      detail.at = next;
      showStep();
      return true;
    }
    detail.at = by > 0 ? 0 : Infinity;
  }
  const to = from + by;
  if (to > lastOf()) { change({ step: null }); return false; }
  change({ step: Math.max(0, to) });
  return true;
}

function stop() {
  clearTimeout(playing);
  playing = 0;
  byId("play").textContent = "Play";
}

function play() {
  if (playing) return stop();
  if (chosen.step === null) { detail.at = 0; change({ step: 0 }); }
  byId("play").textContent = "Pause";
  const speed = () => 900 / Number(byId("speed").value);
  const tick = () => { playing = setTimeout(() => { if (advance(1)) tick(); else stop(); }, detail.on ? speed() : Math.max(60, Math.min(speed(), (speed() * 14) / chosen.T))); };
  tick();
  return undefined;
}

const moved = (by) => () => { stop(); advance(by); };
const jumped = (to) => () => { stop(); detail.at = 0; change({ step: to() }); };
byId("to-start").addEventListener("click", jumped(() => 0));
byId("step-back").addEventListener("click", moved(-1));
byId("play").addEventListener("click", play);
byId("step-on").addEventListener("click", moved(1));
byId("to-end").addEventListener("click", jumped(() => null));
byId("to-backward").addEventListener("click", jumped(() => chosen.T + 1));
byId("by-node").addEventListener("change", (event) => {
  detail.on = event.target.checked;
  detail.at = 0;
  if (detail.on && chosen.step === null) change({ step: chosen.T + 1 });
  showStep();
});
scrubber.addEventListener("input", () => { stop(); detail.at = 0; change({ step: Number(scrubber.value) > lastOf() ? null : Number(scrubber.value) }); });

/** What the film's place says. */
function filmSays() {
  const { T, step } = chosen, { t } = filmNow(), name = page.names[t - 1] === undefined ? "" : " (" + page.names[t - 1] + ")";
  if (step === null) return "complete: forward over " + plural(T, "step") + ", and back";
  if (step === 0) return "forward, at the start: only h_" + called(0) + " and the inputs are there";
  if (step <= T) return "forward, t = " + called(t) + name;
  return t === T ? "backward, from the loss to t = " + called(T) : "backward, t = " + called(t) + name + ": " + (result.error ? "" : t < endOfChain() ? "beyond the cut" : shown(leftAt(t)) + " is left of the gradient at t = " + called(lastLoss()));
}

views.push(() => {
  scrubber.max = lastOf() + 1;
  scrubber.value = chosen.step === null ? lastOf() + 1 : chosen.step;
  byId("phase-forward").style.flexGrow = chosen.T;
  byId("phase-backward").style.flexGrow = chosen.T + 1;
  const words = filmSays();
  write(byId("film-says"), words);
  scrubber.setAttribute("aria-valuetext", spoken(words));
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
  if (["Home", "End", "ArrowLeft", "ArrowRight"].includes(event.key) && event.target.closest(".scroll")) return;
  act();
  event.preventDefault();
});

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else byId("stage").requestFullscreen?.().catch(() => say("this place does not allow full screen"));
}
byId("full-screen").addEventListener("click", fullScreen);
