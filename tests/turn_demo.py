#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows inlay-turn at work: coturn relays between clients and a peer, each in a network namespace of
its own, first alone and then with inlay-turn beside it; the same traffic both times.

Needs root. The namespaces and everything in them are gone afterwards.
"""
import argparse
import json
import pathlib
import shutil
import signal
import statistics
import struct
import sys
import tempfile
import time

from harness import HarnessError, Processes, cpu_ns, number_up_to
from turn_client import TurnClient
from turn_scene import (PEER_PORT, Scene, client_address, lacking, peer_address, server_address)

TOP = pathlib.Path(__file__).resolve().parent.parent
ROUNDS = 500
SHOWN = 8  # lines of a table


def say(text):
    print(text, file=sys.stderr, flush=True)


def round_trip_us(scene):
    """Median time of a datagram by a channel to the peer, and back from its echo."""
    client = TurnClient(scene.client, client_address(), server_address())
    client.allocate()
    client.bind(0x4000, (peer_address(), PEER_PORT))
    took = []
    for n in range(ROUNDS):
        began = time.perf_counter()
        # turnutils_peer sends everything back.
        client.channel_data(0x4000, struct.pack(">Q", n) * 20)
        if client.receive_one(1):
            took.append((time.perf_counter() - began) * 1e6)
    client.refresh(0)
    client.close()
    if len(took) < ROUNDS * 0.9:
        raise HarnessError(f"{ROUNDS - len(took)} of {ROUNDS} datagrams came to nothing")
    return statistics.median(took[ROUNDS // 10:])


def traffic(args, scene, server, look):
    """turnutils_uclient's; |look| is called in the midst of it."""
    child = scene.start_uclient("uclient", "-e", peer_address(), "-c", "-m", args.clients,
                                "-n", args.messages, "-l", args.bytes, "-z", args.interval_ms)
    before = cpu_ns(server.pid)
    time.sleep(min(8, args.messages * args.interval_ms / 2000 + 3))
    look()
    result = scene.finish_uclient(child, seconds=args.messages * args.interval_ms / 1000 + 60)
    # Sent by clients, and sent back by the peer.
    result["relayed"] = result["sent"] + result["received"]
    result["server_cpu_ns_per_packet"] = (cpu_ns(server.pid) - before) // result["relayed"]
    return result


def alone(args, processes):
    with Scene(processes) as scene:
        say("demo: coturn alone")
        server = scene.coturn()
        scene.echo()
        result = traffic(args, scene, server, lambda: None)
        result["round_trip_us"] = round_trip_us(scene)
    return result


def beside(args, processes):
    with Scene(processes) as scene:
        say("demo: coturn with inlay-turn beside it")
        server = scene.coturn()
        turn = scene.start_turn()
        scene.echo()
        shown = []

        def look():
            # Each client of turnutils_uclient allocates twice: the first time to probe the server.
            shown.extend(turn.say().split("\n\n"))
            shown.append(turn.say("links"))
        result = traffic(args, scene, server, look)
        result["fast"] = sum(turn.totals()) / result["relayed"]
        result["round_trip_us"] = round_trip_us(scene)
        for title, text in zip(("allocations", "channels", "interfaces"), shown):
            lines = text.splitlines()
            rest = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            print("\n".join([f"\ninlayctl turn: {title}", *lines[:SHOWN], *rest]))
    return result


def table(first, second):
    def line(what, name, form):
        print(f"{what:34} {form(first[name]):>14} {form(second[name]):>16}")

    print(f"\n{'':34} {'coturn alone':>14} {'with inlay-turn':>16}")
    line("packets relayed", "relayed", str)
    line("messages lost", "lost", str)
    print(f"{'of them without the server':34} {'':>14} {100 * second['fast']:14.1f} %")
    line("CPU of coturn, ns a packet", "server_cpu_ns_per_packet", str)
    line("round trip to the peer, p50, us", "round_trip_us", lambda us: f"{us:.0f}")
    print("\nWhat the kernel spends on the packets instead, and more: sudo scripts/bench turn")


def main():
    parser = argparse.ArgumentParser(prog="demo turn", description=__doc__)
    parser.add_argument("--clients", type=number_up_to(100000), default=10, metavar="N")
    parser.add_argument("--messages", type=number_up_to(100000), default=2000, metavar="N",
                        help="of each client")
    parser.add_argument("--bytes", type=number_up_to(100000), default=160, metavar="N")
    parser.add_argument("--interval-ms", type=number_up_to(100000), default=2, metavar="N")
    parser.add_argument("--json", type=argparse.FileType("w"), metavar="FILE")
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build", metavar="DIR")
    args = parser.parse_args()
    why = lacking(args.build.resolve())
    if why:
        say(f"demo: {why}")
        return 77
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="inlay-demo-"))
    processes = Processes(scratch, args.build.resolve())
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        first, second = alone(args, processes), beside(args, processes)
        table(first, second)
        if args.json:
            args.json.write(json.dumps({"coturn": first, "inlay": second}, indent=2) + "\n")
            args.json.close()
        return 0 if second["fast"] > 0.9 and second["lost"] <= first["lost"] else 1
    except (HarnessError, OSError) as error:
        say(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        say("demo: interrupted")
        return 1
    finally:
        processes.end_all()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
