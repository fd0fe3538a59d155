"""The built-in series and the CSV reader."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygrad_rnn.data import Series, read_column, sunspots
from tinygrad_rnn.errors import DataError


def test_sunspots_are_those_of_the_source():
    series = sunspots()
    assert len(series.numbers) == 309
    assert series.labels == tuple(str(year) for year in range(1700, 2009))
    known = {"1700": 5.0, "1750": 83.4, "1957": 190.2, "2000": 119.6, "2008": 2.9}
    assert {year: series.numbers[series.labels.index(year)] for year in known} == known
    assert max(series.numbers) == 190.2
    assert min(series.numbers) == 0.0


def test_scaled_runs_from_minus_one_to_one():
    assert Series("s", (2.0, 3.0, 6.0), ("a", "b", "c")).scaled().numbers == (-1.0, -0.5, 1.0)


def test_a_constant_series_is_scaled_to_zero():
    assert Series("s", (7.0, 7.0), ("a", "b")).scaled().numbers == (0.0, 0.0)


@pytest.mark.parametrize("start", [1e15, -1.7976911390223952e308])
def test_large_numbers_near_each_other_are_scaled_as_any(start):
    step = math.ulp(start)
    numbers = tuple(start + k * step for k in (0, 1, 2, 3, 4, 5, 6, 8))
    scaled = Series("s", numbers, tuple(map(str, numbers))).scaled().numbers
    assert scaled == (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)


@example([-1.7976911390223952e308, -1.7976913385900373e308])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_scaling_never_overflows(numbers):
    scaled = Series("s", tuple(numbers), tuple(map(str, numbers))).scaled().numbers
    assert all(-1.0 <= number <= 1.0 for number in scaled)
    assert all(a <= b for (x, a) in zip(numbers, scaled) for (y, b) in zip(numbers, scaled) if x < y)


@pytest.fixture
def csv(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "series.csv"
        path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "year,level\n1900,1.5\n1901,-2e3\n",
        "year;level\n1900;1.5\n1901;-2e3\n",
        "year\tlevel\r\n1900\t1.5\r\n\r\n1901\t-2e3\r\n",
        '\ufeff"year","level"\n"1900"," 1.5 "\n"1901","-2000"',
    ],
)
def test_a_column_is_found_in_any_dialect(csv, content):
    assert read_column(csv(content), "level").numbers == (1.5, -2000.0)


def test_an_only_column_needs_no_name(csv):
    assert read_column(csv("level\n1\n2\n")).numbers == (1.0, 2.0)


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("a,b\n1,2\n", "c", "no column called 'c'"),
        ("a,b\n1,2\n", None, "has 2 columns"),
        ("a,a\n1,2\n", "a", "more than one column called 'a'"),
        ("a,b\n1,2\n1,x\n", "b", "line 3, column 'b': 'x' is not a number"),
        ("a,b\n1,2\n\n1,\n", "b", "line 4, column 'b': the cell is empty"),
        ("a,b\n1\n", "b", "line 2, column 'b': the cell is empty"),
        ("a\n1_000\n", "a", "'1_000' is not a number"),
        ("a\nnan\n", "a", "nan is not finite"),
        ("a\n1\n-inf\n", "a", "line 3, column 'a': -inf is not finite"),
        ("a\n1e999\n", "a", "1e999 is not finite"),
        ("", "a", "is empty"),
        ("\n1\n", "a", "is empty"),
        ("a,b\n", "a", "no rows"),
        (b"a\n\xff\xfe\n", "a", "not UTF-8"),
    ],
)
def test_mistakes_are_named(csv, content, column, message):
    with pytest.raises(DataError) as caught:
        read_column(csv(content), column)
    assert message in str(caught.value)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_column(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot read"):
        read_column(tmp_path)


@pytest.mark.slow
@settings(max_examples=300)
@given(content=st.one_of(st.binary(max_size=80), st.text(alphabet='ab,;\t\n\r"01.e-\0', max_size=60).map(str.encode)))
def test_any_file_gives_finite_numbers_or_an_error_of_ours(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(content)
    for column in (None, "a"):
        try:
            series = read_column(path, column)
        except DataError:
            continue
        assert series.numbers
        assert all(map(math.isfinite, series.numbers))
        assert len(series.labels) == len(series.numbers)
