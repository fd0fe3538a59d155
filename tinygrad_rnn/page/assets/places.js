// Places of numbers: a slot of the time step; of the one before, -1 - slot; of parameter i, width + i.
"use strict";

/** The place of a parent, as the facts' edges tell it; where a whole number chooses it, one of `now` does. */
function parentAt(parent, now, { width }) {
  if (typeof parent === "number") return parent;
  const [first, options, stride = 0] = parent;
  if (options === undefined) return width + first;
  return Array.isArray(options) ? parentAt(options[now[first]], now, { width }) : width + options + stride * now[first];
}

/** All places that a parent may have. */
function placesOf(parent, facts) {
  const [first, options, stride] = [parent].flat();
  if (Array.isArray(options)) return options.flatMap((option) => placesOf(option, facts));
  return Array.from({ length: stride ? facts.symbols[first] : 1 }, (_, n) => parentAt(parent, { [first]: n }, facts));
}

/** The slots of the whole numbers that choose a parent. */
const choosersOf = (parent) => (parent.length > 1 ? [parent[0], ...[parent[1]].flat().flatMap(choosersOf)] : []);

/** The whole numbers in ranges [first, end). */
const spread = (ranges) => ranges.flatMap(([first, end]) => Array.from({ length: end - first }, (_, i) => first + i));

/** Slots in the order in which they are computed, with their numbers; the edges have the order of the walk back. */
const rankOfNodes = ({ edges }) => new Map(Object.values(edges).flatMap((list) => list.map(([node]) => node).reverse()).map((node, i) => [node, i]));
