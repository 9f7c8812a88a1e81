"""What cells print, as the feedback may show it: cut at a limit, plain text and pictures only."""

from __future__ import annotations

import re

PICTURES = ("image/png", "image/jpeg")


class Printed:
    """Keeps the outputs of a cell up to a limit; what comes after is cut, not punished."""

    def __init__(self, limit: int):
        self.room, self.kept = limit, []

    def take(self, message: dict) -> None:
        """Add one message of the kernel, which may hold anything."""
        kind, content = message["msg_type"], message["content"]
        if self.room <= 0:
            return
        if kind == "stream":
            self._stream(kind, content)
        elif kind == "error":
            self._error(kind, content)
        elif kind in ("display_data", "execute_result"):
            self._data(kind, content)

    def _stream(self, kind: str, content: dict) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        text = self._fit(content.get("text"))
        last = self.kept[-1] if self.kept else {}
        if last.get("output_type") == kind and last["name"] == name:
            last["text"] += text
        elif text:
            self.kept.append({"output_type": kind, "name": name, "text": text})

    def _error(self, kind: str, content: dict) -> None:
        lines = content.get("traceback")
        trace = [self._fit(line) for line in lines[:1000]] if isinstance(lines, list) else []
        self.kept.append(
            {
                "output_type": kind,
                "ename": self._fit(content.get("ename")),
                "evalue": self._fit(content.get("evalue")),
                "traceback": trace,
            }
        )

    def _data(self, kind: str, content: dict) -> None:
        found = content.get("data") if isinstance(content.get("data"), dict) else {}
        data = {}
        for picture in PICTURES:
            # half a picture is none; and nothing but base64 may stand in its place
            code = found.get(picture)
            if isinstance(code, str) and len(code) < self.room and re.fullmatch(r"[A-Za-z0-9+/=\s]*", code):
                data[picture] = code
                self.room -= len(code)
        data["text/plain"] = self._fit(found.get("text/plain"))
        output = {"output_type": kind, "data": data, "metadata": {}}
        if kind == "execute_result":
            output["execution_count"] = None
        self.kept.append(output)

    def _fit(self, text) -> str:
        text = plain_text(text[: self.room]) if isinstance(text, str) else ""
        self.room -= len(text) + 10
        return text


def error_line(reply: dict) -> str:
    """The one line "NameError: name 'y' is not defined (line 3)" from a kernel's reply."""
    text = _line(reply.get("evalue"), 300)
    name = _line(reply.get("ename"), 80) or "an error"
    text = re.sub(r"\(\S+\.py, (line \d+)\)", r"(\1)", text)
    traceback = reply.get("traceback")
    trace = "\n".join(map(str, traceback)) if isinstance(traceback, list) else ""
    lines = re.findall(r"(?:Cell )?In ?\[\d+\], line (\d+)", plain_text(trace[-100_000:]))
    where = f" (line {lines[-1]})" if lines and "(line" not in text else ""
    return f"{name}{': ' if text else ''}{text}{where}"


def _line(text, limit: int) -> str:
    return plain_text(" ".join(str(text or "")[: 4 * limit].split()))[:limit]


def plain_text(text: str) -> str:
    """Without terminal codes and control characters; a line that was overwritten shows its end.

    >>> plain_text("\\x1b[31mred\\x1b[0m\\x07 10 %\\r100 %\\r\\n")
    '100 %\\n'
    """
    text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)", "", text)
    text = re.sub(r"(?<!\r)\r+\n", "\n", text)  # tried once for each run of \r, however long
    text = "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))
    return "".join(c for c in text if c in "\n\t" or c.isprintable())
