"""Plots as SVG text: what a panel shows, drawn in Python, in the colours and at the size of the page.

A `Plot` is made anew for every look, in less than half a millisecond. The same
plot in matplotlib takes 35 to 70 ms, and its import more than a second, longer
than a first look may take. And SVG follows a dark theme, stays sharp when it is
enlarged, and is a text that a saved notebook can keep.

    Plot            axes, and methods that each draw one thing: line, area, bars, points, rule, text, arrow,
                    disc, cells, image. Each returns the plot.
    nice_limits     limits for an axis that hold all values, and change only now and then

Colours are numbers, 0 to 5, or "ink" and "quiet". Never by colour alone: two lines differ in `style` too, two kinds
of points in `marker`, two kinds of bars in `hollow`.
"""

import base64
import math
import struct
import zlib
from html import escape
from pathlib import Path

import numpy as np

CSS = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
WIDTH, HEIGHT = 300, 215  # small enough for a narrow page, where text must not shrink; a wide page enlarges them
DASHES = {"solid": "", "dashed": "7 4", "dotted": "2 3", "dashdot": "8 3 2 3"}
MARKERS = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "square": "M-4 -4H4V4H-4Z",
    "triangle": "M0 -5L5 4H-5Z",
    "diamond": "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
    "cross": "M-4 -4L4 4M-4 4L4 -4",
}
COLORS = (0, 1, 2, 3, 4, 5, "ink", "quiet")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Axis:
    """One direction of a plot, from `low` to `high`, linear or logarithmic; `low` may be the larger one.

    >>> Axis(1e-4, 1, log=True).place([1e-4, 1e-2, 1])
    array([0. , 0.5, 1. ])
    >>> [text for _, text in Axis(0, 1).ticks()], [text for _, text in Axis(1e-20, 1, log=True).ticks()]
    (['0', '0.2', '0.4', '0.6', '0.8', '1'], ['10⁻²⁰', '10⁻¹⁵', '10⁻¹⁰', '10⁻⁵', '1'])
    """

    def __init__(self, low, high, log=False):
        if not (math.isfinite(low) and math.isfinite(high) and low != high) or (log and min(low, high) <= 0):
            kind = "positive numbers" if log else "finite numbers"
            raise ValueError(f"Plot: limits must be two different {kind}, got {low} and {high}")
        self.low, self.high, self.log = float(low), float(high), log

    def place(self, values):
        """Where values lie, as a part of the way from low to high; NaN where there is nothing to draw."""
        v, low, high = np.asarray(values, float), self.low, self.high
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                v, low, high = np.log10(v), math.log10(low), math.log10(high)
        return np.clip((v - low) / (high - low), -9.0, 10.0)  # what lies far outside must not become a huge number

    def ticks(self):
        low, high = sorted((self.low, self.high))
        if self.log:
            first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
            step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200) if (last - first) / s <= 5)
            return [(10.0**e, _power(e)) for e in range(first, last + 1) if e % step == 0]
        rough = (high - low) / 6
        step = 10 ** math.floor(math.log10(rough))
        step *= next(s for s in (1, 2, 5, 10) if s * step >= rough * 0.999)
        first = math.ceil(low / step - 1e-9)
        return [(n * step, f"{n * step + 0.0:.6g}") for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _power(e):
    return f"{10**e}" if 0 <= e <= 2 else f"10{str(e).translate(SUPERSCRIPT)}"


def nice_limits(values, log=False, least=None, padding=0.05):
    """Return (low, high) of an axis that holds all finite values, rounded, so that it changes only now and then.

    `least` is the smallest range: a difference, or on a logarithmic axis a number of powers of ten.

    >>> nice_limits([0.3, 17]), nice_limits([3e-9, 0.2, 0], log=True)
    ((-1.0, 18.0), (1e-09, 1.0))
    """
    v = np.asarray(values, float).ravel()
    v = v[np.isfinite(v) & (v > 0 if log else True)]
    if not v.size:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(v.min()), float(v.max())
    if log:
        low, high = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
        low = min(low, high - (least or 1))
        return 10.0 ** max(low, -300), 10.0 ** min(high, 300)
    short = (least or 1e-6 * max(abs(low), abs(high), 1e-6)) - (high - low)
    if short > 0:
        low, high = low - short / 2, high + short / 2
    step = 10.0 ** math.floor(math.log10((high - low) / 2))
    padding *= high - low
    return math.floor((low - padding) / step) * step, math.ceil((high + padding) / step) * step


class Plot:
    """A picture with axes, or without them a drawing, and `alt`, which says in words what it shows.

    `x` and `y` are (low, high); `moves` = (a control's name or None, and one for the
    other direction) lets a pointer in the plot, and the arrow keys, move these two controls.

    >>> plot = Plot("A straight line from 0 to 1.", x=(0, 2), y=(0, 1), title="y", x_label="x")
    >>> plot.line([0, 2], [0, 1], style="dashed", label="half").svg()[:4]
    '<svg'
    """

    def __init__(
        self, alt, x=(0, 1), y=(0, 1), *, x_log=False, y_log=False, title="", x_label="", axes=True, ticks=True,
        width=WIDTH, height=HEIGHT, moves=(None, None),
    ):  # fmt: skip
        if not str(alt).strip():
            raise ValueError("Plot: alt must say in words what the plot shows, got an empty text")
        self.alt, self.moves = str(alt), tuple(moves)
        self.x, self.y = Axis(*x, x_log), Axis(*y, y_log)
        self.title, self.x_label, self.axes, self.ticks = title, x_label, axes, ticks
        self.width, self.height = width, height
        self._drawn, self._over, self._legend = [], [], []

    # What can be drawn. Coordinates are those of the axes.

    def line(self, x, y, color=0, style="solid", label=None, width=2):
        """Draw a line through points (n,), (n,); NaN breaks it."""
        look = f' stroke-width="{width}"{_dash(style)}'
        self._drawn.append((color, "line", _Path(x, y), look))
        return self._named(label, color, f'<path class="line" d="M0 0H22"{look}/>')

    def area(self, x, low, high, color="quiet", label=None):
        """Fill what lies between two lines: x (n,), low and high (n,) or a number."""
        x = np.asarray(x, float)
        low, high = (np.broadcast_to(np.asarray(v, float), x.shape) for v in (low, high))
        self._drawn.append((color, "area", _Path(np.r_[x, x[::-1]], np.r_[high, low[::-1]]), ""))
        return self._named(label, color, '<path class="area" d="M0 -5H22V5H0Z"/>')

    def bars(self, x, y, color=0, width=0.8, base=None, hollow=False, label=None):
        """Draw bars from `base` (0, or the lower limit of a logarithmic axis) to y: x (n,), y (n,).

        `hollow`, one or (n,) of them, leaves bars empty, for a second kind.
        """
        base = (self.y.low if self.y.log else 0.0) if base is None else base
        x, y = np.asarray(x, float), np.asarray(y, float)
        sample = "hollow" if np.all(hollow) else "area bar"
        y, base, hollow = np.broadcast_to(y, x.shape), np.broadcast_to(base, x.shape), np.broadcast_to(hollow, x.shape)
        for kind, empty in (("area bar", False), ("hollow", True)):
            some = (hollow == empty) & np.isfinite(y)
            if some.any():
                self._drawn.append((color, kind, _Bars(x[some], y[some], base[some], width), ""))
        return self._named(label, color, f'<path class="{sample}" d="M4 -5H18V5H4Z"/>')

    def points(self, x, y, color=0, marker="circle", label=None, size=1.0):
        """Draw a mark at each of the points (n,), (n,)."""
        self._drawn.append((color, f"mark {marker}", _Marks(x, y, marker, size), ""))
        sample = f'<path class="mark {marker}" transform="translate(11 0)" d="{MARKERS[marker]}"/>'
        return self._named(label, color, sample)

    def rule(self, x=None, y=None, color="quiet", style="dashed", label=None, width=1.5):
        """Draw a line across the whole plot at one x or at one y."""
        look = f' stroke-width="{width}"{_dash(style)}'
        ends = ([x, x], [self.y.low, self.y.high]) if y is None else ([self.x.low, self.x.high], [y, y])
        self._drawn.append((color, "line", _Path(*ends), look))
        return self._named(label, color, f'<path class="line" d="M0 0H22"{look}/>')

    def text(self, x, y, text, color="ink", anchor="middle", dx=0, dy=4, size=12, bold=False):
        """Write at a point; `anchor` is "start", "middle" or "end", dx and dy move it by pixels, down is positive."""
        self._drawn.append((color, "text", _Text(x, y, text, anchor, dx, dy, size, bold), ""))
        return self

    def arrow(self, x0, y0, x1, y1, color=0, style="solid", label=None, width=2):
        """Draw an arrow from one point to another."""
        look = f' stroke-width="{width}"{_dash(style)}'
        self._drawn.append((color, "line", _Arrow(x0, y0, x1, y1), look))
        sample = f'<path class="line" d="M0 0H16"{look}/><path class="head" d="M15 -4L22 0L15 4Z"/>'
        return self._named(label, color, sample)

    def disc(self, x, y, text="", color="ink", radius=15, filled=False, size=11):
        """Draw a neuron: a circle of a radius in pixels with a text in it."""
        kind = "disc filled" if filled else "disc"
        self._drawn.append((color, kind, _Disc(x, y, radius), ""))
        return self.text(x, y, text, "ink", size=size) if str(text) else self

    def cells(self, values, texts=None, at=(0, 0), marked=None, limit=None, tinted=True):
        """Draw a table (rows, columns) as squares of size 1, row 0 on top, the corner at = (x, y); wants y=(rows, 0).

        Blue is positive, orange negative, the stronger the larger, `limit` the strongest; `texts` (rows, columns)
        stand in them, by default the numbers; `marked` (rows, columns) of bools gives some a thick frame.
        """
        values = np.asarray(values, float)
        if texts is None:
            texts = [[f"{v + 0.0:.3g}" for v in row] for row in values.tolist()]
        limit = limit or np.nanmax(np.abs(values), initial=0.0) or 1.0
        strength = np.clip(np.nan_to_num(values) / limit, -1, 1) * (1.0 if tinted else 0.0)
        marked = np.zeros(values.shape, bool) if marked is None else np.asarray(marked, bool)
        self._drawn.append(("ink", "cells", _Cells(strength, texts, at, marked), ""))
        return self

    def image(self, values, extent=None, low=0.0, high=1.0, signed=False):
        """Draw an array (rows, columns), row 0 on top, as an image that fills `extent` = (left, right, bottom, top).

        Grey from `low`, black, to `high`, white; `signed`: from orange over white to blue. The axes' limits are the
        default for `extent`.
        """
        extent = extent or (self.x.low, self.x.high, self.y.low, self.y.high)
        self._drawn.append(("ink", "image", _Image(np.asarray(values, float), extent, low, high, signed), ""))
        return self

    def _named(self, label, color, sample):
        if label and label not in (known for *_, known in self._legend):  # the same label stands for all that have it
            self._legend.append((color, sample, str(label)))
        return self

    # The result.

    def box(self):
        """Where the axes lie in the picture, in its pixels: left, top, width, height."""
        left, right, top, bottom = (42, 10, 8, 34) if self.axes and self.ticks else (8, 8, 8, 8)
        if self.x_label and not (self.axes and self.ticks):
            bottom += 18
        top += 18 * (bool(self.title) + len(self._legend_rows()))
        return left, top, self.width - left - right, self.height - top - bottom

    def svg(self, standalone=False):
        """Return the picture as text; `standalone`, as an image file of its own, in the colours of a light page."""
        left, top, w, h = self.box()
        head = f'viewBox="0 0 {self.width} {self.height}" class="pnn-plot"'
        if standalone:
            head += f' xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}"'
        parts = [f"<svg {head}>"]
        if standalone:
            parts.append(f"<style>{escape(CSS, quote=False)}</style>")
            parts.append('<rect width="100%" height="100%" fill="#fff"/>')
        y = 0
        if self.title:
            parts.append(f'<text class="title" x="6" y="15">{escape(self.title)}</text>')
            y += 18
        for row in self._legend_rows():
            for x, color, sample, label in row:
                parts.append(
                    f'<g class="{_color(color)}" transform="translate({x} {y + 11})">{sample}</g>'
                    f'<text class="label" x="{x + 28}" y="{y + 15}">{escape(label)}</text>'
                )
            y += 18
        if self.axes:
            parts.append(self._frame(left, top, w, h))
        elif self.x_label:
            label = f'<text class="label" text-anchor="middle" x="{self.width / 2}" y="{self.height - 6}">'
            parts.append(f"{label}{escape(self.x_label)}</text>")
        # An svg within an svg cuts off what leaves the axes; a drawing without axes may use the margin too.
        clip = "" if self.axes else ' overflow="visible"'
        parts.append(f'<svg x="{left}" y="{top}" width="{w}" height="{h}"{clip}>')
        for color, kind, shape, look in self._drawn:
            parts.append(f'<g class="{_color(color)}">{shape.svg(self, w, h, kind, look)}</g>')
        parts.append("</svg></svg>")
        return "".join(parts)

    def html(self):
        """Return the picture for a page without a kernel: an image with its description.

        >>> Plot("Nothing yet.").html()[:50]
        '<img alt="Nothing yet." style="max-width: 100%" sr'
        """
        data = base64.b64encode(self.svg(standalone=True).encode()).decode()
        return f'<img alt="{escape(self.alt)}" style="max-width: 100%" src="data:image/svg+xml;base64,{data}">'

    def page(self):
        """Return what the page needs: the picture, its description, and how a place in it becomes numbers."""
        moves = None
        if any(self.moves):
            left, top, w, h = self.box()
            sides = ((left / self.width, w / self.width), (top / self.height, h / self.height))
            moves = {
                "box": [*sides[0], *sides[1]],
                "axes": [
                    name and {"control": name, "low": axis.low, "high": axis.high, "log": axis.log}
                    for name, axis in zip(self.moves, (self.x, self.y))
                ],
            }
        return {"svg": self.svg(), "alt": self.alt, "moves": moves, "width": self.width}

    def _legend_rows(self):
        rows, x = [], math.inf
        for color, sample, label in self._legend:
            width = 38 + 6.2 * len(label)
            if x + width > self.width + 6:
                rows.append([])
                x = 8
            rows[-1].append((round(x), color, sample, label))
            x += width
        return rows

    def _frame(self, left, top, w, h):
        parts = [f'<path class="frame" d="M{left} {top}V{top + h}H{left + w}"/>']
        if self.ticks:
            for value, text in self.x.ticks():
                x = left + w * float(self.x.place(value))
                parts.append(
                    f'<path class="frame" d="M{x:.1f} {top + h}v4"/>'
                    f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{top + h + 15}">{text}</text>'
                )
            for value, text in self.y.ticks():
                y = top + h * (1 - float(self.y.place(value)))
                parts.append(
                    f'<path class="across" d="M{left} {y:.1f}h{w}"/>'
                    f'<text class="tick" text-anchor="end" x="{left - 6}" y="{y + 4:.1f}">{text}</text>'
                )
        if self.x_label:
            label = f'<text class="label" text-anchor="end" x="{left + w}" y="{self.height - 5}">'
            parts.append(f"{label}{escape(self.x_label)}</text>")
        return "".join(parts)

    def _pixels(self, x, y, w, h):
        return w * self.x.place(x), h * (1 - self.y.place(y))


def _dash(style):
    return f' stroke-dasharray="{DASHES[style]}"' if DASHES[style] else ""


def _color(color):
    if color not in COLORS:
        raise ValueError(f"Plot: color must be one of {COLORS}, got {color!r}")
    return f"k-{color}"


# The shapes. They are placed only when the plot is done, for a legend takes room from the axes.


class _Path:
    def __init__(self, x, y):
        self.x, self.y = np.asarray(x, float).ravel(), np.asarray(y, float).ravel()

    def svg(self, plot, w, h, kind, look):
        x, y = plot._pixels(self.x, self.y, w, h)
        gaps = np.flatnonzero(~np.isfinite(x + y))
        d = ""
        for first, last in zip([0, *(gaps + 1)], [*gaps, len(x)]):
            if last > first:
                d += "M" + "L".join(map("%.1f %.1f".__mod__, zip(x[first:last].tolist(), y[first:last].tolist())))
        return f'<path class="{kind}" d="{d}"{look}/>'


class _Bars:
    def __init__(self, x, y, base, width):
        self.x, self.y, self.base, self.width = x, y, base, width

    def svg(self, plot, w, h, kind, look):
        left, top = plot._pixels(self.x - self.width / 2, self.y, w, h)
        right, bottom = plot._pixels(self.x + self.width / 2, self.base, w, h)
        d = "".join(
            "M%.1f %.1fH%.1fV%.1fH%.1fZ" % (a, b, c, e, a)
            for a, b, c, e in zip(left.tolist(), top.tolist(), right.tolist(), bottom.tolist())
        )
        return f'<path class="{kind}" d="{d}"/>'


class _Marks:
    def __init__(self, x, y, marker, size):
        self.x, self.y = np.asarray(x, float).ravel(), np.asarray(y, float).ravel()
        self.d, self.size = MARKERS[marker], size

    def svg(self, plot, w, h, kind, look):
        scale = "" if self.size == 1 else f" scale({self.size})"
        return "".join(
            f'<path class="{kind}" transform="translate({x:.1f} {y:.1f}){scale}" d="{self.d}"/>'
            for x, y in zip(*(v.tolist() for v in plot._pixels(self.x, self.y, w, h)))
            if math.isfinite(x + y)
        )


class _Text:
    def __init__(self, x, y, text, anchor, dx, dy, size, bold):
        self.x, self.y, self.dx, self.dy = x, y, dx, dy
        weight = ' font-weight="600"' if bold else ""
        self.look, self.text = f'text-anchor="{anchor}" font-size="{size}"{weight}', escape(str(text))

    def svg(self, plot, w, h, kind, look):
        x, y = plot._pixels(self.x, self.y, w, h)
        return f'<text x="{float(x) + self.dx:.1f}" y="{float(y) + self.dy:.1f}" {self.look}>{self.text}</text>'


class _Arrow:
    def __init__(self, x0, y0, x1, y1):
        self.x, self.y = [x0, x1], [y0, y1]

    def svg(self, plot, w, h, kind, look):
        (x0, x1), (y0, y1) = plot._pixels(self.x, self.y, w, h)
        length = math.hypot(x1 - x0, y1 - y0)
        if not length > 0.5:
            return ""
        head = min(7.0, length)
        ux, uy = head * (x1 - x0) / length, head * (y1 - y0) / length
        ends = (f"{x1 - ux + s * uy / 2:.1f} {y1 - uy - s * ux / 2:.1f}" for s in (1, -1))
        return (
            f'<path class="{kind}" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"{look}/>'
            f'<path class="head" d="M{x1:.1f} {y1:.1f}L{next(ends)}L{next(ends)}Z"/>'
        )


class _Disc:
    def __init__(self, x, y, radius):
        self.x, self.y, self.radius = x, y, radius

    def svg(self, plot, w, h, kind, look):
        x, y = plot._pixels(self.x, self.y, w, h)
        return f'<circle class="{kind}" cx="{float(x):.1f}" cy="{float(y):.1f}" r="{self.radius}"/>'


class _Cells:
    def __init__(self, strength, texts, at, marked):
        self.strength, self.texts, self.at, self.marked = strength, texts, at, marked

    def svg(self, plot, w, h, kind, look):
        rows, columns = self.strength.shape
        x, _ = plot._pixels(self.at[0] + np.arange(columns + 1), plot.y.low, w, h)
        _, y = plot._pixels(plot.x.low, self.at[1] + np.arange(rows + 1), w, h)
        size = min(13.0, abs(float(y[1] - y[0])) * 0.5)
        squares, frames, texts = [], [], []
        for r in range(rows):
            for c in range(columns):
                place = f'x="{x[c]:.1f}" y="{y[r]:.1f}" width="{x[c + 1] - x[c]:.1f}" height="{y[r + 1] - y[r]:.1f}"'
                s = float(self.strength[r, c])
                color, opacity = _color(0 if s >= 0 else 1), abs(s) * 0.55
                squares.append(f'<rect class="cell {color}" {place} fill-opacity="{opacity:.2f}"/>')
                if self.marked[r, c]:
                    frames.append(f'<rect class="marked" {place}/>')
                text = escape(str(self.texts[r][c]))
                if text:
                    narrow = min(size, 1.6 * float(x[c + 1] - x[c]) / max(len(text), 1))
                    texts.append(
                        f'<text text-anchor="middle" font-size="{narrow:.1f}" x="{(x[c] + x[c + 1]) / 2:.1f}" '
                        f'y="{(y[r] + y[r + 1]) / 2 + narrow * 0.36:.1f}">{text}</text>'
                    )
        return "".join(squares + frames + texts)


class _Image:
    def __init__(self, values, extent, low, high, signed):
        part = np.clip((np.nan_to_num(values) - low) / (high - low), 0, 1)[..., None]
        if signed:
            white, ends = np.array([255, 255, 255]), (np.array([196, 90, 0]), np.array([11, 98, 196]))
            s = 2 * part - 1
            rgb = white + np.maximum(s, 0) * (ends[1] - white) + np.maximum(-s, 0) * (ends[0] - white)
        else:
            rgb = 255 * part.repeat(3, -1)
        self.data, self.extent = base64.b64encode(_png(rgb.round().astype(np.uint8))).decode(), extent

    def svg(self, plot, w, h, kind, look):
        left, right, bottom, top = self.extent
        x, y = plot._pixels([left, right], [bottom, top], w, h)
        return (
            f'<image x="{min(x):.1f}" y="{min(y):.1f}" width="{abs(x[1] - x[0]):.1f}" height="{abs(y[1] - y[0]):.1f}" '
            f'preserveAspectRatio="none" href="data:image/png;base64,{self.data}"/>'
        )


def _png(rgb):
    """Encode (rows, columns, 3) of uint8 as a PNG file."""
    rows, columns, _ = rgb.shape
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = rgb.reshape(rows, -1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    data = zlib.compress(lines.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
