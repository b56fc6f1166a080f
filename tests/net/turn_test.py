#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""inlay-turn in front of real TURN servers, in three namespaces. Needs root, coturn, and for its
cases a server made with pion's library. usage: tests/net/turn_test.py BUILD_DIR [CASE...]"""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import run_cases
from turn_cases import CASES as STEPS, VM_CASES
from turn_scene import Scene, lacking, peer_address, pion_missing

MESSAGES = 250

# turnutils_uclient in its modes: its options, the server's address family, and whether packets can
# go fast (None: either is right): only ChannelData of UDP clients does.
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
    "two_families": ("allocations of both families at once", [*TO_PEER, "-Z"], 4, None),
    "indications": ("Send indications", [*TO_PEER, "-s"], 4, False),
    "ipv6": ("IPv6", ["-x", "-c", *TO_PEER_6], 6, True),
    "client_4_peer_6": ("an IPv4 client and an IPv6 peer", ["-x", "-c", *TO_PEER_6], 4, True),
    "client_6_peer_4": ("an IPv6 client and an IPv4 peer", ["-X", "-c", *TO_PEER], 6, True),
    "hairpin_6": ("client to client over IPv6", ["-x", "-y", "-c"], 6, True),
    "dont_fragment": ("Send indications with DONT-FRAGMENT", [*TO_PEER, "-s", "-g", "-c"], 4,
                      False),
    "tcp_client": ("a client over TCP", [*TO_PEER, "-t", "-c"], 4, False),
    "tcp_relay": ("relayed TCP", ["-T"], 4, False),
}
# The server that is made with pion's library speaks UDP over IPv4.
PION_MODES = ["channels", "one_flow", "several", "odd_length", "padded", "large", "hairpin",
              "hairpin_one_flow", "indications"]


def play(scene, options, family, messages=MESSAGES):
    return scene.uclient(f"uclient{messages}", *options, "-n", messages, "-z", 4, family=family)


def alone_and_beside(mode, start_server):
    """A case: the same results with inlay-turn and without it."""
    _, options, family, fast = MODES[mode]

    def case(processes):
        with Scene(processes) as scene:
            start_server(scene)
            scene.echo()
            alone = play(scene, options, family)
            alone.pop("fast")
        with Scene(processes) as scene:
            start_server(scene)
            turn = scene.start_turn()
            scene.echo()
            beside = play(scene, options, family)
            went, sent = beside.pop("fast"), beside["sent"]
            # Both ways, but for the first ones, by which the server shows what it relays. From client
            # to client a packet is counted at both, and goes fast when both channels do: the second
            # client of uclient's is silent until the first one has sent everything. The first ones
            # are more where the server is late: then they are to be few of many.
            share = 0.9 if "-y" in options else 1.5
            if fast and went <= share * sent:
                longer = play(scene, options, family, 8 * MESSAGES)
                went, sent = longer["fast"], longer["sent"]
            status = turn.status()
        assert alone["sent"] >= MESSAGES and not alone["lost"], f"without inlay-turn: {alone}"
        assert beside == alone, f"without inlay-turn: {alone}; with it: {beside}"
        if fast:
            assert went > share * sent, f"{went} fast of 2 * {sent}: {status}"
        elif fast is False:
            assert not went, f"{went} went fast: {status}"
    return case


def coturn(scene):
    scene.coturn()


def pion(scene):
    scene.pion()


def make_cases(with_pion):
    cases = {}
    for name, start, modes in (("coturn", coturn, MODES),
                               ("pion", pion, PION_MODES if with_pion else [])):
        for mode in modes:
            case = alone_and_beside(mode, start)
            case.__doc__ = f"{name}: {MODES[mode][0]}."
            cases[f"{name}_{mode}"] = case
    return {**STEPS, **cases}


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    why_no_pion = pion_missing()
    cases = make_cases(not why_no_pion)
    every = {**cases, **VM_CASES}
    unknown = [name for name in sys.argv[2:] if name not in every]
    if unknown:
        print(f"unknown case {unknown[0]}; there are: {', '.join(every)}", file=sys.stderr)
        return 2
    why = lacking(build)
    if why:
        print(f"skipped: {why}")
        return 77
    if why_no_pion:
        print(f"# SKIP the cases of pion's server: {why_no_pion}")
    return run_cases([every[name] for name in sys.argv[2:] or cases], build,
                     jobs=min(6, 3 * (os.cpu_count() or 1)))


if __name__ == "__main__":
    sys.exit(main())
