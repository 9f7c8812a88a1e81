// Draws what the Python side has worked out (`picture`), and tells it what the user asks for.
// Nothing is calculated here: stepping picks one of the windows that came with the picture,
// so it is instant, and works on a page without a kernel.

let panels = 0; // for ids that are unique on a page with several panels

/** Make an element: make("td", { class: "x", onclick: f }, child, "text"). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  // Or JupyterLab takes its keys, the arrows of the scrubber among them. It asks the element itself, before those around it.
  if ("tabindex" in attributes || ["INPUT", "BUTTON", "SUMMARY", "TD"].includes(element.tagName)) {
    element.dataset.lmSuppressShortcuts = "true";
  }
  return element;
}

const times = (n) => Array.from({ length: n }, (_, i) => i);
const size = (table) => `${table.length} × ${table[0]?.length ?? 0}`;
const key = (row, column) => `${row},${column}`;

/** A table with numbered rows and columns; `cell(row, column)` makes what stands in it. */
function grid(rows, columns, cell, { label, role, offset = [0, 0], shape = [rows, columns] } = {}) {
  const number = (n, axis) => (n >= offset[axis] && n < offset[axis] + shape[axis] ? String(n - offset[axis]) : "");
  const head = make("tr", {}, make("td", { class: "corner", role: "none" }));
  for (const c of times(columns)) head.append(make("th", { scope: "col" }, number(c, 1)));
  const body = times(rows).map((r) =>
    make("tr", {}, make("th", { scope: "row" }, number(r, 0)), ...times(columns).map((c) => cell(r, c))),
  );
  const table = make("table", { class: "grid", role, "aria-label": label }, make("thead", {}, head), make("tbody", {}, ...body));
  if (role === "grid") {
    // In a grid, every cell needs its role: the numbers at the edge are headers.
    for (const row of table.rows) row.setAttribute("role", "row");
    for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
    for (const th of table.querySelectorAll("th")) th.setAttribute("role", th.scope === "col" ? "columnheader" : "rowheader");
  }
  table.classList.toggle("small", columns > 7);
  return table;
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
    input.classList.toggle("long", text.length > 4);
  };
  return input;
}

