"""The links of demos/lecture.md lead to what stands below them; the tour is a film of twenty seconds."""

import re
from pathlib import Path

import pytest
from PIL import Image

from tinygrad_rnn.cli import main

from .browser import browser, open_page, settle_work

__all__ = ["browser", "open_page"]

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DEMOS = Path(__file__).parents[2] / "demos"
LECTURE = (DEMOS / "lecture.md").read_text(encoding="utf-8")
SITUATIONS = re.findall(
    r"^\d+\. \[[^\]]+\]\((\w+)\.html(#\S+)\):.*?^   > (.+?)$", LECTURE, flags=re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages, built by the commands of the text."""
    folder, made = tmp_path_factory.mktemp("lecture"), {}
    for options, name in re.findall(r"^tinygrad-rnn (explore.*) -o (\w+)\.html$", LECTURE, flags=re.MULTILINE):
        made[name] = folder / f"{name}.html"
        assert main([*options.split(), "-o", str(made[name])]) == 0
    return made


def test_there_are_five_situations():
    assert len(SITUATIONS) == 5


@pytest.mark.parametrize(("name", "link", "said"), SITUATIONS)
def test_a_link_leads_to_what_its_line_says(open_page, name, link, said):
    page = open_page(name, link)
    settle_work(page)
    assert said in page.evaluate("document.querySelector('main').innerText.replace(/\\n/g, ' ')")
    assert page.evaluate("decodeURIComponent(asLink())") == re.sub("%5B(.*)%5D", r"[\1]", link)


def test_the_tour_is_a_film_of_twenty_seconds():
    image = Image.open(DEMOS / "tour.gif")
    seconds = 0.0
    for i in range(image.n_frames):
        image.seek(i)
        seconds += image.info["duration"] / 1000
    assert 15 < seconds < 25
    assert (DEMOS / "tour.gif").stat().st_size < 2_000_000
