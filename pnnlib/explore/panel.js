// Draws the picture that Python made of the settings, and tells Python what the user does. Calculates nothing.
// One question is under way at a time: what happens meanwhile waits, and of a slider only its last place,
// so a slow answer makes the picture coarser in time, never late.

let panels = 0; // for ids that are unique on a page with several panels

/** Make an element: make("td", { class: "x", onclick: f }, child, "text"). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  // Or JupyterLab takes its keys, the arrows of a slider among them. It asks the element itself, before those around it.
  if ("tabindex" in attributes || ["INPUT", "SELECT", "BUTTON", "SUMMARY"].includes(element.tagName)) {
    element.dataset.lmSuppressShortcuts = "true";
  }
  return element;
}

/** Change only what is different, so that a screen reader hears only news. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** An input whose text is sent when the user is done with it, and put right by the next picture. */
function field(attributes, send) {
  let shown = "";
  let sent = null;
  const commit = () => {
    if (input.value === shown || input.value === sent) return;
    sent = input.value;
    send(input.value);
  };
  const input = make("input", {
    type: "text",
    inputmode: "text",
    autocomplete: "off",
    spellcheck: "false",
    ...attributes,
    onchange: commit,
    onkeydown: (event) => {
      if (event.key === "Enter") commit();
      if (event.key === "Escape") input.value = shown;
    },
  });
  input.show = (text) => {
    const typing = sent === null && input.value !== shown && input.getRootNode().activeElement === input;
    shown = text;
    sent = null;
    if (!typing) input.value = text;
  };
  return input;
}

// The controls: each makes its element once, and `show(control)` puts it right after every picture.

const KINDS = {
  slider(id, { label }, change) {
    const value = make("span", { class: "value", "aria-hidden": "true" }); // a screen reader has it from the slider itself
    const input = make("input", { type: "range", id, min: 0, step: 1, oninput: () => change.place(Number(input.value)) });
    const element = make("div", { class: "control slider" }, make("label", { for: id }, label), value, input);
    return [element, ({ place, last, text }) => {
      input.max = last;
      input.value = place;
      input.setAttribute("aria-valuetext", text);
      say(value, text);
    }];
  },
  choice(id, { label, options }, change) {
    const input = make("select", { id, onchange: () => change.place(input.selectedIndex) }, ...options.map((o) => make("option", {}, o)));
    const element = make("div", { class: "control" }, make("label", { for: id }, label), input);
    return [element, ({ place }) => (input.selectedIndex = place)];
  },
  switch(id, { label }, change) {
    const input = make("input", { type: "checkbox", id, onchange: () => change.place(Number(input.checked)) });
    const element = make("div", { class: "control switch" }, input, make("label", { for: id }, label));
    return [element, ({ place }) => (input.checked = Boolean(place))];
  },
  number(id, { label }, change) {
    const input = field({ id }, (text) => change.type([], text));
    const element = make("div", { class: "control" }, make("label", { for: id }, label), input);
    return [element, ({ text }) => input.show(text)];
  },
  cells(id, { label, names }, change) {
    const rows = names.map((row, r) => row.map((name, c) => field({ "aria-label": name }, (text) => change.type([r, c], text))));
    rows.forEach((row, r) => row.forEach((input, c) => {
      input.addEventListener("focus", () => input.select());
      input.addEventListener("keydown", (event) => {
        const next = rows[r + ({ ArrowUp: -1, ArrowDown: 1 }[event.key] ?? NaN)]?.[c];
        if (next) event.preventDefault(), next.focus();
      });
    }));
    const table = make("div", { class: "cells", style: `--columns: ${names[0].length}` }, ...rows.flat());
    const element = make("div", { class: "control wide", role: "group", "aria-label": label }, make("span", { class: "name" }, label), table);
    return [element, ({ texts }) => rows.forEach((row, r) => row.forEach((input, c) => input.show(texts[r][c])))];
  },
  button(id, { label }, change) {
    const input = make("button", { type: "button", id, onclick: () => change.press() }, label);
    return [make("div", { class: "control" }, input), () => {}];
  },
};

