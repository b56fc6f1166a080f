# SPDX-License-Identifier: BSD-2-Clause
"""What the demo and the tests over loopback share: starting the programs, waiting for them, ending
them, a certificate, a free port, and a link that loses packets."""
import argparse
import collections
import itertools
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor


class HarnessError(Exception):
    """Something a person can act on."""


PATIENCE = 60  # seconds: a fence against waiting for ever, and no measure of anything


def number_up_to(most):
    """A type of argparse's: a whole number from 1."""
    def parse(text):
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"a number from 1 to {most} is needed, not '{text}'")
        return int(text)
    return parse


given_ports = set()


def free_port():
    """A port of loopback, for UDP and TCP, that nobody uses and that nobody was given before. Not
    one of those that the kernel gives to whoever names none: until a program has bound it, the
    kernel might give it to another test's."""
    low, high = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    ports = [*range(10000, int(low)), *range(int(high) + 1, 65536)] or range(10000, 65536)
    for _ in range(1000):
        port = random.SystemRandom().choice(ports)
        try:
            if port in given_ports:
                continue
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        given_ports.add(port)
        return port
    raise HarnessError("no port of loopback is free")


def until(what, so, seconds=PATIENCE):
    """Waits until |so|() is true, and returns that."""
    limit = time.monotonic() + seconds
    while not (found := so()):
        if time.monotonic() > limit:
            raise HarnessError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return found


def certificate(scratch, name="cert", address="127.0.0.1"):
    """A throw-away certificate for an address; returns the paths of certificate and key."""
    cert, key = scratch / f"{name}.pem", scratch / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=inlay", "-addext", f"subjectAltName=IP:{address}",
                    "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


