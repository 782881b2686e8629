#!/usr/bin/python3
"""zkq purge: folders that nobody else can list are emptied, by one or by two at once, through outages; what must stay stays."""
import json
import os
import pty
import sys
import threading
import time
import unittest

from kazoo.security import make_digest_acl

import stories
from stories import Cluster, needs_quick_skip

MANY = 200000
FEW = 60000     # a listing of more than 1 MB, all the same
BATCH = 2000


def fill(cluster, folder, count):
    """Children as Curator's DistributedQueue names them."""
    client = cluster.client
    client.ensure_path(folder)
    for start in range(0, count, BATCH):
        transaction = client.transaction()
        for number in range(start, min(start + BATCH, count)):
            transaction.create("%s/queue-%010d" % (folder, number), b"")
        for result in transaction.commit():
            assert isinstance(result, str), result


def purge(cluster, *arguments, **more):
    done = cluster.zkq("purge", "--json", "--yes", *arguments, **more)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}, done.stderr


class Purge(unittest.TestCase):
    def test_many(self):
        with Cluster() as cluster:
            many = FEW if stories.OPTIONS.quick else MANY
            fill(cluster, "/app/queue", many)
            began = time.monotonic()
            code, counts, err = purge(cluster, "--path=/app/queue", "--dry-run")
            self.assertEqual((code, counts["found"], counts["deleted"], err), (0, many, 0, ""))
            self.assertEqual(cluster.size("/app/queue"), many)
            began = time.monotonic()
            code, counts, err = purge(cluster, "--path=/app/queue")
            print("| %d children deleted in %.1f s" % (many, time.monotonic() - began))
            self.assertLess(time.monotonic() - began, 60)
            self.assertEqual((code, counts["found"], counts["deleted"], counts["gone"], err), (0, many, many, 0, ""))
            self.assertEqual(cluster.children("/app/queue"), [])
            self.assertTrue(cluster.client.exists("/app/queue"))

    def test_what_stays(self):
        with Cluster() as cluster:
            client = cluster.client
            fill(cluster, "/app", 50)
            fill(cluster, "/app/deep", 5)
            fill(cluster, "/app/deep/deeper/deepest", 30)
            client.add_auth("digest", "owner:secret")
            client.create("/app/locked", acl=[make_digest_acl("owner", "secret", all=True)])
            client.create("/app/locked/a")
            client.create("/app/short", b"", ephemeral=True)
            code, counts, err = purge(cluster, "--path=/app")
            self.assertEqual((code, counts["deleted"], counts["with_children"], counts["refused"]), (1, 51, 2, 0))
            self.assertIn("/app/deep: has children: --recursive", err)
            self.assertEqual(sorted(cluster.children("/app")), ["deep", "locked"])
            code, counts, _ = purge(cluster, "--path=/app", "--recursive", "--dry-run")
            self.assertEqual((code, counts["found"], counts["refused"]), (1, 2 + 6 + 1 + 30, 1))
            code, counts, err = purge(cluster, "--path=/app", "--recursive")
            self.assertEqual((code, counts["deleted"], counts["refused"], counts["with_children"]), (1, 1 + 6 + 1 + 30, 1, 0))
            self.assertIn("/app/locked: not allowed", err)
            self.assertEqual(cluster.children("/app"), ["locked"])
            code, counts, err = purge(cluster, "--path=/app/locked")
            self.assertEqual(code, 77)
            cluster.environment["ZKQ_AUTH"] = "digest:owner:secret"
            self.assertEqual(purge(cluster, "--path=/app/locked")[0], 0)
            self.assertEqual(cluster.children("/app/locked"), [])
            self.assertEqual(purge(cluster, "--path=/nowhere")[0], 1)
            for path in ("/", "/zookeeper", "/zookeeper/quota", "app", "/app/", "//"):
                self.assertEqual(purge(cluster, "--path=" + path)[0], 64, path)

    def test_trees_of_ours(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            self.assertEqual(cluster.zkq("ping", "--wait=20s").returncode, 0)
            cluster.wait(lambda: cluster.children(stories.QUEUE), 20, "the first queue")
            client = cluster.client
            client.create("/other", b'{"v":1,"format":1,"cluster":"x"}')
            client.create("/other/queues")
            for path in ("/zkq", "/zkq/queues", "/zkq/queues/default/inbox", "/other"):
                self.assertEqual(purge(cluster, "--path=" + path)[0], 77, path)
            self.assertTrue(client.exists("/other/queues"))
            self.assertEqual(purge(cluster, "--path=/other", "--force")[0], 0)
            self.assertFalse(client.exists("/other/queues"))
            # The path is below the chroot, as it is for everybody with that connect string.
            fill(cluster, "/base/app", 10)
            cluster.environment["ZKQ_ZK"] += "/base"
            self.assertEqual(purge(cluster, "--path=/app")[:1], (0,))
            self.assertEqual(cluster.children("/base/app"), [])

    def test_young_ones_stay(self):
        with Cluster() as cluster:
            fill(cluster, "/app", 20)
            self.assertEqual(purge(cluster, "--path=/app", "--keep-newer-than=1h")[1]["kept"], 20)
            cluster.wait(lambda: purge(cluster, "--path=/app", "--keep-newer-than=1ms")[1]["deleted"] == 20, 10, "they are old")

    def test_asks(self):
        with Cluster() as cluster:
            for answer, left in ((b"n\n", 5), (b"y\n", 0)):
                fill(cluster, "/app%d" % left, 5)
                pid, terminal = pty.fork()
                if pid == 0:
                    command = cluster.program("zkq") + ["purge", "--path=/app%d" % left]
                    os.execvpe(command[0], command, cluster.environment)
                text = b""
                while b"[y/N]" not in text:
                    text += os.read(terminal, 4096)
                self.assertIn(b"Delete 5 znodes below /app%d?" % left, text)
                os.write(terminal, answer)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 1 if left else 0)
                os.close(terminal)
                self.assertEqual(cluster.size("/app%d" % left), left)

    def test_two_at_once_and_an_outage(self):
        with Cluster() as cluster:
            fill(cluster, "/app", 20000)
            server = cluster.ensemble.servers[0]
            results = []
            threads = [threading.Thread(target=lambda: results.append(purge(cluster, "--path=/app", "--rate=8000"))) for _ in range(2)]
            for thread in threads:
                thread.start()
            cluster.wait(lambda: cluster.size("/app") < 16000, 20, "some are gone")
            cluster.ensemble.kill_server(server)
            cluster.ensemble.start()
            for thread in threads:
                thread.join(60)
            self.assertEqual(cluster.wait(lambda: cluster.client.exists("/app"), 20, "connection").numChildren, 0)
            self.assertEqual([code for code, _, _ in results], [0, 0], results)
            deleted = [counts["deleted"] for _, counts, _ in results]
            self.assertGreaterEqual(sum(deleted), 20000)
            self.assertGreater(min(deleted), 0)

    @needs_quick_skip
    def test_no_server_any_more(self):
        with Cluster() as cluster:
            fill(cluster, "/app", 20000)
            results = []
            thread = threading.Thread(target=lambda: results.append(purge(cluster, "--path=/app", "--rate=5000", "--timeout=3s")))
            thread.start()
            cluster.wait(lambda: cluster.size("/app") < 19000, 20, "some are gone")
            cluster.ensemble.halt()
            thread.join(30)
            code, _, err = results[0]
            self.assertEqual(code, 69)
            self.assertIn("were deleted before", err)


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
