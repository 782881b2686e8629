#!/usr/bin/python3
"""zkserver: one or three ZooKeeper servers of the system's package on free loopback ports, for tests.

As a module: class Ensemble. As a command:

    zkserver.py run [-n 1|3] [--tick MS] [-- COMMAND...]

prints the connect string on one line and stays until standard input closes; with COMMAND it runs that
instead, with ZKQ_ZK set, and exits as it did. Exit 77 where Java or ZooKeeper is absent.
"""
import argparse
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIP = 77
JARS = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-log4j12.jar", "/usr/share/java/log4j-1.2.jar"]
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


def missing():
    """What is absent on this machine, or None."""
    if not shutil.which("java"):
        return "java"
    for jar in JARS:
        if not os.path.exists(jar):
            return jar
    return None


def skip_unless_present():
    what = missing()
    if what:
        print("skipped: %s is missing (apt-get install zookeeper libzookeeper-java default-jre-headless)" % what)
        sys.exit(SKIP)


def wait_until(condition, seconds, what):
    """Polls condition() until it is true and returns what it gave; TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError("not within %g s: %s" % (seconds, what))
        select.select([], [], [], pause)
        pause = min(pause * 1.5, 0.2)


def free_port(address):
    """A port that nobody listens on now. Callers retry when somebody else was quicker."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class Server:
    """One server: its directory, ports and process."""

    def __init__(self, number, folder, address):
        self.number = number
        self.folder = folder
        self.address = address
        self.process = None
        self.paused = False
        os.makedirs(folder)
        with open(os.path.join(folder, "myid"), "w", encoding="ascii") as file:
            file.write("%d\n" % number)
        self.draw_ports()

    def draw_ports(self):
        self.port = free_port(self.address)
        self.quorum_port = free_port(self.address)
        self.election_port = free_port(self.address)

    @property
    def pid(self):
        return self.process.pid if self.process else None

    @property
    def endpoint(self):
        return "%s:%d" % (self.address, self.port)

    @property
    def data(self):
        """Where its transaction logs lie."""
        return os.path.join(self.folder, "version-2")

    def ask(self, word, timeout=2.0):
        """The answer to a four-letter word, or None when there is none."""
        try:
            with socket.create_connection((self.address, self.port), timeout) as link:
                link.settimeout(timeout)
                link.sendall(word.encode())
                parts = []
                while True:
                    part = link.recv(65536)
                    if not part:
                        break
                    parts.append(part)
        except OSError:
            return None
        return b"".join(parts).decode("utf-8", "replace")

    def mode(self):
        """"leader", "follower", "standalone", or None while it does not serve."""
        for line in (self.ask("srvr") or "").splitlines():
            if line.startswith("Mode: "):
                return line[6:].strip()
        return None

    def counters(self):
        """What mntr says: a dictionary, numbers as numbers."""
        values = {}
        for line in (self.ask("mntr", 5.0) or "").splitlines():
            name, tab, text = line.partition("\t")
            if not tab:
                continue
            try:
                values[name] = float(text) if "." in text else int(text)
            except ValueError:
                values[name] = text
        return values

    def alive(self):
        return self.process is not None and self.process.poll() is None


