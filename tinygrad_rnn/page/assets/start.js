// The page begins.
"use strict";

byId("about").textContent = [page.cell, page.T + (page.T === 1 ? " time step" : " time steps"), page.title].filter(Boolean).join(" · ");
document.title = page.cell + " over " + page.T + " steps · Backpropagation through time";
byId("theme").addEventListener("input", (event) => {
  if (event.target.value) document.documentElement.dataset.theme = event.target.value;
  else delete document.documentElement.dataset.theme;
  redrawAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
setUpDecay();
setUpAnatomy();
setUpGraph();
setUpWeights();
setUpWalk();
setUpOutline();
setUpChain();  // last, since it selects a chain, which all views show
document.documentElement.dataset.ready = "yes";