function render({ model, el }) {
  const id = `pnn-${++panels}`;
  const picture = () => model.get("picture");
  let hovered = null;

  // What the user asks for.

  let waiting;
  function ask(intent) {
    clearTimeout(waiting);
    const nobody = () => say(message, "No answer from the kernel yet: numbers can be changed only while it runs. If this stays, run the cell again.");
    waiting = setTimeout(nobody, 3000);
    model.send(intent, { iopub: { status: acknowledge } });
  }
  // So that the answer comes at once and not 40 ms later: see panel.js.
  const acknowledge = (status) => status.content.execution_state === "busy" && model.send({ do: "nothing" });
  function go(step) {
    const last = picture().steps.length - 1;
    model.set("step", Math.min(Math.max(step, 0), Math.max(last, 0)));
    model.save_changes();
    hovered = null;
    show();
  }
  function hover(step) {
    hovered = step;
    show();
  }
  const say = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
    element.hidden = !text;
  };

  // The parts that stay.

  const question = make("p", { class: "question" });
  const presets = make("div", { class: "buttons", role: "group", "aria-label": "Examples" });
  const button = (name, text, onclick) => make("button", { type: "button", "aria-label": name, title: name, onclick }, text);
  const inputBox = make("figure", {});
  const maskBox = make("figure", {});
  const outputBox = make("figure", {});
  const yoursBox = make("figure", {});
  const sign = (text) => make("span", { class: "sign", "aria-hidden": "true" }, text);
  const star = sign("⋆");
  const legend = make("p", { class: "legend" });
  const notes = make("div", { class: "notes", role: "status" });
  const verdict = make("p", { class: "verdict", role: "status" });
  const message = make("p", { class: "message", role: "alert", hidden: true });
  const status = make("p", { class: "status", role: "status" });
  const equation = make("p", { class: "equation" });

  const scrubber = make("input", {
    type: "range",
    min: 0,
    "aria-label": "Step",
    oninput: () => go(Number(scrubber.value)),
  });
  const first = button("First window", "« first", () => go(0));
  const back = button("Step back", "‹ back", () => go(model.get("step") - 1));
  const forward = button("Step forward", "forward ›", () => go(model.get("step") + 1));
  const last = button("Last window", "last »", () => go(picture().steps.length - 1));
  const toDifference = button("First difference", "≠ First difference", () => go(picture().yours.first));
  const stepper = make("div", { class: "buttons stepper", role: "group", "aria-label": "Step through the windows" }, first, back, scrubber, forward, last, toDifference);

  // Settings.

  const counts = [
    ["size of x", (p) => [p.x.length, p.x[0].length], "x", "size"],
    ["size of h", (p) => [p.h.length, p.h[0].length], "h", "size"],
    ["padding", (p) => p.padding, "padding", "option"],
    ["stride", (p) => p.stride, "stride", "option"],
    ["dilation", (p) => p.dilation, "dilation", "option"],
  ].map(([name, read, of, what]) => {
    const inputs = ["rows", "columns"].map((axisName, axis) =>
      field({ type: "number", step: 1, "aria-label": `${name}, ${axisName}` }, (text) => ask({ do: what, of, axis, text })),
    );
    return { name, read, of, inputs };
  });
  const options = make(
    "table",
    { class: "options" },
    make("thead", {}, make("tr", {}, make("td"), make("th", { scope: "col" }, "rows"), make("th", { scope: "col" }, "columns"))),
    make("tbody", {}, ...counts.map(({ name, inputs }) => make("tr", {}, make("th", { scope: "row" }, name), ...inputs.map((i) => make("td", {}, i))))),
  );
  function choice(legendText, name, choices, onchoose) {
    const radios = choices.map(([value, text]) => {
      const radio = make("input", { type: "radio", name: `${id}-${name}`, value, onchange: () => onchoose(value) });
      return [radio, make("label", {}, radio, ` ${text}`)];
    });
    const element = make("fieldset", {}, make("legend", {}, legendText), ...radios.map(([, label]) => label));
    element.show = (value) => radios.forEach(([radio]) => (radio.checked = radio.value === value));
    return element;
  }
  const operation = choice(
    "Operation",
    "operation",
    [["cross-correlation", "cross-correlation"], ["convolution", "true convolution (mask rotated by 180°)"]],
    (to) => ask({ do: "operation", to }),
  );
  const sizes = make("dl", { class: "sizes" });
  const unfolded = model.get("unfold");
  const part = (name, title, ...children) =>
    make("details", { class: `part-${name}`, open: unfolded.includes(name) }, make("summary", {}, title), make("div", { class: "inside" }, ...children));
  const settings = part(
    "settings",
    "Settings",
    options,
    make("div", { class: "beside" }, operation, make("div", {}, make("p", { class: "formula" }, "output size = ⌊(n + 2p − d·(k − 1) − 1) / s⌋ + 1"), sizes)),
  );

  // The output as a vector product.

  const order = choice(
    "x as one long vector",
    "order",
    [["C", "row by row, as PyTorch does"], ["F", "column by column, as in the lecture"]],
    (value) => {
      model.set("order", value);
      model.save_changes();
    },
  );
  const vector = make("div", { class: "vector" });
  const product = make("p", { class: "product" });
  const asVector = part("vector", "The same output as one vector product", order, vector, product);

  const code = make("pre", { tabindex: 0, "aria-label": "PyTorch code" });
  const inTorch = part("code", "The same in PyTorch", code);

  const panel = make(
    "section",
    { class: "pnn-cross-correlation", "aria-label": "Cross-correlation, window by window" },
    question,
    presets,
    make("div", { class: "stage" }, inputBox, make("div", { class: "pair" }, star, maskBox), make("div", { class: "pair outputs" }, sign("="), outputBox, yoursBox)),
    legend,
    stepper,
    equation,
    status,
    notes,
    verdict,
    message,
    settings,
    asVector,
    inTorch,
  );

  // The arrays. A table is made anew only when its shape changes, so that focus stays where it is.

  const made = new Map();
  function once(box, shape, build) {
    const signature = JSON.stringify(shape);
    if (made.get(box)?.signature !== signature) {
      const parts = build();
      box.replaceChildren(...parts.children);
      made.set(box, { signature, ...parts });
    }
    return made.get(box);
  }
  const caption = (title, ...rest) => make("figcaption", {}, make("b", {}, title), ...rest);

  function editable(of, rows, columns, row, column) {
    const input = field(
      { type: "text", inputmode: "text", "aria-label": `${of}[${row}, ${column}]`, "data-at": key(row, column) },
      (text) => ask({ do: "number", of, at: [row, column], text }),
    );
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => {
      const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!down) return;
      event.preventDefault();
      const next = input.closest("table").querySelector(`[data-at="${key(row + down, column)}"]`);
      next?.focus();
    });
    return input;
  }

  function drawInput(p) {
    const rows = p.x.length;
    const columns = p.x[0].length;
    const [top, left] = p.padding;
    const { cells, inputs, title } = once(inputBox, [rows, columns, top, left], () => {
      const cells = new Map();
      const inputs = [];
      const title = make("span");
      const table = grid(
        rows + 2 * top,
        columns + 2 * left,
        (r, c) => {
          const [row, column] = [r - top, c - left];
          const inside = row >= 0 && row < rows && column >= 0 && column < columns;
          const weight = make("small", { "aria-hidden": "true" });
          const cell = make("td", { class: inside ? "number" : "zero" }, weight);
          if (inside) inputs.push([row, column, cell.appendChild(editable("x", rows, columns, row, column))]);
          else cell.append("0");
          cells.set(key(r, c), { cell, weight });
          return cell;
        },
        { label: "Input x", offset: p.padding, shape: [rows, columns] },
      );
      return { children: [caption("x", " input, ", title), make("div", { class: "scroll" }, table)], cells, inputs, title };
    });
    const padded = top || left ? `, padded ${rows + 2 * top} × ${columns + 2 * left}` : "";
    say(title, size(p.x) + padded);
    for (const [row, column, input] of inputs) {
      input.show(p.x[row][column]);
      input.title = p.x[row][column];
    }
    const unseen = new Set(p.unseen.map(([r, c]) => key(r, c)));
    for (const [at, { cell }] of cells) cell.classList.toggle("unseen", unseen.has(at));
  }

  function drawMask(p) {
    const rotated = p.operation === "convolution";
    star.textContent = rotated ? "∗" : "⋆";
    const { inputs, turned } = once(maskBox, [p.h.length, p.h[0].length, rotated], () => {
      const inputs = [];
      const turned = [];
      const table = grid(
        p.h.length,
        p.h[0].length,
        (r, c) => {
          const input = editable("h", p.h.length, p.h[0].length, r, c);
          inputs.push([r, c, input]);
          return make("td", { class: "number" }, input);
        },
        { label: "Mask h" },
      );
      const children = [caption("h", ` mask, ${size(p.h)}`), table];
      if (rotated) {
        const second = grid(
          p.h.length,
          p.h[0].length,
          (r, c) => {
            const cell = make("td", { class: "number still" });
            turned.push([r, c, cell]);
            return cell;
          },
          { label: "Mask h rotated by 180°" },
        );
        children.push(make("p", { class: "turn" }, "↻ rotated by 180°"), second);
      }
      return { children, inputs, turned };
    });
    for (const [r, c, input] of inputs) {
      input.show(p.h[r][c]);
      input.title = p.h[r][c];
    }
    for (const [r, c, cell] of turned) cell.textContent = p.mask[r][c];
  }

  /** A grid of outputs to walk on: by pointer, or by the arrow keys. */
  function drawOutput(box, title, label, table, walkable, named) {
    if (!table.length) {
      made.delete(box);
      box.replaceChildren(caption(title, " no output"), make("p", { class: "empty" }, "∅"));
      return [];
    }
    const [rows, columns] = [table.length, table[0].length];
    const { cells } = once(box, [rows, columns, title, walkable], () => {
      const cells = [];
      const element = grid(
        rows,
        columns,
        (r, c) => {
          const cell = make("td", { role: walkable ? "gridcell" : undefined, class: "number still" });
          cells.push(cell);
          if (!walkable) return cell;
          const step = r * columns + c;
          cell.addEventListener("pointerenter", () => hover(step));
          cell.addEventListener("pointerleave", () => hover(null));
          cell.addEventListener("click", () => {
            go(step);
            cell.focus();
          });
          cell.addEventListener("keydown", (event) => {
            const to = moved(event, r, c, rows, columns);
            if (to === null) return;
            event.preventDefault();
            go(to);
            cells[to].focus();
          });
          return cell;
        },
        { label, role: walkable ? "grid" : undefined },
      );
      return { children: [caption(title, ` ${label.toLowerCase()}, ${size(table)}`), make("div", { class: "scroll" }, element)], cells };
    });
    cells.forEach((cell, n) => {
      const [r, c] = [Math.floor(n / columns), n % columns];
      const text = table[r][c];
      if (cell.textContent !== text) cell.textContent = text;
      cell.classList.toggle("long", text.length > 4);
      if (walkable) cell.setAttribute("aria-label", named(n, `[${r}, ${c}] = `, text));
    });
    return cells;
  }

  function moved(event, r, c, rows, columns) {
    const all = event.ctrlKey || event.metaKey;
    const to = {
      ArrowLeft: [r, c - 1],
      ArrowRight: [r, c + 1],
      ArrowUp: [r - 1, c],
      ArrowDown: [r + 1, c],
      Home: [all ? 0 : r, 0],
      End: [all ? rows - 1 : r, columns - 1],
    }[event.key];
    if (!to) return null;
    const inside = to[0] >= 0 && to[0] < rows && to[1] >= 0 && to[1] < columns;
    return inside ? to[0] * columns + to[1] : r * columns + c;
  }

  // Drawing: all of it when the picture changes, one window when the step does.

  let outputs = [];
  let theirs = [];

  function draw() {
    clearTimeout(waiting);
    const p = picture();
    hovered = null;
    say(question, p.question);
    if (!presets.children.length) {
      for (const name of p.presets) presets.append(make("button", { type: "button", onclick: () => ask({ do: "preset", name }) }, name));
      presets.append(make("button", { type: "button", class: "reset", onclick: () => ask({ do: "reset" }) }, "↺ Reset"));
    }
    p.presets.forEach((name, i) => presets.children[i].setAttribute("aria-pressed", String(name === p.preset)));

    drawInput(p);
    drawMask(p);
    outputs = drawOutput(outputBox, "y", "Output", p.y, true, (n, at) => `y${at}${p.steps[n].sum}`);
    drawYours(p);
    drawNotes(p);

    for (const { read, of, inputs } of counts) {
      inputs.forEach((input, axis) => {
        [input.min, input.max] = p.limits[of];
        input.show(String(read(p)[axis]));
      });
    }
    operation.show(p.operation);
    sizes.replaceChildren(...["rows", "columns"].flatMap((name, i) => [make("dt", {}, name), make("dd", {}, p.sizes[i])]));
    say(code, p.code);
    say(message, p.message);
    scrubber.max = Math.max(p.steps.length - 1, 0);
    drawVector(p);
    show();
  }

  function drawYours(p) {
    yoursBox.hidden = !p.yours?.y;
    verdict.hidden = !p.yours;
    toDifference.hidden = p.yours?.first == null;
    theirs = [];
    if (!p.yours) return;
    const { y, name, agrees, differs, sentence } = p.yours;
    const sameShape = y && y.length === p.y.length && y[0].length === p.y[0]?.length;
    const wrong = (n) => sameShape && differs.includes(n);
    if (y) theirs = drawOutput(yoursBox, name, "Your output", y, sameShape, (n, at, text) => `yours${at}${text}${wrong(n) ? ", differs" : ""}`);
    theirs.forEach((cell, n) => cell.classList.toggle("wrong", wrong(n)));
    if (!sameShape) theirs = [];
    verdict.classList.toggle("agrees", agrees);
    say(verdict, `${agrees ? "✓" : "✗"} ${sentence}`);
  }

  function drawNotes(p) {
    notes.replaceChildren(...p.notes.map((note) => make("p", {}, note)));
    notes.classList.toggle("bad", !p.steps.length);
    const marks = [["covered", "under the mask, with its weight"]];
    if (p.padding.some(Boolean)) marks.push(["zero", "zero of the padding"]);
    if (p.unseen.length) marks.push(["unseen", "under no window"]);
    legend.replaceChildren(...marks.map(([mark, text]) => make("span", {}, make("i", { class: mark, "aria-hidden": "true" }), text)));
    legend.hidden = !p.steps.length;
  }

  let entries = [];
  function drawVector(p) {
    const arranged = model.get("order");
    order.show(arranged);
    const values = p.vector[arranged];
    entries = values.map((value) => ({ weight: make("span", { class: "w" }), value: make("span", {}, value) }));
    vector.replaceChildren(
      make("div", { class: "entry names", "aria-hidden": "true" }, make("span", {}, "w"), make("span", {}, "x")),
      ...entries.map(({ weight, value }) => make("div", { class: "entry" }, weight, value)),
    );
    vector.setAttribute("role", "img");
  }

  function show() {
    const p = picture();
    const step = hovered ?? model.get("step");
    const window_ = p.steps[step];
    const none = !window_;
    for (const element of [equation, status, stepper, product]) element.hidden = none;
    asVector.hidden = none;
    const weights = p.mask.flat();

    const covered = new Map((window_?.cells ?? []).map(([r, c], n) => [key(r, c), p.marks[n]]));
    for (const [at, { cell, weight }] of made.get(inputBox).cells) {
      cell.classList.toggle("covered", covered.has(at));
      weight.textContent = covered.has(at) ? `×${covered.get(at)}` : "";
    }
    const own = model.get("step");
    for (const cells of [outputs, theirs]) {
      cells.forEach((cell, n) => {
        cell.classList.toggle("current", n === step);
        cell.setAttribute("aria-selected", String(n === step));
        cell.tabIndex = n === own ? 0 : -1;
      });
    }
    if (none) return;

    const [i, j] = window_.at;
    const name = `y[${i}, ${j}]`;
    const factors = window_.values.flatMap((value, n) => [
      n ? " + " : "",
      make("span", { class: "term" }, `(${value})`, make("b", {}, `(${weights[n]})`)),
    ]);
    const lines = [[name, " = ", ...factors], ["", " = ", window_.products], ["", " = ", make("strong", {}, window_.sum)]];
    // With a single weight there is nothing to add up.
    if (window_.values.length === 1) lines.splice(1, 1);
    equation.replaceChildren(...lines.flatMap(([left, equals, ...right]) => [make("span", {}, left + equals), make("span", {}, ...right)]));
    say(status, window_.say);

    scrubber.value = step;
    scrubber.setAttribute("aria-valuetext", `${name}, step ${step + 1} of ${p.steps.length}`);
    first.disabled = back.disabled = step === 0;
    forward.disabled = last.disabled = step === p.steps.length - 1;

    entries.forEach(({ weight }) => {
      weight.textContent = "0";
      weight.parentElement.classList.remove("covered");
    });
    const arranged = model.get("order");
    window_.places[arranged].forEach((place, n) => {
      if (place < 0) return; // the padding is no part of x
      entries[place].weight.textContent = weights[n];
      entries[place].weight.parentElement.classList.add("covered");
    });
    const w = entries.map(({ weight }) => weight.textContent).join(", ");
    vector.setAttribute("aria-label", `w = (${w}), x = (${p.vector[arranged].join(", ")})`);
    product.replaceChildren("w · x = ", make("strong", {}, window_.sum), ` = ${name}`);
  }

  const reorder = () => {
    drawVector(picture());
    show();
  };
  model.on("change:picture", draw);
  model.on("change:step", show);
  model.on("change:order", reorder);
  draw();
  el.append(panel);
  return () => {
    clearTimeout(waiting);
    model.off("change:picture", draw);
    model.off("change:step", show);
    model.off("change:order", reorder);
  };
}

export default { render };
