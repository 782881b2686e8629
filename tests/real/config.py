#!/usr/bin/python3
"""Configuration files of running daemons: --check-config, SIGHUP, and what the service manager is told."""
import json
import os
import signal
import socket
import subprocess
import sys
import unittest

import stories
from stories import Cluster, Ledger, running
from zkserver import wait_until

KEPT = "the configuration stays as it was"


def configure(cluster, text):
    path = cluster.folder + "/zkq.conf"
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)
    cluster.environment["ZKQ_CONFIG"] = path
    return path


class Reload(unittest.TestCase):
    def test_hangup(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            configure(cluster, "[worker]\ndrain-deadline = 1h\n")
            dispatcher = cluster.dispatcher("d1")
            worker = cluster.worker("w1", 2)
            cluster.ready(1)
            one, = cluster.submit("sh", "-c", 'echo $$ >> "$1"; exec sleep 1000', "sh", ledger.path)
            cluster.wait(ledger.lines, 20, "the task runs")

            path = configure(cluster, "[worker]\ndrain-deadline = 10x\n[log]\nlog-format = xml\n")
            for daemon, line in ((dispatcher, 4), (worker, 2)):
                daemon.signal(signal.SIGHUP)
                cluster.wait(lambda d=daemon: KEPT in d.log(), 20, "%s refuses the file" % daemon.name)
                said = [one for one in daemon.log().splitlines() if KEPT in one]
                self.assertEqual(len(said), 1)
                self.assertIn("%s:%d: " % (path, line), said[0])
            # A coordinator that is started now does not depend on the file either.
            os.kill(cluster.coordinator_pid("w1"), signal.SIGKILL)
            done = cluster.zkq("submit", "-w", "-c", "/dev/null", "--", "true")
            self.assertEqual(done.returncode, 0, done.stderr)
            done = cluster.zkq("status")
            self.assertEqual(done.returncode, 0, done.stderr)     # [worker] and [log] are not for commands

            configure(cluster, "[worker]\ndrain-deadline = 1s\nhttp-address = 127.0.0.9:0\n[log]\nlog-format = json\n")
            for daemon in (dispatcher, worker):
                daemon.signal(signal.SIGHUP)
                cluster.wait(lambda d=daemon: "log-format = json from now on" in d.log(), 20, "%s reads it" % daemon.name)
            cluster.wait(lambda: "drain-deadline = 1s from now on" in worker.log(), 20, "the deadline changes")
            cluster.wait(lambda: "http-address = 127.0.0.9:0 needs a restart" in worker.log(), 20, "it says what cannot change")
            self.assertTrue(running(int(ledger.lines()[0][0])))
            self.assertEqual(worker.terminate(), 0)
            self.assertFalse(running(int(ledger.lines()[0][0])))
            self.assertEqual(cluster.state(one), "waiting")
            self.assertEqual(dispatcher.terminate(), 0)
            last = json.loads(worker.log().splitlines()[-1])
            self.assertEqual((last["program"], last["level"]), ("zkq-worker", "info"))
            self.assertTrue(last["time"].endswith("Z") and last["message"], last)
            # The coordinator said so, too, in the new form.
            self.assertIn('"message":"worker w1: draining', worker.log())

    def test_check(self):
        with Cluster() as cluster:
            path = configure(cluster, "[zookeeper]\nzk = a:1,\n  b:2\n[worker]\nslots = 3\n[client]\ntimeout = 5s\n")
            for program, line in (("zkq", "timeout = 5s ; %s:7" % path), ("zkq-worker", "slots = 3 ; %s:5" % path),
                                  ("zkq-dispatcher", "session-timeout = 10s ; default")):
                environment = dict(cluster.environment)
                environment.pop("ZKQ_ZK")
                done = self.check(cluster, program, environment)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("\n%s\n" % line, done.stdout)
                self.assertIn("\nzk = a:1,b:2 ; %s:2\n" % path, done.stdout)
                with open(path, encoding="utf-8") as file:
                    good = file.read()
                configure(cluster, good + "[zookeeper]\nrooot = /x\n")
                done = self.check(cluster, program, environment)
                self.assertEqual((done.returncode, done.stdout), (78, ""))
                self.assertEqual(done.stderr, "%s: %s:9: unknown key 'rooot' in [zookeeper]; is 'root' meant?\n" % (program, path))
                configure(cluster, good)

    @staticmethod
    def check(cluster, program, environment):
        return subprocess.run(cluster.program(program) + ["--check-config"], env=environment, capture_output=True, text=True,
                              timeout=60, check=False)


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def listen(self):
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def wait(self, line, count=1):
        wait_until(lambda: self.listen().count(line) >= count, 30, "the service manager hears " + line)


class Notify(unittest.TestCase):
    def start(self, cluster, which, name, **more):
        with_manager = Manager("%s/%s.notify" % (cluster.folder, name))
        cluster.environment.update(NOTIFY_SOCKET="%s/%s.notify" % (cluster.folder, name), WATCHDOG_USEC="200000")
        daemon = getattr(cluster, which)(name, **more)
        for variable in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            del cluster.environment[variable]
        return with_manager, daemon

    def test_ready(self):
        with Cluster() as cluster:
            for which in ("dispatcher", "worker"):
                manager, daemon = self.start(cluster, which, "early-" + which, hosts="127.0.0.1:1")
                with manager:
                    manager.wait("WATCHDOG=1", 5)
                    self.assertIn("STATUS=connecting to ZooKeeper", manager.heard)
                    self.assertNotIn("READY=1", manager.heard)
                    self.assertEqual(daemon.terminate(), 0)
                    self.assertNotIn("READY=1", manager.listen())
            for which in ("dispatcher", "worker"):
                manager, daemon = self.start(cluster, which, which + "1")
                with manager:
                    manager.wait("READY=1")
                    manager.wait("WATCHDOG=1", 3)
                    self.assertEqual(manager.heard.count("READY=1"), 1)
                    if which == "worker":
                        cluster.ready(1)
                        done = cluster.zkq("run", "sh", "-c", "env | grep -c -e NOTIFY -e WATCHDOG")
                        self.assertEqual(done.stdout, "0\n", done.stderr)
                        self.assertEqual(daemon.terminate(), 0)
                        manager.wait("STOPPING=1")


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
