// The film of a backward pass: every application of the chain rule, in the order of the walk.
"use strict";

/** The blocks of the backward passes of a computation, in order: the unit and the time step of each walk. Those that are
 *  `wanted`, by their number, also have the gradients that there were before it. byStep: the loss of a time step is walked
 *  when its time step comes, as a film shows it, and not all losses first. */
function blocks(computation, wanted = () => true, byStep = false) {
  const { aside, seed, cuts } = computation, found = [], { within } = aside;
  aside.within ||= byStep;
  aside.zero_grad();
  aside.begin();
  for (const pass of computation.passes()) {
    const watch = (unit, t, cut) => {
      if (unit === null) return;
      const block = { unit, t, cut };
      if (wanted(found.length)) {
        Object.assign(block, { p_grad: aside.p_grad.slice(), grad: aside.grad[t].slice(), before: aside.grad[t - 1].slice() });
      }
      found.push(block);
    };
    aside.backward(seed, { ...pass, cuts, watch });
  }
  aside.within = within;
  return found;
}

/** The applications of the chain rule in a block: what is added to whose gradient, and what that was and is.
 *  node, operand: the slot of the node, and which of its operands. parent: its place, as in the facts' edges.
 */
function applications({ program, sequence }, { unit, t, cut, p_grad, grad, before }) {
  const { facts } = program, { p, now } = sequence, products = new Set(spread(facts.products)), after = grad.slice();
  const edges = facts.edges[unit].flatMap(([node, ...parents]) => parents.map((parent, operand) => [node, operand, parent, parents[1 - operand]]));
  const local = new Float64Array(edges.length).fill(1), numberAt = (place) => (place >= facts.width ? p[place - facts.width] : place < 0 ? now[t - 1][-1 - place] : now[t][place]);
  program[unit + "_local"](p, now[t - 1], now[t], local);
  const places = new Map();  // gradients so far, of those that are not in this time step
  const soFar = (place) => {
    if (place >= 0 && place < facts.width) return after[place];
    if (!places.has(place)) places.set(place, place < 0 ? before[-1 - place] : p_grad[place - facts.width]);
    return places.get(place);
  };
  return edges.flatMap(([node, operand, where, other], i) => {
    const parent = parentAt(where, now[t], facts);
    if (products.has(node)) local[i] = numberAt(parentAt(other, now[t], facts));
    if (cut && parent < 0) return [];
    const contribution = local[i] * after[node], had = soFar(parent), has = had + contribution;
    if (parent >= 0 && parent < facts.width) after[parent] = has;
    else places.set(parent, has);
    return [{ t, unit, node, operand, parent, local: local[i], gradient: after[node], contribution, before: had, after: has }];
  });
}
