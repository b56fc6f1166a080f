#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The programs over loopback: inlayd between publishers and subscribers on unmodified libngtcp2.
Needs no privilege. usage: tests/net/relay_test.py BUILD_DIR [CASE...]"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import (PATIENCE, HarnessError, LossyLink, Relay, broken_media, free_port,
                     renditions_taken, resident_bytes, run_cases, until)

TRACK = "test--load"


class Scene:
    """A relay, and what publishes and subscribes there."""

    def __init__(self, processes, extra=""):
        self.processes, self.scratch = processes, processes.scratch
        self.relay = Relay(processes, extra=extra)

    def subscribe(self, name, *options, port=None, relay=None):
        relay = relay or self.relay
        child = self.processes.start(name, [
            "inlay-sub", relay.uri(port), "--track", TRACK, "--ca", relay.cert,
            "--wait", "20", "--hashes", self.scratch / f"{name}.hashes",
            "--json", self.scratch / f"{name}.json", *options])
        return child

    def subscribe_ready(self, *names, port=None):
        children = [self.subscribe(name, port=port) for name in names]
        return children

    def publish(self, name="pub", *options, port=None, rate=50, size=2000, seconds=3, group=0.5):
        return self.processes.start(name, [
            "inlay-pub", self.relay.uri(port), "--track", TRACK, "--ca", self.relay.cert,
            "--rate", rate, "--object-bytes", size, "--seconds", seconds,
            "--group-seconds", group, "--wait", "--hashes", self.scratch / f"{name}.hashes",
            *options])

    def join_late(self, publisher, relay=None):
        """A subscriber "late", in the middle of a group that is not the first. The publisher ends
        a while after that."""
        def is_under_way():
            tracks = self.relay.ask("tracks")["tracks"]
            return any(t.get("largest_group", 0) > 0 and t["largest_object"] > 20 for t in tracks)
        until("the second group is under way", is_under_way)
        late = self.subscribe("late", relay=relay)
        self.processes.wait_for(late, "^ready")
        time.sleep(1)
        publisher.send_signal(signal.SIGTERM)
        return late

    def expect_joined_late(self, all_of_it):
        """It received the newest groups, the first of them from its first object."""
        early, joined = self.hashes(all_of_it), self.hashes("late")
        assert 0 < len(joined) < len(early), f"it received {len(joined)} of {len(early)}"
        assert joined == early[-len(joined):], "its frames are not the newest ones"
        assert joined[0].split()[1] == "0", f"it did not start with a group: {joined[0]}"

    def hashes(self, name):
        return (self.scratch / f"{name}.hashes").read_text().splitlines()

    def report(self, name):
        return json.loads((self.scratch / f"{name}.json").read_text())

    def transfer(self, subscribers=3, port=None, **load):
        """Publishes to several subscribers that are there first; everything must arrive."""
        names = [f"sub{n}" for n in range(subscribers)]
        children = [self.subscribe(name, port=port) for name in names]
        for child in children:
            self.processes.wait_for(child, "^connected")
        publisher = self.publish(port=port, **load)
        for child in [publisher, *children]:
            self.processes.finish(child)
        published = self.hashes("pub")
        assert published, "nothing was published"
        for name in names:
            assert self.hashes(name) == published, \
                f"{name}: {len(self.hashes(name))} frames, {len(published)} published"


def three_subscribers(processes):
    """Three subscribers receive what was published, identical."""
    Scene(processes).transfer()


def forwarded_share(scene):
    """Of the packets that were sent, those that the control thread did not make."""
    status = scene.relay.status()
    return (status["packets_sent"] - status["packets_sealed"]) / status["packets_sent"]


def forwarded(processes):
    """Most packets to subscribers are the forwarder's, unless the placement is `conventional`."""
    fast = Scene(processes)
    fast.transfer(4, rate=100, size=3000, seconds=4)
    status = fast.relay.status()
    assert status["placement"] == "user", status["placement"]
    share = forwarded_share(fast)
    assert share > 0.5, f"{share:.2f} forwarded"


def conventional(processes):
    """With the placement `conventional` nothing is forwarded, and everything arrives."""
    scene = Scene(processes, "placement: conventional\n")
    scene.transfer(2)
    status = scene.relay.status()
    assert status["placement"] == "conventional", status["placement"]
    reasons = [drop["reason"] for drop in status["drops"]]
    assert "NOT_UPSTREAM" not in reasons, reasons


def aes_128_gcm(processes):
    """A transfer under AES-128-GCM."""
    Scene(processes, "ciphers: [aes-128-gcm]\n").transfer(1)


def aes_256_gcm(processes):
    """A transfer under AES-256-GCM."""
    Scene(processes, "ciphers: [aes-256-gcm]\n").transfer(1)


