#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""inlayctl nic probe, held against what other programs say of the same devices: veth in a namespace
here; netdevsim and an RDMA device where the kernel has them (tests/vm/probe_test).
Needs root. usage: tests/net/nic_probe_test.py BUILD_DIR [CASE...]"""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Namespace, run_cases

NETDEVSIM = pathlib.Path("/sys/bus/netdevsim")
DEVICE = "77"  # its number on netdevsim's bus


def run(processes, *words, namespace=None):
    command = [str(processes.build / "inlayctl"), "nic", "probe", *words]
    if namespace:
        command = namespace.enter(command)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def probe(processes, *words, namespace=None):
    code, out, err = run(processes, "--json", *words, namespace=namespace)
    assert code == 0, err
    return json.loads(out)


def shell(command, namespace=None):
    words = ["sh", "-ec", command]
    return subprocess.run(namespace.enter(words) if namespace else words, capture_output=True,
                          text=True, timeout=60, check=True).stdout


def ethtool_features(device, namespace=None):
    """What ethtool -k says is on, or could be."""
    on, possible = set(), set()
    for line in shell(f"ethtool -k {device}", namespace).splitlines()[1:]:
        match = re.match(r"\s*(\S+): (on|off)( \[fixed\])?", line)
        if match[2] == "on":
            on.add(match[1])
        if not match[3]:
            possible.add(match[1])
    return on, possible


def veth(processes):
    """veth is told as it is: driver, features, XDP, no bus, no RDMA, and the placement that follows"""
    with contextlib.closing(Namespace()) as namespace:
        veth_in(processes, namespace)


def rude_names(processes):
    """A device whose name is no text is shown, on a terminal and in JSON"""
    with contextlib.closing(Namespace()) as namespace:
        add = ["ip", "link", "add", b"v\xff\x1b[1m", "type", "veth", "peer", "name", "p"]
        subprocess.run(namespace.enter(add), timeout=60, check=True)
        told = probe(processes, namespace=namespace)
        assert "v??[1m" in [device["name"] for device in told["devices"]], told["devices"]
        code, out, _ = run(processes, namespace=namespace)
        assert code == 0 and "v??[1m" in out and "\x1b" not in out, out


def veth_in(processes, namespace):
    shell("ip link add here type veth peer name there; ip link set here up; ip link set there up",
          namespace)
    told = probe(processes, "here", namespace=namespace)
    [device] = told["devices"]
    assert device["driver"] == "veth" and device["bus"] == "" and device["up"], device
    assert device["mtu"] == 1500, device
    on, possible = ethtool_features("here", namespace)
    for name in ("tx-udp-segmentation", "hw-tc-offload", "tls-hw-tx-offload", "rx-gro",
                 "tx-checksum-ip-generic"):
        feature = device["features"].get(name, {"active": False, "changeable": False})
        # ethtool has older names of its own for some.
        if name in on | possible:
            assert feature["active"] == (name in on), (name, feature)
            assert feature["changeable"] == (name in possible), (name, feature)
    assert device["answers"]["xdp:basic"] == "yes", device["answers"]
    assert device["answers"]["xdp:hw-offload"] == "no", device["answers"]
    assert device["answers"]["feature:hw-tc-offload"] == "no", device["answers"]
    # Nothing may be redirected to it while its peer has neither XDP nor GRO, and that changes.
    assert device["answers"]["xdp:ndo-xmit"] == "no", device["answers"]
    shell("ethtool -K there gro on", namespace)
    [device] = probe(processes, "here", namespace=namespace)["devices"]
    assert device["answers"]["xdp:ndo-xmit"] == "yes", device["answers"]
    assert told["rdma"] == [], told["rdma"]
    assert device["profile"]["name"] == "software", device["profile"]
    assert device["profile"]["auto"]["placement"] == "user", device["profile"]
    assert device["profile"]["auto"]["provider"] == "local", device["profile"]
    for choice in device["profile"]["choices"]:
        assert choice["why"], choice


def all_devices(processes):
    """Without a name all devices are shown, for people too, and the kernel is tried"""
    with contextlib.closing(Namespace()) as namespace:
        shell("ip link add one type veth peer name two; ip link set two down", namespace)
        names = {one["name"] for one in probe(processes, namespace=namespace)["devices"]}
        assert names >= {"lo", "one", "two"}, names
        code, out, _ = run(processes, namespace=namespace)
    assert code == 0 and re.search(r"^two\n  driver +veth$", out, re.M), out
    assert "no RDMA device" in out or "(RDMA)" in out, out
    assert re.search(r"^kernel " + re.escape(os.uname().release), out, re.M), out
    assert re.search(r"^  yes +program XDP", out, re.M), out
    assert re.search(r"placement auto +user", out), out


def no_device(processes):
    """A device that is not there, and a wrong command line, are said in one line"""
    code, out, err = run(processes, "nosuch0")
    assert code == 1 and out == "" and "nosuch0" in err and err.count("\n") == 1, (code, err)
    code, _, err = run(processes, "--wrong")
    assert code == 2 and err.count("\n") == 1, (code, err)


def no_privilege(processes):
    """Without a privilege it tells what anybody may ask, and says what it could not try"""
    command = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all",
               str(processes.build / "inlayctl"), "nic", "probe", "--json", "lo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["devices"][0]["name"] == "lo", told
    assert set(told["kernel"]["loads"].values()) == {"unknown"}, told["kernel"]
    assert any("root" in note for note in told["kernel"]["not_known"]), told["kernel"]


def broken_profile(processes):
    """A profile that is broken is said with file and line, and nothing else is shown"""
    folder = processes.scratch / "profiles"
    folder.mkdir()
    (folder / "bad.yaml").write_text("title: a\nnonsense: 1\n")
    os.environ["INLAY_NIC_PROFILES"] = str(folder)
    try:
        code, out, err = run(processes)
    finally:
        del os.environ["INLAY_NIC_PROFILES"]
    assert code == 1 and out == "" and re.search(r"bad\.yaml:2\b.*nonsense", err), (code, out, err)


def netdevsim(processes):
    """netdevsim is told as it is: bus, devlink, XDP and TC that it runs itself"""
    shell("modprobe netdevsim")
    (NETDEVSIM / "new_device").write_text(f"{DEVICE} 2")
    try:
        names = sorted(path.name for path in
                       (NETDEVSIM / f"devices/netdevsim{DEVICE}/net").iterdir())
        [device] = probe(processes, names[0])["devices"]
        assert device["driver"] == "netdevsim", device
        assert (device["bus"], device["address"]) == ("netdevsim", f"netdevsim{DEVICE}"), device
        assert device["answers"]["xdp:hw-offload"] == "yes", device["answers"]
        assert device["answers"]["feature:hw-tc-offload"] == "yes", device["answers"]
        assert not device["features"]["hw-tc-offload"]["active"], device["features"]
        assert device["profile"]["name"] == "netdevsim", device["profile"]
        assert device["profile"]["auto"]["placement"] == "user", device["profile"]
        told = json.loads(shell(f"devlink -j dev info netdevsim/netdevsim{DEVICE} || echo '{{}}'"))
        versions = [version for kind in next(iter(told.get("info", {}).values()), {}).get(
            "versions", {}).values() for version in kind.items()]
        assert all(device["devlink"].get(name) == value for name, value in versions), device
    finally:
        (NETDEVSIM / "del_device").write_text(DEVICE)
    code, _, err = run(processes, names[0])
    assert code == 1 and names[0] in err, err


def rxe(processes):
    """An RDMA device is told by libibverbs, beside its network device"""
    shell("modprobe rdma_rxe; ip link add rdma0 type veth peer name rdma1;"
          "ip link set rdma0 up; ip link set rdma1 up; rdma link add rxe7 type rxe netdev rdma0")
    try:
        told = probe(processes)
        [device] = [one for one in told["rdma"] if one["name"] == "rxe7"]
        assert device["netdev"] == "rdma0" and device["transport"] == "RoCE", device
        assert device["state"] == "active" and device["max_qp"] > 0, device
        assert not device["mlx5"], device
        assert probe(processes, "rdma0")["rdma"] == [device]
        assert probe(processes, "lo")["rdma"] == []
        code, out, _ = run(processes, "rdma0")
        assert code == 0 and "rxe7 (RDMA)" in out, out
    finally:
        shell("rdma link delete rxe7; ip link delete rdma0")


HERE = [veth, rude_names, all_devices, no_device, no_privilege, broken_profile]
CASES = HERE + [netdevsim, rxe]

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.geteuid():
        print("1..0 # SKIP needs root, for namespaces of its own")
        sys.exit(77)
    wanted = sys.argv[2:]
    sys.exit(run_cases([case for case in CASES
                        if (case.__name__ in wanted if wanted else case in HERE)],
                       pathlib.Path(sys.argv[1]).resolve(), jobs=1))
