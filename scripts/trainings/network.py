"""Digits among eight participants through a whole network on this machine: a local cluster, a store, a worker for each participant with
its shard, and `tessera train --participants`, once with all of them and once with two who are killed in each round."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

# What the training is called.
NAME = "digits"
# Seconds that anything may take to start.
PATIENCE = 120
# Seconds that a training may take.
LONGEST = 2 * 3600
# Seconds that participants have for each message, and others once the threshold is reached. All is on one machine.
PHASE_SECONDS = 4
LATE_SECONDS = 8


def fail(reason):
    sys.exit(f"compare-training: {reason}")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Network:
    """A local cluster with workers; everything it starts ends with it."""

    def __init__(self, folder, binaries, program, participants):
        self.folder, self.binaries, self.participants = folder, binaries, participants
        self.running, self.workers = [], {}
        self.coordinator = free_port()
        ports = {f"--{name}-port": str(free_port()) for name in ["rpc", "ws", "store"]}
        self.home = folder / "cluster"
        command = [binaries / "tessera", "localnet", "--dir", self.home, "--in-memory", "--slot-time", "50", "--program", program]
        command += ["--providers", str(participants), *(word for pair in ports.items() for word in pair)]
        self.start(command, "localnet")
        self.wait("the local cluster", lambda: (self.home / "env").exists() and "The network runs" in self.log("localnet"))
        lines = (self.home / "env").read_text().splitlines()
        self.env = {**os.environ, "RAYON_NUM_THREADS": "1"}
        for line in lines:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                self.env[name] = shlex.split(value)[0]

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def start(self, command, name):
        with open(self.folder / f"{name}.log", "a") as log:
            env = getattr(self, "env", os.environ)
            process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=env, start_new_session=True)
        self.running.append(process)
        return process

    def wait(self, what, is_so):
        for _ in range(PATIENCE * 5):
            if is_so():
                return
            if self.running[0].poll() is not None:
                fail(f"the local cluster ended: {self.log('localnet')[-2000:]}")
            time.sleep(0.2)
        fail(f"{what} did not start within {PATIENCE} s; see {self.folder}")

    def command(self, *words):
        done = subprocess.run(list(map(str, words)), env=self.env, capture_output=True, text=True)
        if done.returncode:
            fail(f"{shlex.join(map(str, words))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def tessera(self, *words):
        return self.command(self.binaries / "tessera", *words)

    def config(self, n):
        return self.folder / f"worker{n}" / "worker.toml"

    def set_up(self):
        """Registers a worker for each participant; returns their provider accounts and operator keys, in the order of participants."""
        authorities = []
        for n in range(self.participants):
            config = self.config(n)
            config.parent.mkdir()
            words = ["--config", config, "setup", "--market", self.env["TESSERA_MARKET"], "--data-dir", config.parent / "data", "--yes"]
            self.command(self.binaries / "tessera-worker", *words, "--keypair", self.home / f"keys/provider-{n + 1}.json")
            authorities.append(next(line for line in config.read_text().splitlines() if line.startswith("authority")).split('"')[1])
        providers = {provider["authority"]: provider for provider in json.loads(self.tessera("provider", "list", "--json"))}
        return [(providers[authority]["address"], providers[authority]["operator"]) for authority in authorities]

    def take_part(self, n, plan, shard, operators):
        """Tells a worker of the training in which its shard takes part."""
        own = self.config(n).parent / "private"
        (own / "data").mkdir(parents=True)
        self.tessera("shard", plan, shard, "--out", own / "data/digits.shard")
        peers = ", ".join(f'"{operator}"' for i, operator in enumerate(operators) if i != n)
        client = json.loads(self.tessera("wallet", "--json"))["wallet"]
        text = f"""[private]
folder = "{own}"
[[private.training]]
name = "{NAME}"
client = "{client}"
coordinator = "http://127.0.0.1:{self.coordinator}"
plan = "{plan}"
shard = "data/digits.shard"
peers = [{peers}]
"""
        config = self.config(n)
        config.write_text(config.read_text().replace("[private]\n", text, 1))

    def run_worker(self, n):
        self.workers[n] = self.start([self.binaries / "tessera-worker", "--config", self.config(n), "run"], f"worker{n}")

    def kill_worker(self, n):
        # With the process that runs units.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.workers[n].pid, signal.SIGKILL)
        self.workers[n].wait()

    def end(self):
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def train(network, plan, addresses, out, silent):
    """One training; in each round so many participants are killed, other ones in the next. Returns how many seconds it took."""
    listed = ", ".join(f'"{address}"' for address in addresses)
    times = f"phase_seconds = {PHASE_SECONDS}\nlate_seconds = {LATE_SECONDS}\ndeadline_seconds = 120\ncolluders = 3\n"
    participants = out.parent / "participants.toml"
    participants.write_text(f'name = "{NAME}"\nlisten = "127.0.0.1:{network.coordinator}"\nparticipants = [{listed}]\n{times}')
    words = ["train", plan, "--participants", participants, "--out", out, "--price", "0.01", "--replicas", "1", "--yes"]
    began = time.monotonic()
    client = network.start([network.binaries / "tessera", *words], "train")
    rounds, dead, count = 0, [], len(addresses)
    kill(network, dead, rounds, silent, count)
    while client.poll() is None:
        time.sleep(0.5)
        if time.monotonic() - began > LONGEST:
            fail(f"not done after {LONGEST} s; see {network.folder}")
        done = sum(line.startswith("round ") for line in network.log("train").splitlines())
        if done > rounds:
            rounds = done
            kill(network, dead, rounds, silent, count)
    if client.returncode:
        fail(network.log("train")[-2000:])
    return time.monotonic() - began


def kill(network, dead, rounds, silent, count):
    """Those who were killed in the round before come back, others are killed in this one, some seconds after it began: before keys are
    asked for, with the mask in hand, or with the job at work."""
    for n in dead:
        network.run_worker(n)
    dead[:] = [(rounds * silent + i) % count for i in range(silent)]
    for i, n in enumerate(dead):
        threading.Timer((rounds + 2 * i) % 5, network.kill_worker, [n]).start()


def measured(folder, binaries, program, plan, shards, silent):
    """What a training comes to over a whole network: right answers in percent, updates of each round that counted, tokens, seconds."""
    folder.mkdir()
    # What was started ends also where this is stopped from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("compare-training: stopped"))
    network = Network(folder, binaries, program, len(shards))
    try:
        accounts = network.set_up()
        operators = [operator for _, operator in accounts]
        for n, shard in enumerate(shards):
            network.take_part(n, plan, shard, operators)
            network.run_worker(n)
        out = folder / "out"
        seconds = train(network, plan, [address for address, _ in accounts], out, silent)
        paid = re.search(r"([0-9.]+) tokens paid", network.log("train"))[1]
    finally:
        network.end()
    history = [row.split(",") for row in (out / "curve.csv").read_text().splitlines()]
    rows = [dict(zip(history[0], row)) for row in history[1:]]
    updates = [int(row["updates"]) for row in rows]
    return {"accuracy": 100 * float(rows[-1]["accuracy"]), "updates": updates, "paid": paid, "seconds": seconds}
