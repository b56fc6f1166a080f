#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows inlay at work: a test picture with a running clock, encoded by ffmpeg, published over Media
over QUIC, relayed by inlayd, received by several subscribers, and compared frame by frame.

Everything runs over loopback, as the calling user, in a scratch folder that is removed afterwards.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import HarnessError, Processes, Relay, cpu_ns, number_up_to

TOP = pathlib.Path(__file__).resolve().parent.parent

BUILD = TOP / "build"
TRACK = "demo-clock--video"


def say(text):
    print(text, file=sys.stderr, flush=True)


def encoder(seconds):
    return ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi",
            "-i", f"testsrc2=size=640x360:rate=30:duration={seconds}",
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30",
            "-pix_fmt", "yuv420p", "-f", "mp4",
            "-movflags", "empty_moov+default_base_moof+frag_every_frame", "pipe:1"]


def decode_errors(video):
    """Frames that decode, and complaints of the decoder."""
    done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0",
                           "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", video],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    complaints = [line for line in done.stderr.decode(errors="replace").splitlines() if line]
    frames = re.search(r"\d+", done.stdout.decode())
    return (int(frames.group()) if frames else 0), len(complaints) + (done.returncode != 0)


def frame_hashes(path):
    """What inlay-pub and inlay-sub wrote: one line a frame."""
    return path.read_text().splitlines() if path.exists() else []


def run(args, scratch, processes):
    say("demo: starting the relay")
    relay = Relay(processes)
    common = [relay.uri(), "--track", TRACK, "--ca", relay.cert]
    say(f"demo: starting {args.subscribers} subscribers and a publisher")
    subscribers = [processes.start(f"sub{n}", [
        "inlay-sub", *common, "--wait", "20", "-o", scratch / f"out{n}.mp4",
        "--json", scratch / f"sub{n}.json", "--hashes", scratch / f"sub{n}.hashes"])
        for n in range(args.subscribers)]
    media_read, media_write = os.pipe()
    publisher = processes.start("pub", [
        "inlay-pub", *common, "--json", scratch / "pub.json",
        "--hashes", scratch / "pub.hashes"], stdin=media_read)
    os.close(media_read)
    # ffmpeg starts when all are subscribed, so that nobody misses the first frame.
    for child in subscribers:
        processes.wait_for(child, "^ready")

    before, cpu_before = relay.status(), cpu_ns(relay.pid)
    say(f"demo: ffmpeg encodes {args.seconds} s of a clock, 640x360, 30 frames a second, H.264")
    source = processes.start("ffmpeg", encoder(args.seconds), stdout=media_write)
    os.close(media_write)
    started = time.monotonic()
    while source.poll() is None:
        shown = min(time.monotonic() - started, args.seconds)
        if sys.stderr.isatty():
            filled = int(30 * shown / args.seconds)
            print(f"\r  [{'#' * filled}{'.' * (30 - filled)}] {shown:4.1f} s", end="",
                  file=sys.stderr, flush=True)
        if time.monotonic() - started > args.seconds + 60:
            raise HarnessError("ffmpeg does not end")
        time.sleep(0.1)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if source.returncode:
        raise HarnessError(f"ffmpeg failed: {processes.log('ffmpeg')[-2000:]}")
    for child in [publisher, *subscribers]:
        processes.finish(child, 20)
    after, cpu_after = relay.status(), cpu_ns(relay.pid)
    delivered = after["packets_sent"] - before["packets_sent"]
    result = collect(args, scratch, (cpu_after - cpu_before) // max(delivered, 1))
    result["placement"] = after["placement"]
    result["forwarded"] = ((after["copies_forwarded"] - before["copies_forwarded"])
                           / max(delivered, 1))
    return result


def collect(args, scratch, relay_cpu):
    published = frame_hashes(scratch / "pub.hashes")
    if not published:
        raise HarnessError("the publisher saw no frame")
    result = {"frames_published": len(published), "subscribers": [],
              "delay_us": {"p50": 0, "p99": 0}, "relay_cpu_ns_per_packet": relay_cpu}
    reports = []
    for n in range(args.subscribers):
        report = json.loads((scratch / f"sub{n}.json").read_text())
        reports.append(report)
        received = frame_hashes(scratch / f"sub{n}.hashes")
        decoded, errors = decode_errors(scratch / f"out{n}.mp4")
        result["subscribers"].append({
            "frames": len(received), "bytes": report["bytes"],
            "decode_errors": errors + abs(decoded - len(received)),
            "identical": received == published})
    # Each subscriber reports its own percentiles: the table shows the worst of them.
    result["delay_us"]["p50"] = max(report["delay_us"]["p50"] for report in reports)
    result["delay_us"]["p99"] = max(report["delay_us"]["p99"] for report in reports)
    return result


def table(result):
    print(f"\nframes published      {result['frames_published']}")
    print("subscriber   frames        bytes  decode errors  identical")
    for n, row in enumerate(result["subscribers"]):
        print(f"{n:10} {row['frames']:8} {row['bytes']:12} {row['decode_errors']:14}  "
              f"{'yes' if row['identical'] else 'NO'}")
    print(f"delay, publisher to subscriber (slowest)   p50 {result['delay_us']['p50']} us   "
          f"p99 {result['delay_us']['p99']} us")
    print(f"sent by the forwarder, not the control plane   "
          f"{100 * result['forwarded']:.0f} % of the packets (placement {result['placement']})")
    print(f"CPU of the relay                           "
          f"{result['relay_cpu_ns_per_packet']} ns a packet delivered")


def main():
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--seconds", type=number_up_to(3600), default=10, metavar="N")
    parser.add_argument("--subscribers", type=number_up_to(3600), default=3, metavar="N")
    parser.add_argument("--json", type=argparse.FileType("w"), metavar="FILE")
    parser.add_argument("--keep", action="store_true", help="leave the scratch folder for a look")
    args = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="inlay-demo-"))
    processes = Processes(scratch, BUILD)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        result = run(args, scratch, processes)
        table(result)
        if args.json:
            args.json.write(json.dumps(result, indent=2) + "\n")
            args.json.close()
        good = all(s["identical"] and not s["decode_errors"] for s in result["subscribers"])
        return 0 if good else 1
    except (HarnessError, OSError) as error:
        say(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        say("demo: interrupted")
        return 1
    finally:
        processes.end_all()
        if args.keep:
            say(f"demo: files are in {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
