#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Adaptive bit rate on an emulated link: inlay-sub receives two renditions from inlayd over a veth
that tc's token bucket narrows and widens. Needs root for its network namespaces, which end with it.
usage: tests/net/abr_test.py BUILD_DIR [CASE...]"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness
from harness import HarnessError, Namespace, Relay, by_group, renditions_taken, run_cases

LOW, HIGH = "abr--low", "abr--high"
LOW_BPS, HIGH_BPS = 800_000, 3_000_000
WIDE, NARROW = 6_000_000, 1_500_000  # of the link: both renditions' ranges, and the low one's
PHASES = [("wide", WIDE, HIGH), ("narrow", NARROW, LOW), ("wide again", WIDE, HIGH)]
# Each lasts until all is as it should be, and stays so. Where nothing else goes on that is after 10
# seconds, of which a climb takes the most: a path that is not full shows only how fast the relay
# dares to send, and that grows with each key frame. Where programs wait for the processor, what the
# path carries is less.
FENCE = 75
SETTLED = 3  # of inlay-sub's lines in a row, a second apart
FALL = 4  # groups, of a second each, the one in progress included
RELAY_ADDRESS, SUB_ADDRESS = "10.77.0.1", "10.77.0.2"

# The token bucket counts what Ethernet would: of a full packet of 1200 bytes, which is what the
# relay's own estimate counts, 14 + 20 + 8 are added on the link; of its 1200, some 45 are QUIC's
# header and tag, and the framing of frames and objects: inlay-sub's estimate counts payload.
QUIC_SHARE = 1200 / 1242
PAYLOAD_SHARE = 1155 / 1242


class Scene:
    """Relay and publisher in one namespace, the subscriber in another, a narrow link between."""

    def __init__(self, processes, extra):
        self.processes, self.scratch = processes, processes.scratch
        self.spaces = []
        try:
            self.near, self.far = self.space(), self.space()
            self.near.join(self.far, "tosub", RELAY_ADDRESS, "torelay", SUB_ADDRESS)
            self.near.limit("tosub", WIDE)
            self.relay = Relay(processes, extra="open: true\n" + extra, namespace=self.near,
                               address=RELAY_ADDRESS)
        except BaseException:
            self.close()
            raise

    def space(self):
        self.spaces.append(Namespace())
        return self.spaces[-1]

    def close(self):
        for space in self.spaces:
            space.close()

    def delayed(self, delay_ms):
        """The relay's URI over a link that takes so long each way."""
        link = self.processes.start("link", [
            sys.executable, harness.__file__, "link", RELAY_ADDRESS, self.relay.port, delay_ms],
            self.far)
        self.processes.wait_for(link, r"^port \d+")
        port = re.search(r"^port (\d+)", self.processes.log("link"), re.M).group(1)
        return f"moqt://127.0.0.1:{port}/"

    def start(self, delay_ms):
        ladder = [f"--rendition={LOW}={LOW_BPS}", f"--rendition={HIGH}={HIGH_BPS}"]
        uri = self.delayed(delay_ms) if delay_ms else self.relay.uri()
        self.sub = self.processes.start("sub", [
            "inlay-sub", uri, "--insecure", *ladder, "--wait", "20", "--stats", "--patience-ms", "10000",
            "--json", self.scratch / "sub.json", "--hashes", self.scratch / "sub.hashes"],
            self.far)
        self.processes.wait_for(self.sub, "^connected")
        self.pub = self.processes.start("pub", [
            "inlay-pub", self.relay.uri(), "--ca", self.relay.cert, *ladder, "--rate", "25", "--group-seconds", "1", "--seconds", 300,
            "--hashes", self.scratch / "pub.hashes"], self.near)
        self.processes.wait_for(self.sub, "^ready")

    def sub_states(self):
        """Rendition and estimate of each line that inlay-sub has printed."""
        return [(track, float(mbit) * 1e6) for track, mbit in
                re.findall(r"s +\d+ frames .* (\S+)  estimate ([\d.]+) Mbit/s\n",
                           self.processes.log("sub"))]

    def relay_estimate(self):
        """What the relay thinks of the path to the subscriber, in bits a second."""
        rows = [row for row in self.relay.ask("connections")["connections"]
                if row["remote"].startswith(SUB_ADDRESS)]
        assert len(rows) == 1, f"{len(rows)} connections from {SUB_ADDRESS}"
        return rows[0]["bandwidth_bps"]

    def published_group(self):
        return max(track["largest_group"] for track in self.relay.ask("tracks")["tracks"]
                   if "largest_group" in track)

    def settle(self, name, bps, track):
        """Waits until renditions and both estimates are as the link is; what was seen last."""
        limit, begun, good = time.monotonic() + FENCE, len(self.sub_states()), 0
        seen = begun
        while True:
            states = self.sub_states()
            if len(states) > seen:
                seen = len(states)
                got, sub, relay = *states[-1], self.relay_estimate()
                good = good + 1 if (got == track and within(sub, bps * PAYLOAD_SHARE, 35) and
                                    within(relay, bps * QUIC_SHARE, 25)) else 0
                if good == SETTLED:
                    return name, bps, got, sub, relay, seen - begun
            if time.monotonic() > limit:
                raise HarnessError(f"{name}: {states[begun:]}, and inlayd now estimates "
                                   f"{self.relay_estimate()}")
            time.sleep(0.05)


