"""A page as an anywidget, for Jupyter, VS Code, Colab and marimo. anywidget is imported when one is made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..support.optional import optional


def make_widget(script: str, frame: dict[str, str], link: str, heard: Callable[[str], None]) -> object:
    """A widget that shows a page in a frame.

    What the two sides tell each other is the link of the page, which says what differs from the page as it was built.
    What Python has set is later than whatever the page says before it has followed, and is not undone by it: a notebook
    hands on what happens on the page only between two cells.

    Args:
        script: the widget's side in the notebook, a module of JavaScript.
        frame: the attributes of the frame with the page.
        link: what is set at first.
        heard: called with the link when something was set on the page.

    Raises:
        MissingDependencyError: anywidget is not installed.
    """
    return _widget_class()(script, frame, link, heard)


@cache
def _widget_class() -> Any:
    """The class of the widgets. anywidget may lack its types, or be missing."""
    with optional("a page as a widget needs anywidget", "notebook"):
        import anywidget
        import traitlets
    base: Any = anywidget.AnyWidget

    class PageWidget(base):  # type: ignore[misc]
        """A page in a frame.

        Attributes:
            frame: the attributes of the frame with the page.
            state: ``link``, what differs from it; ``turn``, how often Python has set something; and ``by``, the view
                that said it, if it was not Python.
        """

        frame = traitlets.Dict().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)

        def __init__(self, script: str, frame: dict[str, str], link: str, heard: Callable[[str], None]) -> None:
            self._esm = script
            self._heard = heard
            self._now: dict[str, Any] = {"link": link, "turn": 0}
            super().__init__(frame=frame, state=self._now)
            self.observe(self._hear, "state")

        def show(self, link: str) -> None:
            """Have the page follow what Python has set."""
            self._now = {"link": link, "turn": self._now["turn"] + 1}
            self.state = self._now

        def _hear(self, change: Any) -> None:
            if change.new["turn"] == self._now["turn"]:
                self._now = change.new
                self._heard(str(change.new["link"]))
            else:  # said before the page had followed
                self.state = self._now

    return PageWidget
