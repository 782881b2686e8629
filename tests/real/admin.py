#!/usr/bin/python3
"""zkq admin: an export made while the cluster works becomes a cluster in which every task ends once; fsck finds planted
damages, and nothing else, and mends what it says it can."""
import json
import os
import stat
import sys
import time
import unittest

import stories
from stories import Cluster, Ledger, needs_quick_skip

ROOT = stories.ROOT
QUEUE = stories.QUEUE
PLAIN = '{"v":1,"argv":["true"]}'


def fsck(cluster, *arguments):
    done = cluster.zkq("admin", "fsck", "--json", *arguments)
    if not done.stdout:
        raise AssertionError("fsck: exit %d: %s" % (done.returncode, done.stderr))
    return done.returncode, json.loads(done.stdout)["items"]


class Transfer(unittest.TestCase):
    def clean(self, cluster):
        code, items = fsck(cluster)
        self.assertEqual((code, items), (0, []))

    def test_round_trip(self):
        """Tasks in every state; exported at work; imported elsewhere; every one has one result there."""
        with Cluster() as old, Cluster() as new:
            ledger = Ledger(new.folder)
            again = {"argv": ["sh", "-c", 'echo "$ZKQ_ID" "$ZKQ_ATTEMPT" >> "$0"; [ -e "$0.go" ] || sleep 1000', ledger.path]}
            old.dispatcher("d1")
            old.worker("w1", 3)
            old.ready(1)
            done = old.submit_many([{"noop": True}] * 520)      # more than one segment, in batches
            old.wait_ended(520, 60)
            failed = old.submit("false")
            running = old.submit_many([again] * 3)
            old.wait(lambda: len(ledger.lines()) == 3, 20, "three tasks run")
            waiting = old.submit_many([again] * 60) + old.submit("-p", "9", "--key=k1", "true")
            old.zkq("queue", "create", "paper")
            old.zkq("queue", "pause", "paper")
            waiting_there = old.submit("-Q", "paper", "true")
            self.clean(old)
            path = old.folder + "/export"
            out = old.zkq("admin", "export", "--file=" + path)
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertFalse(os.path.exists(path + ".part"))
            with open(path, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual(lines[0]["format"], "zkq-export/1")
            self.assertEqual(lines[-1]["end"], len(lines) - 2)
            self.assertFalse([line for line in lines if line.get("path", "").startswith("logkeys/") and "data" in line])
            for daemon in old.daemons:
                daemon.kill()
            # Strangers who only look like an export, or are cut off, change nothing.
            with open(path, "rb") as file:
                whole = file.read()
            for text, why in ((b"", "cut off"), (b"{}\n", "line 1"), (whole[:-30], "line"), (whole[:whole[:-1].rindex(b"\n") + 1], "cut off"),
                              (b"\0" * 50, "line 1"), (whole + whole, "behind its end")):
                with open(new.folder + "/bad", "wb") as file:
                    file.write(text)
                out = new.zkq("admin", "import", "--file=" + new.folder + "/bad")
                self.assertEqual(out.returncode, 65, out.stderr)
                self.assertIn(why, out.stderr)
            self.assertFalse(new.client.exists(ROOT))
            out = new.zkq("admin", "import", "--root=/nothing/zkq", "--file=" + path)
            self.assertEqual(out.returncode, 1, out.stderr)
            self.assertIn("cannot make /nothing/zkq: /nothing is missing: create it, or choose another root\n", out.stderr)
            out = new.zkq("admin", "import", "--json", "--file=" + path)
            self.assertEqual(out.returncode, 0, out.stderr)
            counts = json.loads(out.stdout)
            self.assertEqual((counts["tasks"], counts["results"], counts["lost"]), (65, 521, 0))
            self.assertGreaterEqual(counts["claimed"], 3)
            self.clean(new)
            # Twice is once too often.
            out = new.zkq("admin", "import", "--file=" + path)
            self.assertEqual(out.returncode, 1)
            self.assertIn("there is a tree already", out.stderr)
            self.assertEqual(new.zkq("admin", "import", "--force", "--file=" + path).returncode, 0)
            self.clean(new)
            with open(ledger.path + ".go", "w", encoding="ascii"):
                pass
            os.truncate(ledger.path, 0)
            new.dispatcher("d1")
            new.worker("w1", 4, queues="default,paper")
            new.ready(1)
            out = new.zkq("admin", "import", "--force", "--file=" + path)
            self.assertEqual(out.returncode, 1)
            self.assertIn("dispatchers run on that tree", out.stderr)
            new.wait_ended(521 + 64, 90)
            for one in done[:3] + running + waiting:
                self.assertEqual(new.state(one), "done", one)
            self.assertEqual(new.state(failed[0]), "failed")
            self.assertEqual(sorted(line[0] for line in ledger.lines()), sorted(running + waiting[:-1]))
            self.assertEqual({line[1] for line in ledger.lines() if line[0] in running}, {"2"})
            self.assertEqual(new.submit("--key=k1", "true"), [waiting[-1]])
            self.assertEqual(new.zkq("show", waiting_there[0], "-s").stdout.count("WAITING"), 1)
            new.zkq("queue", "resume", "paper")
            new.zkq("wait", "--timeout=20s", *waiting_there)
            more = new.submit("true")
            new.zkq("wait", "--timeout=20s", *more)
            self.assertEqual(new.state(more[0]), "done")
            self.clean(new)

    @needs_quick_skip
    def test_at_work(self):
        """Exports while tasks come in by both doors and end: each task that was there is in each, in one place."""
        with Cluster() as old:
            old.dispatcher("d1")
            old.worker("w1", 4)
            old.ready(1)
            ids = []
            for turn in range(4):
                ids += old.submit_many([{"argv": ["true"]}] * 150)
                for _ in range(20):
                    old.client.create(QUEUE + "/inbox/t-", b'{"argv":["true"]}', sequence=True)
                path = old.folder + "/export%d" % turn
                self.assertEqual(old.zkq("admin", "export", "-q", "--file=" + path).returncode, 0)
                other = "/copy%d" % turn
                out = old.zkq("admin", "import", "--json", "--root=" + other, "--file=" + path)
                self.assertEqual(out.returncode, 0, out.stderr)
                counts = json.loads(out.stdout)
                self.assertEqual(counts["tasks"] + counts["inbox"] + counts["results"], len(ids) + 20 * (turn + 1), counts)
                code, items = fsck(old, "--root=" + other)
                self.assertEqual((code, items), (0, []))
            # What is only on its way is no damage.
            ended, rounds = old.ended(), 0
            old.submit_many([{"noop": True}] * 4000)
            while old.ended() < ended + 4000:
                rounds += 1
                self.assertEqual(fsck(old), (0, []))
            print("| %d checks at work" % rounds)

    def test_must_not_run_twice(self):
        """An at-most-once task that had been started is lost, one that had not waits."""
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.wait(lambda: cluster.children(QUEUE), 20, "the first queue")
            once = '{"v":1,"mode":"at-most-once","on_lost":"requeue","crash_limit":5}'
            client = cluster.client
            name = "5.%s.-.%s-0000000000"
            hashed = "00000000deadbeef"
            client.create("%s/classes/%s" % (QUEUE, hashed), once.encode())
            folder = ROOT + "/assign/w1.aaaaaaaa"
            cluster.daemons[0].kill()
            client.create(folder, b"{}")
            for token, data in (("a" * 12, b"started"), ("b" * 12, b"")):
                task = name % (hashed, token)
                client.create("%s/tasks/0/%s" % (QUEUE, task), PLAIN.encode())
                client.create("%s/%d:default:0:%s:1:%s" % (folder, len(token), task, "0" * 32) if token[0] == "a" else
                              "%s/%d:default:0:%s:1:%s" % (folder, 13, task, "0" * 32), data)
            out = cluster.zkq("admin", "export")
            done = cluster.zkq("admin", "import", "--json", "--root=/copy", text=out.stdout)
            self.assertEqual(done.returncode, 0, done.stderr)
            counts = json.loads(done.stdout)
            self.assertEqual((counts["lost"], counts["tasks"], counts["claimed"]), (1, 1, 1))
            result = json.loads(client.get("/copy/queues/default/done/0/" + "a" * 12)[0])
            self.assertEqual((result["state"], result["worker"], result["attempt"]), ("lost", "w1", 1))
            self.assertEqual(json.loads(client.get("/copy/queues/default/retry/0/" + "b" * 12)[0])["runs"], 1)


class Damage(unittest.TestCase):
    """A table of damages: each is found as what it is, and nothing else is; --repair mends it where the table says so."""

    def restore(self, cluster, export):
        """The tree as it was; an import opens a new segment, the table speaks of segment 0."""
        client = cluster.client
        client.delete(ROOT, recursive=True)
        done = cluster.zkq("admin", "import", "-q", text=export)
        self.assertEqual(done.returncode, 0, done.stderr)
        for place in ("tasks", "retry", "done", "dead"):
            client.delete("%s/%s/1" % (QUEUE, place))
        tasks = {name: client.get(QUEUE + "/tasks/0/" + name)[0] for name in client.get_children(QUEUE + "/tasks/0")}
        client.delete(QUEUE + "/tasks/0", recursive=True)
        client.create(QUEUE + "/tasks/0")
        for name, data in tasks.items():
            client.create(QUEUE + "/tasks/0/" + name, data)
        client.set(QUEUE + "/tasks", b'{"v":1,"tail":0}')

    def row(self, cluster, export, title, damage, check, text, error, mends):
        self.restore(cluster, export)
        if title == "stranger":
            self.assertEqual(fsck(cluster), (0, []))
        damage()
        code, items = fsck(cluster)
        self.assertEqual(code, 1 if error else 0, items)
        self.assertTrue(items, "nothing was found")
        self.assertTrue([item for item in items if item["check"] == check and text in item["value"] and item["level"] == (
            "error" if error else "note")], items)
        self.assertEqual(any(item["next"].startswith("--repair: ") for item in items), mends, items)
        code, items = fsck(cluster, "--repair")
        if mends:
            self.assertTrue([item for item in items if item["level"] == "repaired" and item["check"] == check], items)
            self.assertEqual(code, 0, items)
            self.assertEqual(fsck(cluster), (0, []))
        else:
            self.assertEqual([item for item in items if item["level"] == "repaired"], [])
            self.assertEqual(code, 1 if error else 0, items)

    def test_table(self):
        with Cluster() as cluster:
            first = cluster.dispatcher("d1")
            worker = cluster.worker("w1")
            cluster.ready(1)
            cluster.submit_many([{"argv": ["true"]}] * 10)
            cluster.wait_ended(10, 30)
            worker.terminate()
            cluster.wait(lambda: not cluster.children(ROOT + "/assign"), 20, "the worker's folder is gone")
            one, two = cluster.submit("true"), cluster.submit("true")
            first.terminate()
            cluster.wait(lambda: not cluster.children(ROOT + "/election"), 20, "no candidate")
            client = cluster.client
            token = one[0].split(".")[2]
            name = next(name for name in client.get_children(QUEUE + "/tasks/0") if token in name)
            hashed = name.split(".")[1]
            fence = "0" * 32
            folder = ROOT + "/assign/w9.aaaaaaaa"
            report = json.dumps({"v": 1, "lost_after": 30.0, "r": 1, "low": 0})

            def result(of, state="done"):
                return json.dumps({"v": 1, "id": "default.0." + of, "state": state, "exit": 0}).encode()

            def make(path, data=b"", **more):
                client.create(path, data, makepath=False, **more)

            def claims(*claims_of):
                make(folder, report.encode())
                for number, of in enumerate(claims_of, 1):
                    make("%s/%d:default:0:%s:1:%s" % (folder, number, of, fence))
            other = "5.%s.-.%s-0000000099" % (hashed, "z" * 12)
            # what is done, check, part of the text, whether it is an error, whether --repair mends it
            table = [
                ("stranger", lambda: make(ROOT + "/junk"), "name", "not of this tree", False, False),
                ("stranger in a segment", lambda: make(QUEUE + "/tasks/0/junk"), "name", "not of this tree", False, False),
                ("live and done", lambda: make(QUEUE + "/done/0/" + token, result(token)), "place", "is live, and in done", True, True),
                ("live and dead", lambda: make(QUEUE + "/dead/0/" + token, result(token, "dead")), "place", "and in dead", True, True),
                ("two claims", lambda: claims(name, name), "claim", "two claims", True, False),
                ("claim for nothing", lambda: claims(other), "claim", "a task that is not there", True, True),
                ("segment left open", lambda: (make(QUEUE + "/tasks/1"), make(QUEUE + "/retry/1"), make(QUEUE + "/done/1"), make(
                    QUEUE + "/dead/1"), client.set(QUEUE + "/tasks", b'{"v":1,"tail":1}')), "segment", "is not closed", True, True),
                ("no tail segment", lambda: (client.set(QUEUE + "/tasks/0", b""), client.set(QUEUE + "/tasks", b'{"v":1,"tail":7}')), "tail",
                 "the open segment is missing", True, True),
                ("closed tail", lambda: client.set(QUEUE + "/tasks/0", b""), "tail", "but closed", True, True),
                ("segment beyond", lambda: (make(QUEUE + "/tasks/3"), make(QUEUE + "/retry/3"), make(QUEUE + "/done/3"), make(
                    QUEUE + "/dead/3")), "segment", "beyond the open segment", True, False),
                ("no retry folder", lambda: client.delete(QUEUE + "/retry/0"), "folder", "is missing", True, True),
                ("no cancel folder", lambda: client.delete(QUEUE + "/cancel"), "folder", "is missing", True, True),
                ("class text changed", lambda: client.set("%s/classes/%s" % (QUEUE, hashed), b'{"v":1,"mode":"overlap","crash_limit":5}'),
                 "class", "not the hash", True, False),
                ("class gone", lambda: client.delete("%s/classes/%s" % (QUEUE, hashed)), "class", "no such class", True, True),
                ("retry unreadable", lambda: make(QUEUE + "/retry/0/" + token, b"[]"), "record", "cannot be read", True, False),
                ("orphan retry", lambda: make(QUEUE + "/retry/0/" + "z" * 12, b'{"v":1,"runs":1}'), "orphan", "not live", False, True),
                ("task unreadable", lambda: client.set(QUEUE + "/tasks/0/" + name, b"{"), "task", "cannot be run", True, False),
                ("batch gone", lambda: make(QUEUE + "/tasks/0/5.%s.-.%sx3-0000000098" % (hashed, "b" * 12)), "task", "batch that holds it", True,
                 False),
                ("wrong result", lambda: make(QUEUE + "/done/0/" + "y" * 12, result("x" * 12)), "record", "of another task", True, False),
                ("no stamp", lambda: (client.set(QUEUE + "/tasks/0", b""), make(QUEUE + "/tasks/1"), make(QUEUE + "/retry/1"), make(
                    QUEUE + "/done/1"), make(QUEUE + "/dead/1"), client.set(QUEUE + "/tasks", b'{"v":1,"tail":1}'), client.delete(
                        QUEUE + "/retry/0", recursive=True), client.delete(QUEUE + "/tasks/0", recursive=True)), "stamp", "has no stamp", True,
                 True),
                ("candidate that stays", lambda: make(ROOT + "/election/%s-n_0000000000" % ("0" * 32), b'{"v":1,"name":"x"}'), "ephemeral",
                 "nobody's session", True, True),
                ("task that will not stay", lambda: client.create("%s/tasks/0/%s" % (QUEUE, other), PLAIN.encode(), ephemeral=True),
                 "ephemeral", "will vanish", True, False),
                ("child of a task", lambda: make(QUEUE + "/tasks/0/%s/x" % name), "children", "lies in a task", False, False),
                ("done and dead", lambda: (make(QUEUE + "/done/0/" + "y" * 12, result("y" * 12)), make(QUEUE + "/dead/0/" + "y" * 12, result(
                    "y" * 12, "dead"))), "place", "there is a result, too", True, False),
                ("moved and in the inbox", lambda: (make(QUEUE + "/inbox/t-0000000000", PLAIN.encode()), client.ensure_path(
                    QUEUE + "/moved/0"), make(QUEUE + "/moved/0/t-0000000000", b'{"v":1,"id":"%s"}' % two[0].encode())), "place",
                 "still in the inbox", True, True),
                ("queue unreadable", lambda: client.set(QUEUE, b"nonsense"), "record", "cannot be read", True, False),
            ]
            export = cluster.zkq("admin", "export", "-q").stdout
            out = cluster.zkq("admin", "fsck")
            self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
            self.assertIn("2 live tasks, 0 claims, 10 results, 0 dead letters: 0 errors, 0 notes", out.stdout)
            started = time.monotonic()
            failures = []
            for row in table[::3] if stories.OPTIONS.quick else table:
                try:
                    self.row(cluster, export, *row)
                except AssertionError as wrong:
                    failures.append("%s: %s" % (row[0], wrong))
            self.assertEqual(failures, [])
            print("| %d damages in %.1f s" % (len(table), time.monotonic() - started))
            client.delete(ROOT, recursive=True)
            out = cluster.zkq("admin", "fsck")
            self.assertEqual(out.returncode, 78)


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
