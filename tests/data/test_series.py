"""The built-in series and the CSV reader."""

import contextlib
import csv as csv_module
import io
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygrad_rnn.data import Series, read_column, read_text, sunspots, text
from tinygrad_rnn.data.quotes import misplaced_quote
from tinygrad_rnn.errors import ArgumentError, DataError


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


# ---- files ------------------------------------------------------------------------------------------------------


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
        "year\tlevel\r\n1900\t1.5\r\n1901\t-2e3\r\n\r\n",
        '\ufeff"year","level"\n"1900"," 1.5 "\n"1901","-2000"',
        '"year", "level"\r1900, "1.5"\r1901, -2000\r',
        'sep=;\n"year";"level"\n1900;1.5\n1901;-2000\n   \n',
        '"sep=|"\nyear|level\n1900|1.5\n1901|-2000\n',
        '"year (a.d., new; style)";level\n1900;1.5\n"1,901";-2000',
        '"what\nyear","level"\n"19\n00",1.5\n1901,-2000',
    ],
)
def test_a_column_is_found_in_any_dialect(csv, content):
    assert read_column(csv(content), "level").numbers == (1.5, -2000.0)


def test_an_only_column_needs_no_name(csv):
    assert read_column(csv("level\n1\n2\n")).numbers == (1.0, 2.0)


@pytest.mark.parametrize(
    ("content", "arguments", "numbers"),
    [
        ("level\n1,5\n2,7\n3,1\n2,9", {"decimal": ","}, (1.5, 2.7, 3.1, 2.9)),
        ("a;b\n1,5;2\n,25;3\n", {"column": "a", "decimal": ","}, (1.5, 0.25)),
        ('a,b\n"1,5",2\n"2,5",3\n', {"column": "a", "separator": ",", "decimal": ","}, (1.5, 2.5)),
        ("Level (m, NAP);Wind\n1.5;3\n", {"column": "Wind", "separator": ";"}, (3.0,)),
        ("1.5\n2.5\n3.5\n4.5", {"header": False}, (1.5, 2.5, 3.5, 4.5)),
        ("1,5;2\n2,5;3\n", {"column": "1", "header": False, "decimal": ","}, (1.5, 2.5)),
        ("1,5\n2,5\n", {"header": False, "decimal": ","}, (1.5, 2.5)),
        ("1,5\n2,5\n", {"header": False, "column": "1", "separator": ","}, (1.0, 2.0)),
        ("1.5,5\n2.5,5\n", {"header": False, "column": "1"}, (1.5, 2.5)),
        ("land,2019,2020\nNL,1,2\nBE,3,4", {"column": "2020", "header": True}, (2.0, 4.0)),
        ("a b\n1 2\n3 4", {"column": "b", "separator": " "}, (2.0, 4.0)),
    ],
)
def test_what_cannot_be_told_is_an_argument(csv, content, arguments, numbers):
    assert read_column(csv(content), **arguments).numbers == numbers