def chacha20_poly1305(processes):
    """A transfer under ChaCha20-Poly1305."""
    Scene(processes, "ciphers: [chacha20-poly1305]\n").transfer(1)


def ipsec_mb(processes):
    """A transfer with the ipsec-mb backend asked for by name."""
    Scene(processes, "crypto_backend: ipsec-mb\n").transfer(1)


def libcrypto(processes):
    """A transfer with the libcrypto backend asked for by name."""
    Scene(processes, "crypto_backend: libcrypto\n").transfer(1)


def retry(processes):
    """A transfer with Retry demanded from every client."""
    Scene(processes, "retry: on\n").transfer(1)


def cubic(processes):
    """A transfer under CUBIC."""
    Scene(processes, "congestion_control: cubic\n").transfer(1)


def lossy(processes):
    """Everything arrives over a link that loses 10 % and reorders."""
    scene = Scene(processes)
    link = LossyLink(scene.relay.port, loss=0.10, seed=7)
    try:
        scene.transfer(2, port=link.port, seconds=4, rate=30)
        assert link.dropped > 20, "the link lost too little to show anything"
    finally:
        link.close()


def late_join(processes):
    """A late subscriber starts at the first object of the newest group."""
    scene = Scene(processes)
    first = scene.subscribe("early")
    processes.wait_for(first, "^connected")
    publisher = scene.publish(seconds=120, group=2)
    late = scene.join_late(publisher)
    for child in [publisher, first, late]:
        processes.finish(child)
    assert scene.hashes("early") == scene.hashes("pub")
    scene.expect_joined_late("early")


def stalled_subscriber(processes):
    """A stalled subscriber disturbs nobody and grows no memory."""
    scene = Scene(processes, "cache:\n  bytes: 8388608\n")
    good = scene.subscribe("good")
    stalled = scene.subscribe("stalled", "--stall", "60")
    for child in [good, stalled]:
        processes.wait_for(child, "^connected")
    publisher = scene.publish(rate=400, size=12000, seconds=8, group=0.5)
    processes.wait_for(good, "^ready")
    time.sleep(3)
    middle = resident_bytes(scene.relay.pid)
    for child in [publisher, good]:
        processes.finish(child)
    grown = resident_bytes(scene.relay.pid) - middle
    assert scene.hashes("good") == scene.hashes("pub"), "the good subscriber lost frames"
    assert grown < 16 << 20, f"the relay grew by {grown} bytes"
    processes.end(stalled, signal.SIGINT)


def publisher_restart(processes):
    """A subscriber goes on when the publisher was killed and comes back."""
    scene = Scene(processes)
    subscriber = scene.subscribe("sub")
    processes.wait_for(subscriber, "^connected")
    first = scene.publish("pub1", seconds=60)
    processes.wait_for(subscriber, "^ready")
    time.sleep(1)
    processes.end(first, signal.SIGKILL)
    second = scene.publish("pub2", seconds=2)
    processes.finish(second)
    processes.finish(subscriber)
    received = scene.hashes("sub")
    assert received[-len(scene.hashes("pub2")):] == scene.hashes("pub2"), "the second run is not whole"
    assert len(received) > len(scene.hashes("pub2")), "nothing of the first run arrived"


def chain(processes):
    """Two relays, chained: who waits at either gets all, who comes late a whole group."""
    scene = Scene(processes)
    edge = Relay(processes, "edge", f"origin:\n  uri: {scene.relay.uri()}\n"
                                    f"  ca: {scene.relay.cert}\n")
    processes.wait_for(edge.child, "is connected")
    waiting = {name: scene.subscribe(name, relay=edge if name[0] == "e" else None)
               for name in ["edge1", "origin1", "edge2"]}
    for child in waiting.values():
        processes.wait_for(child, "^connected")
    publisher = scene.publish(seconds=120, group=2)
    processes.wait_for(waiting["edge1"], "^ready")
    late = scene.join_late(publisher, edge)
    for child in [publisher, late, *waiting.values()]:
        processes.finish(child)
    for name in waiting:
        assert scene.hashes(name) == scene.hashes("pub"), f"{name}: {len(scene.hashes(name))} frames"
    scene.expect_joined_late("pub")


