#!/usr/bin/env python3
"""Draws the picture of the preview in docs/: the page in a headless Chromium, with the newsletter of the examples.

Usage: tests/picture_preview.py target/debug/mailrun [FOLDER]

Without a folder the picture of the documentation is written into docs/; with one, many into it, to look at.
"""
import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What somebody has broken, so that there is something to find: a link that leads nowhere.
BROKEN = ("</body>", '<p><a href="">To the shop</a></p></body>')


def main():
    mailrun = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        campaign = pathlib.Path(folder) / "newsletter"
        shutil.copytree(ROOT / "examples" / "newsletter", campaign)
        html = next(path for path in sorted((campaign / "templates").glob("*.html")) if BROKEN[0] in path.read_text())
        html.write_text(html.read_text().replace(*BROKEN))
        preview = subprocess.Popen([mailrun, "preview", campaign.name, "--web"], cwd=folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        try:
            url = preview.stdout.readline().strip()
            camera = Camera(url, folder)
            if len(sys.argv) > 2:
                everything(pathlib.Path(sys.argv[2]), camera.shoot, campaign)
            else:
                camera.shoot(ROOT / "docs" / "preview.png", "row=1&w=375&theme=light", 1360, 800)
            camera.close()
        finally:
            preview.terminate()
            preview.wait()


def everything(out, shoot, campaign):
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
    html = campaign / "campaign.toml"
    html.write_text(html.read_text().replace("subject = \"", "subject = \"{{ frist_name }} ", 1))
    time.sleep(1)
    shoot(out / "broken.png", "row=1", 1360, 800)


class Camera:
    """A headless Chromium, driven by the WebDriver protocol."""

    def __init__(self, url, folder):
        self.url = url.split("?")[0]
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = next(line for line in self.driver.stdout if "successfully on port" in line)
        self.base = "http://127.0.0.1:" + re.search(r"port (\d+)", said)[1]
        args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder}/browser"]
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": args, "binary": shutil.which("chromium")}}}
        session = self.ask("/session", {"capabilities": wanted})
        self.base += "/session/" + session["sessionId"]

    def ask(self, command, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + command, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["value"]

    def shoot(self, path, state, width, height, script=""):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})
        self.ask("/url", {"url": f"{self.url}?{state}"})
        there = "location.search.includes('row=') ? document.querySelector('#panel')?.firstChild : true"
        ready = f"return Boolean((document.querySelector('#count')?.textContent || document.querySelector('#notice:not([hidden])')) && ({there}))"
        end = time.monotonic() + 10
        while not self.ask("/execute/sync", {"script": ready, "args": []}) and time.monotonic() < end:
            time.sleep(0.05)
        self.ask("/execute/sync", {"script": script, "args": []})
        time.sleep(0.5)  # for the frame
        pathlib.Path(path).write_bytes(base64.b64decode(self.ask("/screenshot")))

    def close(self):
        request = urllib.request.Request(self.base, method="DELETE")
        urllib.request.urlopen(request).close()
        self.driver.terminate()
        self.driver.wait()


main()