def test_a_column_names_the_steps(csv):
    path = csv("date,level\n2020-01-01,1\n2020-01-02,4\n")
    assert read_column(path, "level", labels="date").labels == ("2020-01-01", "2020-01-02")
    assert read_column(path, "level").labels == ("1", "2")
    with pytest.raises(DataError, match="no column called 'day'"):
        read_column(path, "level", labels="day")
    with pytest.raises(DataError, match="line 3, column 'date': the cell is empty"):
        read_column(csv("date,level\n2020-01-01,1\n,4\n"), "level", labels="date")


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("a,b\n1,2\n", "c", "no column called 'c'"),
        ("a,b\n1,2\n", None, "has 2 columns"),
        ("a,a\n1,2\n", "a", "more than one column called 'a'"),
        ("a,b\n1,2\n1,x\n", "b", "line 3, column 'b': 'x' is not a number"),
        ("a\n1_000\n", "a", "'1_000' is not a number"),
        ("a\n１\n", "a", "'１' is not a number"),
        ("a\nnan\n", "a", "'nan' is not finite"),
        ("a\n1\n-inf\n", "a", "line 3, column 'a': '-inf' is not finite"),
        ("a\n1\n-inf\n", "a", "'-inf' is not finite. Give a part of the file without it"),
        ("a\n−1,5\n", "a", "2 cells under 1 name"),
        ("a\n−1.5\n", "a", "line 2, column 'a': '−1.5' is not a number. The minus sign of a number is -"),
        ("a\n1\n".encode("utf-16-le"), "a", "has characters of number 0, as UTF-16 has. Save it in UTF-8"),
        ("a\n1e999\n", "a", "'1e999' is not finite. It is too large for a double"),
        ("", "a", "is empty"),
        ("\n \n", "a", "is empty"),
        ("\n1\n", "a", "line 1: no column is named"),
        ("a,b\n", "a", "no rows"),
        ("a,b\n\n\n", "a", "no rows"),
        (b"a\n\xff\xfe\n", "a", "not UTF-8"),
        # gaps
        ("a,b\n1,2\n1,\n", "b", "line 3, column 'b': the cell is empty"),
        ('a\n1.0\n""\n3.0\n', "a", "line 3, column 'a': the cell is empty. Each row is a time step"),
        ("a\n1\nNA\n", "a", "line 3, column 'a': 'NA' is not a number. Each row is a time step"),
        ("a,b\n1,2\n,\n3,4", "a", "line 3, column 'a': the cell is empty"),
        ("a\tb\n1\t2\n\t\n", "a", "line 3, column 'a': the cell is empty"),
        ("a,b\n1,2\n\n3,4\n", "a", "line 3: an empty line between rows"),
        ("a\n1\n  \n\n3\n", "a", "line 3: an empty line between rows"),
        ("a\n\n1\n", "a", "line 2: an empty line between rows"),
        # as many cells as names
        ("a,b\n1\n", "b", "line 2, column 'b': 1 cell under 2 names. Each row is a time step: fill the gap"),
        ("a,b\n1,2\n3,x,4\n", "b", "line 3, column 'b': 3 cells under 2 names. Put what holds ','"),
        ("a\n1,5\n", "a", "line 2, column 'a': 2 cells under 1 name. If a comma stands before decimals, give"),
        ("a\n1,234\n", "a", "(--separator ';' --decimal ,); if it separates thousands, take it out"),
        ("a\n1,234,567\n", "a", "line 2, column 'a': 3 cells under 1 name. If a comma"),
        ("a\n1,234,567\n", "a", "; if it separates thousands, take it out"),
        ("day,a\n1.1.20,1,234\n", "a", "line 2, column 'a': 3 cells under 2 names. If a comma stands before decimals"),
        ("a,b,c\n1,2,345,6\n", "a", "line 2, column 'a': 4 cells under 3 names. If a comma stands before decimals or"),
        ('"a\nb",c\n1,2\n3\n', "c", "line 4, column 'c': 1 cell under 2 names"),
        ("Level (m, NAP),Wind\n1.5,3\n", "Wind", "If a name holds ',', put it in quotes"),
        # gaps in other columns
        ("day,a,b\n1,2,3\n2,,4\n", "b", "line 3, column 'a': the cell is empty. Each row is a time step"),
        ("day,a,b\n1,2,3\n2,,4\n", "b", "If the column is not needed, give gaps_elsewhere=True (--gaps-elsewhere)"),
        ("a,b,\n1,2,\n", "a", "line 2, column 3, which has no name: the cell is empty"),
        # other signs between cells
        ("a|b\n1|2\n", "a", "It has 'a|b'. If '|' separates cells, give separator='|' (--separator '|')"),
        ("a|b\n1|2\n", None, "line 2, column 'a|b': '1|2' is not a number. If '|' separates cells, give separator='|'"),
        ("a:b:c\n1:2:3\n", None, "'1:2:3' is not a number. If ':' separates cells"),
        ("a b\n1 234\n", None, "(--separator ' '); if it separates thousands, take it out"),
        ("a\n1 234\n", None, "'1 234' is not a number. Take out what separates thousands"),
        ("a b\n1|2\n", None, "'1|2' is not a number"),
        # quotes
        ('a,b\n1,"2\n3,4', "a", "line 2, column 'b': the quote that begins the cell is not closed. Close it, or take"),
        ('a,b\n"1\n', "b", "line 2, column 'a': the quote that begins the cell is not closed"),
        ('a,b\n1,2\n"x\ny","2', "b", "line 4, column 'b': the quote that begins the cell is not closed"),
        ('a,b\n1,"2"x\n', "a", "line 2, column 'b': 'x' follows the quote that closes the cell. Quotes enclose"),
        ('a,b\n"5" pipe",2\n', "b", "column 'a': ' ' follows the quote that closes the cell. Quotes enclose a"),
        ('a,b\n"1";"2"\n', "a", "';' follows the quote that closes the cell. If ';' separates cells, give separa"),
        ('a,b\n1,"2\n3,4\n5,"6"\n', "a", "column 'b': '6' follows the quote that closes the cell, 2 lines further"),
        ('a,b\n1,"2\n"x",4\n', "a", "line 2, column 'b': 'x' follows the quote that closes the cell, 1 line further"),
        ('a,"b" \n1,2\n', "a", "line 1, column '2': ' ' follows the quote that closes the cell. Take out the blank"),
        ('a,b\n1,2,"3', "a", "line 2, column 3, which has no name: the quote that begins the cell is not closed"),
        ('a,b\n1,"' + "x" * 200_000, "a", "line 2, column 'b': the quote that begins the cell is not closed"),
        ("a\n" + "1" * 200_000, "a", "line 2: field larger than field limit (131072). Give a file with shorter cells"),
        # decimal commas and thousands
        ("a;b\n1,5;2\n", "a", "line 2, column 'a': '1,5' is not a number. If ',' stands before decimals, give decimal"),
        ('a,b\n"1,234",2\n', "a", "(--decimal ,); if it separates thousands, take it out"),
        ('a,b\n"1,234.5",2\n', "a", "'1,234.5' is not a number. Take out what separates thousands"),
        ("a;b\n1\u202f234;2\n", "a", "'1 234' is not a number. Take out what separates thousands"),
        # a first line of data, and separators
        ("1.5\n2.5\n", None, "line 1: '1.5' stands where a column is named. If the columns have no names, give"),
        ("2020-01-01,1\n", "1", "'1' stands where a column is named"),
        ("a;1,5\n", "a", "has ',', ';'. Give separator="),
        ("NaN\n1\n", None, "'NaN' stands where"),
    ],
)  # fmt: skip
def test_mistakes_are_named(csv, content, column, message):
    with pytest.raises(DataError) as caught:
        read_column(csv(content), column)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("a;b\n1.234,5;2\n", {"decimal": ","}, "'1.234,5' is not a number. Take out what separates thousands"),
        ("a;b\n1.234;2\n", {"decimal": ","}, "'1.234' is not a number. If '.' stands before decimals"),
        ("a,b\n1,5\n", {"decimal": ","}, "cannot be inferred from its first line, which has ','"),
        ("1,2\n3,4\n", {"header": False, "column": "1"}, "has ','. Give separator= (--separator); where a comma"),
        ("1.234,5\n", {"header": False, "column": "1"}, "has ','. Give separator="),
        ("1,2|3\n", {"header": False, "column": "1"}, "has ','. Give separator="),
        ("1;2\n3\n", {"header": False, "column": "1"}, "line 2, column '2': 1 cell below 2 cells"),
        (
            "1|2\n3|4\n",
            {"header": False, "column": None},
            "line 1, column '1': '1|2' is not a number. If '|' separates",
        ),
        ("a,b\n1,2\n", {"gaps_elsewhere": "no"}, "gaps_elsewhere is 'no'"),
        ("1\n2\n", {"header": 0, "column": "1"}, "header is 0. It is True, False or None"),
        ("1\n2\n", {"header": "no", "column": "1"}, "header is 'no'"),
        ("a,b\n1,2\n", {"column": 2}, "the column 2 is not a text. Give its name"),
        ("a,b\n1,2\n", {"labels": 1}, "the column 1 is not a text"),
        ("a\n1\n", {"separator": "ab"}, "separator is 'ab'"),
        ("a\n1\n", {"separator": "1"}, "separator is '1'"),
        ("a\n1\n", {"separator": '"'}, "separator is"),
        ("a\n1\n", {"separator": 5}, "separator is 5"),
        ("a\n1\n", {"decimal": ""}, "decimal is ''"),
    ],
)
def test_mistakes_with_arguments_are_named(csv, content, arguments, message):
    with pytest.raises((DataError, ArgumentError)) as caught:
        read_column(csv(content), **{"column": "a", **arguments})
    assert message in str(caught.value)


