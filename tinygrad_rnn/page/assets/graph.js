// The graph of a time step: cards, and the edges between them, as `graphs` of tinygrad_rnn.page has laid them out.
"use strict";

/** The graph of a time step at a level of detail. A card stands for one place, or for all entries of a quantity; below it are the
 *  constants and parameters from which it is computed. What belongs to the loss is there only where there is one. */
function readGraph({ facts }, { layout, of, places, others, small = true }, hasLoss) {
  const { x, y, way, height } = page.layouts[layout], nodes = rankOfNodes(facts), layers = [...new Set(x)].sort((a, b) => a - b);
  const parents = new Map(Object.values(facts.edges).flat().map(([node, ...own]) => [node, own]));
  const cards = (places ? places.map(spread) : reached(facts, parents, of, nodes)).map((own, id) => ({ id, places: [own].flat(), x: x[id], y: y[id], small: [], before: new Map() }));
  const cardOf = new Map(cards.flatMap((card) => [...card.places, ...spread(others ? others[card.id] : [])].map((place) => [place, card]))), order = [...nodes.keys()].filter((place) => cardOf.has(place));
  const join = (card, parent, operand) => {
    for (const place of placesOf(parent, facts)) {
      const tail = cardOf.get(place);
      if (!tail) { if (small) card.small.push(parent); return; }
      if (tail !== card) card.before.set(tail.id + (places ? "" : " " + operand), tail);
    }
  };
  for (const node of order) parents.get(node).forEach((parent, operand) => join(cardOf.get(node), parent, operand));
  const edges = cards.flatMap((head) => [...head.before.values()].map((tail) => ({ tail, head })));
  edges.forEach((edge, id) => Object.assign(edge, { id, way: layers.filter((each) => edge.tail.x < each && each < edge.head.x).map((each, i) => [each, way[id][i]]) }));
  const isSeen = ({ places: [first] }) => hasLoss || first < facts.x || first >= facts.first, seen = cards.filter(isSeen), isThere = (place) => isSeen(cardOf.get(place));
  return { cards: seen, edges: edges.filter(({ tail, head }) => isSeen(tail) && isSeen(head)), cardOf: new Map([...cardOf].filter(([place]) => isThere(place))), nodes,
    order: order.filter(isThere), width: Math.max(...x) + page.card.wide + Math.min(...x), height };  // as wide without a loss: it stays where it is
}

/** The places from which a slot is computed, those of this time step in the order of computation; of null, all. */
function reached(facts, parents, of, nodes) {
  const { width, x, target, computed } = facts, isComputed = (place) => place < 0 || parents.has(place) || computed.cell.some(([from, to]) => from <= place && place < to);
  const found = new Set(), left = parents.has(of) ? [of] : [...nodes.keys()], rank = (place) => nodes.get(place) ?? -1;
  while (left.length) {
    const place = left.pop();
    if (found.has(place)) continue;
    found.add(place);
    for (const parent of parents.get(place) || []) left.push(...placesOf(parent, facts).filter((each) => each < width && (each < x + target || isComputed(each))));
  }
  return [...found].sort((a, b) => rank(a) - rank(b) || a - b);
}