def chain_forwarded(processes):
    """Both relays of a chain forward, configured as by default."""
    scene = Scene(processes)
    edge = Relay(processes, "edge", f"origin:\n  uri: {scene.relay.uri()}\n"
                                    f"  ca: {scene.relay.cert}\n")
    processes.wait_for(edge.child, "is connected")
    subscriber = scene.subscribe("edge1", relay=edge)
    processes.wait_for(subscriber, "^connected")
    publisher = scene.publish(rate=100, size=1000, seconds=5)
    for child in [publisher, subscriber]:
        processes.finish(child)
    assert scene.hashes("edge1") == scene.hashes("pub")
    for name, relay in [("origin", scene.relay), ("edge", edge)]:
        status = relay.status()
        share = 1 - status["packets_sealed"] / status["packets_sent"]
        assert share > 0.3, f"{name}: {share:.2f} forwarded"


def chain_late_edge(processes):
    """The first subscriber of an edge relay, in the middle of a group, gets all of it."""
    scene = Scene(processes)
    first = scene.subscribe("early")
    processes.wait_for(first, "^connected")
    publisher = scene.publish(seconds=120, group=2)
    edge = Relay(processes, "edge", f"origin:\n  uri: {scene.relay.uri()}\n"
                                    f"  ca: {scene.relay.cert}\n")
    processes.wait_for(edge.child, "is connected")
    late = scene.join_late(publisher, edge)
    for child in [publisher, first, late]:
        processes.finish(child)
    scene.expect_joined_late("early")


def chain_lossy(processes):
    """Two relays that forward, each hop losing 5 %: everything arrives."""
    scene = Scene(processes)
    up = LossyLink(scene.relay.port, loss=0.05, seed=11)
    down = None
    try:
        edge = Relay(processes, "edge", f"origin:\n  uri: {scene.relay.uri(up.port)}\n"
                                        f"  ca: {scene.relay.cert}\n")
        processes.wait_for(edge.child, "is connected")
        down = LossyLink(edge.port, loss=0.05, seed=12)
        subscribers = [scene.subscribe(name, relay=edge, port=down.port) for name in ["one", "two"]]
        for child in subscribers:
            processes.wait_for(child, "^connected")
        publisher = scene.publish(port=up.port, rate=100, size=1500, seconds=8)
        for child in [publisher, *subscribers]:
            processes.finish(child)
        for name in ["one", "two"]:
            assert scene.hashes(name) == scene.hashes("pub"), f"{name}: not all of it"
        for relay in [scene.relay, edge]:
            status = relay.status()
            assert status["copies_forwarded"] > 100, status["copies_forwarded"]
        assert up.dropped > 50 and down.dropped > 50, "too little was lost to show anything"
    finally:
        up.close()
        if down:
            down.close()


def failing_publisher(processes):
    """A publisher whose input breaks off is no success at its subscribers."""
    scene = Scene(processes)
    (scene.scratch / "broken.mp4").write_bytes(broken_media(30))
    subscriber = scene.subscribe("sub", "--wait", "6")
    processes.wait_for(subscriber, "^connected")
    publisher = processes.start("pub", [
        "inlay-pub", scene.relay.uri(), "--track", TRACK, "--ca", scene.relay.cert,
        scene.scratch / "broken.mp4"])
    processes.finish(publisher, code=1)
    processes.finish(subscriber, code=1)
    told = [line for line in processes.log("sub").splitlines() if line.startswith("inlay-sub:")]
    assert len(told) == 1 and "broke off" in told[0], processes.log("sub")
    assert "internal error" in told[0], told[0]
    assert len(scene.hashes("sub")) >= 30, len(scene.hashes("sub"))


