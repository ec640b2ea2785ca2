#!/usr/bin/env python3
"""Takes docs/preview-terminal.png, the screen of `mailrun preview` in tmux, and docs/contact-sheet.png, both with headless
Chromium.

Usage: tests/picture_terminal.py target/debug/mailrun [FOLDER]
"""
import html
import pathlib
import re
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 92, 40
COLOURS = ["#2b2b2b", "#e5786d", "#95c76f", "#e0b45c", "#7aa6da", "#c397d8", "#70c0b1", "#dddddd"]
BACKGROUND, TEXT = "#1d1f21", "#d8d8d4"
PAGE = """<!doctype html><meta charset="utf-8"><style>html,body{{margin:0;background:#1d1f21}}
pre{{margin:0;padding:18px 20px;color:#d8d8d4;font:14px/1.35 "DejaVu Sans Mono",monospace}}</style><pre>{}</pre>"""


def spans(text):
    """Converts text with SGR sequences to HTML."""
    state = {"bold": False, "dim": False, "italic": False, "underline": False, "reverse": False, "strike": False, "fg": None}
    on = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
    parts = []
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        sgr = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if not sgr:
            if part:
                parts.append(f'<span style="{css(state)}">{html.escape(part)}</span>')
            continue
        for code in [int(code or 0) for code in sgr.group(1).split(";")]:
            if code == 0:
                state = dict.fromkeys(state, False) | {"fg": None}
            elif code in on:
                state[on[code]] = True
            elif 30 <= code <= 37:
                state["fg"] = COLOURS[code - 30]
            elif code == 39:
                state["fg"] = None
    return "".join(parts)


def css(state):
    colour = state["fg"] or TEXT
    rules = [f"background:{colour};color:{BACKGROUND}" if state["reverse"] else f"color:{colour}"]
    for name, rule in [("bold", "font-weight:bold"), ("dim", "opacity:.6"), ("italic", "font-style:italic"),
                       ("underline", "text-decoration:underline"), ("strike", "text-decoration:line-through")]:
        if state[name]:
            rules.append(rule)
    return ";".join(rules)


def screen(mailrun, campaign):
    """Returns the screen, with its colours as SGR sequences."""
    tmux = ["tmux", "-L", "mailrun-picture", "-f", "/dev/null"]
    subprocess.run(tmux + ["new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-s", "p",
                           f"{mailrun} preview {campaign}"], check=True)
    try:
        subprocess.run(tmux + ["set", "-g", "status", "off"], check=True)
        time.sleep(2)
        return subprocess.run(tmux + ["capture-pane", "-p", "-e", "-N", "-t", "p"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(tmux + ["kill-server"], check=True)


def shoot(url, path, width, height):
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}",
                        "--virtual-time-budget=8000", f"--window-size={width},{height}", f"--screenshot={path}", url],
                       check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def main():
    mailrun = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parent.parent
    docs = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else root / "docs"
    campaign = root / "examples" / "newsletter"
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "screen.html"
        page.write_text(PAGE.format(spans(screen(mailrun, campaign))), encoding="utf-8")
        shoot(page.as_uri(), docs / "preview-terminal.png", 820, 800)
        out = pathlib.Path(folder) / "out"
        subprocess.run([mailrun, "preview", campaign, "--out", out, "--limit", "6"], check=True, stdout=subprocess.DEVNULL)
        shoot((out / "index.html").as_uri(), docs / "contact-sheet.png", 1056, 720)


main()
