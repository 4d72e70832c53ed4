# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures: what is run for each, and what it is held against."""

import json
import os
import resource
import statistics
import subprocess
from dataclasses import dataclass

import lab
from harness import guest, monitor, rpc, xdr
from report import Check, Figure

RAW, VIRTPASSD, LIBVIRTD = "raw QMP", "virtpassd", "libvirtd"
FORWARDER = "forwarder"

# In-band commands that QEMU takes ahead on one monitor.
IN_FLIGHT = 8

# Features that a stock client with an event loop asks about, before and after OPEN.
FEATURES_BEFORE, FEATURES_AFTER = (10,), (14, 15)

MICROSECONDS, RATE, KIB = "µs", "calls/s", "KiB"


@dataclass
class Settings:
    repetitions: int = 9
    burst_ms: int = 300
    warmup_ms: int = 30
    starts: int = 5           # of virtpassd, for the attach time
    clients: int = 16
    qmp_clients: int = 64
    guests: int = 16
    count: int = 1000         # of idle clients, and of sessions

    def quick(self):
        self.repetitions, self.burst_ms, self.warmup_ms = 5, 80, 10
        return self


@dataclass
class Bench:
    """What all figures need."""
    root: str                 # the run's own directory
    programs: str             # directory of load and scripted
    settings: Settings
    real: lab.RealLab = None

    def load(self, targets, burst_factor=1, repetitions=None):
        """Runs the load generator. {target: [result of each burst]}."""
        settings = self.settings
        plan = {"plan": {"repetitions": repetitions or settings.repetitions,
                         "burst_ms": settings.burst_ms * burst_factor,
                         "warmup_ms": settings.warmup_ms * burst_factor},
                **targets}
        path = os.path.join(self.root, "plan")
        with open(path, "w", encoding="utf-8") as file:
            for group, keys in plan.items():
                file.write(f"[{group}]\n")
                file.writelines(f"{key}={value}\n" for key, value in keys.items())
        result = subprocess.run([os.path.join(self.programs, "load"), path], check=False,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(result.stderr.strip())
        bursts = [json.loads(line) for line in result.stdout.splitlines()]
        return {name: [burst for burst in bursts if burst["target"] == name] for name in targets}

    def raw(self, command, guests=1, clients=1, depth=1):
        return {"protocol": "qmp", "clients": clients, "depth": depth, "command": command,
                "sockets": "".join(item.raw + ";" for item in self.real.guests[:guests])}

    def sockets(self, command, **more):
        """The same command on a raw monitor and on virtpassd's QMP socket."""
        raw = self.raw(command, **more)
        path = self.real.guests[0].qmp(self.real.virtpassd)
        return {RAW: raw, VIRTPASSD: {**raw, "sockets": path + ";"}}

    def rpc(self, daemon, command=None, guests=1, clients=1):
        """Without a command: virDomainGetInfo."""
        target = {"protocol": "rpc", "clients": clients, "depth": 1, "sockets": daemon.sock,
                  "uuids": "".join(item.uuid + ";" for item in self.real.guests[:guests])}
        return {**target, "command": command} if command else target

    def three(self, command, **more):
        """The same command on the three ways to a guest."""
        return {RAW: self.raw(command, **more),
                VIRTPASSD: self.rpc(self.real.virtpassd, command, **more),
                LIBVIRTD: self.rpc(self.real.libvirtd, command, **more)}


# --- comparing --------------------------------------------------------------

def medians(samples, key):
    return {name: statistics.median(burst[key] for burst in bursts)
            for name, bursts in samples.items()}


def ratios(samples, key, above, below):
    """Of the bursts of each repetition: they were run one after the other."""
    return [a[key] / b[key] for a, b in zip(samples[above], samples[below])]


def latency_figures(title, samples, checks):
    """p50 with what it is held against, then the least and p99."""
    shown = checks[0]
    figures = [Figure(f"{title}: p50", MICROSECONDS, medians(samples, "p50"), checks, samples)]
    for key in ("min", "p99"):
        found = ratios(samples, key, shown.above, shown.below)
        figures.append(Figure(f"  {key}", MICROSECONDS, medians(samples, key),
                              [Check(shown.text, found, above=shown.above, below=shown.below)]))
    return figures


def against_raw(samples, key="p50", at_most=None):
    return Check("{:.2f} x raw", ratios(samples, key, VIRTPASSD, RAW), at_most=at_most,
                 above=VIRTPASSD, below=RAW)


def faster_than_libvirtd(samples, at_least=None):
    return Check("libvirtd {:.1f} x", ratios(samples, "p50", LIBVIRTD, VIRTPASSD),
                 at_least=at_least, above=LIBVIRTD, below=VIRTPASSD)


# --- with a real libvirtd ---------------------------------------------------

def round_trip(bench):
    samples = bench.load(bench.three(lab.QUERY_STATUS))
    return latency_figures("query-status, one client", samples,
                           [against_raw(samples, at_most=1.3),
                            faster_than_libvirtd(samples, at_least=2)])


def long_reply(bench):
    """QEMU itself takes most of the time, so there is not much to win over libvirtd."""
    samples = bench.load(bench.three(lab.QUERY_SCHEMA), burst_factor=2)
    return latency_figures("query-qmp-schema, one client", samples,
                           [against_raw(samples, at_most=1.3), faster_than_libvirtd(samples)])


def throughput(bench, title, targets, at_least):
    samples = bench.load(targets)
    of_raw = [100 * ratio for ratio in ratios(samples, "rate", VIRTPASSD, RAW)]
    of_libvirtd = ratios(samples, "rate", VIRTPASSD, LIBVIRTD)
    return [Figure(title, RATE, medians(samples, "rate"),
                   [Check("{:.0f} % of raw", of_raw, at_least=at_least, above=VIRTPASSD,
                          below=RAW),
                    Check("{:.1f} x libvirtd's", of_libvirtd, above=VIRTPASSD, below=LIBVIRTD)],
                   samples)]


def many_on_one(bench):
    clients = bench.settings.clients
    targets = bench.three(lab.QUERY_STATUS, clients=clients)
    targets[RAW] = bench.raw(lab.QUERY_STATUS, depth=IN_FLIGHT)
    return throughput(bench, f"{clients} clients, one domain (raw: one, {IN_FLIGHT} in flight)",
                      targets, at_least=90)


def many_on_many(bench):
    """Raw: a connection for each domain, since a monitor serves one."""
    clients, guests = bench.settings.clients, len(bench.real.guests)
    targets = bench.three(lab.QUERY_STATUS, clients=clients, guests=guests)
    targets[RAW] = bench.raw(lab.QUERY_STATUS, clients=guests, guests=guests)
    return throughput(bench, f"{clients} clients, {guests} domains (raw: one for each)",
                      targets, at_least=None)


def forwarded(bench):
    """The other forwarder is the least there is: nothing in front of libvirtd is faster."""
    real = bench.real
    bare = lab.Forwarder(bench.root, os.path.join(bench.programs, "forwarder"), real.libvirtd.sock)
    samples = bench.load({VIRTPASSD: bench.rpc(real.virtpassd), FORWARDER: bench.rpc(bare),
                          LIBVIRTD: bench.rpc(real.libvirtd)})
    bare.stop()

    def direct(name, **limit):
        return Check("{:.2f} x direct", ratios(samples, "p50", name, LIBVIRTD), above=name,
                     below=LIBVIRTD, **limit)

    return [*latency_figures("virDomainGetInfo, forwarded", samples,
                             [direct(VIRTPASSD, at_most=1.15)]),
            Figure("virDomainGetInfo, by a forwarder that only copies: p50", MICROSECONDS,
                   {FORWARDER: medians(samples, "p50")[FORWARDER]}, [direct(FORWARDER)])]


def human(line):
    return json.dumps({"execute": "human-monitor-command", "arguments": {"command-line": line}},
                      separators=(",", ":"))


def listing(path):
    return f'{{"execute":"qom-list","arguments":{{"path":"{path}"}}}}'


# What virtpassd asks QEMU to answer a command that QEMU has not. The guest has one netdev, so that
# query-netdev has something to look up.
ADDED = {
    "query-netdev": [human("info network"), listing("/machine/peripheral"),
                     listing("/machine/peripheral-anon"), listing("/machine/unattached"),
                     '{"execute":"qom-get","arguments":{"path":"/machine/peripheral/ua-0",'
                     '"property":"netdev"}}', human("info usernet")],
    "query-usernet": [human("info usernet")],
    "query-mtree": [human("info mtree -D")],
    "query-qtree": [human("info qtree")],
    "query-snapshots": ['{"execute":"query-block"}'],
    # virtpassd has these answers already, from another process; here modules are loaded.
    "query-available-devices": ['{"execute":"qom-list-types","arguments":{"implements":"device",'
                                '"abstract":false}}', human("info qdm")],
}


def added(bench):
    """Each command beside the native ones it needs, these one after the other on a raw monitor."""
    figures = []
    for name, natives in ADDED.items():
        added_command = bench.rpc(bench.real.virtpassd, json.dumps({"execute": name}))
        # A monitor serves one connection: a run for each.
        samples = [bench.load({VIRTPASSD: added_command, RAW: bench.raw(native)})
                   for native in natives]
        summed = [{"p50": sum(burst["p50"] for burst in bursts)}
                  for bursts in zip(*(sample[RAW] for sample in samples))]
        both = {RAW: summed, VIRTPASSD: samples[0][VIRTPASSD]}
        figures.append(Figure(f"{name}, beside what it asks QEMU: p50", MICROSECONDS,
                              medians(both, "p50"), [against_raw(both)], samples))
    return figures


def cost(bench):
    """Where the time of a query-status goes: a row for each who spends some, a column a way."""
    spenders = bench.real.spenders()
    cpu = {name: {} for name in spenders}
    switches = {name: {} for name in spenders}
    for way, target in bench.three(lab.QUERY_STATUS).items():
        before = {name: (who.cpu_seconds(), who.switches()) for name, who in spenders.items()}
        sent = bench.load({way: target}, repetitions=1)[way][0]["sent"]
        for name, who in spenders.items():
            cpu[name][way] = (who.cpu_seconds() - before[name][0]) * 1e6 / sent
            switches[name][way] = (who.switches() - before[name][1]) / sent
    return ([Figure(f"CPU for one query-status: {name}", MICROSECONDS, cpu[name])
             for name in spenders]
            + [Figure(f"context switches: {name}", "", switches[name]) for name in spenders])


# --- QMP sockets ------------------------------------------------------------

def qmp_latency(bench):
    status = bench.load(bench.sockets(lab.QUERY_STATUS))
    schema = bench.load(bench.sockets(lab.QUERY_SCHEMA), burst_factor=2)
    return (latency_figures("QMP socket: query-status, one client", status,
                            [against_raw(status, at_most=1.25)])
            + latency_figures("QMP socket: query-qmp-schema, one client", schema,
                              [against_raw(schema, at_most=1.05)]))


def of_raw_rate(samples):
    return Check("{:.0f} % of raw", [100 * ratio for ratio in
                                     ratios(samples, "rate", VIRTPASSD, RAW)],
                 at_least=95, above=VIRTPASSD, below=RAW)


def qmp_throughput(bench):
    clients = bench.settings.qmp_clients
    deep = bench.load(bench.sockets(lab.QUERY_STATUS, depth=IN_FLIGHT))
    targets = bench.sockets(lab.QUERY_STATUS, depth=IN_FLIGHT)
    targets[VIRTPASSD] = {**targets[VIRTPASSD], "clients": clients, "depth": 1}
    many = bench.load(targets, burst_factor=4) # a client has to get dozens of replies
    spread = [burst["most"] / max(burst["fewest"], 1) for burst in many[VIRTPASSD]]
    return [Figure(f"QMP socket: one client, {IN_FLIGHT} in flight", RATE,
                   medians(deep, "rate"), [of_raw_rate(deep)], deep),
            Figure(f"QMP socket: {clients} clients (raw: one, {IN_FLIGHT} in flight)", RATE,
                   medians(many, "rate"),
                   [of_raw_rate(many), Check("most/fewest {:.2f}", spread, at_most=1.2)], many)]


def qmp_idle(bench):
    """Clients that have negotiated and wait for events."""
    count, daemon = bench.settings.count, bench.real.virtpassd
    path = bench.real.guests[0].qmp(daemon)
    before = lab.memory(daemon.pid)
    monitors = [monitor.Monitor(path) for _ in range(count)]
    after = lab.memory(daemon.pid)
    samples = bench.load(bench.sockets(lab.QUERY_STATUS))
    for item in monitors:
        item.close()
    return [per_item(f"QMP socket: memory per idle client, of {count}", before, after, count, 16),
            Figure(f"QMP socket: query-status beside {count} idle clients: p50", MICROSECONDS,
                   medians(samples, "p50"), [against_raw(samples, at_most=1.25)], samples)]


# --- command lines ----------------------------------------------------------

def altering(bench):
    """What the shim adds to a guest's start: of itself, and as a process that is started."""
    settings = bench.settings
    result = subprocess.run([os.path.join(bench.programs, "alter"), str(settings.repetitions),
                             str(settings.burst_ms), os.environ["VIRTPASS_EMULATOR"], bench.root],
                            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True)
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    alone = [burst["alter"] for burst in samples]
    added = [burst["shim"] - burst["direct"] for burst in samples]
    return [Figure("125 words, altered 10 times", MICROSECONDS,
                   {VIRTPASSD: statistics.median(alone)},
                   [Check("{:.0f} µs", alone, at_most=200)], samples),
            Figure("starting a guest through virtpass-emulator", MICROSECONDS,
                   {VIRTPASSD: statistics.median(added)},
                   [Check("{:.0f} µs", added, at_most=5000)])]


def typical_domain():
    """About 6 KB: thirteen disks and as many controllers, and three alterations."""
    disks = "".join(guest.disk(f"/var/lib/libvirt/images/disk{number}.qcow2", target=f"sd{letter}",
                               bus="scsi").replace("/>\n", f"/><serial>{number:032}</serial>"
                               f"<address type='drive' controller='{number}'/>\n", 1)
                    for number, letter in enumerate("abcdefghijklm"))
    controllers = "".join(f"    <controller type='scsi' index='{number}' model='virtio-scsi'>\n"
                          f"      <driver queues='4' iothread='{number}'/>\n"
                          f"      <address type='pci' domain='0x0000' bus='0x{number:02x}' "
                          "slot='0x00' function='0x0'/>\n    </controller>\n"
                          for number in range(13))
    alters = "".join("    <qemu:alter option='device'>\n"
                     f"      <qemu:match key='id'>^scsi{number}$</qemu:match>\n"
                     "      <qemu:modify type='int'>num_queues=8,max_sectors=4096</qemu:modify>\n"
                     "    </qemu:alter>\n" for number in range(3))
    return guest.domain("typical", devices=disks + controllers,
                        after=f"  <qemu:commandline>\n{alters}  </qemu:commandline>\n")


def translating(bench):
    path = os.path.join(bench.root, "typical.xml")
    xml = typical_domain()
    with open(path, "w", encoding="utf-8") as file:
        file.write(xml)
    result = subprocess.run([os.path.join(bench.programs, "xml"), str(bench.settings.repetitions),
                             str(bench.settings.burst_ms), path],
                            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True)
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    found = [burst["both"] for burst in samples]
    title = f"a domain of {len(xml) / 1000:.1f} KB, "
    return [Figure(title + "translated and restored", MICROSECONDS,
                   {VIRTPASSD: statistics.median(found)},
                   [Check("{:.0f} µs", found, at_most=300)], samples),
            Figure(title + "looked through before", MICROSECONDS,
                   {VIRTPASSD: statistics.median(burst["needs"] for burst in samples)})]


# --- what QEMU can do --------------------------------------------------------

def probing(bench):
    """445 device types with 62000 properties, and the schema."""
    result = subprocess.run([os.path.join(bench.programs, "probe"),
                             str(bench.settings.repetitions), guest.EMULATOR,
                             os.path.join(bench.root, "facts")],
                            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    figures = []
    for source, title, limit in (("process", "asked of a process", 1000),
                                 ("file", "from a file", 20), ("memory", "from memory", 1)):
        found = [sample[source] / 1000 for sample in samples]
        figures.append(Figure(f"what a QEMU can do, {title}", "ms",
                              {VIRTPASSD: statistics.median(found)},
                              [Check("{:.1f} ms", found, at_most=limit)], samples))
    return figures


# --- with a scripted one ----------------------------------------------------

def idle_client(path):
    """A stock client with an event loop, after its connection is open."""
    client = rpc.Client(path)
    client.auth()
    for feature in FEATURES_BEFORE:
        client.call(rpc.SUPPORTS_FEATURE, xdr.i32(feature))
    client.open(lab.URI)
    for feature in FEATURES_AFTER:
        client.call(rpc.SUPPORTS_FEATURE, xdr.i32(feature))
    return client


def per_item(title, before, after, count, at_most=None):
    """Growth of the process for each of so many: of its anonymous memory, for what it shares
    with other processes changes with them."""
    grown = {key: (after[key] - before[key]) / count for key in ("Rss", "Pss", "Pss_Anon")}
    check = [Check("{:.1f} KiB", [grown["Pss_Anon"]], at_most=at_most)] if at_most else []
    return Figure(title, KIB, {VIRTPASSD: grown["Pss_Anon"]}, check, grown)


def scripted_lab(bench, sessions):
    return lab.ScriptedLab(bench.root, os.path.join(bench.programs, "scripted"), bench.real,
                           sessions)


def empty(bench):
    """Memory of a virtpassd that has nothing to do, and what idle clients add to it."""
    count = bench.settings.count
    without = scripted_lab(bench, 0)
    without.start()
    base = lab.memory(without.virtpassd.pid)
    clients = [idle_client(without.virtpassd.sock) for _ in range(count)]
    after = lab.memory(without.virtpassd.pid)
    for client in clients:
        client.close()
    without.stop()
    return base, [Figure("memory of virtpassd alone", KIB, {VIRTPASSD: base["Pss"]},
                         samples=base),
                  per_item(f"memory per idle client, of {count}", base, after, count, 24)]


def attach(bench, full):
    """From starting virtpassd to the last session's being ready."""
    seconds = []
    for start in range(bench.settings.starts):
        if start:
            full.end()
        seconds.append(full.start())
    check = Check("{:.2f} s", seconds, at_most=2)
    return Figure(f"attaching {full.sessions} sessions after a start", "s",
                  {VIRTPASSD: statistics.median(seconds)}, [check], seconds)


def sessions(bench, base):
    count = bench.settings.count
    full = scripted_lab(bench, count)
    attached = attach(bench, full)
    before = lab.memory(full.virtpassd.pid)
    clients = [idle_client(full.virtpassd.sock) for _ in range(count)]
    for client, uuid in zip(clients, full.uuids()):
        client.monitor(("", uuid), lab.QUERY_STATUS)
    after = lab.memory(full.virtpassd.pid)
    for client in clients:
        client.close()
    full.stop()
    return [per_item(f"memory per idle session, of {count}", base, before, count, 24),
            per_item("memory per client that has used a session", before, after, count),
            attached]


def scripted(bench):
    base, figures = empty(bench)
    return figures + sessions(bench, base)


def measure(bench, progress):
    """All figures, in the order in which they are shown."""
    figures = []
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bench.real = lab.RealLab(bench.settings.guests)
    for step in (round_trip, long_reply, many_on_one, many_on_many, forwarded, added, cost,
                 qmp_latency, qmp_throughput, qmp_idle, translating, altering, probing, scripted):
        progress(step.__name__.replace("_", " "))
        figures += step(bench)
    bench.real.stop()
    return figures