def test_other_columns_may_have_gaps_if_that_is_said(csv):
    path = csv("day,a,remark\n1,2,\n,3,rain\n3,4,\n")
    assert read_column(path, "a", gaps_elsewhere=True).numbers == (2.0, 3.0, 4.0)
    assert read_column(path, "a", gaps_elsewhere=True).labels == ("1", "2", "3")
    for read in ({"column": "a", "labels": "day"}, {"column": "day"}):
        with pytest.raises(DataError, match=r"line 3, column 'day': the cell is empty.*without one$"):
            read_column(path, **read, gaps_elsewhere=True)
    with pytest.raises(DataError, match="line 3: an empty line between rows"):
        read_column(csv("a,b\n1,\n\n2,\n"), "a", gaps_elsewhere=True)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_column(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot read"):
        read_column(tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of POSIX")
def test_a_file_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(text, "MOST_BYTES", 2**20)
    for read in (read_column, read_text):
        with pytest.raises(DataError, match="zero has more than 1 MB"):
            read("/dev/zero")


@pytest.mark.slow
def test_an_error_is_short_however_wide_the_file_is(csv):
    wide = csv(",".join(f"column {i}" for i in range(100_000)) + "\n")
    for column in (None, "x", "y" * 10_000):
        with pytest.raises(DataError) as caught:
            read_column(wide, column)
        assert "and 99,990 more" in str(caught.value)
        assert len(str(caught.value)) < 400
    long = csv("a" * 100_000 + ",b\n" + "x" * 100_000 + ",1\n")
    with pytest.raises(DataError) as caught:
        read_column(long, "a" * 100_000)
    assert len(str(caught.value)) < 200


@given(st.text(alphabet='a", ;\r\n', max_size=12), st.sampled_from(",; "))
def test_a_quote_is_misplaced_if_and_only_if_csv_cannot_read_the_row(content, separator):
    lines = list(io.StringIO(content, newline=""))
    reader = csv_module.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator != " ")
    fault = misplaced_quote(content, separator, ())
    try:
        next(reader, [])
    except csv_module.Error:
        assert fault is not None
        assert fault.place <= content.count(separator)
        assert fault.lines < len(lines)
    else:
        assert fault is None


def test_titles_and_labels_print_in_one_line(csv):
    series = read_column(csv("le\x1b[31mvel,day\n1,\x01\x9b\n2," + "x" * 100_000), "le\x1b[31mvel", labels="day")
    assert series.title == "le\\x1b[31mvel (series.csv)"
    assert series.labels[0] == "\\x01\\x9b"
    assert len(series.labels[1]) == 40
    assert len(read_column(csv("a" * 100_000 + "\n1\n")).title) < 80


# ---- what the standard library's writer writes ------------------------------------------------------------------

names = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
dialects = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from([csv_module.QUOTE_MINIMAL, csv_module.QUOTE_ALL, csv_module.QUOTE_NONNUMERIC]),
    }
)


