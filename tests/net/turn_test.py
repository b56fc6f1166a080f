#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""inlay-turn in front of real TURN servers, in three namespaces. Needs root, coturn, and for its
cases a server made with pion's library. usage: tests/net/turn_test.py BUILD_DIR [CASE...]"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import run_cases
from turn_scene import Scene, lacking, peer_address

MESSAGES = 250

# turnutils_uclient in its modes: its options, the server's address family, and whether packets can
# go fast: only ChannelData of UDP clients does.
TO_PEER = ["-e", peer_address(4)]
TO_PEER_6 = ["-e", peer_address(6)]
MODES = {
    "channels": ("ChannelData, with a second flow for RTCP", [*TO_PEER], 4, True),
    "one_flow": ("ChannelData, one flow a client", [*TO_PEER, "-c"], 4, True),
    "several": ("several clients at one time", [*TO_PEER, "-c", "-m", 8], 4, True),
    "odd_length": ("ChannelData whose length is no multiple of four", [*TO_PEER, "-c", "-l", 171],
                   4, True),
    "padded": ("padded ChannelData", [*TO_PEER, "-c", "-D", "-l", 173], 4, True),
    "large": ("ChannelData of 1200 bytes", [*TO_PEER, "-c", "-l", 1200], 4, True),
    "extra_requests": ("requests beyond what is needed", [*TO_PEER, "-c", "-G"], 4, True),
    "hairpin": ("client to client", ["-y"], 4, True),
    "hairpin_one_flow": ("client to client, one flow a client", ["-y", "-c"], 4, True),
    "ipv6": ("IPv6", ["-x", "-c", *TO_PEER_6], 6, True),
    "client_4_peer_6": ("an IPv4 client and an IPv6 peer", ["-x", "-c", *TO_PEER_6], 4, True),
    "client_6_peer_4": ("an IPv6 client and an IPv4 peer", ["-X", "-c", *TO_PEER], 6, True),
    "hairpin_6": ("client to client over IPv6", ["-x", "-y", "-c"], 6, True),
    "indications": ("Send indications", [*TO_PEER, "-s"], 4, False),
    "dont_fragment": ("Send indications with DONT-FRAGMENT", [*TO_PEER, "-s", "-g", "-c"], 4,
                      False),
    "tcp_client": ("a client over TCP", [*TO_PEER, "-t", "-c"], 4, False),
    "tcp_relay": ("relayed TCP", ["-T"], 4, False),
}


def play(scene, options, family):
    scene.echo()
    return scene.uclient("uclient", *options, "-n", MESSAGES, "-z", 4, family=family)


def alone_and_beside(mode, start_server):
    """A case: the same results with inlay-turn and without it."""
    what, options, family, fast = MODES[mode]

    def case(processes):
        with Scene(processes) as scene:
            start_server(scene)
            alone = play(scene, options, family)
        with Scene(processes) as scene:
            start_server(scene)
            turn = scene.start_turn()
            beside = play(scene, options, family)
            status = turn.status()
        assert alone["sent"] >= MESSAGES and not alone["lost"], f"without inlay-turn: {alone}"
        assert beside == alone, f"without inlay-turn: {alone}; with it: {beside}"
        went = status["to_peer_packets"] + status["to_client_packets"]
        if fast:
            # Both ways, but for the first ones, by which the server shows what it relays.
            assert went > 1.5 * beside["sent"], f"{went} fast of 2 * {beside['sent']}: {status}"
        else:
            assert not went, f"{went} went fast: {status}"
    return case


def coturn(scene):
    scene.coturn()


def make_table():
    cases = {}
    for mode, (what, *_) in MODES.items():
        case = alone_and_beside(mode, coturn)
        case.__doc__ = f"coturn: {what}."
        cases[f"coturn_{mode}"] = case
    return cases


CASES = make_table()


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    unknown = [name for name in sys.argv[2:] if name not in CASES]
    if unknown:
        print(f"unknown case {unknown[0]}; there are: {', '.join(CASES)}", file=sys.stderr)
        return 2
    why = lacking(build)
    if why:
        print(f"skipped: {why}")
        return 77
    return run_cases([CASES[name] for name in sys.argv[2:] or CASES], build)


if __name__ == "__main__":
    sys.exit(main())
