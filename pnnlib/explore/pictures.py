"""Small pictures in a plot, beside each other, with words above and below: ink is dark, as on paper.

    pictures    a `Plot` of some pictures in lines, each with a text above and one below
    framed      one picture in a plot
"""

import numpy as np

from pnnlib.explore.panel_plot import WIDTH, Plot

LINE = 1.5  # what a line of text takes, in pixels of the pictures' grid, where three of 8 pixels stand in a line


def pictures(alt, shown, above=(), below=(), columns=3, title="", changes=(), limit=1.0, rows=8, legend=0):
    """Return a `Plot` of pictures (rows, rows), and the corner (x, y) of each in it; one pixel has the size 1.

    `shown` are arrays; `above` and `below` a text for each; `changes` are the places of those that are drawn as
    changes, from -`limit`, orange, to `limit`, blue. `legend` is how many lines of a legend there will be.

    >>> plot, corners = pictures("Two pictures.", [np.eye(8), np.eye(8)], columns=2)
    >>> corners
    [(0.0, 0.0), (9.0, 0.0)]
    """
    columns = min(columns, len(shown))
    gap, line = rows / 8, LINE * rows / 8 * columns / 3
    width = columns * (rows + gap) - gap
    over, under = (line if any(texts) else 0.0 for texts in (above, below))
    step = over + rows + under + gap * 0.6
    height = -(-len(shown) // columns) * step - gap * 0.6
    scale = (WIDTH - 16) / width
    plot = Plot(
        alt, x=(0, width), y=(height - over, -over), axes=False, title=title,
        height=round(scale * height) + 16 + 18 * (bool(title) + legend),
    )  # fmt: skip
    corners = []
    for n, values in enumerate(shown):
        left, top = (n % columns) * (rows + gap), (n // columns) * step
        corners.append((float(left), float(top)))
        framed(plot, values, left, top, n in changes, limit)
        for texts, y, dy in ((above, top, -5), (below, top + rows, 14)):
            if n < len(texts) and texts[n]:
                plot.text(left + rows / 2, y, texts[n], dy=dy, size=11.5 if columns < 4 else 11)
    return plot, corners


def framed(plot, values, left, top, signed=False, limit=1.0):
    """Draw a picture (rows, columns) with a frame, its corner at (left, top); returns the plot.

    >>> from pnnlib.explore.panel_plot import Plot
    >>> framed(Plot("A picture.", y=(1, 0)), np.eye(2), 0, 0).svg().count("<image")
    1
    """
    values = np.asarray(values, float)
    rows, columns = values.shape
    right, bottom = left + columns, top + rows
    low, high = (-limit, limit) if signed else (1.0, 0.0)
    plot.image(values, (left, right, bottom, top), low, high, signed)
    return plot.line([left, right, right, left, left], [top, top, bottom, bottom, top], "quiet", width=1)
