"""The base of the panels: controls, presets, a picture in words and in SVG, and what goes wrong.

A panel declares what can be chosen and says what there is to see of a choice; everything else is here:

    class Squares(Panel):
        title = "Squares"
        controls = [Slider("n", "Number n", 0, 9, start=3)]
        presets = [Preset("Three", "What is three times three?", n=3), Preset("Nine", "And nine times nine?", n=9)]

        def look(self, s):
            plot = Plot(f"A bar as high as {s.n**2}.", x=(-1, 1), y=(0, 100)).bars([0], [s.n**2])
            return Look([plot], caption=f"{s.n} · {s.n} = {s.n**2}.")

        def lines(self, s):
            return f"import torch\\ntorch.tensor({s.n}) ** 2"

`s` holds the settings, an attribute for each control. `look` is a pure function of them: what a panel shows depends on
nothing else, but for `self.result`, what long work gave. The page (`panel.js`) is one widget. It sends what a user does
and gets a new picture back; it calculates nothing. One widget, and not one for each control, because then a change is
one message there and one back, the page has real labels, and nothing of it is left when it is closed.

Long work is a `Button` whose method is a generator. It yields (part that is done, what to say, result so far), each
within about 50 ms. Between two pieces the page asks for the next, so it can be stopped, ends when the page is closed,
and leaves the kernel free for everything else.
"""

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from types import SimpleNamespace

import anywidget
import traitlets

from pnnlib.explore import panel_plot
from pnnlib.explore.panel_controls import Button, Cells, Choice, Control, Number, Slider, Switch
from pnnlib.explore.panel_plot import Plot, nice_limits
from pnnlib.explore.panel_yours import Verdict, beside, name_of, take_function

__all__ = [
    "Button", "Cells", "Choice", "Control", "Look", "Number", "Panel", "Plot", "Preset", "Slider", "Switch", "Verdict",
    "beside", "name_of", "nice_limits", "take_function",
]  # fmt: skip

PIECE = 0.04  # seconds of long work between two pictures
# JupyterLab's "model not found", below a still that stands for it, and its "Loading widget".
HIDES_WHAT_IS_MISSING = (
    ".jp-OutputArea-child:has(.pnn-still) + .jp-OutputArea-child:not(:has(.pnn-panel)) { display: none; }"
)


class Preset:
    """Settings under a name, with the question that they are there for; what is not given has its start value.

    >>> Preset("Deep", "What is left after 20 layers?", depth=20).values
    {'depth': 20}
    """

    def __init__(self, name, question, **values):
        self.name, self.question, self.values = name, question, values


@dataclass(frozen=True)
class Look:
    """Everything there is to see of a setting.

    plots     one to four `Plot`s
    caption   one or two sentences: what came out, with numbers. They are read out when they change
    lines     equations, each (left side, right side); "" on the left continues the one above
    table     None, or a list of rows, the first of them the head
    notes     further sentences, for what needs attention
    verdict   of a student's function, from `beside`
    """

    plots: Sequence[Plot]
    caption: str
    lines: Sequence[tuple[str, str]] = ()
    table: Sequence[Sequence[str]] | None = None
    notes: Sequence[str] = ()
    verdict: Verdict | None = None


class Code(str):
    """Lines of code that a notebook shows as they are."""

    def __repr__(self):
        return str(self)


@dataclass
class _Work:
    """Long work under way: the generator, its button's label, and how far it is."""

    pieces: object
    label: str
    part: float = 0.0
    text: str = field(default="")


