#!/usr/bin/python3
"""The rows of tests/bad/table.py that need a server: one cluster for all of them. Neighbours are submitted all the time; in
the end every one of them has exactly one result, done, no daemon has died or been restarted, and the transaction log is
clean."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bad"))
import rows
import stories
import table  # fills rows.TABLE
from stories import QUEUE, Cluster


class Place:
    """What rows see of the cluster: the tree through a client of a stranger, and the daemons."""

    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client
        self.failures, self.neighbours = [], []
        self.quick = stories.OPTIONS.quick

    # ---- for rows ----

    def inbox(self, data=b'{"argv":["true"]}', name="t-", **more):
        """Puts something into the inbox; the name it got."""
        more.setdefault("sequence", name == "t-")
        if isinstance(data, str):
            data = data.encode()
        return self.client.create("%s/inbox/%s" % (QUEUE, name), data, **more).rpartition("/")[2]

    def create(self, path, data=b"?", **more):
        return self.client.create(stories.ROOT + path, data, **more)

    def gone(self, name):
        """Whether the inbox no longer holds name."""
        return not self.client.exists("%s/inbox/%s" % (QUEUE, name))

    def moved(self, name):
        """The record of what became of an inbox task, once it has ended; None before."""
        digits = name[-10:]
        shard = str(int(digits) // 1000) if len(digits) == 10 and digits.isascii() and digits.isdigit() else "x"
        where = self.cluster.record("%s/moved/%s/%s" % (QUEUE, shard, name))
        return where and (self.cluster.record(self.cluster.result_path(where["id"])) or
                          self.cluster.record(self.cluster.result_path(where["id"], "dead")))

    def ends(self, name, **fields):
        """A check: the inbox task has ended with these fields."""
        def check():
            record = self.moved(name)
            if record:
                compare(record, fields)
            return record
        return check

    def leader_says(self, words):
        return any(words in daemon.log() for daemon in self.cluster.daemons if "dispatcher" in daemon.process.args[0] or
                   daemon.name.startswith("d"))

    def neighbour(self):
        self.neighbours += self.cluster.submit("true")

    def fail(self, row, why):
        self.failures.append("%s: %s: %s" % (row.subject, row.name, why))
        print("  " + self.failures[-1][:600], flush=True)


def compare(record, fields):
    for key, value in fields.items():
        found = record.get(key)
        if not (value(found) if callable(value) else found == value):
            raise AssertionError("%s is %r; %s" % (key, found, json.dumps(record)[:300]))


def wanted(kind):
    return [row for row in rows.TABLE if isinstance(row, kind)]


class Bad(unittest.TestCase):
    def test_table(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            cluster.dispatcher("d2")
            cluster.worker("w1", slots=4)
            cluster.ready(1)
            daemons = list(cluster.daemons)
            place = Place(cluster)
            place.neighbour()
            for part in (self.tasks, self.jobs, self.commands, self.strangers, self.situations):
                began = time.monotonic()
                part(place)
                place.neighbour()
                print("  %s: %.1f s" % (part.__name__, time.monotonic() - began), flush=True)
            self.neighbours(place)
            for daemon in daemons:
                if not daemon.alive() and not daemon.expected:
                    place.failures.append("%s has ended: exit %s" % (daemon.name, daemon.process.returncode))
            if not place.failures:
                cluster.judge(place.neighbours, states=("done",), strangers=(place.client.client_id[0],))
            self.assertEqual(place.failures, [], "\n" + "\n".join(place.failures))

    def settle(self, place, waiting, seconds):
        """waiting: (row, check); every check must become true in time."""
        def step():
            for one in list(waiting):
                row, check = one
                try:
                    if check():
                        waiting.remove(one)
                except AssertionError as error:
                    place.fail(row, error)
                    waiting.remove(one)
            return not waiting
        try:
            place.cluster.wait(step, seconds, "rows to settle")
        except TimeoutError:
            for row, _ in waiting:
                place.fail(row, "nothing came of it in %d s" % seconds)

    def tasks(self, place):
        """All texts of tasks through the inbox; every one is moved, and ends or is a dead letter."""
        waiting = []
        chosen = [row for row in wanted(rows.Task) if row.only != "file"]
        for i, row in enumerate(chosen):
            if i % 50 == 0:
                place.neighbour()
            name = place.inbox(row.text if row.text is not None else b"")
            if row.inbox_why:
                expected = {"state": "dead", "reason": lambda text, why=row.inbox_why: text.startswith("invalid: ") and why in text}
            else:
                expected = row.ends
            waiting.append((row, place.ends(name, **expected)))
        self.settle(place, waiting, 60)

    def jobs(self, place):
        chosen = wanted(rows.Job)
        ids = place.cluster.submit_many([row.task for row in chosen])
        waiting = []
        for row, one in zip(chosen, ids):
            def check(row=row, one=one):
                record = place.cluster.record(place.cluster.result_path(one)) or place.cluster.record(
                    place.cluster.result_path(one, "dead"))
                if record:
                    compare(record, row.ends)
                return record
            waiting.append((row, check))
        self.settle(place, waiting, 60)

    def commands(self, place):
        environment = dict(rows.programs(stories.OPTIONS.build), ZKQ_ZK=place.cluster.environment["ZKQ_ZK"], ZKQ_ROOT=stories.ROOT)
        for row in wanted(rows.Command):
            if row.real:
                for why in rows.execute(environment, **row.how):
                    place.fail(row, why)

    def strangers(self, place):
        waiting = []
        for row in wanted(rows.Stranger):
            if place.quick and not row.quick:
                continue
            try:
                check = row.do(place)
            except Exception as error:      # pylint: disable=broad-except
                place.fail(row, "%s: %s" % (type(error).__name__, error))
                continue
            if check:
                waiting.append((row, check))
            if row.log:
                waiting.append((row, lambda row=row: place.leader_says(row.log)))
            place.neighbour()
        self.settle(place, waiting, 60)

    def situations(self, place):
        for row in wanted(rows.Situation):
            if place.quick and not row.quick:
                continue
            try:
                row.do(place)
            except Exception as error:      # pylint: disable=broad-except
                place.fail(row, "%s: %s" % (type(error).__name__, error))

    def neighbours(self, place):
        for one in place.neighbours:
            try:
                self.assertEqual(place.cluster.result(one)["state"], "done", one)
            except (AssertionError, TimeoutError) as error:
                place.failures.append("neighbour %s: %s" % (one, error))
        print("  %d neighbours" % len(place.neighbours))


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
