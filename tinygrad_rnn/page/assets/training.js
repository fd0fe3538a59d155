// Training: updates by the gradient that is in view, one or many; the loss curve grows, and an explosion stops it.
"use strict";

/** The loss before each update, and now. */
const lossCurve = () => [...chosen.losses, result.error || !hasLoss() ? NaN : result.computation.loss];
const updatesDone = () => plural(chosen.losses.length, "update");
let running = 0;
const lossPlot = byId("loss-plot"), trainSays = byId("train-says");

slider(byId("train-settings"), { id: "lr", words: "rate", get: () => chosen.lr, set: (lr, g) => change({ lr: Math.max(0, lr) }, g), least: 0, most: 1 });
const clipOn = byId("clip-on");
clipOn.addEventListener("change", () => change({ clip: clipOn.checked ? 1 : null }));
slider(byId("clip-settings"), { id: "clip", words: "‖g‖ ≤", get: () => chosen.clip, set: (clip, g) => change({ clip: Math.max(0, clip) }, g), least: 0, most: 5 });

/** One update, once all that was set is computed; false if there is none, because the gradient is not finite or there is no real value. */
function updateOnce() {
  if (!onlyLooks(waiting)) return true;
  const { computation } = result;
  if (result.error) return stopRunning("There is no gradient: " + headline()[0] + ".");
  if (!hasLoss()) return stopRunning(headline()[0] + ".");
  try {
    update(computation, chosen.lr, chosen.clip, cellNow().trained);
  } catch (error) {
    if (!(error instanceof NoUpdate)) throw error;
    return stopRunning("Exploded: " + error.message + " after " + updatesDone() + ". The weights are those before it.");
  }
  const p = replaced(chosen.p, chosen.cell, Array.from(computation.p.subarray(0, numbersNow().length)));
  change({ p, losses: [...chosen.losses, computation.loss] }, "training");
  return true;
}

function stopRunning(words = "") {
  cancelAnimationFrame(running);
  running = 0;
  endGesture();
  byId("run").textContent = "Run";
  if (words) { write(trainSays, words); say(words); }
  return false;
}

function run() {
  if (running) return void stopRunning();
  byId("run").textContent = "Stop";
  const frame = () => { if (updateOnce()) running = requestAnimationFrame(frame); };
  running = requestAnimationFrame(frame);
  return undefined;
}
byId("update").addEventListener("click", () => { stopRunning(); updateOnce(); endGesture(); });
byId("run").addEventListener("click", run);
byId("loss-details").addEventListener("toggle", drawCurve);

function drawCurve() {
  lossPlot.hidden = byId("loss-details").hidden = !chosen.losses.length;
  if (lossPlot.hidden) return;
  const losses = lossCurve(), height = 84, [pen, width] = sharp(lossPlot, height), left = 6, right = width - 6, top = 20, bottom = height - 8;
  const finite = losses.filter((x) => Number.isFinite(x) && x > 0).map(Math.log10);
  lossPlot.setAttribute("aria-label", "Loss over " + updatesDone() + ", from " + shown(losses[0]) + " to " + shown(losses[losses.length - 1]));
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

/** The norm of the gradient that an update would follow, before it is clipped. */
const trainedNorm = () => library.hypot(...cellNow().trained.map((place) => Math.abs(result.computation.sequence.p_grad[place])));

views.push((changed) => {
  clipOn.checked = chosen.clip !== null;
  if (["cell", "nonlinearity", "restored"].some((name) => changed.has(name))) stopRunning();
  if (onlyLooks(changed)) return;
  drawCurve();
  if (!chosen.losses.length) { if (!running) write(trainSays, ""); }
  else if (changed.has("p") || !trainSays.textContent.startsWith("Exploded")) {
    write(trainSays, result.error || !hasLoss() ? headline()[0] : "loss " + shown(result.computation.loss) + ", gradient's norm " + shown(trainedNorm()));
  }
});
