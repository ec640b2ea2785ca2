#!/usr/bin/env python3
"""Draws docs/send.svg: a terminal where `mailrun send` finds a mistake, and then sends a newsletter.

Usage: tests/picture.py target/debug/mailrun > docs/send.svg

The text is real output for examples/newsletter, at first with one misspelt column.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape

WIDTH, LINE, CHAR, PAD = 96, 18, 7.83, 20
COLOURS = [  # a pattern for a line, and its class
    (r"^\$ ", "cmd"),
    (r"^\s+×", "bad"),
    (r"^\s+·", "bad"),
    (r"^\s+help:", "hint"),
    (r"^\s+[\d,]+  accepted", "good"),
    (r"^\s+[\d,]+  (invalid|rejected|failed|unknown)", "bad"),
    (r"^\s+[\d,]+  skipped", "hint"),
    (r"^\s{12,}", "dim"),
]
STYLE = """text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6deeb;white-space:pre}
.cmd{fill:#fff;font-weight:bold}.bad{fill:#ff8b8b}.good{fill:#8ee28e}.hint{fill:#ffd580}.dim{fill:#93a1b5}"""


def main():
    mailrun = pathlib.Path(sys.argv[1]).resolve()
    examples = pathlib.Path(__file__).resolve().parent.parent / "examples"
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        campaign = shutil.copytree(examples / "newsletter", root / "newsletter",
                                   ignore=shutil.ignore_patterns("runs"))
        lines = []

        def show(*words):
            done = subprocess.run([mailrun, *words], cwd=root, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            lines.append("$ mailrun " + " ".join(words))
            # The name of the temporary folder differs from run to run.
            lines.extend(done.stdout.replace(f"{root.resolve()}/", "").rstrip().splitlines())
            lines.append("")

        template = campaign / "templates" / "newsletter.txt"
        text = template.read_text()
        assert "{{ first_name }}" in text
        template.write_text(text.replace("{{ first_name }}", "{{ firstname }}", 1))
        show("send", "newsletter", "--local")
        template.write_text(text)
        show("send", "newsletter", "--local")
    draw([line for line in lines[:-1]])


def draw(lines):
    width, height = round(WIDTH * CHAR + 2 * PAD), len(lines) * LINE + 2 * PAD + 18
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
          f'viewBox="0 0 {width} {height}" role="img">')
    print("<title>mailrun finds a misspelt column before anything is sent, and then sends to a local outbox</title>")
    print(f"<style>{STYLE}</style>")
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#16202b"/>')
    for place, colour in enumerate(["#ff5f57", "#febc2e", "#28c840"]):
        print(f'<circle cx="{PAD + 18 * place}" cy="18" r="5" fill="{colour}"/>')
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if len(line) > WIDTH:
            line = line[:WIDTH - 1] + "…"
        kind = next((name for pattern, name in COLOURS if re.search(pattern, line)), None)
        kind = f' class="{kind}"' if kind else ""
        print(f'<text x="{PAD}" y="{PAD + 32 + number * LINE}" xml:space="preserve"{kind}>{escape(line)}</text>')
    print("</svg>")


main()
