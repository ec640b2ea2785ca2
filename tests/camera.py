"""Takes screenshots of mailrun's pages."""
import base64
import json
import pathlib
import re
import shutil
import subprocess
import time
import urllib.request


class Camera:
    """Headless Chromium, controlled over WebDriver. `ready` is JavaScript: whether the page is complete."""

    def __init__(self, url, folder, ready):
        self.url, self.ready = url.split("?")[0], f"return Boolean({ready})"
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = next(line for line in self.driver.stdout if "successfully on port" in line)
        self.base = "http://127.0.0.1:" + re.search(r"port (\d+)", line)[1]
        args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder}/browser"]
        capabilities = {"alwaysMatch": {"goog:chromeOptions": {"args": args, "binary": shutil.which("chromium")}}}
        session = self.call("/session", {"capabilities": capabilities})
        self.base += "/session/" + session["sessionId"]

    def call(self, command, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + command, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["value"]

    def shoot(self, path, state, width, height, script=""):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})
        self.call("/url", {"url": f"{self.url}?{state}"})
        end = time.monotonic() + 10
        while not self.call("/execute/sync", {"script": self.ready, "args": []}) and time.monotonic() < end:
            time.sleep(0.05)
        self.call("/execute/sync", {"script": script, "args": []})
        time.sleep(0.5)  # until the frame is drawn, and messages are marked as read
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("/screenshot")))

    def close(self):
        request = urllib.request.Request(self.base, method="DELETE")
        urllib.request.urlopen(request).close()
        self.driver.terminate()
        self.driver.wait()