@settings(max_examples=100, deadline=None)
@given(
    table=st.integers(1, 4).flatmap(
        lambda width: st.tuples(
            st.lists(names, min_size=width, max_size=width, unique=True),
            st.lists(
                st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=width, max_size=width),
                min_size=1,
                max_size=6,
            ),
        )
    ),
    dialect=dialects,
    decimal=st.sampled_from(".,"),
    with_header=st.booleans(),
    top=st.sampled_from(["", "\ufeff"]),
    bottom=st.integers(0, 2),
)
def test_what_was_written_comes_back(tmp_path_factory, table, dialect, decimal, with_header, top, bottom):
    columns, rows = table
    written = io.StringIO(newline="")
    writer = csv_module.writer(written, **dialect)
    if with_header:
        writer.writerow(columns)
    writer.writerows([[repr(number).replace(".", decimal) for number in row] for row in rows])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_text(top + written.getvalue() + bottom * dialect["lineterminator"], encoding="utf-8", newline="")
    for place in range(len(columns)):
        column = None if len(columns) == 1 else columns[place] if with_header else str(place + 1)
        right = tuple(row[place] for row in rows)
        separator = dialect["delimiter"]
        assert read_column(path, column, header=with_header, separator=separator, decimal=decimal).numbers == right
        with contextlib.suppress(DataError):  # what is not said may be asked for, and is never mistaken
            assert read_column(path, column, decimal=decimal).numbers == right
        for other in ".,":
            with contextlib.suppress(DataError):
                read = read_column(path, column, header=with_header, decimal=other).numbers
                assert read == right


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


@pytest.mark.parametrize("name", ["a  b", " a b", "a\u2028b", "a\nb"])
def test_a_column_is_found_by_its_name_in_the_file_whatever_its_spaces(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f'"{name}",c\n1,2\n3,4\n', encoding="utf-8")
    for asked in (name, "a b"):
        assert read_column(tmp_path / "x.csv", asked).numbers == (1.0, 3.0)