def inlayctl(scene, *words, code=0):
    """What inlayctl says: its output, or its complaint."""
    done = subprocess.run([str(scene.processes.build / "inlayctl"), "--socket",
                           str(scene.relay.socket), *map(str, words)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == code, f"{words}: {done.returncode} {done.stderr}"
    return (done.stderr if code else done.stdout).decode()


def qlog_records(path):
    records = path.read_bytes().split(b"\x1e")
    assert records[0] == b"", "a qlog does not begin with a record"
    return [json.loads(record) for record in records[1:]]


def connections_listed(processes):
    """inlayctl connections has every connection, by number, with what goes on there."""
    scene = Scene(processes, "policy: live\necn: false\n")
    children = []
    for name in ["sub0", "sub1"]:
        children.append(scene.subscribe(name))
        processes.wait_for(children[-1], "^connected")
    publisher = scene.publish(seconds=60)
    for child in children:
        processes.wait_for(child, "^ready")
    until("the first one's rate is known",
          lambda: scene.relay.ask("connections")["connections"][0]["bandwidth_bps"] > 0)
    rows = scene.relay.ask("connections")["connections"]
    assert [row["id"] for row in rows] == [1, 2, 3], rows
    assert [row["tracks_subscribed"] for row in rows] == [1, 1, 0], rows
    assert [row["tracks_published"] for row in rows] == [0, 0, 1], rows
    for row in rows:
        assert row["state"] == "established" and row["role"] == "server", row
        assert row["remote"].startswith("127.0.0.1:") and row["age_ms"] >= 0, row
        assert row["srtt_us"] > 0 and row["cwnd"] > 0 and row["mtu"] >= 1200, row
        assert row["policy"] == "live" and row["qlog"] is False, row
        assert row["ecn"] == "off", row
        assert len(row["pending"]) == 8, row
    assert rows[0]["bandwidth_bps"] > 0, rows[0]
    lines = inlayctl(scene, "connections", 3, 1).splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "1", "3"], lines
    assert "takes" in inlayctl(scene, "connections", "one", code=2)
    assert "no connection 77" in inlayctl(scene, "connections", 1, 77, code=1)
    with open("/dev/full", "wb") as full:
        for words in [["status"], ["connections"], ["doctor"], ["--version"]]:
            done = subprocess.run([str(processes.build / "inlayctl"), "--socket",
                                   str(scene.relay.socket), *words],
                                  stdout=full, stderr=subprocess.PIPE, check=False)
            assert done.returncode == 1 and b"standard output" in done.stderr, (words, done)
    watch = subprocess.run([str(processes.build / "inlayctl"), "--socket", str(scene.relay.socket),
                            "connections", "--watch", "77"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert watch.returncode == 1 and watch.stdout.lstrip().startswith(b"ID "), watch
    assert "no qlog.directory" in inlayctl(scene, "qlog", 1, "on", code=1)
    processes.end(children[0])
    until("only the others are listed", lambda: [
        row["id"] for row in scene.relay.ask("connections")["connections"]] == [2, 3])
    processes.end(publisher)


def told_why(scene, track):
    """A subscriber of this track is served fast before long, and inlayctl why says so."""
    for connection in (2, 1):
        until(f"{connection} is served fast", lambda connection=connection: scene.relay.ask(
            "why", track, connection)["subscribers"][0]["copies"])
    who = scene.relay.ask("why", track, 1)["subscribers"][0]
    assert who["fast"] and "why_not" not in who and who["connection"] == 1, who
    rows = scene.relay.ask("connections")["connections"]
    assert [row["fast_positions"] > 0 for row in rows] == [True, True, False], rows
    assert rows[0]["copies"] > 0 and rows[2]["copies"] == 0, rows
    by_address = scene.relay.ask("why", track, rows[1]["remote"])
    assert by_address["subscribers"][0]["connection"] == 2, by_address
    assert by_address["track"]["fast"] and by_address["track"]["fast_subscribers"] == 2, by_address
    assert any(p["fast"] for p in by_address["track"]["publishers"]), by_address
    text = inlayctl(scene, "why", track, 1)
    assert "served fast   yes" in text and track in text, text
    assert "has the connections 1, 2" in inlayctl(scene, "why", track, 3, code=1)
    assert "no such track" in inlayctl(scene, "why", "nobody--nothing", 1, code=1)
    assert "takes" in inlayctl(scene, "why", track, code=2)


def not_fast(processes):
    """Without a forwarder inlayctl why names the reason, and what to do."""
    scene = Scene(processes, "placement: conventional\n")
    children = [scene.subscribe("sub")]
    processes.wait_for(children[0], "^connected")
    children.append(scene.publish(seconds=60))
    processes.wait_for(children[0], "^ready")
    track = [t for t in scene.relay.ask("tracks")["tracks"] if t["subscribers"]][0]
    assert track["fast"] is False and track["slots"] == 0, track
    who = scene.relay.ask("why", track["name"], 1)["subscribers"][0]
    assert who["fast"] is False and who["why_not"]["reason"] == "FORWARDING_OFF", who
    text = inlayctl(scene, "why", track["number"], 1)
    assert "FORWARDING_OFF" in text and who["why_not"]["advice"] in text, text
    for child in children:
        processes.end(child)


def inspected(processes):
    """inlayctl tracks, counters and why show a living daemon's, by name."""
    scene = Scene(processes)
    children = []
    for name in ["sub0", "sub1"]:
        children.append(scene.subscribe(name))
        processes.wait_for(children[-1], "^connected")
    children.append(scene.publish(seconds=60))
    for child in children[:2]:
        processes.wait_for(child, "^ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(3):
            stranger.sendto(bytes([0x40]) + os.urandom(60), ("127.0.0.1", scene.relay.port))
    until("the relay has objects", lambda: any(t["cache_bytes"] > 0 and "largest_group" in t
                                               for t in scene.relay.ask("tracks")["tracks"]))
    tracks = scene.relay.ask("tracks")["tracks"]
    assert tracks and all(t["state"] == "live" for t in tracks), tracks
    assert [t["number"] for t in tracks] == sorted({t["number"] for t in tracks}), tracks
    media = [t for t in tracks if t["subscribers"] == 2 and t["cache_bytes"] > 0]
    assert media and "largest_group" in media[0] and media[0]["cache_groups"] > 0, tracks
    assert [(p["connection"], p["established"]) for p in media[0]["publishers"]] == [(3, True)], \
        tracks
    told_why(scene, media[0]["name"])
    lines = inlayctl(scene, "tracks").splitlines()
    assert lines[0].split()[0] == "NUMBER" and len(lines) == len(tracks) + 1, lines
    assert media[0]["name"] in [line.split()[-1] for line in lines], lines
    assert json.loads(inlayctl(scene, "tracks", "--json"))["tracks"][0]["name"], lines
    rows = until("something is counted", lambda: (
        text := inlayctl(scene, "counters")).startswith("       COUNT") and text)
    reasons = {r["reason"]: r for r in scene.relay.ask("counters")["reasons"]}
    assert len(reasons) > 50 and all(r["text"] and r["advice"] for r in reasons.values()), reasons
    for one in reasons.values():
        assert one["total"] == sum(v for k, v in one.items()
                                   if isinstance(v, int) and k != "total"), one
    everything = inlayctl(scene, "counters", "--all")
    assert all(name in everything for name in reasons), everything
    assert len(everything) > len(rows), rows
    assert "takes" in inlayctl(scene, "counters", "--everything", code=2)
    assert "takes" in inlayctl(scene, "tracks", "x", code=2)
    for child in children:
        processes.end(child)


def qlog(processes):
    """inlayctl turns the qlog of one connection on and off; `all` logs each from its beginning."""
    bad = processes.scratch / "bad.yaml"
    bad.write_text("listen: ['127.0.0.1:0']\nqlog: {directory: /nowhere/at/all}\n"
                   f"control_socket: {processes.scratch}/bad.sock\n")
    one_line(processes, "bad", ["inlayd", "--dev", "--config", bad], 2, "qlog.directory",
             "No such file")
    logs = processes.scratch / "logs"
    logs.mkdir()
    scene = Scene(processes, f"qlog: {{directory: {logs}}}\n")
    subscriber = scene.subscribe("sub")
    processes.wait_for(subscriber, "^connected")
    publisher = scene.publish(seconds=60)
    processes.wait_for(subscriber, "^ready")
    assert not list(logs.iterdir()), "a qlog that nobody asked for"
    name = inlayctl(scene, "qlog", 1, "on").strip()
    assert "has a qlog already" in inlayctl(scene, "qlog", 1, "on", code=1)
    assert "no such connection" in inlayctl(scene, "qlog", 99, "on", code=1)
    # The group in progress is the control plane's; later ones are the forwarder's.
    sent = scene.relay.ask("connections")["connections"][0]["packets_sent"]
    until("packets are sent", lambda: scene.relay.ask("connections")["connections"][0][
        "packets_sent"] >= sent + 200)
    inlayctl(scene, "qlog", 1, "off")
    assert "has no qlog" in inlayctl(scene, "qlog", 1, "off", code=1)
    header, *events = qlog_records(pathlib.Path(name))
    assert header["trace"]["vantage_point"]["type"] == "server", header
    names = [event["name"] for event in events]
    assert names.count("quic:packet_sent") >= 50, names
    copies = [event["data"] for event in events if event["data"].get("forwarded")]
    assert len(copies) >= 25 and all(copy["frames"] for copy in copies), len(copies)
    assert "quic:packet_received" in names and "quic:recovery_metrics_updated" in names, names
    for child in [publisher, subscriber]:
        processes.end(child)
    processes.end(scene.relay.child)
    every = Relay(processes, "all", f"qlog: {{directory: {logs}, connections: all}}\n")
    child = scene.subscribe("again", relay=every)
    processes.wait_for(child, "^connected")
    processes.end(child)
    processes.end(every.child)
    whole = [log for log in logs.iterdir() if str(log) != name]
    assert len(whole) == 1, whole
    assert "quic:connection_closed" in [event.get("name") for event in qlog_records(whole[0])]


def killed_subscriber(processes):
    """A killed subscriber leaves the others and the relay alone."""
    scene = Scene(processes)
    good, doomed = scene.subscribe("good"), scene.subscribe("doomed")
    for child in [good, doomed]:
        processes.wait_for(child, "^connected")
    publisher = scene.publish(seconds=3)
    processes.wait_for(doomed, "^ready")
    processes.end(doomed, signal.SIGKILL)
    for child in [publisher, good]:
        processes.finish(child)
    assert scene.hashes("good") == scene.hashes("pub")


def churn(processes):
    """Publishers and subscribers that come and go, and questions all the while, disturb nobody."""
    scene = Scene(processes, "placement: user\n")
    clients = {}

    def add(name, program, track, *options, seconds=None):
        clients[name] = ([program, scene.relay.uri(), "--ca", scene.relay.cert, "--track",
                          f"test--{track}", *options], seconds)

    def publish(name, track, group, *options, seconds):
        # Each begins far above all others of its track: they yield to it, and drain.
        add(name, "inlay-pub", track, "--rate", "100", "--object-bytes", "300", "--no-wait",
            "--group-seconds", group, "--seconds", seconds + 0.3, "--first-group",
            lambda: int(time.monotonic() * 1000), *options, seconds=seconds)

    publish("short1", "short", 0.02, seconds=1.7)
    publish("short2", "short", 0.02, "--publish", seconds=2.3)
    publish("long1", "long", 1.5, seconds=2.2)
    publish("long2", "long", 1.5, seconds=3.1)
    for track in ["short", "long"]:
        add(f"{track}-stay", "inlay-sub", track, "--wait", "9", seconds=8)
        add(f"{track}-slow", "inlay-sub", track, "--wait", "9", "--read-rate", "8000", seconds=2.5)
        add(f"{track}-come", "inlay-sub", track, "--wait", "9", seconds=0.7)
        add(f"{track}-brief", "inlay-sub", track, "--wait", "9", "--live", "--frames", "5")
    # With so many, copies leave while the stream's slot is still being set up.
    names = [f"sub{n}" for n in range(18)]
    steady = [scene.subscribe(name) for name in names]
    for child in steady:
        processes.wait_for(child, "^connected")
    end = time.monotonic() + 7
    publisher = scene.publish(rate=160, size=300, seconds=7, group=0.0125)
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        asked = pool.submit(scene.relay.ask_everything, end)
        turns = {n: pool.submit(processes.repeat, end, n, *c) for n, c in clients.items()}
    processes.finish(publisher)
    published = set(scene.hashes("pub"))
    for name, child in zip(names, steady):
        try:
            processes.finish(child)
        except HarnessError as why:  # who gets too little of this machine loses all, alone
            assert "too far behind" in processes.log(name), why
        received = scene.hashes(name)
        assert len(set(received)) == len(received), f"{name} received something twice"
        assert set(received) <= published, f"{name} received what nobody sent"
    assert max(len(scene.hashes(name)) for name in names) > len(published) / 4
    assert asked.result() and all(turn.result() for turn in turns.values())


def datagrams(processes):
    """Objects in datagrams are relayed."""
    scene, lost = Scene(processes), []
    # Nobody sends one again: where programs stand still for long some are lost, once.
    for n in range(3):
        subscriber = scene.subscribe(f"sub{n}")
        processes.wait_for(subscriber, "^connected")
        publisher = scene.publish(f"pub{n}", "--datagrams", "--first-group", 100 * n, rate=50,
                                  size=600, seconds=2)
        for child in [publisher, subscriber]:
            processes.finish(child)
        received, published = set(scene.hashes(f"sub{n}")), scene.hashes(f"pub{n}")
        assert received <= set(published), "something was received that nobody sent"
        lost.append([i for i, one in enumerate(published) if one not in received])
        if len(lost[-1]) <= 0.02 * len(published):
            return
    reasons = scene.relay.ask("counters")["reasons"]
    raise AssertionError(f"lost: {lost}; {[(r['reason'], r['total']) for r in reasons if r['total']]}")


def junk(processes):
    """Junk datagrams disturb no transfer; unknown connection IDs get resets, at a bounded rate."""
    scene = Scene(processes)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        attacker.connect(("127.0.0.1", scene.relay.port))
        attacker.settimeout(0.2)
        subscriber = scene.subscribe("sub")
        processes.wait_for(subscriber, "^connected")
        publisher = scene.publish(seconds=2)
        for n in range(3000):
            attacker.send(bytes([0x40 | n & 0x3F]) + os.urandom(40 + n % 1000))
            attacker.send(bytes([0xC0 | n & 0x3F]) + os.urandom(20 + n % 1200))
        for child in [publisher, subscriber]:
            processes.finish(child)
        answers = 0
        try:
            while attacker.recv(2048):
                answers += 1
        except TimeoutError:
            pass
    assert scene.hashes("sub") == scene.hashes("pub")
    assert 0 < answers < 2000, f"{answers} answers to 6000 junk datagrams"
    assert scene.relay.child.poll() is None


def one_line(processes, name, words, code, *needles):
    """Runs a program that must refuse: one line on stderr that says why."""
    child = processes.start(name, words)
    processes.finish(child, code=code)
    text = processes.log(name).strip()
    assert len(text.splitlines()) == 1, f"not one line: {text}"
    for needle in needles:
        assert needle in text, f"'{needle}' is not in: {text}"


def second_daemon(processes):
    """A second daemon on the port says so in one line."""
    scene = Scene(processes)
    config = (scene.scratch / "inlayd.yaml").read_text().replace("inlayd.sock", "other.sock")
    (scene.scratch / "second.yaml").write_text(config)
    one_line(processes, "second", ["inlayd", "--config", scene.scratch / "second.yaml"], 1,
             str(scene.relay.port), "in use")


def unreadable_key(processes):
    """An unreadable key is named in one line."""
    scene = Scene(processes)
    config = (scene.scratch / "inlayd.yaml").read_text()
    (scene.scratch / "bad.yaml").write_text(config.replace("inlayd.key", "no-such.key"))
    one_line(processes, "bad", ["inlayd", "--config", scene.scratch / "bad.yaml"], 2, "no-such.key")


def bad_configuration(processes):
    """A bad configuration is refused with file, line and key."""
    bad = processes.scratch / "bad.yaml"
    bad.write_text("listen:\n  - 127.0.0.1:4433\nmax_conections: 5\n")
    one_line(processes, "check", ["inlayd", "--check-config", "--config", bad], 2,
             "bad.yaml:3", "max_conections")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([processes.build / "inlayd", "--print-config"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr, done


def not_loopback(processes):
    """Without authorisation the relay binds loopback only."""
    bad = processes.scratch / "open.yaml"
    bad.write_text("listen:\n  - 0.0.0.0:4433\n")
    one_line(processes, "open", ["inlayd", "--config", bad], 2, "open: true")


def bad_input(processes):
    """Input that holds no media is refused in one line: none, a folder, no MP4."""
    scene = Scene(processes)
    scene.subscribe("sub")
    (scene.scratch / "text").write_text("no media in here\n")
    for name, source, needle in [("none", "/dev/null", "empty"),
                                 ("text", scene.scratch / "text", "no MP4"),
                                 ("folder", scene.scratch, "directory")]:
        child = processes.start(name, ["inlay-pub", scene.relay.uri(), "--track", f"test--{name}",
                                       "--insecure", "--no-wait", source])
        processes.finish(child, code=1)
        told = [line for line in processes.log(name).splitlines() if line.startswith("inlay-pub:")]
        assert len(told) == 1 and needle in told[0], processes.log(name)


def unknown_option(processes):
    """An option that does not exist is refused in one line by every program."""
    for name in ["inlayd", "inlayctl", "inlay-pub", "inlay-sub"]:
        one_line(processes, name, [name, "--no-such-option"], 2,
                 f"{name}: '--no-such-option'", "--help")


def dev(processes):
    """The lines that inlayd --dev prints can be pasted: what is published then arrives."""
    config = processes.scratch / "dev.yaml"
    config.write_text(f"listen:\n  - 127.0.0.1:{free_port()}\n"
                      f"control_socket: {processes.scratch / 'dev.sock'}\n")
    relay = processes.start("inlayd", ["inlayd", "--dev", "--config", config])
    processes.wait_for(relay, "^  .*inlay-pub .*\n")
    lines = [line.split() for line in processes.log("inlayd").splitlines() if line[:2] == "  "]
    subscriber = processes.start("sub", lines[0] + ["--frames", "20"], cwd="/")
    publisher = processes.start("pub", lines[1] + ["--seconds", "2"], cwd="/")
    for child in [subscriber, publisher]:
        processes.finish(child)
    assert "20 frames" in processes.log("sub"), processes.log("sub")
    folder = pathlib.Path(lines[0][lines[0].index("--ca") + 1]).parent
    assert folder.exists() and processes.end(relay) == 0 and not folder.exists()


def untrusted_certificate(processes):
    """A subscriber refuses a relay whose certificate it does not trust."""
    scene = Scene(processes)
    child = processes.start("sub", ["inlay-sub", scene.relay.uri(), "--track", TRACK])
    processes.finish(child, code=1)
    assert "certificate" in processes.log("sub").lower(), processes.log("sub")


def clean_end(processes):
    """SIGTERM ends the relay cleanly, and its clients learn of it."""
    scene = Scene(processes)
    subscriber = scene.subscribe("sub")
    processes.wait_for(subscriber, "^connected")
    publisher = scene.publish(seconds=60)
    processes.wait_for(subscriber, "^ready")
    assert processes.end(scene.relay.child) == 0, processes.log("inlayd")
    for child in [publisher, subscriber]:
        child.wait(PATIENCE)
        log = processes.log(child.inlay_name)
        assert "closed the session" in log, f"{child.inlay_name} was not told:\n{log}"


def relay_restart(processes):
    """A relay that comes back after a crash resets what its clients still hold."""
    scene = Scene(processes)
    subscriber = scene.subscribe("sub")
    processes.wait_for(subscriber, "^connected")
    publisher = scene.publish(seconds=60)
    processes.wait_for(subscriber, "^ready")
    processes.end(scene.relay.child, signal.SIGKILL)
    processes.start("again", ["inlayd", "--config", scene.scratch / "inlayd.yaml"])
    for child in [publisher, subscriber]:
        processes.finish(child, code=1)
        log = processes.log(child.inlay_name)
        assert "does not know the connection" in log, f"{child.inlay_name} was not reset:\n{log}"


def renditions(processes):
    """A subscriber climbs to the higher rendition, and takes each group from one of both."""
    scene, scratch = Scene(processes), processes.scratch
    low, high = "test--low", "test--high"
    common = [scene.relay.uri(), "--ca", scene.relay.cert, f"--rendition={high}=2M",
              f"--rendition={low}=600k"]
    subscriber = processes.start("sub", ["inlay-sub", *common, "--wait", "20", "--json",
                                         scratch / "sub.json", "--hashes", scratch / "sub.hashes"])
    processes.wait_for(subscriber, "^connected")
    publisher = processes.start("pub", ["inlay-pub", *common, "--rate", "25", "--group-seconds",
                                        "0.4", "--seconds", "120", "--hashes", scratch / "pub"])
    processes.wait_for(subscriber, f"^rendition {high} from group")
    time.sleep(1)
    publisher.send_signal(signal.SIGTERM)
    for child in [publisher, subscriber]:
        processes.finish(child)
    published = {track: (scratch / f"pub.{track}").read_text().splitlines() for track in (low, high)}
    taken, report = renditions_taken(published, scene.hashes("sub")), scene.report("sub")
    told = [low] * (int(published[low][-1].split()[0]) + 1)
    for change in report["switches"]:
        told[change["group"]:] = [change["to"]] * len(told[change["group"]:])
    assert taken == told and taken[0] == low and high in taken, (taken, report["switches"])
    for words in (["--rendition=a--b"], ["--rendition=a--b=fast"], ["--rendition=b=1M"],
                  ["--rendition=a--b=1M", "--rendition=a--b=2M"],
                  ["--rendition=a--b=1M", "--track=a--b"]):
        bad = processes.start("bad", ["inlay-sub", scene.relay.uri(), *words])
        processes.finish(bad, code=2)
        assert len(processes.log("bad").splitlines()) == 1, processes.log("bad")
    assert report["frames"] == len(published[low]), report


def doctor(processes):
    """inlayctl doctor judges the host, and a configuration with its files."""
    scene, tell = Scene(processes), processes.build / "inlayctl"
    config = processes.scratch / "inlayd.yaml"

    def run(*options):
        done = subprocess.run([tell, "--socket", scene.relay.socket, "doctor", *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stdout.decode()

    code, text = run("--config", config, "--json")
    checks = {one["name"]: one for one in json.loads(text)["checks"]}
    assert checks["configuration"]["state"] == "ok", text
    assert checks["certificate"]["state"] == "ok", text
    assert checks["ports"]["found"].endswith("by a running inlayd"), text
    assert code == (not json.loads(text)["ok"]), text
    (processes.scratch / "inlayd.key").chmod(0o644)
    code, text = run("--config", config)
    assert code == 1 and re.search("^lacks +private key .*chmod 600", text, re.M), text
    config.write_text("lisen: []\n")
    code, text = run("--config", config)
    assert code == 1 and re.search("^lacks configuration .*:1:.*lisen", text, re.M), text
    assert run("--cure")[0] == 2


CASES = [three_subscribers, forwarded, conventional, aes_128_gcm, aes_256_gcm, chacha20_poly1305, ipsec_mb, libcrypto, retry,
         cubic, lossy, late_join, stalled_subscriber, publisher_restart, relay_restart, chain,
         chain_forwarded, chain_late_edge, chain_lossy, failing_publisher, killed_subscriber, churn, connections_listed, inspected, not_fast, qlog,
         datagrams, junk, second_daemon,
         unreadable_key, bad_configuration, not_loopback, bad_input, unknown_option, dev,
         untrusted_certificate, clean_end,
         renditions, doctor]

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wanted = sys.argv[2:]
    sys.exit(run_cases([case for case in CASES if not wanted or case.__name__ in wanted],
                       pathlib.Path(sys.argv[1]).resolve()))
