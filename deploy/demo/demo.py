#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The demonstration, on this host alone and without containers: a shop of nginx, three services (Node,
Python, Go), PostgreSQL and Redis, visitors, sonde and Prometheus.

  demo.py up         until Ctrl-C, which ends all of it and leaves nothing
  demo.py load       sends requests to a running one and compares with what sonde counted
  demo.py chaos      puts a fault in place and says what sonde saw of it
"""
import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from shop import Shop, Trouble  # noqa: E402
from sight import Between, Scrape, seconds  # noqa: E402

WHERE = """
the shop is open; Ctrl-C closes it and leaves nothing

  shop         http://127.0.0.1:{nginx}/products/1   nginx > storefront (Node) > orders (Python) > PostgreSQL
                                                         storefront, orders > stock (Go) > Redis
  sonde        http://127.0.0.1:{sonde}/metrics
               http://127.0.0.1:{sonde}/api/v1/services   /api/v1/map   /api/v1/status
  Prometheus   http://127.0.0.1:{prometheus}/graph   /alerts

in another terminal
  {program} top --connect http://127.0.0.1:{sonde}
  sudo {program} tail --port {orders}
  sudo make load PROFILE=spike{other}       steady, ramp, spike; RATE=40 SECONDS=20
  sudo make chaos FAULT=slow-database{other}
      {faults}
"""


def arguments():
    p = argparse.ArgumentParser(description=__doc__, epilog="what follows -- goes to sonde",
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=("up", "load", "chaos"))
    p.add_argument("--port", type=int, default=18080, help="the first of nine ports on loopback")
    p.add_argument("--sonde", help="up: the program")
    p.add_argument("--stock", help="up: the service that is built, of stock.go")
    p.add_argument("--rate", type=float, help="requests each second: of the visitors, 30; of load, 40")
    p.add_argument("--profile", default="steady", choices=("steady", "ramp", "spike"), help="load")
    p.add_argument("--seconds", type=float, help="load: how long, 20; chaos: how long the fault lasts")
    p.add_argument("--fault", help="chaos: its name; all, one after the other")
    p.add_argument("--dry", action="store_true", help="chaos: put nothing in place")
    own = sys.argv[1:]
    at = own.index("--") if "--" in own else len(own)
    args = p.parse_args(own[:at])
    args.sonde_args = own[at + 1:]
    return args


def up(args):
    from faults import FAULTS  # what it imports is of the shop's packages
    if os.geteuid() != 0:
        raise Trouble("eBPF needs root: sudo make demo")
    shop = Shop(args.port, args.stock)
    try:
        print("opening the shop ...", flush=True)
        shop.start_databases()
        shop.start_services()
        shop.start_sonde(os.path.abspath(args.sonde), args.sonde_args)
        shop.start_prometheus()
        shop.start_visitors(args.rate or 30)
        other = "" if args.port == 18080 else f" PORT={args.port}"
        print(WHERE.format(program=os.path.relpath(args.sonde), faults=", ".join(FAULTS), other=other,
                           **shop.port), flush=True)
        while True:
            for name, code in shop.revive():
                print(f"{name} ended ({'signal ' if code < 0 else 'exit '}{abs(code)}), "
                      "and is started again", flush=True)
            time.sleep(0.1)
    finally:
        # a second Ctrl-C must not leave half of it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        shop.close()


def settled(port, count):
    """A scrape when what was on its way has arrived: what count() gives stands still."""
    last = Scrape(port)
    for _ in range(20):
        time.sleep(0.5)
        now = Scrape(port)
        if count(now) == count(last):
            return now
        last = now
    return last


def load(args):
    from faults import CLIENT, Place
    place = Place(args.port)
    rate, last_s = args.rate or 40, args.seconds or 20
    print(f"{args.profile} load, {rate:g} requests a second for {last_s:g} s ...", flush=True)
    before = Scrape(place.port["sonde"])
    p = subprocess.run([sys.executable, os.path.join(HERE, "load.py"), str(place.port["nginx"]),
                        args.profile, str(rate), str(last_s)], capture_output=True, check=True)
    sent = json.loads(p.stdout)
    after = settled(place.port["sonde"], lambda s: s.sum(CLIENT + "_count", service_name="load"))
    seen = Between(place, before, after, after)

    def count(**labels):
        return int(seen.count(CLIENT + "_count", service_name="load", **labels))
    rows = [("requests", sent["requests"], count())]
    rows += [(f"answered {s}", n, count(http_response_status_code=s))
             for s, n in sorted(sent["statuses"].items())]
    print(f"\n  {'':20}{'sent':>12}{'sonde saw':>12}")
    for what, is_so, told in rows:
        print(f"  {what:20}{is_so:12}{told:12}{'' if is_so == told else '   <- differs'}")
    for q, name in ((0.5, "p50"), (0.95, "p95")):
        told = seen.quantile(q, CLIENT, service_name="load")
        print(f"  {name:20}{seconds(sent[name]):>12}{seconds(told):>12}   (of a histogram)")
    if sent["late"]:
        print(f"  {sent['late']} times no visitor was free when a request was due")
    return 0 if all(is_so == told for _, is_so, told in rows) else 1


def watch(place, put, last_s):
    """What lies between scrapes of a calm while and of one in which `put` was in place."""
    port = place.port["sonde"]
    first = Scrape(port)
    time.sleep(2)
    calm = Scrape(port)
    with put:
        time.sleep(last_s)
        during = Scrape(port)
    time.sleep(1.5)  # requests that were held up end, and sonde's clock ticks
    return Between(place, first, calm, calm), Between(place, calm, during, Scrape(port))


def show(fault, calm, storm):
    """Prints what sonde saw; whether every look shows the fault."""
    looks = list(fault.looks(calm, storm))
    print(f"  {'sonde saw':46}{'before':>10}{'meanwhile':>12}")
    for what, was, now, shows in looks:
        print(f"  {what:46}{was:>10}{now:>12}{'' if shows else '   <- does not show'}", flush=True)
    return all(shows for *_, shows in looks)


def chaos(args):
    from faults import FAULTS, Place
    place = Place(args.port)
    names = list(FAULTS) if args.fault == "all" else [args.fault]
    if not set(names) <= set(FAULTS):
        raise Trouble(f"no fault {args.fault}; there are {', '.join(FAULTS)}, all")
    missed, seen = [], None
    for fault in map(FAULTS.get, names):
        last_s = args.seconds or fault.last_s
        if args.dry:
            print(f"\n{fault.name}, not put in place")
            seen = seen or watch(place, contextlib.nullcontext(), last_s)
        else:
            print(f"\n{fault.name}: {fault.says}, for {last_s:g} s", flush=True)
            seen = watch(place, fault.put(place), last_s)
        if not show(fault, *seen):
            missed.append(fault.name)
    if missed:
        print(f"\nnot shown: {', '.join(missed)}")
    return 1 if missed else 0


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return {"up": up, "load": load, "chaos": chaos}[args.command](args)
    except KeyboardInterrupt:
        return 0
    except (Trouble, OSError, subprocess.SubprocessError) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
