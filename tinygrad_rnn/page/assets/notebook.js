// In a notebook, with Python behind it: a frame around this page sets what is chosen, and is told what has changed.
"use strict";

/** turn: how often Python had set something when it last was heard; null where no notebook has spoken. */
const notebook = { turn: null, told: null, timer: 0 };

function tellNotebook() {
  notebook.timer = 0;
  const link = asLink();
  if (link === notebook.told) return;
  notebook.told = link;
  parent.postMessage({ link, turn: notebook.turn }, "*");
}

addEventListener("message", ({ source, data }) => {
  if (parent === window || source !== parent || typeof data?.link !== "string" || data.turn < notebook.turn) return;
  notebook.turn = data.turn;
  if (data.link !== asLink()) follow(data.link);
  notebook.told = asLink();
});
views.push(() => { if (notebook.turn !== null && !notebook.timer) notebook.timer = setTimeout(tellNotebook, 100); });
