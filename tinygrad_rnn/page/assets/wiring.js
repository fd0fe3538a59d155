// How the parts of the state hang together in a time step.
"use strict";

const wirings = new Map();

/** What each part of the state is computed from with no other part in between, read off the edges of a program:
 *  across: parts before the time step, and within: other parts after it; pairs [from, to]. input: parts that x_t enters.
 *  loss: parts that the loss reads. */
function wiringOf(program) {
  if (!wirings.has(program)) wirings.set(program, readWiring(program));
  return wirings.get(program);
}

function readWiring({ facts: { edges, parts, x, target, loss } }) {
  const first = x + target, parents = new Map(), across = [], within = [], input = [];
  const partOf = (slot) => Object.keys(parts).find((name) => parts[name][0] <= slot - first && slot - first < parts[name][1]);
  for (const [node, , where] of Object.values(edges).flat()) parents.set(node, (parents.get(node) || []).concat(placesOf(where)));
  const sourcesOf = (slots) => {
    const found = { before: new Set(), after: new Set(), isInput: false }, seen = new Set(slots), left = [...slots];
    while (left.length) {
      for (const place of parents.get(left.pop()) || []) {
        if (seen.has(place)) continue;
        seen.add(place);
        if (place < 0) found.before.add(partOf(-1 - place));
        else if (place < x) found.isInput = true;
        else if (partOf(place)) found.after.add(partOf(place));
        else left.push(place);
      }
    }
    return found;
  };
  for (const [name, [from, to]] of Object.entries(parts)) {
    const { before, after, isInput } = sourcesOf(Array.from({ length: to - from }, (_, i) => first + from + i));
    for (const each of before) across.push([each, name]);
    for (const each of after) within.push([each, name]);
    if (isInput) input.push(name);
  }
  return { across, within, input, loss: loss === null ? [] : [...sourcesOf([loss]).after] };
}
