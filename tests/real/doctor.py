#!/usr/bin/python3
"""zkq doctor and zkq ping on real servers: what is wrong is found, nothing is left behind, and what is well is said to be."""
import json
import shutil
import sys
import time
import unittest

import stories
from stories import Cluster, needs_quick_skip

ROOT = stories.ROOT
QUEUE = stories.QUEUE
# Debian's servers have a known bug, and a test cluster is alone and open.
EXPECTED = {"version", "permissions"}


def examine(cluster, *arguments):
    """zkq doctor: exit code and findings."""
    done = cluster.zkq("doctor", "--json", *arguments)
    return done.returncode, json.loads(done.stdout)["items"]


def found(items, level, check, text=""):
    return [item for item in items if item["level"] == level and item["check"] == check and text in "%s: %s" % (item["what"], item["value"])]


def tree(cluster, path="/"):
    """Every path below path."""
    paths = [path]
    for name in cluster.children(path):
        paths += tree(cluster, path.rstrip("/") + "/" + name)
    return paths


class Doctor(unittest.TestCase):
    def none_but(self, items, expected):
        wrong = [item for item in items if item["level"] in ("warning", "error") and item["check"] not in expected]
        self.assertEqual(wrong, [])

    def one(self, items, level, check, text):
        self.assertEqual(len(found(items, level, check, text)), 1, items)

    def test_from_nothing_to_well(self):
        with Cluster() as cluster:
            code, items = examine(cluster)
            self.assertEqual(code, 1)
            self.one(items, "error", "root", "there is no zkq tree")
            self.assertIn("start a dispatcher: zkq-dispatcher --zk " + cluster.ensemble.connect_string,
                          found(items, "error", "root")[0]["next"])
            self.assertEqual(cluster.zkq("ping").returncode, 69)
            self.assertEqual(cluster.zkq("ping", "--wait=500ms").returncode, 124)
            self.assertEqual(cluster.children(ROOT), [])
            cluster.dispatcher("d1")
            self.assertEqual(cluster.zkq("ping", "--wait=20s").returncode, 0)
            cluster.wait(lambda: cluster.children(ROOT + "/queues"), 20, "the first queue")
            code, items = examine(cluster)
            self.assertEqual(code, 0)
            self.one(items, "warning", "workers", "none is up")
            cluster.dispatcher("d2")
            cluster.worker("w1")
            cluster.ready(1)
            cluster.wait(lambda: len(cluster.children(ROOT + "/election")) == 2, 20, "two dispatchers")
            before = tree(cluster)
            code, items = examine(cluster)
            self.assertEqual(code, 0)
            self.none_but(items, EXPECTED)
            self.one(items, "ok", "clock", "within")
            self.one(items, "ok", "leader", "1 stand by")
            self.one(items, "ok", "requests", "900000")
            self.assertEqual([path for path in tree(cluster) if "probe" in path], [])
            self.assertEqual(before, tree(cluster))
            log = cluster.client.get_children(ROOT, include_data=True)[1].cversion
            code, items = examine(cluster, "--no-write")
            self.assertEqual((code, cluster.client.exists(ROOT).cversion), (0, log))
            self.one(items, "note", "permissions", "not tried")

    def test_what_is_wrong(self):
        with Cluster() as cluster:
            first = cluster.dispatcher("d1")
            cluster.worker("w1")
            cluster.ready(1)
            cluster.submit("true")
            first.kill()
            client = cluster.client
            cluster.wait(lambda: not cluster.children(ROOT + "/election"), 20, "the leader is gone")
            cluster.zkq("queue", "pause", "--reason=swap", "default")
            cluster.zkq("queue", "create", "lonely")
            cluster.submit("-Q", "lonely", "true")
            client.create(QUEUE + "/inbox/t-", b"{}", sequence=True)
            client.create(ROOT + "/junk", b"")
            code, items = examine(cluster)
            self.assertEqual(code, 1)
            self.one(items, "error", "leader", "nobody leads")
            self.one(items, "note", "queues", "paused by")
            self.one(items, "warning", "queues", "queue lonely: 1 tasks wait, and no worker serves it")
            self.one(items, "note", "strangers", ROOT + "/junk")
            self.one(items, "warning", "permissions", "everybody")

    def test_servers_that_refuse(self):
        """Four-letter words off (the default), a small jute.maxbuffer, short sessions."""
        with Cluster() as cluster:
            cluster.ensemble.halt()
            server = cluster.ensemble.servers[0]
            write = cluster.ensemble._write_config

            def config(one):
                path = write(one)
                with open(path, encoding="ascii") as file:
                    text = file.read().replace("whitelist=srvr,mntr,ruok,cons,wchs,dump", "whitelist=srvr")
                with open(path, "w", encoding="ascii") as file:
                    file.write(text.replace("maxSessionTimeout=40000", "maxSessionTimeout=5000"))
                return path
            cluster.ensemble._write_config = config
            cluster.ensemble.properties.append("-Djute.maxbuffer=500000")
            cluster.ensemble.start()
            _, items = examine(cluster)
            self.one(items, "note", "words", server.endpoint)
            self.one(items, "error", "requests", "refuses requests of 900000 bytes")
            self.one(items, "warning", "session", "5.0 s instead of 10.0 s")
            server_alive = server.mode()
            self.assertEqual(server_alive, "standalone")

    def test_credential(self):
        with Cluster() as cluster:
            cluster.environment["ZKQ_AUTH"] = "digest:zkq:secret"
            cluster.dispatcher("d1")
            self.assertEqual(cluster.zkq("ping", "--wait=20s").returncode, 0)
            cluster.wait(lambda: cluster.zkq("queue", "list").stdout.count("default"), 20, "the first queue")
            code, items = examine(cluster)
            self.assertEqual(code, 0)
            self.assertEqual(found(items, "warning", "permissions"), [])
            del cluster.environment["ZKQ_AUTH"]
            code, items = examine(cluster)
            self.assertEqual(code, 1)
            self.one(items, "error", "root", "may not be read")
            self.assertEqual(cluster.zkq("ping").returncode, 77)

    @unittest.skipUnless(shutil.which("faketime"), "faketime is missing")
    def test_wrong_clock(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            self.assertEqual(cluster.zkq("ping", "--wait=20s").returncode, 0)
            program = cluster.program
            cluster.environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"     # faketime's library comes first
            cluster.program = lambda name: ["faketime", "-f", "-90s"] + program(name)
            _, items = examine(cluster)
            self.one(items, "warning", "clock", "behind the server's")

    @needs_quick_skip
    def test_three_servers(self):
        with Cluster(3) as cluster:
            cluster.dispatcher("d1")
            cluster.worker("w1")
            cluster.ready(1)
            _, items = examine(cluster)
            self.one(items, "ok", "ensemble", "3 servers, 3 reachable")
            self.assertEqual(len(found(items, "ok", "server")), 3)
            stopped = next(one for one in cluster.ensemble.servers if one.mode() == "follower")
            cluster.ensemble.kill_server(stopped)
            cluster.wait(lambda: cluster.zkq("ping").returncode == 0, 20, "the others serve")
            code, items = examine(cluster)
            self.assertEqual(code, 0)
            self.one(items, "warning", "server", stopped.endpoint + ": connection refused")
            paused = next(one for one in cluster.ensemble.servers if one is not stopped and one.mode() == "follower")
            cluster.ensemble.pause_server(paused)
            began = time.monotonic()
            code, items = examine(cluster, "--timeout=6s")
            self.assertLess(time.monotonic() - began, 15)
            self.assertEqual(code, 69)
            self.one(items, "warning", "server", paused.endpoint + ": takes connections, answers nothing")
            self.assertEqual(len(found(items, "error", "session")), 1)
            cluster.ensemble.resume_server(paused)
            cluster.wait(lambda: cluster.zkq("ping").returncode == 0, 30, "they serve again")


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
