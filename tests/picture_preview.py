#!/usr/bin/env python3
"""Takes docs/preview.png: the preview page with the example newsletter, in headless Chromium.

Usage: tests/picture_preview.py target/debug/mailrun [FOLDER]

With FOLDER, writes screenshots of all states of the page into it instead.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from camera import Camera

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A mistake, so that there is a finding: an empty link.
MISTAKE = ("</body>", '<p><a href="">To the shop</a></p></body>')
# The list or an error, and the panel if a message is open.
READY = """(document.querySelector('#count')?.textContent || document.querySelector('#notice:not([hidden])'))
    && (!location.search.includes('row=') || document.querySelector('#panel')?.firstChild)"""


def main():
    mailrun = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        campaign = pathlib.Path(folder) / "newsletter"
        shutil.copytree(ROOT / "examples" / "newsletter", campaign)
        html = next(path for path in sorted((campaign / "templates").glob("*.html")) if MISTAKE[0] in path.read_text())
        html.write_text(html.read_text().replace(*MISTAKE))
        preview = subprocess.Popen([mailrun, "preview", campaign.name, "--web"], cwd=folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        try:
            url = preview.stdout.readline().strip()
            camera = Camera(url, folder, READY)
            if len(sys.argv) > 2:
                shoot_all(pathlib.Path(sys.argv[2]), camera.shoot, campaign)
            else:
                camera.shoot(ROOT / "docs" / "preview.png", "row=1&w=375&theme=light", 1360, 800)
            camera.close()
        finally:
            preview.terminate()
            preview.wait()


def shoot_all(out, shoot, campaign):
    out.mkdir(exist_ok=True)
    for theme in ["light", "dark"]:
        shoot(out / f"none-{theme}.png", f"theme={theme}", 1360, 800)
        for tab in ["checks", "text", "source", "headers", "data", "diff"]:
            shoot(out / f"{tab}-{theme}.png", f"theme={theme}&row=2&tab={tab}", 1360, 800)
        shoot(out / f"small-{theme}.png", f"theme={theme}&row=1&w=375", 1000, 800)
        shoot(out / f"narrow-{theme}.png", f"theme={theme}&row=1", 500, 900)
        shoot(out / f"narrow-list-{theme}.png", f"theme={theme}", 500, 900)
    shoot(out / "look-inverted.png", "row=1&look=inverted", 1360, 800)
    shoot(out / "look-dark.png", "row=1&look=dark", 1360, 800)
    shoot(out / "what-if.png", "row=1&tab=data&set.first_name=Wolfeschlegelsteinhausenbergerdorff", 1360, 800)
    shoot(out / "wrong.png", "q=missing%3Anowhere", 1360, 800)
    shoot(out / "findings.png", "q=has%3Afindings", 1360, 800)
    shoot(out / "help.png", "row=1", 1360, 800, "document.querySelector('#help-button').click()")
    toml = campaign / "campaign.toml"
    toml.write_text(toml.read_text().replace("subject = \"", "subject = \"{{ frist_name }} ", 1))
    time.sleep(1)
    shoot(out / "broken.png", "row=1", 1360, 800)


main()
