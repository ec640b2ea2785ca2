#!/usr/bin/env python3
"""Writes src/check/clients/table.json: which mail clients lack the features that `check` looks for.

Usage: npm pack caniemail && tar xzf caniemail-*.tgz && tools/caniemail.py package

The data is that of https://www.caniemail.com, as the npm package `caniemail` has it. Nothing is
fetched. Of each client the newest test counts: versions stand in the order of the tests, which is
not that of their names. What a client supports, and what nobody tested, is left out.
"""
import json
import pathlib
import sys
import tomllib

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "src" / "check" / "clients"
# Windows Mail ended in 2024; Gmail in a phone's browser was last tested in 2020, and is hardly used.
GONE = {("outlook", "windows-mail"), ("gmail", "mobile-webmail")}
PLATFORMS = {"desktop-webmail": "webmail", "outlook-com": "Outlook.com"}


def newest(versions):
    """`y`, `n`, `a` (in part) or `u` (unknown), without the numbers of notes."""
    return list(versions.values())[-1].split()[0]


def lacking(stats):
    found = {}
    for family, platforms in sorted(stats.items()):
        for platform, versions in platforms.items():
            if versions and (family, platform) not in GONE and newest(versions) in "na":
                found.setdefault(family, {})[platform] = newest(versions)
    return found


def main(package):
    data = json.loads((package / "dist" / "data" / "caniemail.json").read_text("utf-8"))
    known = {feature["slug"]: feature["stats"] for feature in data["data"]}
    wanted = tomllib.loads((CLIENTS / "features.toml").read_text("utf-8"))["feature"]
    families = {family for stats in known.values() for family in stats}
    platforms = {platform for stats in known.values() for it in stats.values() for platform in it}
    names = data["nicenames"]
    table = {
        "date": data["last_update_date"][:10],
        "families": {family: names["family"][family] for family in sorted(families)},
        "platforms": {it: PLATFORMS.get(it, names["platform"][it]) for it in sorted(platforms)},
        "lacking": {feature["slug"]: lacking(known[feature["slug"]]) for feature in wanted},
    }
    lines = [f"{json.dumps(key)}: {block(value)}" for key, value in table.items()]
    (CLIENTS / "table.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def block(value):
    """A line for each entry."""
    if not isinstance(value, dict):
        return json.dumps(value)
    entries = [f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(entries) + "\n}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
