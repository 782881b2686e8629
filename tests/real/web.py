#!/usr/bin/python3
"""The HTTP processes of real daemons: metrics that tell the truth, health, and a flood that changes neither the latency of
tasks nor the renewal of leases."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

import stories
import txnlog
from stories import ROOT, Cluster, needs_quick_skip
from zkserver import wait_until

SILENT_S = 5            # src/daemon/web.h
WAIT_S = 30             # src/io/connections.h
STUCK_S = 30            # src/daemon/feed.h
FDS_OF_CROWD = 2000     # connections that one process of the crowd holds


def ask(address, path, token=None, seconds=10):
    """(code, text)"""
    request = urllib.request.Request("http://%s%s" % (address, path), headers={"Authorization": "Bearer " + token} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def metrics_of(address):
    """{'name{labels}': value}; empty when there is no answer."""
    code, text = ask(address, "/metrics")
    return {name: float(value) for name, value in re.findall(r"(?m)^([a-z][^ ]*) (\S+)$", text)} if code == 200 else {}


def http_of(daemon):
    """Pid of the HTTP process of a daemon."""
    for task in os.listdir("/proc/%d/task" % daemon.pid):
        with open("/proc/%d/task/%s/children" % (daemon.pid, task), encoding="ascii") as file:
            for child in file.read().split():
                with open("/proc/%s/cmdline" % child, "rb") as line:
                    if b"\0--http-server\0" in line.read():
                        return int(child)
    return None


class Web(unittest.TestCase):
    def addresses(self, cluster, *names):
        """Where the HTTP of these daemons is, from their znodes."""
        found = []
        for name in names:
            def look(name=name):
                record = cluster.record("%s/workers/%s" % (ROOT, name))
                if record:
                    return record.get("log")
                for candidate in cluster.children(ROOT + "/election"):
                    record = cluster.record("%s/election/%s" % (ROOT, candidate))
                    if record and record.get("name") == name:
                        return record.get("http")
                return None
            found.append(cluster.wait(look, 20, "address of %s" % name))
        return found

    def becomes(self, address, path, code, seconds=SILENT_S + 15):
        wait_until(lambda: ask(address, path)[0] == code, seconds, "%s%s answers %d" % (address, path, code))


class Metrics(Web):
    def promtool(self, address):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing (apt-get install prometheus)")
        done = subprocess.run(["promtool", "check", "metrics"], input=ask(address, "/metrics")[1], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def expect(self, address, wanted):
        def fits():
            got = metrics_of(address)
            return all(got.get(name) == value for name, value in wanted.items())
        try:
            wait_until(fits, 15, "the metrics")
        except TimeoutError:
            got = metrics_of(address)
            self.assertEqual({name: got.get(name) for name in wanted}, wanted)

    def test_truth(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.ready(0)
            cluster.dispatcher("d2")
            worker = cluster.worker("w1", 3)
            cluster.ready(1)
            d1, d2, w1 = self.addresses(cluster, "d1", "d2", "w1")
            cluster.submit_many([{"argv": ["echo", "four"]}] * 5 + [{"argv": ["false"]}] + [{"argv": ["/nix"]}])
            cluster.wait_ended(7, 30)
            waiting, = cluster.submit("--queue=default", "--", "sleep", "1000")
            cluster.wait(lambda: cluster.state(waiting) == "claimed", 10, "the task runs")
            queue = '{queue="default"}'
            self.expect(d1, {
                "zkq_dispatcher_is_leader": 1, "zkq_dispatcher_has_leader": 1, "zkq_zookeeper_connected": 1,
                'zkq_dispatcher_elections_total{result="won"}': 1, 'zkq_workers{state="up"}': 1, "zkq_worker_slots": 3,
                "zkq_tasks_submitted_total" + queue: 8, "zkq_tasks_assigned_total" + queue: 8,
                'zkq_tasks_finished_total{queue="default",result="done"}': 5,
                'zkq_tasks_finished_total{queue="default",result="failed"}': 2,
                'zkq_tasks{queue="default",state="running"}': 1, 'zkq_tasks{queue="default",state="waiting"}': 0,
                "zkq_dispatch_duration_seconds_count": 8})
            self.expect(d2, {"zkq_dispatcher_is_leader": 0, "zkq_dispatcher_has_leader": 1})
            self.assertEqual([name for name in metrics_of(d2) if name.startswith(("zkq_tasks", "zkq_worker", "zkq_last"))], [])
            self.expect(w1, {
                "zkq_worker_up": 1, "zkq_worker_slots": 3, "zkq_worker_slots_used": 1, "zkq_worker_tasks_started_total": 8,
                'zkq_worker_tasks_finished_total{result="done"}': 5, 'zkq_worker_tasks_finished_total{result="failed"}': 2,
                'zkq_worker_spawn_failures_total{stage="exec"}': 1, "zkq_worker_log_bytes_total": 25,
                "zkq_task_run_seconds_count": 6, "zkq_task_wait_seconds_count": 8, "zkq_worker_draining": 0})
            got = metrics_of(w1)
            self.assertAlmostEqual(got["process_start_time_seconds"], time.time(), delta=60)
            self.assertGreater(got["process_resident_memory_bytes"], 1e6)
            self.assertGreater(got["process_open_fds"], 5)
            for address in (d1, d2, w1):
                self.promtool(address)
            for address in (d1, d2, w1):
                code, text = ask(address, "/readyz?verbose")
                self.assertEqual((code, "[-]" in text), (200, False), text)
            # A worker that drains gets no more, and says so.
            worker.expected = True
            worker.signal(signal.SIGTERM)
            self.becomes(w1, "/readyz", 503)
            self.assertIn("[-]takes tasks drains", ask(w1, "/readyz")[1])
            self.assertEqual(ask(w1, "/livez")[0], 200)
            self.expect(d1, {'zkq_workers{state="draining"}': 1, 'zkq_workers{state="up"}': 0})

    @needs_quick_skip
    def test_health(self):
        with Cluster() as cluster:
            dispatcher, worker = cluster.dispatcher("d1"), cluster.worker("w1", 1)
            cluster.ready(1)
            d1, w1 = self.addresses(cluster, "d1", "w1")
            self.becomes(d1, "/readyz", 200)
            self.becomes(w1, "/readyz", 200)
            cluster.ensemble.halt()
            for address in (d1, w1):
                self.becomes(address, "/readyz", 503)
                self.assertIn("[-]zookeeper not connected for", ask(address, "/readyz")[1])
                self.assertEqual(ask(address, "/livez")[0], 200)
            dispatcher.signal(signal.SIGSTOP)
            self.becomes(d1, "/livez", 503)
            self.assertEqual(ask(d1, "/metrics")[0], 503)
            dispatcher.signal(signal.SIGCONT)
            self.becomes(d1, "/livez", 200)
            dispatcher.kill()   # in good order they would wait for ZooKeeper
            worker.kill()


class Killed(Web):
    def test_killed(self):
        """kill -9 of both HTTP processes, again and again, beside tasks."""
        with Cluster() as cluster:
            dispatcher, worker = cluster.dispatcher("d1"), cluster.worker("w1", 2)
            cluster.ready(1)
            addresses = self.addresses(cluster, "d1", "w1")
            coordinator, leader = cluster.coordinator_pid("w1"), cluster.leader_pid()
            one, = cluster.submit("--", "sleep", "2")
            for count in (1,) if stories.OPTIONS.quick else (1, 2):
                for daemon, address in ((dispatcher, addresses[0]), (worker, addresses[1])):
                    pid = cluster.wait(lambda daemon=daemon: http_of(daemon), 15, "an HTTP process")
                    os.kill(pid, signal.SIGKILL)
                    cluster.wait(lambda address=address: metrics_of(address).get("zkq_http_restarts_total") == count, 15,
                                 "it is back, for the %d. time" % count)
                    self.becomes(address, "/readyz", 200)
            self.assertEqual((cluster.coordinator_pid("w1"), cluster.leader_pid()), (coordinator, leader))
            result = cluster.result(one)
            self.assertEqual((result["state"], result["attempt"]), ("done", 1))
            # It has no credential and no way to new rights.
            with open("/proc/%d/environ" % http_of(dispatcher), "rb") as file:
                self.assertNotIn(b"ZKQ_AUTH=", file.read())
            with open("/proc/%d/status" % http_of(dispatcher), encoding="ascii") as file:
                self.assertIn("NoNewPrivs:\t1\n", file.read())
            cluster.judge([one], {"done"})

    @needs_quick_skip
    def test_hangs(self):
        """One that hangs is not waited for, and replaced."""
        with Cluster() as cluster:
            dispatcher = cluster.dispatcher("d1")
            cluster.worker("w1", 2)
            cluster.ready(1)
            address, = self.addresses(cluster, "d1")
            os.kill(http_of(dispatcher), signal.SIGSTOP)
            # Each snapshot is some 12 kB: the socket takes a few, then they are dropped.
            deadline = time.monotonic() + STUCK_S + 60
            while metrics_of(address).get("zkq_http_restarts_total") != 1:
                self.assertLess(time.monotonic(), deadline, "it was not replaced")
                self.assertEqual(cluster.zkq("run", "--", "true").returncode, 0)
                time.sleep(0.5)
            self.assertGreater(metrics_of(address)["zkq_http_snapshots_dropped_total"], 10)


class Crowd:
    """Clients that want nothing good, each kind in processes of its own."""

    def __init__(self):
        self.processes, self.ready = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def start(self, kind, address, count, *more):
        while count > 0:
            part = min(count, FDS_OF_CROWD)
            process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--crowd", kind, address, str(part), *more],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.processes.append(process)
            count -= part

    def wait(self):
        """Until all connections that were started have been made."""
        for process in self.processes[self.ready:]:
            self.ready += 1
            line = process.stdout.readline()
            if line.strip() != b"ready":
                raise AssertionError("the crowd said %r" % line)


def crowd(kind, address, count, path="/metrics", token=""):
    """The other side of Crowd: makes its connections, says so, and goes on until it is killed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 4096), hard))
    host, _, port = address.rpartition(":")
    request = ("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % (path, token)).encode()
    peers = []
    for _ in range(int(count)):
        peer = socket.create_connection((host, int(port)), timeout=30)
        if kind == "header":
            peer.sendall(b"GET / HTTP/1.1\r\nX: ")
        elif kind in ("reader", "follower"):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.sendall(request + b"\r\n" if kind == "follower" else (request + b"\r\n") * 50)
        peers.append(peer)
    print("ready", flush=True)
    while True:
        time.sleep(1)
        for peer in peers:
            try:
                if kind == "header":
                    peer.send(b"a")
                elif kind in ("reader", "follower"):
                    peer.recv(1000, socket.MSG_DONTWAIT)
            except OSError:
                pass    # dropped, or nothing to read


class Flood(Web):
    def latencies(self, cluster, seconds, least):
        """Seconds from submit to done of tasks one after the other."""
        found, end = [], time.monotonic() + seconds
        while time.monotonic() < end or len(found) < least:
            began = time.monotonic()
            self.assertEqual(cluster.zkq("run", "--", "true").returncode, 0)
            found.append(time.monotonic() - began)
        return sorted(found)

    def gaps(self, cluster, session, spans):
        """The longest time without a proof of life of the worker's session in each span, from the transaction log."""
        history = txnlog.whole_history([server.data for server in cluster.ensemble.servers])
        times = [record.wall_ms for record in history if record.session == session and record.applied
                 and any(op.kind == txnlog.CHECK and "/live-" in op.path for op in record.ops)]
        longest = []
        for begin, end in spans:
            inside = [begin] + [one for one in times if begin <= one <= end] + [end]
            longest.append(max(b - a for a, b in zip(inside, inside[1:])))
        return longest

    def test_flood(self):
        quick = stories.OPTIONS.quick
        idle, size, span = (500, 256 << 20, 2) if quick else (10000, 10 << 30, 20)
        with Cluster(session_s=4, lost_after_s=8) as cluster, Crowd() as crowds:
            cluster.dispatcher("d1")
            worker = cluster.worker("w1", 3)
            cluster.ready(1)
            d1, w1 = self.addresses(cluster, "d1", "w1")
            token, _ = cluster.client.get(ROOT + "/logkeys/w1")
            token = re.search(r"[a-z0-9]{32}", token.decode()).group()
            session = cluster.client.exists(ROOT + "/workers/w1").ephemeralOwner
            held, = cluster.submit("--", "sleep", "1000")    # exclusive: dies if the lease is not renewed in time
            cluster.wait(lambda: cluster.state(held) == "claimed", 15, "a task holds the lease")
            pids = cluster.coordinator_pid("w1"), cluster.leader_pid()

            begin = stories.wall_ms()
            before = self.latencies(cluster, span, 20)
            middle = stories.wall_ms()

            for address in (d1, w1):
                crowds.start("idle", address, idle)
                crowds.start("header", address, 50)
                crowds.start("reader", address, 50)
            crowds.wait()
            # Not yes(1): it would be killed by a signal, and takes more of the processor than zkq does.
            writer, = cluster.submit("--", "head", "-c", str(size), "/dev/zero")
            cluster.wait(lambda: ask(w1, "/log/%s/1/stdout?from=100000000000" % writer, token)[0] == 200, 20, "it writes")
            crowds.start("follower", w1, 50, "/log/%s/1/stdout?follow=1" % writer, token)
            crowds.wait()
            slow = threading.Thread(target=self.slow_header, args=(d1,))
            if not quick:
                slow.start()
            during = self.latencies(cluster, span, 20)
            while cluster.record(cluster.result_path(writer)) is None:
                during = sorted(during + self.latencies(cluster, 0, 1))
            end = stories.wall_ms()

            # Those who ask for something good get it, beside all that.
            for address in (d1, w1):
                self.assertEqual(ask(address, "/livez")[0], 200)
                got = metrics_of(address)
                self.assertLessEqual(got["zkq_http_connections"], 256 + 32)
                self.assertGreater(got["zkq_http_connections_dropped_total"], idle - 300)
                self.assertEqual((got["zkq_zookeeper_session_expirations_total"], got["zkq_zookeeper_connected"]), (0, 1))
                self.assertEqual(got["zkq_http_restarts_total"], 0)
            self.assertEqual(metrics_of(w1)["zkq_worker_self_fenced_total"], 0)
            result = cluster.result(writer)
            self.assertEqual((result["state"], result["stdout_bytes"]), ("done", size))
            self.assertEqual(result["dropped_bytes"], size - (65 << 20))
            kept = sum(os.path.getsize(os.path.join(folder, file)) for folder, _, files in os.walk(worker.state_dir + "/logs/" + writer)
                       for file in files)
            self.assertLess(kept, 70 << 20)
            self.assertEqual((cluster.coordinator_pid("w1"), cluster.leader_pid()), pids)
            self.assertEqual(cluster.state(held), "claimed")
            if not quick:
                slow.join()
                self.assertAlmostEqual(self.lasted, WAIT_S, delta=5)
            cluster.zkq("cancel", held)
            self.assertEqual(cluster.result(held)["state"], "cancelled")
            cluster.stop()
            gaps = self.gaps(cluster, session, [(begin, middle), (middle, end)])

        def middle_of(sample):
            return sample[len(sample) // 2]

        def late(sample):
            return sample[int(len(sample) * 0.95)]
        print("  latency of a task, ms: before median %.0f, p95 %.0f (%d); during median %.0f, p95 %.0f (%d); longest gap between "
              "proofs for the lease, ms: before %d, during %d" % (
                  middle_of(before) * 1000, late(before) * 1000, len(before), middle_of(during) * 1000, late(during) * 1000,
                  len(during), *gaps))
        # The task that writes takes one of two processors, and so do the clients: a few times slower is theirs.
        self.assertLess(middle_of(during), 4 * middle_of(before) + 0.1)
        self.assertLess(late(during), 4 * late(before) + 1.5)
        # lost_after/6 apart by rule; the lease is lost beyond 6 s.
        self.assertLess(gaps[1], 4000)

    def slow_header(self, address):
        """How long a header that comes byte by byte is put up with."""
        host, _, port = address.rpartition(":")
        began, self.lasted = time.monotonic(), float("inf")
        with socket.create_connection((host, int(port)), timeout=1) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nX: ")
            while time.monotonic() - began < WAIT_S + 10:
                try:
                    peer.send(b"a")
                    if peer.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                return
        self.lasted = time.monotonic() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["--crowd"]:
        crowd(*sys.argv[2:])
    sys.exit(stories.main(__name__))
