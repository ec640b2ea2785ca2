#!/usr/bin/env python3
"""Draws the pictures of the inbox in docs/: the page in a headless Chromium, with made-up messages.

Usage: tests/picture_inbox.py target/debug/mailrun [FOLDER]

Without a folder the two pictures of the documentation are written into docs/; with one, many into it, to look at.
"""
import base64
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from camera import Camera

NAMES = """Anna Nowak,Piotr Zieliński,Katarzyna Wójcik,Jan Kowalczyk,Zofia Lewandowska,Tomasz Dąbrowski,Maria Kamińska,
Michał Szymański,Ewa Woźniak,Krzysztof Kozłowski,Barbara Jankowska,Paweł Mazur,Agnieszka Krawczyk,Marcin Piotrowski,
Magdalena Grabowska,Łukasz Pawłowski,Monika Michalska,Jakub Król,Joanna Wieczorek,Adam Jabłoński""".replace("\n", "").split(",")
NEWSLETTER = """<!doctype html><html lang="en"><head><title>Autumn</title><style>
body{{margin:0;background:#f4f1ea;font:16px/1.5 Georgia,serif;color:#2d2a26}}
.card{{max-width:560px;margin:24px auto;background:#fff;padding:0 0 28px}}
.in{{padding:8px 32px}} h1{{font-size:26px;margin:12px 0}} a.go{{display:inline-block;background:#b4532a;color:#fff;
padding:10px 20px;text-decoration:none;border-radius:4px}}</style></head><body><div class="card">
<img src="cid:autumn.png" width="560" height="120" alt="Leaves" style="width:100%;display:block">
<div class="in"><h1>Autumn has come, {name}</h1><p>The new blends are roasted, the mornings are cold, and everything
with cinnamon is <b>20% off</b> until Sunday.</p><p><a class="go" href="https://shop.acme.example/autumn">See the blends</a></p>
<p style="color:#8a8378;font-size:13px">You get this because you asked for it.
<a href="https://acme.example/unsubscribe">Unsubscribe</a></p></div></div></body></html>"""
# The list, and a message or an error if one is open.
READY = """document.querySelector('#count')?.textContent
    && (!location.search.includes('m=') || document.querySelector('article h1, article [role=alert]'))
    && (!document.querySelector('#panel') || document.querySelector('#panel').firstChild)"""


