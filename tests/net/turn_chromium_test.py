#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A real browser through coturn, with inlay-turn beside it and without: two peer connections of one
page that may use relays alone, so that every packet turns round at the server (hairpin). Needs root,
coturn, chromium. usage: tests/net/turn_chromium_test.py BUILD_DIR"""
import ctypes
import http.server
import json
import pathlib
import queue
import signal
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import PATIENCE, HarnessError, run_cases
from turn_scene import PASSWORD, PORT, USER, Scene, lacking, relay_address, server_address

PAGE = pathlib.Path(__file__).with_name("turn_chromium.html")
SECONDS = 5  # of delay, and as many of throughput
LEAST_SHARE = 0.9  # of the packets that clients send goes fast
CLONE_NEWNET = 0x40000000


class PageServer:
    """Serves the page, and takes its results, on loopback of a namespace."""

    def __init__(self, namespace):
        self.told, ready = queue.Queue(), queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                found = urllib.parse.urlsplit(handler.path).path == "/"
                body = PAGE.read_bytes() if found else b""
                handler.send_response(200 if found else 404)
                handler.send_header("Content-Type", "text/html; charset=utf-8")
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def do_POST(handler):
                length = min(int(handler.headers.get("Content-Length", 0)), 1 << 16)
                self.told.put((handler.path, json.loads(handler.rfile.read(length))))
                handler.send_response(204)
                handler.end_headers()

            def log_message(handler, *_):
                pass

        def serve():
            # Only this thread goes there; the threads that it starts for requests stay there, too.
            with open(f"/proc/{namespace.holder.pid}/ns/net", "rb") as there:
                if ctypes.CDLL(None).setns(there.fileno(), CLONE_NEWNET):
                    ready.put(None)
                    return
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            ready.put(self.server.server_port)
            self.server.serve_forever()

        threading.Thread(target=serve, daemon=True).start()
        self.port = ready.get(timeout=PATIENCE)
        if not self.port:
            raise HarnessError("the namespace cannot be entered")

    def wait_for(self, path, seconds):
        try:
            got, what = self.told.get(timeout=seconds)
        except queue.Empty as late:
            raise HarnessError(f"the page does not get as far as {path}") from late
        assert "error" not in what, f"the page: {what['error']}"
        assert got == path, f"the page tells {got}, not {path}"
        return what

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def from_clients(scene):
    """Packets that the server's namespace got from the client's."""
    told = json.loads(scene.server.run("ip", "-s", "-j", "link", "show", "client"))
    return told[0]["stats64"]["rx"]["packets"]


def browse(scene, page, name):
    query = urllib.parse.urlencode({"turn": f"turn:{server_address()}:{PORT}?transport=udp",
                                    "user": USER, "password": PASSWORD, "seconds": SECONDS})
    folder = scene.scratch / name
    folder.mkdir()
    # It has many processes: a PID namespace ends all of them with the first.
    return scene.processes.start(
        name, ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "env",
               f"HOME={folder}", "chromium", "--headless=new", "--no-sandbox",
               "--disable-gpu", "--no-first-run", "--disable-extensions",
               "--disable-background-networking", "--disable-component-update",
               "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
               f"--user-data-dir={folder}", f"http://127.0.0.1:{page.port}/?{query}"],
        scene.client)


def measure(processes, beside):
    """What the page tells, with "packets" from clients meanwhile, and, if inlay-turn is |beside|,
    how many of them went "fast", and the "channels"."""
    with Scene(processes) as scene:
        scene.coturn()
        turn = scene.start_turn() if beside else None
        page = PageServer(scene.client)
        try:
            browser = browse(scene, page, "chromium-beside" if beside else "chromium-alone")
            page.wait_for("/begin", 2 * PATIENCE)
            packets = -from_clients(scene)
            fast = -turn.status()["to_peer_packets"] if turn else 0
            result = page.wait_for("/result", 3 * PATIENCE)
            packets += from_clients(scene)
            fast += turn.status()["to_peer_packets"] if turn else 0
            channels = turn.channels() if turn else []
            processes.end(browser, signal.SIGKILL)
        finally:
            page.close()
    return {**result, "packets": packets, "fast": fast, "channels": channels}


def check(result):
    delay, data, media = result["delay"], result["throughput"], result["media"]
    assert delay["received"] > 0.95 * delay["sent"], f"messages were lost: {delay}"
    assert data["received"] == data["sent"] > 0 and not data["wrong"], f"bulk data: {data}"
    assert media["frames"] > SECONDS and media["audio_packets"] > 10 * SECONDS, f"media: {media}"
    assert media["candidates"] == ["relay", "relay"], f"no relay was used: {media}"


def describe(name, result):
    print(f"# {name}: {result['throughput']['mbit_per_s']:.1f} Mbit/s, round trip "
          f"p50 {result['delay']['p50_ms']:.2f} ms, p99 {result['delay']['p99_ms']:.2f} ms, "
          f"{result['media']['frames']} frames, {result['packets']} packets from clients, "
          f"{100 * result['fast'] / max(result['packets'], 1):.1f} % fast", flush=True)


def coturn_alone_and_beside(processes):
    """Chromium's data and media through coturn, and with inlay-turn most of it goes fast."""
    alone = measure(processes, False)
    describe("coturn alone", alone)
    check(alone)
    beside = measure(processes, True)
    describe("with inlay-turn", beside)
    check(beside)
    share = beside["fast"] / beside["packets"]
    assert share > LEAST_SHARE, f"{100 * share:.1f} % went fast: {beside['channels']}"
    peers = {one["peer"] for one in beside["channels"]}
    relayed = {one["relayed"] for one in beside["channels"]}
    assert peers == relayed and all(one.startswith(relay_address()) for one in peers), \
        f"it did not turn round at the server: {beside['channels']}"


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    why = lacking(build, ("turnserver", "chromium"))
    if why:
        print(f"skipped: {why}")
        return 77
    return run_cases([coturn_alone_and_beside], build)


if __name__ == "__main__":
    sys.exit(main())
