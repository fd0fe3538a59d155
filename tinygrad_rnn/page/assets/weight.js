// One weight, used at every step: its copies lit together, and how its gradient adds up.
"use strict";

const weightPlaces = new Map(page.sums.map(([value], i) => [value, i]));
const weightPick = byId("weight");

/** Per weight: which steps bring it something. */
const termSteps = page.sums.map(([, terms]) => terms.map(([i]) => i));
const weightPlace = () => weightPlaces.get(selected.weight === null ? Number(weightPick.value) : selected.weight);
const arrivedAt = (place) => lastUpTo(termSteps[place], backwardTaken() - 1) + 1;

function sayWeight() {
  const plot = byId("weight-plot"), place = weightPlace();
  if (place === undefined) {
    byId("weight-equation").textContent = "No weight is used more than once.";
    plot.hidden = byId("weight-table").closest("details").hidden = true;
    return;
  }
  const [value, terms] = page.sums[place], name = page.values[value][NAME];
  weightPick.value = value;
  const arrived = terms.slice(0, arrivedAt(place));
  const sum = arrived.length ? page.backward[arrived[arrived.length - 1][0]][SUM] : "0";
  write(byId("weight-equation"), name + ".grad = " + sum + (arrived.length === terms.length
    ? ", the sum of " + terms.length + " contributions"
    : " so far, of " + arrived.length + " of " + terms.length + " contributions"));
  plotSums(plot, name, terms, arrived.length);
  const rows = arrived.length > 300 ? arrived.slice(-300) : arrived;
  if (byId("weight-table").closest("details").open) {
    const told = rows.map(([i]) => {
      const step = page.backward[i], t = page.values[step[NODE]][TIME];
      return [t === null ? "–" : String(t), step[FLOW], step[BROUGHT], step[SUM]];
    });
    const part = rows.length < arrived.length ? " (the latest " + rows.length + ")" : "";
    table("weight-table", "How " + name + ".grad adds up, last use first" + part, null, told);
  }
}

function plotSums(plot, name, terms, arrived) {
  const height = 190, top = 26, bottom = height - 26;
  const [pen, width] = sharp(plot, height);
  const numbers = terms.flatMap(([, brought, sum]) => [brought, sum]).filter((x) => x !== null);
  const low = numbers.reduce((a, b) => Math.min(a, b), 0), high = numbers.reduce((a, b) => Math.max(a, b), 0), span = high - low || 1;
  const last = arrived ? terms[arrived - 1][2] : 0, left = roomFor(low, high), right = width - roomFor(low, high, last);
  const y = (v) => bottom - ((v - low) / span) * (bottom - top), slot = (right - left) / terms.length;
  pen.fillStyle = colour("line");
  pen.fillRect(left, y(0), right - left, 1);
  terms.forEach(([, brought, sum], i) => {
    if (brought === null) return;
    pen.fillStyle = colour(i >= arrived ? "cut" : brought < 0 ? "negative" : "positive");
    pen.fillRect(left + (i + 0.15) * slot, Math.min(y(0), y(brought)), Math.max(0.5, slot * 0.7), Math.max(0.5, Math.abs(y(brought) - y(0))));
  });
  pen.strokeStyle = colour("weight");
  pen.lineWidth = 2.5;
  pen.lineJoin = "round";
  pen.beginPath();
  for (let i = 0; i < arrived; i++) if (terms[i][2] !== null) pen.lineTo(left + (i + 0.5) * slot, y(terms[i][2]));
  pen.stroke();
  pen.fillStyle = colour("ink");
  if (last) pen.fillText(shown(last), left + (arrived - 0.5) * slot + 6, y(last) + 4);
  pen.fillStyle = colour("quiet");
  pen.textAlign = "right";
  for (const v of marks(low, high, y)) pen.fillText(shown(v), left - 6, y(v) + 4);
  pen.textAlign = "left";
  const time = (i) => page.values[page.backward[terms[i][0]][NODE]][TIME];
  pen.fillStyle = colour("quiet");
  pen.fillText("bars: what each step brings · line: the sum so far", 8, 13);
  pen.fillText("t = " + time(0), left, height - 8);
  pen.textAlign = "right";
  pen.fillText("t = " + time(terms.length - 1), right, height - 8);
  plot.setAttribute("aria-label", "How " + spoken(name) + ".grad adds up over " + terms.length + " contributions; the table below has the numbers");
}

function setUpWeights() {
  for (const [value] of page.sums) weightPick.append(element("option", { value }, inCharacters(page.values[value][NAME])));
  weightPick.disabled = !page.sums.length;
  weightPick.addEventListener("input", () => select({ weight: Number(weightPick.value) }));
  byId("weight-table").closest("details").addEventListener("toggle", sayWeight);
  sayWeight();
  new ResizeObserver(oncePerFrame(sayWeight)).observe(byId("weight-plot").parentElement);
  redrawers.push(sayWeight);
}
const followWeight = whenChanged(() => [weightPlace(), weightPlace() === undefined ? 0 : arrivedAt(weightPlace())].join(), sayWeight);
views.push((changed) => { if (changed.includes("weight") || changed.includes("position")) followWeight(); });