def picture():
    """A PNG of a few stripes, 14 by 3."""
    import struct
    import zlib
    colours = [b"\xb4\x53\x2a", b"\xd9\x8e\x3c", b"\xe8\xb8\x5c", b"\x8c\x3b\x22", b"\xc9\x6f\x30", b"\x6b\x7a\x3a", b"\xa3\x8f\x3d"]
    rows = b"".join(b"\0" + b"".join(colours[(x + y) % 7] for x in range(14)) for y in range(3))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 14, 3, 8, 2, 0, 0, 0)) \
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    mailrun = pathlib.Path(sys.argv[1]).resolve()
    docs = pathlib.Path(__file__).resolve().parent.parent / "docs"
    with tempfile.TemporaryDirectory() as folder:
        gateway = subprocess.Popen([mailrun, "gateway", "--listen", "127.0.0.1:0", "--data", folder + "/data"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = gateway.stdout.readline().strip()
            camera = Camera(url, folder, READY)
            shoot = camera.shoot
            if len(sys.argv) > 2:
                everything(pathlib.Path(sys.argv[2]), url, shoot)
            else:
                fill(url)
                uid = messages(url)[1]["uid"]
                shoot(docs / "inbox-light.png", f"m={uid}&theme=light", 1280, 720)
                shoot(docs / "inbox-dark.png", f"m={uid}&tab=request&theme=dark", 1280, 720)
            camera.close()
        finally:
            gateway.terminate()
            gateway.wait()


def everything(out, url, shoot):
    out.mkdir(exist_ok=True)
    shoot(out / "empty.png", "theme=light", 1280, 800)
    fill(url)
    newest, letter = [message["uid"] for message in messages(url)[:2]]
    for theme in ["light", "dark"]:
        shoot(out / f"list-{theme}.png", f"theme={theme}", 1280, 800)
        shoot(out / f"html-{theme}.png", f"theme={theme}&m={letter}", 1440, 900)
        shoot(out / f"narrow-list-{theme}.png", f"theme={theme}", 500, 800)
        shoot(out / f"narrow-{theme}.png", f"theme={theme}&m={letter}", 500, 800)
        for tab in ["text", "source", "headers", "attachments", "request"]:
            shoot(out / f"{tab}-{theme}.png", f"theme={theme}&m={letter}&tab={tab}", 1280, 800)
    shoot(out / "phone.png", f"theme=light&m={letter}&w=375", 1000, 800)
    shoot(out / "search.png", "q=tag%3A%22autumn%22+-is%3Aread&by=request", 1280, 800)
    shoot(out / "nothing.png", "q=nowhere", 1280, 800)
    shoot(out / "wrong.png", "q=before%3Asoon", 1280, 800)
    shoot(out / "help.png", "theme=light", 1280, 800, "document.querySelector('#help-button').click()")
    shoot(out / "gone.png", "m=" + "0" * 32, 1280, 800)


def post(url, action, fields):
    body = urllib.parse.urlencode(fields).encode()
    login = base64.b64encode(b"key:secret").decode()
    request = urllib.request.Request(f"{url}api/{action}", body, {"Authorization": f"Basic {login}"})
    urllib.request.urlopen(request).read()


def messages(url):
    with urllib.request.urlopen(f"{url}inbox/messages?limit=20") as answer:
        return json.load(answer)["messages"]


def fill(url):
    common = [("smtp_account", "1.acme.smtp"), ("from", "news@acme.example"), ("from_name", "Acme Coffee")]
    for number in range(9):
        name = NAMES[number]
        post(url, "sendmail", common + [
            ("to[0]", f"client{number}@example.com"), ("subject", f"Your invoice FV/{410 + number}/2026"),
            ("text", f"Dear {name},\n\nthe invoice is attached. It is due in 14 days.\n\nAcme Coffee"), ("tags[]", "invoices"),
            ("files[0][name]", f"FV-{410 + number}-2026.pdf"), ("files[0][mime]", "application/pdf"),
            ("files[0][content]", base64.b64encode(b"%PDF-1.7 " * 900).decode())])
    for number, name in enumerate(NAMES):
        address = re.sub(r"[^a-z]", ".", name.lower().translate(str.maketrans("ąćęłńóśźż", "acelnoszz"))) + "@example.com"
        post(url, "new_sendmail", common + [
            (f"to[{address}][message_id]", f"5f0c1e7a9b3d2468ace0.{number + 1}@acme.example"),
            (f"to[{address}][reciver_name]", name),
            ("subject", f"{name.split()[0]}, autumn is here"), ("html", NEWSLETTER.format(name=name.split()[0])),
            ("text", f"Autumn has come, {name.split()[0]}.\n\nThe new blends are roasted, the mornings are cold, and everything "
                     "with cinnamon is 20% off until Sunday.\n\nhttps://shop.acme.example/autumn"),
            ("tags[]", "autumn"), ("tags[]", "newsletter"),
            ("headers[List-Unsubscribe]", "<https://acme.example/unsubscribe>"),
            ("files[0][name]", "autumn.png"), ("files[0][mime]", "image/png"), ("files[0][inline]", "1"),
            ("files[0][content]", base64.b64encode(picture()).decode())])
    post(url, "sendmail", common + [("to[0]", "ops@acme.example"), ("subject", "Nightly report: 29 sent, 0 refused"),
                                    ("text", "All is well."), ("tags[]", "reports")])


main()
