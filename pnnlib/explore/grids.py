"""Tables of numbers in a plot: feature maps, masks and inputs, each a grid of square cells, beside or below the others.

    grids       a `Plot` of some tables, and where each of them lies in it
    outline     a frame around some cells of a table
    numbers     a table as texts that fit into cells
"""

import numpy as np

from pnnlib.explore.cross_correlation import brief
from pnnlib.explore.panel_plot import HEIGHT, WIDTH, Plot

MARGIN, LINE = 8, 18  # of a plot without axes, and a line of text in it; in pixels
LARGEST = 40  # a cell is no larger, so that a small table does not shout


def grids(
    alt, tables, texts=None, marked=None, names=None, columns=None, title="", x_label="", most=HEIGHT, room=0,
    limit=None, moves=(None, None),
):  # fmt: skip
    """Return a `Plot` of the tables, and the centre (x, y) of the first cell of each.

    A cell has the size 1. The first table's cells lie at x = column and y = row, so that `moves` can name two sliders
    that count them. The tables stand in lines of `columns`, by default all in one.

    tables  arrays (rows, columns); `texts` and `marked`, one for each table, as `Plot.cells` takes them
    names   a text above each table
    most    height in pixels at most, `room` of it for so many lines of a legend
    limit   the number that has the strongest colour, of all tables alike

    >>> plot, centres = grids("Two tables.", [np.eye(2), np.eye(3)], names=["a", "b"])
    >>> centres
    [(0.0, 0.0), (3.0, 0.0)]
    """
    tables = [np.atleast_2d(np.asarray(table, float)) for table in tables]
    texts = texts or [numbers(table) for table in tables]
    marked = [None] * len(tables) if marked is None else marked
    limit = limit or max((np.nanmax(np.abs(table), initial=0.0) for table in tables), default=0.0) or 1.0
    per_line = columns or len(tables)
    lines = [tables[n : n + per_line] for n in range(0, len(tables), per_line)]
    across = max(sum(table.shape[1] for table in line) + len(line) - 1 for line in lines)
    high = [max(table.shape[0] for table in line) for line in lines]
    label = LINE if names else 0
    # What is left of the picture for cells, and with them its height.
    around = 2 * MARGIN + LINE * (bool(title) + bool(x_label) + room) + label * len(lines) + 6 * (len(lines) - 1)
    cell = min((WIDTH - 2 * MARGIN) / across, (most - around) / sum(high), LARGEST)
    height = round(around + cell * sum(high))
    inside = (height - 2 * MARGIN - LINE * (bool(title) + bool(x_label) + room)) / cell
    side = ((WIDTH - 2 * MARGIN) / cell - across) / 2
    top = -0.5 - label / cell
    plot = Plot(
        alt, x=(-0.5 - side, across - 0.5 + side), y=(top + inside, top), axes=False, title=title, x_label=x_label,
        height=height, moves=moves,
    )  # fmt: skip
    centres, y, n = [], 0.0, 0
    for line, rows in zip(lines, high):
        x = 0.0
        for table in line:
            plot.cells(table, texts[n], at=(x - 0.5, y - 0.5), marked=marked[n], limit=limit)
            if names:
                plot.text(x + (table.shape[1] - 1) / 2, y - 0.5, names[n], "quiet", dy=-5)
            centres.append((x, y))
            x += table.shape[1] + 1
            n += 1
        y += rows + (label + 6) / cell
    return plot, centres


def outline(plot, centre, row, column, rows, columns, color=1, style="solid", label=None, width=3, inset=0.0):
    """Draw a frame around cells of a table: `rows` and `columns` of them, the first at (row, column).

    >>> plot, (centre,) = grids("A table.", [np.eye(4)])
    >>> outline(plot, centre, 1, 1, 2, 2, style="dashed", label="a region") is plot
    True
    """
    left, top = centre[0] + column - 0.5 + inset, centre[1] + row - 0.5 + inset
    right, bottom = left + columns - 2 * inset, top + rows - 2 * inset
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    return plot.line(x, y, color, style, label, width)


def numbers(table):
    """Return the numbers of a table (rows, columns) as texts that fit into cells.

    >>> numbers([[0.5, -1 / 3]])
    [['0.5', '-0.333']]
    """
    return [[brief(f"{value + 0.0:.6g}") for value in row] for row in np.atleast_2d(table).tolist()]