function render({ model, el }) {
  const id = `pnn-panel-${++panels}`;
  const picture = () => model.get("picture");

  // Questions to Python, one at a time.

  let asking = false;
  const queue = [];
  let patience;
  function ask(intent) {
    const last = queue.at(-1);
    if (last?.do === "change" && intent.do === "change") merge(last, intent);
    else queue.push(intent);
    next();
  }
  function merge(into, intent) {
    for (const [how, changes] of Object.entries(intent)) {
      if (how === "do") continue;
      const had = (into[how] ??= {});
      for (const [name, value] of Object.entries(changes)) {
        if (how === "move") had[name] = (had[name] ?? 0) + value;
        else if (how === "type") had[name] = [...(had[name] ?? []), ...value];
        else had[name] = value;
      }
    }
  }
  function next() {
    if (asking || !queue.length) return;
    asking = true;
    model.send(queue.shift(), { iopub: { status: acknowledge } });
    patience = setTimeout(() => {
      asking = false;
      queue.length = 0;
      say(message, "No answer from the kernel yet: settings can be changed only while it runs. If this stays, run the cell again.");
    }, 3000);
  }
  // Jupyter's server holds an answer back until the browser has acknowledged the message before it, "busy", which by
  // itself takes the browser 40 ms (Nagle's algorithm against delayed acknowledgements). Saying anything does it at once.
  const acknowledge = (status) => status.content.execution_state === "busy" && model.send({ do: "nothing" });
  const change = (how, name, value) => ask({ do: "change", [how]: { [name]: value } });

  // The parts that stay.

  const first = picture();
  const question = make("p", { class: "question" });
  const presets = make("div", { class: "buttons", role: "group", "aria-label": "Examples" });
  first.presets.forEach((name, place) => presets.append(make("button", { type: "button", onclick: () => ask({ do: "preset", place }) }, name)));
  presets.append(make("button", { type: "button", class: "reset", onclick: () => ask({ do: "reset" }) }, "↺ Reset"));
  const controls = first.controls.map((control, n) => {
    const { name } = control;
    const asks = {
      place: (place) => change("place", name, place),
      type: (at, text) => change("type", name, [[at, text]]),
      press: () => ask({ do: "press", name }),
    };
    return KINDS[control.kind](`${id}-${n}`, control, asks);
  });
  const progress = make("progress", { max: 1 });
  const working = make("span", { role: "status" });
  const stop = make("button", { type: "button", onclick: () => ask({ do: "stop" }) }, "Stop");
  const work = make("div", { class: "buttons work", role: "group", "aria-label": "Work under way" }, progress, stop, working);
  const plots = make("div", { class: "plots" });
  const caption = make("p", { class: "caption", role: "status" });
  const lines = make("p", { class: "lines" });
  const table = make("table", {});
  const notes = make("div", { class: "notes", role: "status" });
  const verdict = make("p", { class: "verdict", role: "status" });
  const message = make("p", { class: "message", role: "alert", hidden: true });
  const code = make("pre", { tabindex: 0, "aria-label": "PyTorch code" });
  const panel = make(
    "section",
    { class: "pnn-panel", "aria-label": first.title },
    question,
    presets,
    make(
      "div",
      { class: "stage" },
      make("div", { class: "controls", role: "group", "aria-label": "Settings" }, ...controls.map(([element]) => element)),
      make("div", { class: "seen" }, message, work, plots, caption, make("div", { class: "scroll" }, lines), make("div", { class: "scroll" }, table), notes, verdict),
    ),
    make("details", {}, make("summary", {}, "The same in PyTorch"), code),
  );

  // The plots. Each keeps its place on the page; only what is in it is replaced.

  const frames = [];
  function frame(n) {
    const image = make("div", { role: "img" });
    const pad = make("div", { class: "pad", role: "application", tabindex: 0 });
    const element = make("div", { class: "plot" }, image, pad);
    let shown = null;
    const numbers = (event) => {
      const box = pad.getBoundingClientRect();
      const parts = [(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height];
      const point = {};
      shown.moves.axes.forEach((axis, i) => {
        if (!axis) return;
        const part = Math.min(Math.max(parts[i], 0), 1);
        point[axis.control] = axis.log ? axis.low * (axis.high / axis.low) ** part : axis.low + part * (axis.high - axis.low);
      });
      ask({ do: "change", point });
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      numbers(event);
    });
    pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && numbers(event));
    pad.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 1], ArrowDown: [1, -1] }[event.key];
      const axis = way && shown.moves.axes[way[0]];
      if (!axis) return;
      event.preventDefault();
      const forward = axis.high > axis.low ? 1 : -1;
      change("move", axis.control, way[1] * forward * (event.shiftKey ? 10 : 1));
    });
    const show = (plot) => {
      if (shown?.svg !== plot.svg) image.innerHTML = plot.svg;
      if (shown?.alt !== plot.alt) image.setAttribute("aria-label", plot.alt);
      image.firstChild.setAttribute("aria-hidden", "true");
      element.style.setProperty("--width", `${plot.width}px`);
      pad.hidden = !plot.moves;
      if (plot.moves) {
        const [left, width, top, height] = plot.moves.box.map((part) => `${100 * part}%`);
        Object.assign(pad.style, { left, width, top, height });
        const names = plot.moves.axes.filter(Boolean).map((axis) => picture().controls.find((c) => c.name === axis.control).label);
        pad.setAttribute("aria-label", `Picture ${n + 1}: arrow keys move ${names.join(" and ")}`);
        pad.style.touchAction = plot.moves.axes[1] ? "none" : "pan-y";
      }
      shown = plot;
    };
    return { element, show };
  }

  function draw() {
    const p = picture();
    clearTimeout(patience);
    asking = false;
    say(question, p.question);
    p.presets.forEach((_, i) => presets.children[i].setAttribute("aria-pressed", String(i === p.preset)));
    p.controls.forEach((control, n) => {
      const [element, show] = controls[n];
      element.hidden = control.hidden;
      if (!queue.length) show(control); // what waits is newer than this answer
    });
    work.hidden = !p.work;
    if (p.work) {
      progress.value = p.work.part;
      progress.setAttribute("aria-label", p.work.label);
      say(working, p.work.text);
    }
    p.plots.forEach((plot, n) => {
      if (!frames[n]) plots.append((frames[n] = frame(n)).element);
      frames[n].show(plot);
    });
    for (const { element } of frames.splice(p.plots.length)) element.remove();
    say(caption, p.caption);
    lines.hidden = !p.lines.length;
    lines.replaceChildren(...p.lines.flatMap(([left, right]) => [make("span", {}, `${left} = `), make("span", {}, right)]));
    table.hidden = !p.table;
    if (p.table) {
      const [head, ...rows] = p.table;
      const row = (cells, kind, scope) => make("tr", {}, ...cells.map((text, i) => make(i ? kind : "th", { scope: i ? scope : scope ?? "row" }, text)));
      table.replaceChildren(make("thead", {}, row(head, "th", "col")), make("tbody", {}, ...rows.map((cells) => row(cells, "td"))));
    }
    if (notes.textContent !== p.notes.join("")) notes.replaceChildren(...p.notes.map((note) => make("p", {}, note)));
    verdict.classList.toggle("agrees", Boolean(p.verdict?.agrees));
    say(verdict, p.verdict ? `${p.verdict.agrees ? "✓" : "✗"} ${p.verdict.sentence}` : "");
    say(message, p.message);
    say(code, p.code);
    if (queue.length) next();
    else if (p.work) setTimeout(() => ask({ do: "work", after: p.answers }));
  }

  model.on("change:picture", draw);
  draw();
  el.append(panel);
  return () => {
    clearTimeout(patience);
    queue.length = 0;
    model.off("change:picture", draw);
  };
}

export default { render };
