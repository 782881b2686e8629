#!/usr/bin/python3
"""Reasons, explanations, beginnings of ids, and what looking costs: in requests and in time."""
import json
import os
import subprocess
import time
import unittest

import stories
from stories import OPTIONS, QUEUE, ROOT, Cluster

SLOW = 10 if OPTIONS.wrap else 1


class Status(unittest.TestCase):
    def item(self, cluster, task):
        """What a list says of a task; what zkq show and explain say must be the same."""
        done = cluster.zkq("status", "--json", "-n", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        listed = next(item for item in json.loads(done.stdout)["items"] if item["id"] == task)
        for command in ("show", "explain"):
            alone = json.loads(cluster.zkq(command, "--json", task).stdout)["items"][0]
            self.assertEqual((alone["state"], alone["reason"]), (listed["state"], listed["reason"]), command)
        return alone

    def until(self, cluster, task, reason, seconds=20):
        """Waits until a task has that reason; what explain says of it."""
        def there():
            found = json.loads(cluster.zkq("explain", "--json", task).stdout)["items"][0]
            return found if found["reason"] == reason else None
        return cluster.wait(there, seconds, "%s waits for %s" % (task, reason))

    def test_reasons(self):
        """Each reason in turn, in lists, alone and explained, the last ones with every dispatcher down."""
        with Cluster() as cluster:
            leader = cluster.dispatcher("d1")
            cluster.ready(0)
            first, = cluster.submit("sleep", "1000")
            self.assertEqual(self.item(cluster, first)["reason"], "NoWorker")
            worker = cluster.worker("w1", 1)
            cluster.ready(1)
            cluster.wait(lambda: cluster.claims("w1"), 20, "the first one runs")
            runs = self.item(cluster, first)
            self.assertEqual((runs["state"], runs["reason"], runs["worker"]), ("running", None, "w1"))
            self.assertIn("claimed", runs)
            self.assertEqual(runs["lost_after_seconds"], stories.LOST_AFTER_S)
            low, = cluster.submit("-p", "3", "true")
            found = self.until(cluster, low, "NoSlot")
            self.assertEqual((found["higher"], found["before"], found["workers"][0]["reason"]), (0, 0, "NoSlot"))
            high, = cluster.submit("-p", "7", "true")
            found = self.item(cluster, low)
            self.assertEqual((found["reason"], found["higher"], found["before"]), ("Priority", 1, 0))
            self.assertEqual(self.item(cluster, high)["reason"], "NoSlot")
            for path in found["paths"]:
                self.assertTrue(cluster.client.exists(path), path)
            cluster.zkq("queue", "pause", "default")
            self.assertEqual(self.item(cluster, high)["reason"], "QueuePaused")
            cluster.zkq("queue", "resume", "default")

            leader.kill()
            cluster.wait(lambda: not cluster.leader_pid(), 20, "nobody leads")
            self.assertEqual(self.item(cluster, high)["reason"], "NoLeader")
            cluster.zkq("cancel", "--timeout=1s", high)
            self.assertEqual(self.item(cluster, high)["reason"], "Cancelling")
            cluster.zkq("cancel", "--timeout=1s", first)
            found = self.item(cluster, first)
            self.assertEqual((found["state"], found["reason"]), ("stopping", "Cancelling"))
            text = cluster.zkq("status").stdout
            self.assertIn("no leader: no dispatcher is up", text)
            self.assertIn("(Cancelling)", text)

            path = next(path for path in self.item(cluster, low)["paths"] if "/classes/" in path)
            cluster.client.delete(path)
            cluster.dispatcher("d2")
            cluster.ready(0)
            self.until(cluster, low, "ClassUnknown")
            self.assertEqual(cluster.result(high)["state"], "cancelled")
            self.assertFalse(worker.expected)

    def test_worker_lost(self):
        """A worker's machine goes away while nobody leads: its task says so, and how long it takes."""
        with Cluster() as cluster:
            leader = cluster.dispatcher("d1")
            worker = cluster.worker("w1", 1)
            cluster.ready(1)
            task, = cluster.submit("sleep", "1000")
            cluster.wait(cluster.claims, 20, "it runs")
            leader.kill()
            os.kill(cluster.coordinator_pid("w1"), 9)
            worker.kill()
            found = self.until(cluster, task, "WorkerLost")
            self.assertEqual((found["state"], found["lost_after_seconds"]), ("running", stories.LOST_AFTER_S))
            listed = json.loads(cluster.zkq("worker", "list", "--json").stdout)["items"][0]
            self.assertEqual((listed["state"], listed["claims"]), ("lost", 1))

    def test_ids(self):
        """Beginnings, tokens and "last" stand for ids, live and ended ones."""
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.ready(0)
            waits, = cluster.submit("true")
            token = waits.split(".")[2]
            for text in (token, token[:5], waits[:-4], "last"):
                self.assertEqual(json.loads(cluster.zkq("show", "--json", text).stdout)["items"][0]["id"], waits, text)
            tasks = cluster.submit_many([{"argv": ["true"]}] * 30)
            done = cluster.zkq("cancel", tasks[0].split(".")[2][:12])
            self.assertEqual(done.returncode, 65, done.stderr)
            self.assertIn("30 ids begin so: ", done.stderr)
            cluster.worker("w1", 2)
            cluster.ready(1)
            self.assertEqual(cluster.zkq("wait", token[:6]).returncode, 0)
            self.assertEqual(cluster.zkq("status", "--no-header", "-o", "id,state", token).stdout.split(), [waits, "DONE"])
            for command in ("show", "explain", "status", "results", "cancel", "wait", "logs", "update"):
                for text in ("zzzz", "default.0.zzzz", "default.0.zzzzzzzzzzzz"):
                    done = cluster.zkq(command, *(["-p", "3"] if command == "update" else []), text)
                    self.assertEqual((done.returncode, done.stderr), (125 if command == "wait" else 1,
                                     "zkq-%s: %s: no such task, or its result was removed by retention\n" % (command, text)))
            self.assertEqual(cluster.zkq("run", "true").returncode, 0)
            self.assertEqual(cluster.zkq("status", "--no-header", "-o", "name,state", "last").stdout.split(), ["true", "DONE"])

    # ---- cost ----

    def command(self, *arguments):
        """The program itself: in a build tree zkq is a script of libtool's that starts it."""
        program = os.path.join(OPTIONS.build, ".libs", "zkq")
        if not os.access(program, os.X_OK):
            program = os.path.join(OPTIONS.build, "zkq")
        return [*OPTIONS.wrap.split(), program, *arguments]

    def cost(self, cluster, *arguments, times=7):
        """Least requests that the ensemble got while it ran, and least seconds it took, of several runs."""
        environment = dict(cluster.environment, LD_LIBRARY_PATH=os.path.join(OPTIONS.build, ".libs"))
        requests, seconds = [], []
        for _ in range(times):
            before = cluster.ensemble.counters()["zk_packets_received"]
            start = time.monotonic()
            done = subprocess.run(self.command(*arguments), env=environment, cwd=cluster.folder, capture_output=True, check=False)
            seconds.append(time.monotonic() - start)
            requests.append(cluster.ensemble.counters()["zk_packets_received"] - before)
            self.assertEqual(done.returncode, 0, done.stderr)
        print("%-28s %4d requests  %6.1f ms" % (" ".join(arguments[:3]), min(requests), min(seconds) * 1000))
        return min(requests), min(seconds)

    def test_many(self):
        """A list of 10,000 tasks costs a few listings per segment and reads for the rows shown; an id costs nothing more."""
        count = 10000
        with Cluster() as cluster:
            leader = cluster.dispatcher("d1")
            cluster.ready(0)
            tasks = cluster.submit_many([{"argv": ["true"]}] * count)
            self.assertEqual(len(tasks), count)
            leader.kill()
            cluster.wait(lambda: not cluster.leader_pid(), 20, "nobody leads")
            segments = len(cluster.children(QUEUE + "/tasks"))
            self.assertLessEqual(segments, 50)
            # Of a segment tasks, retries, results and dead letters for the list; tasks, results and dead letters for the counts.
            # Payloads of the rows shown, and what does not depend on the number of tasks.
            most = 7 * segments + 60 + 40
            requests, seconds = self.cost(cluster, "status")
            self.assertLessEqual(requests, most)
            self.assertLess(seconds, 0.3 * SLOW)      # 33 ms alone on two cores
            requests, seconds = self.cost(cluster, "status", "-n", "0", times=3)
            self.assertLessEqual(requests, most - 50)
            requests, _ = self.cost(cluster, "explain", tasks[count // 2], times=3)
            self.assertLessEqual(requests, 2 * segments + 40)
            requests, _ = self.cost(cluster, "show", tasks[-1].split(".")[2], times=3)
            self.assertLessEqual(requests, 5 * segments + 50)
            done = cluster.zkq("show", ".".join(tasks[-1].split(".")[:2]) + "." + tasks[-1].split(".")[2][:13])
            self.assertEqual(done.returncode, 65, done.stderr)
            self.assertIn("ids begin so", done.stderr)
            done = cluster.zkq("status", "--json")
            answer = json.loads(done.stdout)
            self.assertEqual((len(answer["items"]), answer["matching"], answer["waiting"]), (50, count, count))
            self.assertEqual(json.loads(cluster.zkq("explain", "--json", tasks[-1]).stdout)["items"][0]["before"], count - 1)
            self.assertEqual(len(cluster.children(ROOT + "/queues")), 1)

    def test_short_ways(self):
        """Programs start at once, and a task that does nothing comes back in a few round trips."""
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.worker("w1", 2)
            cluster.ready(1)
            cluster.zkq("run", "true")
            requests, seconds = self.cost(cluster, "run", "true", times=15)
            # Those of the submitter, of the leader and of the worker, and pings.
            self.assertLessEqual(requests, 32)
            self.assertLess(seconds, 0.09 * SLOW)     # 18 ms alone on two cores
            _, seconds = self.cost(cluster, "--version")
            self.assertLess(seconds, 0.02 * SLOW)
            for program in ("zkq-dispatcher", "zkq-worker"):
                seconds = []
                for _ in range(7):
                    start = time.monotonic()
                    subprocess.run([*OPTIONS.wrap.split(), os.path.join(OPTIONS.build, program), "--version"], check=True,
                                   stdout=subprocess.DEVNULL)
                    seconds.append(time.monotonic() - start)
                self.assertLess(min(seconds), 0.02 * SLOW, program)


if __name__ == "__main__":
    stories.main(__name__)
