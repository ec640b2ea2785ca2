#!/usr/bin/env python3
"""Takes docs/report.png: the report of a made-up run, in headless Chromium.

Usage: tests/picture_report.py target/debug/mailrun [FOLDER]

With FOLDER, writes screenshots of all widths and themes, and a PDF, into it instead.
"""
import base64
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile

from camera import Camera

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = 6200
CAMPAIGN = """name = "autumn-letter"
[api]
url = "http://127.0.0.1:1/api/"
dialect = "new_sendmail"
smtp_account = "1.acme.smtp"
[message]
from = "letter@acme.example"
subject = "Autumn"
html = "letter.html"
[recipients]
file = "recipients.csv"
[pace]
rate = ["100000/s"]
concurrency = 64
batch = 100
"""
DOMAINS = ["gmail.com"] * 41 + ["outlook.com"] * 14 + ["yahoo.com"] * 9 + ["icloud.com"] * 7 + ["wp.example"] * 6 + ["onet.example"] * 5 + [
    "hotmail.com", "proton.me", "gmx.example", "web.example", "live.com", "o2.example", "interia.example", "uni.example", "city.example",
    "hospital.example", "studio-north.example", "bakery.example", "long-name-of-a-firm-with-many-partners.example", "law.example"]
LINKS = ["autumn-blends"] * 9 + ["grinder"] * 4 + ["tasting-in-krakow"] * 3 + ["", "about/roastery"]
REASONS = [
    ("hard-bounce", "550 5.1.1 <{to}>: Recipient address rejected: User unknown"), ("hard-bounce", "550-5.1.1 The email account that you tried to reach does not exist. {n} - gsmtp"),
    ("soft-bounce", "452 4.2.2 The mailbox of {to} is over its quota of {n} bytes"), ("spam-bounce", "554 5.7.1 Message {n} rejected as spam by the content filter"),
    ("dropped", "blacklisted: hard bounce"), ("soft-bounce", "451 4.7.1 Greylisted, try again in {n} seconds")]


def run_in(mailrun, folder, name, seed):
    """A run whose messages, times and events are made up."""
    chance = random.Random(seed)
    campaign = folder / name
    (campaign / "templates").mkdir(parents=True)
    (campaign / "campaign.toml").write_text(CAMPAIGN)
    (campaign / "templates" / "letter.html").write_text("<p>Autumn</p>")
    addresses = [f"reader{row}@{chance.choice(DOMAINS)}" for row in range(ROWS)]
    (campaign / "recipients.csv").write_text("email,first_name\n" + "".join(f"{to},Ann\n" for to in addresses) + "nobody,Ann\n" * 9)
    sent = subprocess.run([mailrun, "send", campaign, "--local", "--yes", "--skip-invalid", "--quiet"], capture_output=True, text=True)
    run = pathlib.Path(sent.stdout.splitlines()[0])
    begin = 1_795_507_200_000 + seed * 14 * 86_400_000  # 24 November 2026, 08:00
    ledger = sqlite3.connect(run / "ledger.db")
    minutes, row, minute = {}, 0, 0
    while row < ROWS:
        rate = 95 if not 31 <= minute < 39 else 30
        if 50 <= minute < 62:
            minute += 1
            continue
        minutes[minute] = min(rate + chance.randrange(10), ROWS - row)
        row += minutes[minute]
        minute += 1
    times = [begin + minute * 60_000 for minute, count in minutes.items() for _ in range(count)]
    ledger.execute("UPDATE run SET target = 'real', started_at = ?", [begin])
    ledger.execute("DELETE FROM posted")
    ledger.executemany("INSERT INTO posted VALUES (?, 0, ?)", [(begin // 60_000 + minute, count) for minute, count in minutes.items()])
    ledger.executemany("UPDATE delivery SET at = ? WHERE row = ?", [(at, row) for row, at in enumerate(times, 1)])
    ledger.execute("UPDATE delivery SET status = 'rejected', error = 'no' WHERE row % 700 = 3")
    ledger.commit()
    # The API does not answer, but the file of the events is there then.
    keys = {"EMAILLABS_APP_KEY": "a", "EMAILLABS_SECRET_KEY": "b"}
    subprocess.run([mailrun, "follow", run, "--for", "1ms", "--quiet"], capture_output=True, env=keys)
    events = sqlite3.connect(run / "events.db")
    for row, (at, to) in enumerate(zip(times, addresses), 1):
        if row % 700 == 3:
            continue
        state = made_up(chance, events, row, at, to, 0.34 + seed * 0.03)
        if state:
            events.execute("INSERT INTO delivery_state VALUES (?, ?)", [row, state])
    events.execute("UPDATE follow SET followed_at = ?", [begin + 2 * 86_400_000])
    events.commit()
    return run


def made_up(chance, events, row, at, to, opened):
    add = lambda kind, later, text: events.execute("INSERT INTO event VALUES (?, ?, ?, ?)", [row, kind, at + int(later * 1000), text])
    fate = chance.random()
    if fate < 0.003:
        return None
    if fate < 0.03 + 0.05 * to.endswith("wp.example"):
        kind, text = chance.choice(REASONS)
        add(kind, 9, text.format(to=to, n=chance.randrange(10**6)))
        return kind
    add("delivered", chance.randrange(3, 60), "250 2.0.0 OK")
    if chance.random() > opened:
        return "delivered"
    later = 60 + chance.expovariate(1 / 14_000) + 86_400 * (chance.random() < 0.2)
    add("opened", later, "")
    if chance.random() < 0.004:
        add("complaint", later + 60, "")
        return "complaint"
    if chance.random() > 0.22:
        return "opened"
    add("clicked", later + chance.randrange(5, 4000), f"https://shop.acme.example/{chance.choice(LINKS)}?u={row}")
    return "clicked"


def main():
    mailrun = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        runs = [run_in(mailrun, folder, "autumn-letter", seed) for seed in range(1)]
        out = runs[0] / "report.html"
        subprocess.run([mailrun, "report", *runs], check=True)
        camera = Camera(f"file://{out}", folder, "document.readyState == 'complete'")
        if len(sys.argv) == 2:
            camera.shoot(ROOT / "docs" / "report.png", "", 1040, 1440)
        else:
            runs += [run_in(mailrun, folder, f"letter-{seed}", seed) for seed in (1, 2)]
            both = folder / "several.html"
            subprocess.run([mailrun, "report", *runs, "--out", both], check=True)
            shoot_all(pathlib.Path(sys.argv[2]), camera, [out, both])
        camera.close()


def shoot_all(out, camera, pages):
    out.mkdir(exist_ok=True)
    for page in pages:
        camera.url = f"file://{page}"
        for theme in ["light", "dark"]:
            emulated = {"media": "", "features": [{"name": "prefers-color-scheme", "value": theme}]}
            camera.call("/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": emulated})
            for width, height in [(1200, 3600), (375, 5200)]:
                camera.shoot(out / f"{page.stem}-{theme}-{width}.png", "", width, height)
        camera.call("/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"media": "print"}})
        camera.shoot(out / f"{page.stem}-print.png", "", 760, 3600)
        pdf = camera.call("/goog/cdp/execute", {"cmd": "Page.printToPDF", "params": {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": False}})
        (out / f"{page.stem}.pdf").write_bytes(base64.b64decode(pdf["data"]))


main()
