#!/usr/bin/python3
"""Any client may submit through the inbox; and whatever a stranger puts into the tree harms nobody else."""
import json
import subprocess
import sys
import unittest

import stories
from stories import QUEUE, ROOT, Cluster


def put(cluster, task, name="t-", sequence=True):
    data = task if isinstance(task, bytes) else json.dumps(task).encode()
    return cluster.client.create("%s/inbox/%s" % (QUEUE, name), data, sequence=sequence).rpartition("/")[2]


def moved_id(cluster, name):
    """The id that an inbox task got."""
    digits = name[-10:]
    shard = str(int(digits) // 1000) if len(digits) == 10 and digits.isdigit() else "x"
    record = cluster.wait(lambda: cluster.record("%s/moved/%s/%s" % (QUEUE, shard, name)), 20, "%s is moved" % name)
    return record["id"]


class Strangers(unittest.TestCase):
    def test_inbox(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.worker("w1")
            cluster.ready(1)
            first = put(cluster, {"argv": ["uname", "-a"]})
            names = [put(cluster, {"argv": ["sh", "-c", "echo $1; exit $2", "x", str(i), str(i % 3)]}) for i in range(30)]
            odd = put(cluster, {"argv": ["echo", "odd"], "priority": 9, "name": "odd one"}, "my own name", False)
            result = cluster.result(moved_id(cluster, first))
            self.assertEqual((result["state"], result["exit"]), ("done", 0))
            self.assertEqual(result["tail"], subprocess.check_output(["uname", "-a"], text=True))
            self.assertEqual(cluster.result(moved_id(cluster, odd))["tail"], "odd\n")
            ids = [moved_id(cluster, name) for name in names]
            for i, one in enumerate(ids):
                result = cluster.result(one)
                self.assertEqual((result["exit"], result["tail"]), (i % 3, "%d\n" % i))
                self.assertEqual(result["state"], "failed" if i % 3 else "done")
            self.assertEqual(cluster.children(QUEUE + "/inbox"), [])
            cluster.judge(ids)

    def test_many_in_the_inbox(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.worker("w1")
            cluster.ready(1)
            count = 500 if stories.OPTIONS.quick else 3000
            pending = [cluster.client.create_async(QUEUE + "/inbox/t-", b'{"noop":true}', sequence=True)
                       for _ in range(count)]
            for one in pending:
                one.get(30)
            cluster.wait_ended(count, 60)
            found = cluster.judge()
            self.assertEqual(len(found.ended("done")), count)

    def test_forged_sequence(self):
        """A task created under a name of its own choice, with a sequence far ahead or that of another task, hides none."""
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.worker("w1")
            cluster.ready(1)
            ids = cluster.submit_many([{"noop": True}] * 3)
            for sequence in (999, 9, 10, 11):
                cluster.client.create("%s/tasks/0/5.0123456789abcdef.-.zzzzzzzzz%03d-%010d" % (QUEUE, sequence, sequence), b"?")
            for _ in range(4):
                ids += cluster.submit_many([{"noop": True}] * 5)
                for one in ids:
                    self.assertEqual(cluster.result(one, 30)["state"], "done", one)

    def test_poison(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.dispatcher("d2")
            cluster.ready(0)
            client = cluster.client
            for bad in (b"", b"{", b"[]", b"null", b'"x"', b'{"argv":[]}', b'{"argv":"date"}', b'{"argv":["a",1]}',
                        b'{"argv":["date"],"priority":77}', b'{"argv":["\xff\xfe"]}', b"\0" * 100,
                        b'{"argv":["a"],"env":{"ZKQ_ID":"x"}}', b'{"argv":["' + b"x" * 200000 + b'"]}', b"[" * 5000):
                put(cluster, bad)
            for name in ("x" * 200, "a b", "-", "t-99999999999", "\u202enoitcnuf"):
                put(cluster, {"argv": ["true"]}, name, False)
            client.create(QUEUE + "/inbox/with-children", b'{"argv":["true"]}')
            client.create(QUEUE + "/inbox/with-children/child", b"")
            bad_count = 14
            for path in ("/queues/UPPER", "/queues/not..ok", "/queues/default/tasks/0/junk", "/queues/default/tasks/junk",
                         "/queues/default/tasks/0/5.zz.-.a-0", "/assign/nobody", "/assign/a.b.c", "/workers/no.such name",
                         "/election/junk", "/election/zz-n_99999999999", "/queues/default/done/junk", "/stranger",
                         "/queues/default/classes/junk", "/queues/default/classes/00000000000000aa",
                         "/queues/default/cancel/junk", "/queues/default/retry/0/junk"):
                client.create(ROOT + path, b"\xff not json")
            ids = cluster.submit_many([{"argv": ["true"]} for _ in range(100)])
            names = [name for name in cluster.children(QUEUE + "/tasks/0") if name.count(".") == 3
                     and name.startswith("5.") and ids[0].split(".")[2] in name]
            self.assertEqual(len(names), 1)
            below = "%s/tasks/0/%s/a-child" % (QUEUE, names[0])
            client.create(below, b"")
            worker = cluster.worker("w1")
            cluster.ready(1)
            folder = cluster.wait(lambda: [name for name in cluster.children(ROOT + "/assign") if name.startswith("w1.")],
                                  20, "the worker's folder")[0]
            for name in ("junk", "1:default:0:junk:1:0", "o:999:kill", "o:x:y", "live-77"):
                client.create("%s/assign/%s/%s" % (ROOT, folder, name), b"?")
            more = cluster.submit_many([{"noop": True}] * 500)
            for one in ids[1:] + more:
                self.assertEqual(cluster.result(one, 60)["state"], "done", one)
            dead = cluster.wait(lambda: sum(cluster.size("%s/dead/%s" % (QUEUE, seg))
                                            for seg in cluster.children(QUEUE + "/dead")) >= bad_count, 20,
                                "%d dead letters" % bad_count)
            self.assertTrue(dead)
            self.assertTrue(worker.alive())
            # A new leader finds all of it and goes on as well.
            old = cluster.leader()
            old.kill()
            cluster.wait(lambda: cluster.leader() not in (None, old), 30, "another leader")
            last = cluster.submit("-w", "true")
            self.assertEqual(cluster.result(last[0])["state"], "done")


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