class Panel(anywidget.AnyWidget):
    """A panel; a subclass has `title`, `controls`, `presets`, `look(s)` and `lines(s)`.

    `values` start it elsewhere than at the first preset, which stands for how the panel looks without any;
    `question` stands above it in place of the preset's.

    >>> class Squares(Panel):
    ...     title = "Squares"
    ...     controls = [Slider("n", "Number n", 0, 9, start=3)]
    ...     presets = [Preset("Three", "What is three times three?"), Preset("Nine", "And nine times nine?", n=9)]
    ...     def look(self, s):
    ...         plot = Plot(f"A bar as high as {s.n**2}.", x=(-1, 1), y=(0, 100)).bars([0], [s.n**2])
    ...         return Look([plot], caption=f"{s.n} · {s.n} = {s.n**2}.")
    ...     def lines(self, s):
    ...         return f"import torch" + chr(10) + f"torch.tensor({s.n}) ** 2"
    >>> panel = Squares()
    >>> panel.set(n=4)
    >>> panel.caption, panel.state()
    ('4 · 4 = 16.', {'n': 4})
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8") + panel_plot.CSS

    title = ""
    controls: Sequence[Control] = ()
    presets: Sequence[Preset] = ()

    picture = traitlets.Dict().tag(sync=True)

    result = None  # what long work gave for the present settings
    _work = None

    def __init__(self, question=None, **values):
        super().__init__()
        self._controls = {control.name: control for control in self.controls}
        self._settable = {name: control for name, control in self._controls.items() if control.kind != "button"}
        self._question = self._first_question = question or self.presets[0].question
        self._answers, self._stills = 0, []
        defaults = {name: control.start for name, control in self._settable.items()}
        try:
            self._preset_values = [self._taken(defaults, preset.values) for preset in self.presets]
            self._start = self._taken(self._preset_values[0], values)
            self._show(self._start)
        except Exception:
            self.close()
            raise
        self.on_msg(self._heard)

    # What a subclass says.

    def look(self, s):
        """Return the `Look` of the settings."""
        raise NotImplementedError

    def lines(self, s):
        """Return the PyTorch lines that give what is shown, as one text."""
        raise NotImplementedError

    # What a user of the panel calls.

    def set(self, **values):
        """Change some settings, as the controls on the page do; a ValueError says what cannot be."""
        self._show(self._taken(self._values, values))

    def press(self, name):
        """Press a button and wait until it is done; a generator's work is done to its end."""
        self._press(name)
        while self._work:
            self._piece()

    def state(self):
        """Return what was chosen, as numbers, names and lists that can be kept in a file: `load` takes it back."""
        return {name: _lists(value) for name, value in self._values.items()}

    def load(self, state):
        """Go to a state that `state()` returned; what it leaves out gets the value of the first preset."""
        self._show(self._taken(self._preset_values[0], state))

    def code(self):
        """Return the PyTorch lines that give what is shown."""
        return Code(self.picture["code"])

    @property
    def caption(self):
        """The sentences below the picture."""
        return self.picture["caption"]

    def close(self):
        """Take the panel off the page and free everything that belongs to it."""
        if self.comm is None:  # closed already, or never opened
            return
        self._work = self.result = None
        self.on_msg(self._heard, remove=True)
        for still in self._stills:
            still.update({"text/plain": "", "text/html": ""}, raw=True)
        self._stills = []
        self.layout.close()  # a widget of its own, which stays otherwise
        super().close()

    # From settings to a picture.

    def _taken(self, base, changes):
        """Settings after some changes, which are checked; others follow where their limits depend on these."""
        unknown = [name for name in changes if name not in self._settable]
        if unknown:
            raise ValueError(f"{self.title}: there is no setting {unknown[0]!r}, only {', '.join(self._settable)}")
        s = SimpleNamespace(**{**base, **changes})
        for name, control in self._settable.items():
            value = getattr(s, name)
            setattr(s, name, control.check(value, s) if name in changes else control.fit(value, s))
        return vars(s)

    def _show(self, values):
        """Show settings; where that is impossible, everything stays as it is and the error goes to the caller."""
        before, result = getattr(self, "_values", values), self.result
        other = any(values[name] != before[name] for name, c in self._settable.items() if not c.only_looks)
        if other:
            self.result = None
        try:
            seen = self._seen(values)
        except Exception:
            self.result = result
            raise
        if other:
            self._work = None
        self._values = values
        self._answer(seen)

    def _seen(self, values):
        s = SimpleNamespace(**values)
        look = self.look(s)
        return {
            "preset": next((i for i, preset in enumerate(self._preset_values) if preset == values), -1),
            "controls": [control.page(values.get(name), s) for name, control in self._controls.items()],
            "plots": [plot.page() for plot in look.plots],
            "caption": look.caption,
            "lines": [list(line) for line in look.lines],
            "table": look.table and [[str(cell) for cell in row] for row in look.table],
            "notes": list(look.notes),
            "verdict": look.verdict and {"agrees": look.verdict.agrees, "sentence": look.verdict.sentence},
            "code": self.lines(s),
        }

    def _answer(self, seen, message=""):
        """Send a picture to the page."""
        self._answers += 1
        work = self._work
        self.picture = {
            **seen,
            "title": self.title,
            "presets": [preset.name for preset in self.presets],
            "question": self._question,
            "work": work and {"label": work.label, "part": work.part, "text": work.text},
            "message": message,
            "answers": self._answers,  # so that a refusal, which changes nothing, is drawn as well
        }

    # What the page says.

    def _heard(self, _widget, intent, _buffers):
        """Do what a user asked for. Whatever goes wrong is said in the panel, and the last state stays."""
        try:
            self._do(intent)
        except ValueError as error:
            self._answer(self.picture, str(error))
        except Exception as error:
            self._answer(self.picture, f"That did not work ({type(error).__name__}: {error}); nothing changed.")

    def _do(self, intent):
        match intent:
            case {"do": "nothing"}:  # see `acknowledge` in panel.js
                pass
            case {"do": "preset", "place": place}:
                self._question = self.presets[place].question
                self._show(self._preset_values[place])
            case {"do": "reset"}:
                self._question = self._first_question
                self._show(self._start)
            case {"do": "press", "name": name}:
                self._press(name)
            case {"do": "work", "after": answers}:
                if answers == self._answers:  # a second view of the panel asks as well
                    self._piece()
            case {"do": "stop"}:
                self._work = None
                self._answer(self.picture)
            case {"do": "change", **changes}:
                self._show(self._taken(self._values, self._changed(changes)))
            case _:
                raise ValueError(f"nothing changed: {intent!r} is not understood")

    def _changed(self, changes):
        """Settings that the page changed: by a place, by a text, by a point in a plot, or by steps from here."""
        s = SimpleNamespace(**self._values)
        changed = {}
        for name, place in changes.get("place", {}).items():
            changed[name] = self._settable[name].at(place, s)
        for name, value in changes.get("point", {}).items():
            changed[name] = self._settable[name].near(value, s)
        for name, steps in changes.get("move", {}).items():
            control = self._settable[name]
            changed[name] = control.at(control.place(self._values[name], s) + steps, s)
        for name, typed in changes.get("type", {}).items():
            for at, text in typed:
                changed[name] = self._settable[name].typed(text, at, changed.get(name, self._values[name]), s)
        return changed

    # Long work.

    def _press(self, name):
        button = self._controls.get(name)
        if button is None or button.kind != "button":
            raise ValueError(f"{self.title}: there is no button {name!r}")
        done = getattr(self, name)(SimpleNamespace(**self._values))
        if inspect.isgenerator(done):
            self._work, self.result = _Work(done, button.label), None
            self._answer(self._seen(self._values))
        else:
            self._show(self._taken(self._values, done or {}))

    def _piece(self):
        """Do as much of the work as fits into the time between two pictures."""
        work, end = self._work, time.perf_counter() + PIECE
        try:
            while True:
                work.part, work.text, self.result = next(work.pieces)
                if time.perf_counter() > end:
                    break
        except StopIteration:
            self._work = None
        except BaseException:
            self._work = None
            raise
        self._answer(self._seen(self._values))

    # In a notebook.

    def _ipython_display_(self):
        """Show the panel, and before it a still of it, which a saved notebook shows when there is no kernel."""
        from IPython.display import display

        still = {"text/plain": f"{self.title}. {self.caption}", "text/html": self._still()}
        self._stills.append(display(still, raw=True, display_id=True))
        data, metadata = self._repr_mimebundle_()
        display({**data, "text/plain": "", "text/html": ""}, metadata=metadata, raw=True)

    def _still(self):
        pictures = "".join(plot.html() for plot in self.look(SimpleNamespace(**self._values)).plots)
        return (
            f'<figure class="pnn-still" style="margin: 0"><style>{HIDES_WHAT_IS_MISSING}</style>'
            f"<p><b>{escape(self.title)}</b></p>{pictures}<figcaption>{escape(self.caption)} "
            f"Run the cell to change the settings.</figcaption></figure>"
        )


def _lists(value):
    return [_lists(v) for v in value] if isinstance(value, tuple) else value
