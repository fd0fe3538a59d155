"""The lit chain through every Value: its factors, their product, the law."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import RNNCell, ScalarRNNCell, Unrolled, Value, mse_loss, pictures, unroll
from tinygrad_rnn.bptt.paths import paths
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.pictures import Drawing
from tinygrad_rnn.pictures.chain import Chain, strongest
from tinygrad_rnn.pictures.geometry import Picture
from tinygrad_rnn.pictures.graph import states_of


def draw(*what: Any, **options: Any) -> Drawing:
    return pictures.draw(*what, **{"detail": "values", **options})


def chain_of(unrolled: Unrolled, loss: Value, k: int | None = None, name: str = "h") -> Chain:
    chain = strongest(unrolled.steps_of([loss]), loss, states_of(unrolled), k, name)
    assert chain is not None
    return chain


def heading(picture: Picture) -> list[str]:
    return [text.text for text in picture.texts if text.role in ("headline", "equation", "caption")]


def bands(picture: Picture) -> dict[str, list[str]]:
    return {box.id: list(box.lines) for box in picture.boxes if box.id.startswith("band")}


@settings(deadline=None, max_examples=30)
@given(
    w=st.floats(-2, 2).filter(lambda w: abs(w) > 1e-3),
    xs=st.lists(st.floats(-2, 2), min_size=1, max_size=8),
    data=st.data(),
)
def test_the_product_of_a_scalar_chain_is_the_gradient(w: float, xs: list[float], data: st.DataObject) -> None:
    unrolled = unroll(ScalarRNNCell(w=w, u=0.7, b=0.1), xs)
    k = data.draw(st.integers(0, len(xs)))
    loss = unrolled.h[len(xs)] * 3.0
    loss.backward()
    chain = chain_of(unrolled, loss, k)
    assert chain.only
    assert math.isclose(chain.product, unrolled.h[k].grad, rel_tol=1e-12)
    assert math.isclose(chain.sign * 10.0**chain.log10, unrolled.h[k].grad, rel_tol=1e-9)
    for t in range(k, len(xs) + 1):
        sign, log10 = chain.back_to(t)
        assert math.isclose(sign * 10.0**log10, unrolled.h[t].grad, rel_tol=1e-9)
    for factor in chain.factors:
        assert [name for name, _, _ in factor.terms] == ["w", f"tanh′(z_{factor.step})"]
        assert math.isclose(factor.product, w * (1.0 - unrolled.h[factor.step].data ** 2), rel_tol=1e-12)


def test_the_law_is_written_out() -> None:
    unrolled = unroll(ScalarRNNCell(w=0.5, u=1.0, nonlinearity="identity"), [1.0] * 4)
    loss = unrolled.h[4] * 3.0
    verdict, equation, caption, law = heading(draw(unrolled, loss, k=1).picture)
    assert verdict == "The gradient shrinks: ×0.125 over 3 steps back, ×0.5 per step"
    assert caption == "ScalarRNNCell(w=0.5, u=1, b=0, nonlinearity='identity'), unrolled over 4 time steps"
    assert equation == "∂L/∂h_1 = ∂L/∂h_4 · w · w · w = 3 · 0.5 · 0.5 · 0.5 = 0.375"
    assert law == "The law: ∂h_4/∂h_1 = w^(T−k) = 0.5³ = 0.125, T−k = 3"


def test_what_tanh_takes_away_stands_beside_the_law() -> None:
    unrolled = unroll(ScalarRNNCell(w=-1.5, u=0.8, b=0.1), [0.5, -0.3, 0.9])
    _, equation, _, law = heading(draw(unrolled, unrolled.h[3]).picture)
    assert equation.startswith("∂h_3/∂h_0 = (w·tanh′(z_3)) · (w·tanh′(z_2)) · (w·tanh′(z_1)) = ")
    assert "w^(T−k) · ∏ tanh′ = (−1.5)³ · " in law
    rest = math.prod(1.0 - unrolled.h[t].data ** 2 for t in (1, 2, 3))
    assert f"= −3.38 · {rest:.3g} = " in law


@pytest.mark.parametrize(
    ("w", "word"), [(0.5, "vanishes"), (1.7, "explodes"), (1.0, "keeps its size"), (-1.0, "keeps its")]
)
def test_the_fate_of_the_gradient_is_named(w: float, word: str) -> None:
    unrolled = unroll(ScalarRNNCell(w=w, u=1.0, nonlinearity="identity"), [1.0] * 9)
    assert word in heading(draw(unrolled).picture)[0]


def test_each_column_says_its_factor_and_the_gradient_so_far() -> None:
    unrolled = unroll(ScalarRNNCell(w=0.5, u=0.8, b=0.1), [0.5, -0.3, 0.9])
    loss = (unrolled.h[3] - 1.0) ** 2
    assert bands(draw(unrolled, loss).picture) == {
        "band0": ["∂L/∂h_0 = −0.0300"],
        "band1": ["∂L/∂h_1 = −0.0763", "∂h_1/∂h_0 = w · tanh′(z_1)", "= 0.5 · 0.786 = 0.393"],
        "band2": ["∂L/∂h_2 = −0.154", "∂h_2/∂h_1 = w · tanh′(z_2)", "= 0.5 · 0.992 = 0.496"],
        "band3": ["∂L/∂h_3 = −0.602", "∂h_3/∂h_2 = w · tanh′(z_3)", "= 0.5 · 0.511 = 0.256"],
    }


def test_a_product_too_small_for_a_double_is_still_a_number() -> None:
    unrolled = unroll(ScalarRNNCell(w=0.5, nonlinearity="identity"), [1.0] * 2000)
    picture = draw(unrolled, unrolled.h[2000], max_steps=4).picture
    assert heading(picture)[3].endswith("= 0.5²⁰⁰⁰ = 8.71×10⁻⁶⁰³, T−k = 2000")
    assert bands(picture)["band0"] == ["∂h_2000/∂h_0 = 8.71×10⁻⁶⁰³"]
    fold = next(lines for name, lines in bands(picture).items() if name == "band2")
    assert fold == ["1997 factors", "product 6.97×10⁻⁶⁰²"]


def test_a_gradient_that_is_exactly_zero_is_zero() -> None:
    unrolled = unroll(ScalarRNNCell(w=-1.0, u=-1.0, nonlinearity="relu"), [1.0] * 3)
    picture = draw(unrolled, unrolled.h[3]).picture
    assert heading(picture)[1].endswith(" = 0")
    assert bands(picture)["band0"] == ["∂h_3/∂h_0 = 0"]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), hidden=st.integers(2, 3), steps=st.integers(1, 3))
def test_the_strongest_path_is_the_strongest_of_all(seed: int, hidden: int, steps: int) -> None:
    unrolled = unroll(RNNCell(1, hidden, seed=seed), [[0.5]] * steps)
    loss = mse_loss(unrolled.h[steps], [1.0] * hidden)
    chain = chain_of(unrolled, loss)
    every = [path for entry in unrolled.h[0] for path in paths(loss, entry, limit=10_000)]
    assert math.isclose(abs(chain.product), max(abs(path.product) for path in every), rel_tol=1e-9)
    on_a_path = {(step.node, step.position) for path in every for step in path.steps}
    assert chain.paths == on_a_path
    assert {(link.child, link.position) for link in chain.links} <= on_a_path


def test_all_paths_are_faint_and_the_strongest_is_lit() -> None:
    unrolled = unroll(RNNCell(1, 2, seed=1), [[0.5]] * 2)
    loss = mse_loss(unrolled.h[2], [1.0, 1.0])
    loss.backward()
    chain = chain_of(unrolled, loss)
    picture = draw(unrolled, loss).picture
    pens = {(line.edge.child, line.edge.position): line.pen for line in picture.lines if line.edge}
    lit = {(link.child, link.position) for link in chain.links}
    assert {edge for edge, pen in pens.items() if pen == 3.0} == lit
    assert {edge for edge, pen in pens.items() if pen == 1.2} == chain.paths - lit
    share = 100.0 * chain.product / chain.target.grad
    assert heading(picture)[1].startswith("Strongest path to ∂L/∂h_0[")
    assert heading(picture)[1].endswith(f"{share:.1f} % of it") == (share <= 100)


def test_a_loss_at_every_step_does_not_shorten_the_chain() -> None:
    unrolled = unroll(ScalarRNNCell(w=0.1), [0.5] * 4)
    loss = mse_loss([unrolled.h[t] for t in range(1, 5)], [1.0] * 4)
    chain = chain_of(unrolled, loss)
    assert (chain.T, chain.k) == (4, 0)
    assert not chain.only
    assert [factor.step for factor in chain.factors] == [4, 3, 2, 1]


def test_by_default_the_chain_leads_to_the_earliest_state_that_the_loss_reaches() -> None:
    unrolled = unroll(ScalarRNNCell(), [0.5] * 4)
    unrolled.h[2].parents = ()  # as if detached there
    chain = chain_of(unrolled, unrolled.h[4])
    assert chain.k == 2
    with pytest.raises(ArgumentError, match="h_1 has no path to the loss"):
        draw(unrolled, unrolled.h[4], k=1)


def test_a_derivative_that_is_a_closure_is_read_off_the_walk() -> None:
    w = Value(0.5, label="w")

    def doubled(z: Value) -> Value:
        out = Value(2.0 * z.data, (z,), "double")

        def backward() -> None:
            z.grad += 2.0 * out.grad

        out._backward = backward
        return out

    unrolled = unroll(lambda x, h: doubled(w * h + x), [0.1, 0.5], h0=0.2)
    unrolled.h[2].backward()
    before = [node.grad for node in unrolled.h.values()]
    assert math.isclose(chain_of(unrolled, unrolled.h[2]).product, 1.0)
    draw(unrolled, unrolled.h[2], local_gradients=True)
    assert [node.grad for node in unrolled.h.values()] == before


def test_an_unknown_derivative_is_not_taken_for_zero() -> None:
    unrolled = unroll(lambda x, h: Value(h.data, (h, x), "mystery"), [0.1, 0.5], h0=0.2)
    verdict, equation, *_ = heading(draw(unrolled, unrolled.h[2], local_gradients=True).picture)
    assert equation.endswith("= NaN")
    assert verdict == "The gradient is not a number after 2 steps back"
