// The page begins: what is chosen comes from its link, and everything is computed and drawn for the first time.
"use strict";

function redraw() {
  colours.clear();
  widths.clear();
  for (const view of views) view(new Set(["size"]));
}
const redrawAll = oncePerFrame(redraw);

/** For paper all is drawn anew: in light colours, as wide as a sheet, and what is out of view, too. */
function forPaper(isIt) {
  document.documentElement.classList.toggle("printing", isIt);
  document.documentElement.dataset.theme = isIt ? "light" : theme.value;
  redraw();
}
addEventListener("beforeprint", () => forPaper(true));
addEventListener("afterprint", () => forPaper(false));

views.push(() => write(byId("about"), [cellNow().name, plural(chosen.T, "time step"), page.title].filter(Boolean).join(" · ")));
chosen = fromLink(location.hash || page.link || "");
compute();
for (const view of views) view(new Set([...Object.keys(built), "link"]));
let bodyWidth = 0;
addEventListener("fullscreenchange", redrawAll);
new ResizeObserver(([{ contentRect: { width } }]) => {
  if (width !== bodyWidth) redrawAll();
  bodyWidth = width;
}).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
document.documentElement.dataset.ready = "1";
