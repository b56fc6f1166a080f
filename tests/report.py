#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs test programs that print TAP, and adds up what they ran.

usage: tests/report.py --label NAME --tally FILE [--timeout S] [--jobs N] -- PROGRAM [ARG...]
   or: tests/report.py --label NAME --tally FILE --meson BUILD_DIR [--suite S]
   or: tests/report.py --total FILE

The tally file collects one JSON line a run; --total prints the closing line and fails if anything
failed or nothing ran. A program that ends badly without a failed test counts as one failure; exit
code 77 without any result counts as one skip.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

RESULT = re.compile(r"^\s*(not ok|ok)\b\s*\d*\s*(.*)$")


def count(text, code):
    """Counts TAP lines: (passed, [failed names], [skips])."""
    passed, failed, skipped = 0, [], []
    for line in text.splitlines():
        match = RESULT.match(line)
        if not match:
            continue
        word, rest = match.groups()
        if re.search(r"#\s*skip", rest, re.I):
            skipped.append(rest)
        elif word == "ok":
            passed += 1
        else:
            failed.append(rest.lstrip("- "))
    if code == 77 and not passed and not failed and not skipped:
        skipped.append(text.strip().splitlines()[-1] if text.strip() else "no reason given")
    elif code not in (0, 77) and not failed:
        failed.append(f"ended with code {code}")
    elif code == 0 and not passed and not skipped:
        failed.append("ran no test")
    return passed, failed, skipped


def tell(args, name, text, code, seconds):
    passed, failed, skipped = count(text, code)
    state = "FAILED" if failed else "ok"
    print(f"  {state:6} {args.label}: {name}: {passed} passed"
          + (f", {len(skipped)} skipped" if skipped else "") + f" ({seconds:.1f} s)", flush=True)
    for line in skipped:
        print(f"         skipped: {line}")
    if failed:
        for line in failed:
            print(f"         failed: {line}")
        print("\n".join("         | " + line for line in text.splitlines()[-60:]), flush=True)
    with open(args.tally, "a", encoding="utf-8") as out:
        out.write(json.dumps({"label": args.label, "name": name, "passed": passed,
                              "failed": failed, "skipped": skipped}) + "\n")
    return not failed


def run_program(args):
    started = time.monotonic()
    name = pathlib.Path(args.command[0]).name
    try:
        done = subprocess.run(args.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=args.timeout, check=False)
        text, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode(errors="replace") + f"\nstopped after {args.timeout} s"
        code = 124
    return tell(args, name, text, code, time.monotonic() - started)


def run_meson(args):
    command = ["meson", "test", "-C", args.meson, "--no-rebuild", "--num-processes", "2",
               "--timeout-multiplier", "60" if os.environ.get("INLAY_FULL") else "4"]
    if args.suite:
        command += ["--suite", args.suite]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    log = pathlib.Path(args.meson) / "meson-logs" / "testlog.json"
    good = True
    lines = log.read_text().splitlines() if log.exists() else []
    if not lines:
        return tell(args, "meson test", "no test log", 1, 0)
    for line in lines:
        test = json.loads(line)
        text = test.get("stdout", "") + test.get("stderr", "")
        code = test.get("returncode", 1)
        if test.get("result") == "TIMEOUT":
            text, code = text + "\nstopped: time limit", 124
        good &= tell(args, test["name"], text, code, test.get("duration", 0))
    return good


def total(path):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    passed = sum(row["passed"] for row in rows)
    failed = sum(len(row["failed"]) for row in rows)
    skipped = sum(len(row["skipped"]) for row in rows)
    for row in rows:
        for reason in row["skipped"]:
            print(f"skipped: {row['label']}: {row['name']}: {reason}")
        for name in row["failed"]:
            print(f"FAILED: {row['label']}: {row['name']}: {name}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed == 0 and passed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label", default="")
    parser.add_argument("--tally")
    parser.add_argument("--total")
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--meson")
    parser.add_argument("--suite")
    parser.add_argument("command", nargs="*")
    args = parser.parse_args()
    if args.total:
        sys.exit(0 if total(args.total) else 1)
    sys.exit(0 if (run_meson(args) if args.meson else run_program(args)) else 1)


if __name__ == "__main__":
    main()