def within(value, want, percent):
    return abs(value - want) * 100 <= percent * want


def tell(rows, report, what):
    """The table of a case, in one piece: cases run side by side."""
    lines = [what, "phase        link     rendition   inlay-sub    inlayd          for"]
    for name, bps, got, sub, relay, seconds in rows:
        lines.append(f"{name:10} {bps / 1e6:6.2f}   {got:10} {sub / 1e6:8.2f}  "
                     f"{relay / 1e6:8.2f}   Mbit/s  {seconds} s")
    for change in report["switches"]:
        lines.append(f"after {change['at_ms'] / 1e3:5.1f} s, from group {change['group']}: "
                     f"{change['from']} -> {change['to']}")
    lines.append(f"{report['stalls']} stalls, {report['stalled_ms']} ms in all")
    print("".join(f"# {line}\n" for line in lines), end="", flush=True)


def phases(processes, delay_ms=0, extra=""):
    """Two renditions over a link that narrows and widens: no gap, no overlap, good estimates."""
    scene = Scene(processes, extra)
    rows, began = [], []  # of each phase: what was seen, and the group that it began in
    try:
        scene.start(delay_ms)
        for phase in PHASES:
            scene.near.limit("tosub", phase[1])
            began.append(scene.published_group())
            rows.append(scene.settle(*phase))
        scene.pub.send_signal(signal.SIGTERM)
        processes.finish(scene.pub)
        processes.finish(scene.sub)
    finally:
        scene.close()
    report = json.loads((scene.scratch / "sub.json").read_text())
    tell(rows, report, f"{2 * delay_ms} ms there and back{', ' if extra else ''}{extra.strip()}")
    published = {track: (scene.scratch / f"pub.hashes.{track}").read_text().splitlines()
                 for track in (LOW, HIGH)}
    taken = renditions_taken(published, (scene.scratch / "sub.hashes").read_text().splitlines())
    assert len(taken) == len(by_group(published[LOW])), f"{len(taken)} groups of all"
    first_low = taken.index(LOW, taken.index(HIGH))
    assert first_low <= began[1] + FALL, \
        f"the link was narrow in group {began[1]}, and it fell with group {first_low} only"
    assert len(report["switches"]) <= max(5, len(taken) // 7), "it flapped"
    assert report["missing_frames"] + report["missing_groups"] + report["late"] == 0, report


def phases_with_delay(processes):
    """The same with 40 ms there and back."""
    phases(processes, 20)


def phases_with_cubic(processes):
    """The same with 40 ms there and back, under CUBIC."""
    phases(processes, 20, "congestion_control: cubic\n")


CASES = [phases, phases_with_delay, phases_with_cubic]


def missing():
    """Why this host cannot run it; or an empty string."""
    if os.geteuid():
        return "network namespaces need root"
    for tool in ("ip", "tc", "nsenter", "unshare", "setpriv"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    try:
        one = Namespace()
    except (HarnessError, OSError) as error:
        return str(error)
    try:
        one.run("ip", "link", "add", "one", "type", "veth", "peer", "name", "two")
        one.limit("one", 1_000_000)
    except HarnessError as error:
        return f"no veth or token bucket here: {error}".strip()
    finally:
        one.close()
    return ""


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wanted = [case for case in CASES if not sys.argv[2:] or case.__name__ in sys.argv[2:]]
    why = missing()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    # It is about a link, and not about what else keeps the machine busy. Programs inherit it.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    sys.exit(run_cases(wanted, pathlib.Path(sys.argv[1]).resolve()))


if __name__ == "__main__":
    main()
