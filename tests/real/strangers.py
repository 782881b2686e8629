#!/usr/bin/python3
"""Any client may submit through the inbox. What strangers put into the tree beside tasks: tests/real/bad.py."""
import json
import subprocess
import sys
import unittest

import stories
from stories import QUEUE, Cluster


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


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