def cpu_ns(pid):
    """CPU time of all threads of a process, in nanoseconds."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Processes:
    """Programs that this run started; all of them end with it."""

    def __init__(self, scratch, build):
        self.scratch, self.build = scratch, build
        self.running = []

    def start(self, name, command, namespace=None, **options):
        """Starts a program of the build (or any other) with its messages in a log file."""
        words = [str(word) for word in command]
        if (self.build / words[0]).exists():
            words[0] = str(self.build / words[0])
        if namespace:
            words = namespace.enter(words)
        with open(self.scratch / f"{name}.log", "wb") as log:
            options.setdefault("stdin", subprocess.DEVNULL)
            options.setdefault("stdout", log)
            child = subprocess.Popen(words, stderr=log, **options)
        child.inlay_name = name
        self.running.append(child)
        return child

    def log(self, name):
        return (self.scratch / f"{name}.log").read_text(errors="replace")

    def wait_for(self, child, pattern, seconds=PATIENCE):
        """Waits until a program's log matches."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            ended = child.poll() is not None
            if re.search(pattern, self.log(child.inlay_name), re.M):
                return
            if ended:
                break
            time.sleep(0.02)
        raise HarnessError(f"{child.inlay_name} did not get as far as '{pattern}':\n"
                           f"{self.log(child.inlay_name)[-3000:]}")

    def finish(self, child, seconds=PATIENCE, code=0):
        """Waits for a program to end by itself."""
        try:
            got = child.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise HarnessError(f"{child.inlay_name} does not end:\n"
                               f"{self.log(child.inlay_name)[-3000:]}") from late
        if got != code:
            raise HarnessError(f"{child.inlay_name} ended with {got}, not {code}:\n"
                               f"{self.log(child.inlay_name)[-3000:]}")

    def end(self, child, sig=signal.SIGTERM, seconds=PATIENCE):
        """Ends a program; returns its exit code."""
        if child.poll() is None:
            child.send_signal(sig)
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return child.returncode

    def repeat(self, until, name, command, seconds=None):
        """Runs a program until then, over and over, ending each run after so many seconds, every
        fourth the hard way. A word of |command| may be called for. Returns how many there were."""
        for turn in itertools.count():
            left = until - time.monotonic()
            if left <= 0:
                return turn
            child = self.start(f"{name}-{turn}", [word() if callable(word) else word
                                                  for word in command])
            try:
                child.wait(min(seconds or left, left))
            except subprocess.TimeoutExpired:
                self.end(child, signal.SIGKILL if turn % 4 == 3 else signal.SIGINT)

    def findings(self):
        """What sanitizers said of any program, leaks at its end included."""
        for log in sorted(self.scratch.glob("*.log")):
            text = log.read_text(errors="replace")
            if re.search(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:", text):
                return f"{log.name}:\n{text[-6000:]}"
        return ""

    def end_all(self):
        for child in reversed(self.running):
            self.end(child, seconds=3)


class Namespace:
    """A network namespace without a name: it is gone with the process that holds it, which ends
    when this one does, however that happens, and after some minutes at the latest."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "300"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        own, limit = os.readlink("/proc/self/ns/net"), time.monotonic() + PATIENCE
        while self.link() in (own, None):
            if self.holder.poll() is not None or time.monotonic() > limit:
                self.close()
                raise HarnessError("no network namespace can be made here")
            time.sleep(0.005)
        self.run("ip", "link", "set", "lo", "up")

    def link(self):
        try:
            return os.readlink(f"/proc/{self.holder.pid}/ns/net")
        except OSError:
            return None

    def enter(self, words):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "--", *words]

    def run(self, *words):
        done = subprocess.run(self.enter(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise HarnessError(f"{' '.join(words)}: {done.stdout.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def join(self, other, device, address, other_device, other_address):
        """A veth between this namespace and another one."""
        self.run("ip", "link", "add", device, "type", "veth", "peer", "name", other_device,
                 "netns", str(other.holder.pid))
        for space, name, ip in ((self, device, address), (other, other_device, other_address)):
            # A veth hands on whole bursts as one packet; on a link they are many.
            space.run("ip", "link", "set", name, "gso_max_segs", "1")
            space.run("ip", "address", "add", f"{ip}/24", "dev", name)
            space.run("ip", "link", "set", name, "up")

    def limit(self, device, bps, queue_ms=100):
        """What leaves by |device| passes a link of |bps|, counted with Ethernet headers, and a
        queue of so many milliseconds."""
        self.run("tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", f"{bps}bit",
                 "burst", "3200", "latency", f"{queue_ms}ms")

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Relay:
    """An inlayd on a free port of loopback, or of an address in a namespace."""

    def __init__(self, processes, name="inlayd", extra="", namespace=None, address="127.0.0.1"):
        self.processes, scratch = processes, processes.scratch
        self.port, self.address = free_port(), address
        self.socket = scratch / f"{name}.sock"
        self.cert, key = certificate(scratch, name, address)
        config = scratch / f"{name}.yaml"
        config.write_text(f"listen:\n  - {address}:{self.port}\n"
                          f"certificate: {self.cert}\nkey: {key}\n"
                          f"control_socket: {self.socket}\n{extra}")
        self.child = processes.start(name, ["inlayd", "--config", config], namespace)
        self.pid = self.child.pid
        limit = time.monotonic() + PATIENCE
        while not self.socket.exists():
            if self.child.poll() is not None or time.monotonic() > limit:
                raise HarnessError(f"{name} did not start:\n{processes.log(name)[-3000:]}")
            time.sleep(0.02)

    def uri(self, port=None):
        return f"moqt://{self.address}:{port or self.port}/"

    def ask(self, *words):
        done = subprocess.run([str(self.processes.build / "inlayctl"), "--socket",
                               str(self.socket), *map(str, words), "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise HarnessError(f"inlayctl: {done.stderr.decode(errors='replace').strip()}")
        return json.loads(done.stdout)

    def status(self):
        return self.ask("status")

    def ask_everything(self, until):
        """Asks all that inlayctl can of a living daemon; returns of how many subscribers."""
        subscribers = 0
        while time.monotonic() < until:
            for track in self.ask("tracks")["tracks"]:
                self.ask("counters")
                for row in self.ask("connections")["connections"]:
                    try:
                        why = self.ask("why", track["number"], row["id"])
                        subscribers += len(why["subscribers"])
                    except HarnessError:
                        pass  # it is none of the track's, or not any more
        return subscribers


class LossyLink:
    """Forwards UDP between clients and one server over loopback, losing, delaying and reordering
    some of it, by a seed. Ends with close()."""

    def __init__(self, server_port, loss, seed, delay_s=0.005, reorder=0.02,
                 server="127.0.0.1"):
        self.server = (server, server_port)
        self.loss, self.delay_s, self.reorder = loss, delay_s, reorder
        self.random = random.Random(seed)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = self.front.getsockname()[1]
        self.backs, self.clients, self.waiting = {}, {}, []
        self.dropped = self.passed = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def take(self, data, out, to):
        if self.random.random() < self.loss:
            self.dropped += 1
            return
        late = self.delay_s * (3 if self.random.random() < self.reorder else 1)
        self.waiting.append((time.monotonic() + late, data, out, to))

    def back_of(self, client):
        if client not in self.backs:
            back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            back.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            back.connect(self.server)
            self.backs[client] = back
            self.clients[back] = client
        return self.backs[client]

    def work(self):
        while not self.stopped.is_set():
            pause = min([0.002, *(item[0] - time.monotonic() for item in self.waiting[:1])])
            readable, _, _ = select.select([self.front, *self.clients], [], [], max(pause, 0))
            for ready in readable:
                try:
                    data, sender = ready.recvfrom(65536)
                except OSError:
                    continue
                if ready is self.front:
                    self.take(data, self.back_of(sender), None)
                else:
                    self.take(data, self.front, self.clients[ready])
            now = time.monotonic()
            due = [item for item in self.waiting if item[0] <= now]
            self.waiting = [item for item in self.waiting if item[0] > now]
            for _, data, out, to in sorted(due, key=lambda item: item[0]):
                try:
                    out.sendto(data, to) if to else out.send(data)
                    self.passed += 1
                except OSError:
                    pass

    def close(self):
        self.stopped.set()
        self.thread.join(5)
        for one in [self.front, *self.clients]:
            one.close()


def box(name, *parts):
    """A box of MP4: of numbers, and of bytes such as other boxes."""
    body = b"".join(part if isinstance(part, bytes) else struct.pack(">I", part) for part in parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def broken_media(fragments):
    """A video track that ends in a fragment without media."""
    track = box(b"trak", box(b"tkhd", 0, 0, 0, 1), box(
        b"mdia", box(b"mdhd", 0, 0, 0, 90000, 0, 0), box(b"hdlr", 0, 0, b"vide")))
    media = box(b"ftyp", b"isom", 0) + box(b"moov", track, box(
        b"mvex", box(b"trex", 0, 1, 1, 3000, 0, 0)))
    for n in range(fragments):
        media += box(b"moof", box(b"mfhd", 0, n + 1), box(
            b"traf", box(b"tfhd", 0, 1), box(b"tfdt", 0, n * 3000), box(b"trun", 1, 1, 0)))
        media += box(b"mdat", bytes(1000))
    return media + box(b"moof", box(b"mfhd", 0, 0)) + box(b"moof")


def by_group(lines):
    """What inlay-pub and inlay-sub wrote by --hashes, by group."""
    groups = collections.defaultdict(list)
    for line in lines:
        groups[int(line.split()[0])].append(line)
    return groups


def renditions_taken(published, received):
    """Which of the published renditions ({track: lines}) each group that was received comes from.
    Every group must be there once, in order, whole, and from one of them."""
    sources = {track: by_group(lines) for track, lines in published.items()}
    places = [tuple(int(word) for word in line.split()[:2]) for line in received]
    assert places == sorted(set(places)), "objects came twice or out of order"
    came = by_group(received)
    assert list(came) == list(range(min(came), max(came) + 1)), f"groups are missing: {list(came)}"
    taken = []
    for group, lines in came.items():
        fits = [track for track, groups in sources.items() if groups.get(group) == lines]
        assert len(fits) == 1, f"group {group} is not what was published of one rendition"
        taken.append(fits[0])
    return taken


def run_case(case, build):
    """Runs one test case in a scratch folder, with processes of its own. Returns why it failed."""
    with tempfile.TemporaryDirectory(prefix="inlay-test-") as folder:
        processes = Processes(pathlib.Path(folder), build)
        try:
            case(processes)
        except Exception as error:  # pylint: disable=broad-except
            why = "".join(traceback.format_exception(error))
        else:
            why = ""
        finally:
            processes.end_all()
        return why + processes.findings()


def run_cases(cases, build, jobs=3):
    """Runs test cases, which mostly wait, a few at a time; prints TAP in their order. A case
    raises HarnessError or AssertionError to fail. Returns the exit code."""
    failed = 0
    print(f"1..{len(cases)}", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run_case, case, build) for case in cases]
        for number, (case, done) in enumerate(zip(cases, waiting), 1):
            why = done.result()
            failed += bool(why)
            print(f"{'not ok' if why else 'ok'} {number} - "
                  f"{case.__doc__.splitlines()[0].rstrip('.')}", flush=True)
            for line in why.splitlines():
                print(f"# {line}", flush=True)
    return 1 if failed else 0


def main():
    """A link for a process in another namespace: harness.py link SERVER PORT DELAY_MS prints its
    port, and carries until it is ended."""
    word, server, port, delay_ms = sys.argv[1:]
    assert word == "link"
    link = LossyLink(int(port), 0, 1, float(delay_ms) / 1000, 0, server)
    print(f"port {link.port}", flush=True)
    link.thread.join()


if __name__ == "__main__":
    main()
