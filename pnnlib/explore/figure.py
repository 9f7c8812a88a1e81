"""A matplotlib figure on the page, with a description in words, updated in place.

JupyterLab ignores alternative text on the figures it displays itself, and a
new figure for every change flickers. `FigureView` is one picture that stays
where it is and says what it shows.
"""

import io
from pathlib import Path

import anywidget
import traitlets


class FigureView(anywidget.AnyWidget):
    """A picture, what it shows in words, and a caption. `show_figure` makes one."""

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = """
        .pnn-figure { margin: 0; }
        .pnn-figure img { display: block; max-width: 100%; height: auto; }
        .pnn-figure figcaption { margin-top: 4px; font-size: 13px; color: var(--jp-content-font-color2, inherit); }
    """

    png = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)

    def update(self, figure, alt=None, caption=None):
        """Put another figure in this place; without a new `alt` or `caption` the old one stays.

        >>> from matplotlib.figure import Figure
        >>> view = show_figure(Figure(), alt="An empty picture.")
        >>> view.update(Figure(), alt="Another one.")
        >>> view.alt
        'Another one.'
        """
        alt = self.alt if alt is None else alt
        if not alt.strip():
            raise ValueError("show_figure: alt must say in words what the figure shows, got an empty text")
        png = _png(figure)
        with self.hold_sync(), self.hold_trait_notifications():  # picture and words change together
            self.png, self.alt = png, alt
            if caption is not None:
                self.caption = caption

    def close(self):
        """Take the picture off the page and free it."""
        self.layout.close()  # a widget of its own, which stays otherwise
        super().close()
        self.png = b""


def show_figure(figure, alt, caption=""):
    """Show a matplotlib figure with a description in words, and return its `FigureView`.

    `figure` is a `matplotlib.figure.Figure`, made without pyplot, so that nothing
    keeps it alive; `alt` is a sentence that says what it shows to someone who
    cannot see it; `caption` stands below. The view has `update(figure, alt,
    caption)` and `close()`.

    >>> from matplotlib.figure import Figure
    >>> figure = Figure(figsize=(3, 2))
    >>> _ = figure.subplots().plot([0, 1, 4])
    >>> view = show_figure(figure, alt="A curve that rises ever more steeply.")
    >>> view.png[1:4]
    b'PNG'
    """
    view = FigureView()
    view.update(figure, alt, caption)
    return view


def _png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
