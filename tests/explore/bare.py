"""A bare page: an explorable's JavaScript on a plain HTML page, with no Jupyter around it."""

import json
from http.server import SimpleHTTPRequestHandler

import pytest

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>bare</title><link rel="icon" href="data:,">
<style>body { max-width: 960px; margin: 20px auto; }</style><style>%(css)s</style></head>
<body><main></main><script type="module">
import widget from "./widget.js";

const traits = %(traits)s;
const listeners = [];
const fire = (name) => listeners.filter(([event]) => event === `change:${name}`).forEach(([, f]) => f());
const model = {
  get: (name) => traits[name],
  set: (name, value) => { if (traits[name] !== value) { traits[name] = value; fire(name); } },
  on: (events, f) => events.split(" ").forEach((event) => listeners.push([event, f])),
  off: (events, f) => events.split(" ").forEach((event) => {
    const at = listeners.findIndex(([e, g]) => e === event && g === f);
    if (at >= 0) listeners.splice(at, 1);
  }),
  save_changes: () => %(kernel)s && post("./traits", { step: traits.step, order: traits.order }),
  send: (intent) => %(kernel)s && post("./intent", intent),
};
let before = Promise.resolve();  // answers come in the order of the questions, as from a kernel
function post(url, body) {
  before = before.then(async () => {
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    for (const [name, value] of Object.entries(await answer.json())) { traits[name] = value; fire(name); }
  });
}
window.leave = widget.render({ model, el: document.querySelector("main") });
window.listeners = listeners;
</script></body></html>
"""


@pytest.fixture
def bare(site, page, tmp_path):  # in this order: the page goes before the server that answers it
    """`bare(widget)` opens the widget's JavaScript on a plain page and returns the page.

    The widget itself answers in place of a kernel; with `kernel=False` nobody does.
    """

    def open_bare(widget, kernel=True):
        traits = {name: getattr(widget, name) for name in ("picture", "step", "order", "unfold")}
        html = PAGE % {"css": widget._css, "traits": json.dumps(traits), "kernel": json.dumps(kernel)}
        (tmp_path / "index.html").write_text(html, encoding="utf-8")
        (tmp_path / "widget.js").write_text(widget._esm, encoding="utf-8")
        page.goto(site(tmp_path, answering(widget)))
        return page

    return open_bare


def answering(widget):
    class Kernel(SimpleHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/intent":
                widget._handle_custom_msg(body, [])
                answer = {"picture": widget.picture, "step": widget.step}
            else:
                widget.set_trait("step", body["step"])
                widget.set_trait("order", body["order"])
                answer = {}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    return Kernel
