// Training: updates by the gradient that is in view, one or many; the loss curve grows, and an explosion stops it.
"use strict";

/** losses: that at the beginning, and that after each update; due: whether the last is not computed yet. */
const curve = { losses: [], due: false, running: 0, of: null };
const updatesDone = () => plural(curve.losses.length - 1, "update");
const lossPlot = byId("loss-plot"), trainSays = byId("train-says");

slider(byId("train-settings"), { id: "lr", words: "rate", get: () => chosen.lr, set: (lr, g) => change({ lr: Math.max(0, lr) }, g), least: 0, most: 1 });
const clipOn = byId("clip-on");
clipOn.addEventListener("change", () => change({ clip: clipOn.checked ? 1 : null }));
slider(byId("clip-settings"), { id: "clip", words: "‖g‖ ≤", get: () => chosen.clip, set: (clip, g) => change({ clip: Math.max(0, clip) }, g), least: 0, most: 5 });

/** One update; false if there was none, because the gradient is not finite or there is no real value. */
function updateOnce() {
  const { computation } = result;
  if (result.error) return stopRunning("There is no gradient: " + headline()[0] + ".");
  if (!hasLoss()) return stopRunning(headline()[0] + ".");
  if (!curve.losses.length) curve.losses.push(computation.loss);
  try {
    curve.norm = update(computation, chosen.lr, chosen.clip, cellNow().trained);
  } catch (error) {
    if (!(error instanceof NoUpdate)) throw error;
    return stopRunning("Exploded: " + error.message + " after " + updatesDone() + ". The weights are those before it.");
  }
  curve.due = true;
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
  const frame = () => { if (updateOnce()) curve.running = requestAnimationFrame(frame); };
  curve.running = requestAnimationFrame(frame);
  return undefined;
}
byId("update").addEventListener("click", () => { stopRunning(); if (!curve.due) updateOnce(); endGesture(); });
byId("run").addEventListener("click", run);
byId("loss-details").addEventListener("toggle", drawCurve);

function drawCurve() {
  lossPlot.hidden = byId("loss-details").hidden = curve.losses.length < 2;
  if (lossPlot.hidden) return;
  const { losses } = curve, height = 84, [pen, width] = sharp(lossPlot, height), left = 6, right = width - 6, top = 20, bottom = height - 8;
  const finite = losses.filter((x) => Number.isFinite(x) && x > 0).map(Math.log10);
  lossPlot.setAttribute("aria-label", losses.length ? "Loss over " + updatesDone() + ", from " + shown(losses[0]) + " to " + shown(losses[losses.length - 1]) : "No update yet");
  table("loss-table", "Loss after each update", ["updates", "loss"], losses.length, (i) => [String(i), shown(losses[i])], losses.length);
  if (!finite.length) return;
  let low = Infinity, high = -Infinity;
  for (const x of finite) { low = Math.min(low, x); high = Math.max(high, x); }
  const most = 10 ** high;
  if (high - low < 0.5) { const middle = (high + low) / 2; [low, high] = [middle - 0.25, middle + 0.25]; }
  const every = Math.max(1, Math.floor(losses.length / 600));
  pen.strokeStyle = colour("accent");
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  const x = (i) => left + (i / (losses.length - 1)) * (right - left), isLost = (loss) => !Number.isFinite(loss);
  losses.forEach((loss, i) => {
    if (i % every && i !== losses.length - 1 && !isLost(loss)) return;
    pen.lineTo(x(i), isLost(loss) ? top : loss > 0 ? bottom - ((Math.log10(loss) - low) / (high - low)) * (bottom - top) : bottom);
  });
  pen.stroke();
  pen.fillStyle = colour("explodes");
  losses.forEach((loss, i) => { if (isLost(loss)) pen.fillRect(x(i) - 3, top - 3, 6, 6); });
  pen.fillStyle = colour("quiet");
  pen.fillText(losses.some(isLost) ? "∞" : "at most " + shown(most, 2), left, 10);
  pen.textAlign = "right";
  pen.fillText(updatesDone(), right, 10);
}

/** What belongs to one cell is begun anew with another, or when everything is reset. */
views.push((changed) => {
  clipOn.checked = chosen.clip !== null;
  const of = chosen.cell + chosen.nonlinearity;
  if (curve.of !== of || changed.has("restored")) {
    Object.assign(curve, { of, losses: [], due: false });
    stopRunning();
    drawCurve();
  }
  if (curve.due && changed.has("p")) {
    curve.due = false;
    curve.losses.push(result.error ? NaN : result.computation.loss);
    drawCurve();
  } else if (changed.has("size")) drawCurve();
  if (!curve.running && !curve.losses.length) write(trainSays, "");
  else if (curve.losses.length && (changed.has("p") || !trainSays.textContent.startsWith("Exploded"))) write(trainSays, "loss " + shown(result.computation.loss) + ", gradient's norm " + shown(curve.norm ?? NaN));
});
