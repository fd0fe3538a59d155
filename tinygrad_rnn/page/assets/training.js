// Training: updates by the gradient that is in view, one or many; the loss curve grows, and an explosion stops it.
"use strict";

const curve = { losses: [], running: 0, of: null };
const lossPlot = byId("loss-plot"), trainSays = byId("train-says");

slider(byId("train-settings"), { id: "lr", words: "rate", get: () => chosen.lr, set: (lr, g) => change({ lr: Math.max(0, lr) }, g), least: 0, most: 1 });
const clipOn = byId("clip-on");
clipOn.addEventListener("change", () => change({ clip: clipOn.checked ? 1 : null }));
slider(byId("clip-settings"), { id: "clip", words: "‖g‖ ≤", get: () => chosen.clip, set: (clip, g) => change({ clip: Math.max(0, clip) }, g), least: 0, most: 5 });

/** One update; false if there was none, because the gradient is not finite or there is no real value. */
function updateOnce() {
  const { computation } = result;
  if (result.error) return stopRunning("There is no gradient: " + headline()[0] + ".");
  if (!computation.losses.length) return stopRunning("No time step has a loss.");
  curve.losses.push(computation.loss);
  try {
    curve.norm = update(computation, chosen.lr, chosen.clip, cellNow().trained);
  } catch (error) {
    if (!(error instanceof NoUpdate)) throw error;
    return stopRunning("Exploded: " + error.message + " after " + plural(curve.losses.length - 1, "update") + ". The weights are those before it.");
  }
  change({ p: replaced(chosen.p, chosen.cell, Array.from(computation.p.subarray(0, numbersNow().length))) }, "training");
  return true;
}

function stopRunning(words = "") {
  cancelAnimationFrame(curve.running);
  curve.running = 0;
  endGesture();
  byId("run").textContent = "Run";
  if (words) { write(trainSays, words); say(words); }
  return false;
}

function run() {
  if (curve.running) return void stopRunning();
  byId("run").textContent = "Stop";
  const frame = () => {
    const more = updateOnce();
    drawCurve();
    if (more) curve.running = requestAnimationFrame(frame);
  };
  curve.running = requestAnimationFrame(frame);
  return undefined;
}
byId("update").addEventListener("click", () => { stopRunning(); updateOnce(); endGesture(); drawCurve(); });
byId("run").addEventListener("click", run);

function drawCurve() {
  lossPlot.hidden = curve.losses.length < 2;
  if (lossPlot.hidden) return;
  const { losses } = curve, height = 84, [pen, width] = sharp(lossPlot, height), left = 6, right = width - 6, top = 12, bottom = height - 8;
  const finite = losses.filter((x) => Number.isFinite(x) && x > 0).map(Math.log10);
  lossPlot.setAttribute("aria-label", losses.length ? "Loss over " + plural(losses.length, "update") + ", from " + shown(losses[0]) + " to " + shown(losses[losses.length - 1]) : "No update yet");
  if (!finite.length) return;
  let low = Infinity, high = -Infinity;
  for (const x of finite) { low = Math.min(low, x); high = Math.max(high, x); }
  if (high - low < 0.5) { const middle = (high + low) / 2; [low, high] = [middle - 0.25, middle + 0.25]; }
  const every = Math.max(1, Math.floor(losses.length / 600));
  pen.strokeStyle = colour("accent");
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  losses.forEach((loss, i) => {
    if ((i % every && i !== losses.length - 1) || !(loss > 0 && Number.isFinite(loss))) return;
    pen.lineTo(left + (losses.length > 1 ? i / (losses.length - 1) : 0) * (right - left), bottom - ((Math.log10(loss) - low) / (high - low)) * (bottom - top));
  });
  pen.stroke();
  pen.fillStyle = colour("quiet");
  pen.fillText(shown(10 ** high, 2), left, 10);
  pen.textAlign = "right";
  pen.fillText(plural(losses.length, "update"), right, 10);
}

/** What belongs to one cell is begun anew with another, or when everything is reset. */
views.push((changed) => {
  clipOn.checked = chosen.clip !== null;
  const of = chosen.cell + chosen.nonlinearity;
  if (curve.of !== of || changed.has("restored")) {
    Object.assign(curve, { of, losses: [] });
    stopRunning();
    drawCurve();
  }
  if (!curve.running && !curve.losses.length) write(trainSays, "");
  else if (curve.losses.length && !trainSays.textContent.startsWith("Exploded")) write(trainSays, "loss " + shown(result.computation.loss) + ", gradient's norm " + shown(curve.norm ?? NaN));
  if (changed.has("p") && curve.losses.length && gesture === "training") trainSays.classList.remove("old");
});