class Ensemble:
    """A private ensemble. Use as a context manager, or call start() and stop()."""

    def __init__(self, servers=1, tick_ms=500, folder=None, max_session_ms=40000, heap="256m", pre_alloc_kb=64,
                 properties=()):
        self.keep = folder is not None
        self.folder = folder or tempfile.mkdtemp(prefix="zkq-zk-")
        self.tick_ms = tick_ms
        self.max_session_ms = max_session_ms
        self.heap = heap
        self.properties = ["-Dzookeeper.preAllocSize=%d" % pre_alloc_kb, *properties]
        # Distinct addresses: the C client takes servers with the same address for one.
        self.servers = [Server(i + 1, os.path.join(self.folder, "zk%d" % (i + 1)), "127.0.0.%d" % (i + 1))
                        for i in range(servers)]
        with open(os.path.join(self.folder, "log4j.properties"), "w", encoding="ascii") as file:
            file.write("log4j.rootLogger=WARN, OUT\n"
                       "log4j.appender.OUT=org.apache.log4j.ConsoleAppender\n"
                       "log4j.appender.OUT.layout=org.apache.log4j.PatternLayout\n"
                       "log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n\n")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    @property
    def connect_string(self):
        return ",".join(server.endpoint for server in self.servers)

    def _write_config(self, server):
        lines = ["tickTime=%d" % self.tick_ms, "initLimit=20", "syncLimit=4", "dataDir=%s" % server.folder,
                 "clientPort=%d" % server.port, "clientPortAddress=%s" % server.address, "maxClientCnxns=0",
                 "maxSessionTimeout=%d" % self.max_session_ms, "admin.enableServer=false",
                 "4lw.commands.whitelist=srvr,mntr,ruok,cons,wchs,dump", "autopurge.purgeInterval=0"]
        if len(self.servers) > 1:
            lines += ["server.%d=%s:%d:%d" % (peer.number, peer.address, peer.quorum_port, peer.election_port)
                      for peer in self.servers]
        path = os.path.join(server.folder, "zoo.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        return path

    def start_server(self, server):
        """Starts one server without waiting for it."""
        config = self._write_config(server)
        with open(os.path.join(server.folder, "server.log"), "ab") as log:
            server.process = subprocess.Popen(
                ["java", "-Xms64m", "-Xmx" + self.heap, "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", *self.properties,
                 "-Dlog4j.configuration=file:%s/log4j.properties" % self.folder, "-cp", ":".join(JARS), MAIN, config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=server.folder)
        server.paused = False

    def start(self, seconds=40):
        """Starts what is not running and waits until a majority serves, a lost port race included."""
        for attempt in range(5):
            for server in self.servers:
                if not server.alive():
                    self.start_server(server)
            try:
                self.wait_serving(seconds)
                return
            except ChildProcessError:
                if attempt == 4 or any(os.path.isdir(server.data) and os.listdir(server.data)
                                       and server.mode() for server in self.servers):
                    self.stop()
                    raise
                for server in self.servers:
                    self.kill_server(server)
                    server.draw_ports()
            except BaseException:
                self.stop()
                raise

    def wait_serving(self, seconds=40, everyone=True):
        def serving():
            for server in self.servers:
                if server.process is not None and server.process.poll() is not None and everyone:
                    raise ChildProcessError("server %d ended: %s" % (server.number, self.last_words(server)))
            modes = [server.mode() for server in self.servers]
            count = sum(mode is not None for mode in modes)
            leads = len(self.servers) == 1 or "leader" in modes
            return leads and count >= (len(self.servers) if everyone else len(self.servers) // 2 + 1)
        wait_until(serving, seconds, "ZooKeeper serves on %s" % self.connect_string)

    def last_words(self, server):
        try:
            with open(os.path.join(server.folder, "server.log"), "rb") as file:
                return file.read()[-2000:].decode("utf-8", "replace")
        except OSError:
            return ""

    def leader(self):
        """The server that leads (the only one of one), or None."""
        for server in self.servers:
            if server.alive() and not server.paused and server.mode() in ("leader", "standalone"):
                return server
        return None

    def kill_server(self, server, how=signal.SIGKILL):
        if server.alive():
            if server.paused:
                os.kill(server.pid, signal.SIGCONT)
                server.paused = False
            server.process.send_signal(how)
        if server.process is not None:
            server.process.wait()

    def pause_server(self, server):
        os.kill(server.pid, signal.SIGSTOP)
        server.paused = True

    def resume_server(self, server):
        os.kill(server.pid, signal.SIGCONT)
        server.paused = False

    def halt(self):
        """Kills every server; the data stays for start()."""
        for server in self.servers:
            self.kill_server(server)

    def stop(self):
        """Kills every server and removes the data, unless the folder was given by the caller."""
        self.halt()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def counters(self):
        """Sum of the numbers that mntr gives, over the servers that answer."""
        total = {}
        for server in self.servers:
            for name, value in server.counters().items():
                if isinstance(value, (int, float)):
                    total[name] = total.get(name, 0) + value
        return total


def main():
    parser = argparse.ArgumentParser(description="private ZooKeeper servers for tests")
    parser.add_argument("verb", choices=["run"])
    parser.add_argument("-n", type=int, choices=[1, 3], default=1, help="servers")
    parser.add_argument("--tick", type=int, default=500, help="tickTime in ms")
    arguments, command = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, command = arguments[:at], arguments[at + 1:]
    options = parser.parse_args(arguments)
    skip_unless_present()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    with Ensemble(options.n, options.tick) as ensemble:
        if command:
            return subprocess.call(command, env=dict(os.environ, ZKQ_ZK=ensemble.connect_string))
        print(ensemble.connect_string, flush=True)
        while os.read(0, 4096):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
