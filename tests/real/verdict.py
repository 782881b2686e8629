#!/usr/bin/python3
"""verdict: judges a run of zkq from ZooKeeper's transaction log alone (zkq-znodes(7), "The invariant").

    verdict.py [--root /zkq] [--tasks N] FOLDER...      FOLDER: a server's version-2 directory

At every zxid an accepted task is in exactly one of inbox, tasks, done, dead; it has at most one claim; a claim
exists only for a task in tasks; it has at most one result ever. Every leader write was a multi of the session that
owned the lowest candidate at that zxid and begins with the check of it; every finish and return one of the session
that owned live-<r>, and begins with the check of that. Prints what it counted; exit 1 when anything is wrong, 2 when
nothing can be said.
"""
import argparse
import json
import re
import sys

import txnlog
from txnlog import CHECK, CREATE, DELETE, SET

FOLDER_MAX = 4096
TASK = re.compile(r"^([0-9])w?\.([0-9a-f]{16})\.(-|[0-9a-f]{16})\.([a-z0-9]{12}(?:x[0-9]{1,3})?)-([0-9]{10})$")
CLAIM = re.compile(r"^([0-9]+):([a-z0-9][a-z0-9_-]{0,31}):([0-9]+):([^:]+):([0-9]+):([0-9a-f]{32})$")


class Task:
    """What is known of one task: where it is now, and how often what happened to it."""
    __slots__ = ("id", "tasks", "done", "dead", "claims", "assigned", "finished", "buried", "returned", "revoked",
                 "removed", "last_fence", "state", "created_ms", "ended_ms", "first_claim", "name")

    def __init__(self, task_id):
        self.id = task_id
        self.tasks = set()      # its paths below tasks/
        self.done = self.dead = False
        self.claims = set()     # paths
        self.assigned = self.finished = self.buried = self.returned = self.revoked = 0
        self.removed = False    # by retention or as a discarded dead letter
        self.last_fence = ""
        self.state = self.created_ms = self.ended_ms = self.first_claim = self.name = None


class Claim:
    __slots__ = ("path", "folder", "n", "queue", "seg", "name", "token", "run", "fence", "zxid", "wall_ms", "session")

    def __init__(self, path, folder, match, record):
        self.path, self.folder = path, folder
        self.n, self.queue, self.seg, self.name = int(match[1]), match[2], match[3], match[4]
        self.run, self.fence = int(match[5]), match[6]
        task = TASK.match(self.name)
        self.token = task[4] if task else self.name
        self.zxid, self.wall_ms, self.session = record.zxid, record.wall_ms, record.session


class Verdict:
    """Feed records in zxid order to see(); then look at violations, tasks and the counters."""

    def __init__(self, root="/zkq", folder_max=FOLDER_MAX, strangers=()):
        self.root = root
        self.strangers = strangers      # sessions whose own writes are no fault of zkq's
        self.folder_max = folder_max
        self.tree = txnlog.Tree()
        self.violations = []
        self.tasks = {}         # (queue, seg, token): Task
        self.inbox = {}         # path: zxid of its creation
        self.claims = {}        # path: Claim
        self.claimed = []       # every claim ever, in order
        self.highest_n = {}     # folder: highest claim number
        self.withdrawn = 0      # inbox tasks deleted by who was not the leader
        self.refused_leader = self.refused_worker = 0
        self.records = 0
        self.leader_changes = []    # (wall_ms, path of the lowest candidate)
        self.lowest = None
        self.candidates = frozenset()
        self.too_long = set()
        self.lives = {}         # folder below assign: its live- znodes
        self.unclaimed = set()  # ids of live tasks without a claim
        self.starving_since = None
        self.starving = []      # (from, to) in wall ms: tasks waited and no claim was made
        self.revocations = []   # (wall_ms, folder) of each claim that a leader took back

    # ---- helpers ----

    def fault(self, record, kind, text):
        if record.session in self.strangers:
            return
        self.violations.append("%s: %s at 0x%x (session 0x%x)" % (kind, text, record.zxid,
                                                                record.session & (2 ** 64 - 1)))

    def parts(self, path):
        """The path below the root as a list, or None."""
        if not path.startswith(self.root + "/"):
            return None
        return path[len(self.root) + 1:].split("/")

    def task(self, key):
        found = self.tasks.get(key)
        if found is None:
            found = self.tasks[key] = Task("%s.%s.%s" % key)
        return found

    def kids(self, folder):
        prefix = folder + "/"
        return [path for path in self.tree.nodes if path.startswith(prefix) and "/" not in path[len(prefix):]]

    def lowest_candidate(self):
        best, best_number = None, None
        for path in self.candidates:
            number = int(path[-10:]) if path[-10:].isdigit() else None
            if number is not None and (best is None or number < best_number):
                best, best_number = path, number
        return best

    # ---- one record ----

    def see(self, record):
        self.records += 1
        first = record.ops[0] if record.ops else None
        if not record.applied:
            self.note_refused(first)
            return
        actor = self.actor_of(record)
        touched = {}
        effects = []
        for op in record.ops:
            where = self.parts(op.path)
            if where and op.kind in (CREATE, DELETE, SET):
                effects.append((op, where))
        for op, where in effects:
            self.note_effect(record, op, where, touched)
        if effects:
            self.check_author(record, effects, actor)
        self.tree.apply(record)
        self.note_election(record)
        self.note_lives(record)
        for key in touched:
            self.check_task(record, self.tasks[key])
            self.note_waiting(self.tasks[key])
        self.note_starving(record.wall_ms, any(op.kind == CREATE and where[0] == "assign" and len(where) == 3
                                               and CLAIM.match(where[2]) for op, where in effects))
        self.check_inbox_moves(record, effects, actor)
        for op, _ in effects:
            if op.kind == CREATE:
                self.check_length(record, op.path.rpartition("/")[0])

    def note_refused(self, first):
        # A refused multi names no path where it failed: only who tried can be counted.
        if first is not None and first.kind == CHECK:
            where = self.parts(first.path)
            if where and where[0] == "election":
                self.refused_leader += 1
            elif where and where[0] == "assign":
                self.refused_worker += 1

    def actor_of(self, record):
        """("leader", candidate), ("worker", folder) or (None, None): from the first op, proven by ownership."""
        first = record.ops[0] if record.ops else None
        if first is None or first.kind != CHECK:
            return None, None
        where = self.parts(first.path)
        if not where:
            return None, None
        node = self.tree.get(first.path)
        owner = node.owner if node else None
        if where[0] == "election" and len(where) == 2:
            if owner != record.session:
                self.fault(record, "leader", "%s checked, but owned by another session" % first.path)
            elif first.path != self.lowest:
                self.fault(record, "leader", "%s checked, but %s is the lowest candidate" % (first.path, self.lowest))
            return "leader", first.path
        if where[0] == "assign" and len(where) == 3 and where[2].startswith("live-"):
            if owner != record.session:
                self.fault(record, "worker", "%s checked, but owned by another session" % first.path)
            return "worker", first.path.rpartition("/")[0]
        return None, None

    def note_election(self, record):
        prefix = self.root + "/election/"
        changed = record.kind == txnlog.CLOSE_SESSION or any(op.path.startswith(prefix) for op in record.ops)
        if not changed:
            return
        # One that no session owns is a stranger's: whoever stands behind it removes it.
        self.candidates = frozenset(path for path in self.kids(self.root + "/election") if self.tree.nodes[path].owner not in (0, -2 ** 63))
        lowest = self.lowest_candidate()
        if lowest != self.lowest:
            self.lowest = lowest
            if lowest:
                self.leader_changes.append((record.wall_ms, lowest))

    def note_lives(self, record):
        prefix = self.root + "/assign/"
        for op in record.ops:
            if op.path.startswith(prefix) and "/live-" in op.path:
                lives = self.lives.setdefault(op.path.rpartition("/")[0], set())
                if op.kind == CREATE:
                    lives.add(op.path)
                elif op.kind == DELETE:
                    lives.discard(op.path)
        for path in record.closed or ():
            self.lives.get(path.rpartition("/")[0], set()).discard(path)

    # ---- what each effect does to the state of a task ----

    def note_effect(self, record, op, where, touched):
        if where[0] == "assign" and len(where) == 3:
            self.note_claim(record, op, where, touched)
            return
        if where[0] != "queues" or len(where) < 4:
            return
        queue, place = where[1], where[2]
        if place == "inbox":
            if op.kind == CREATE:
                self.inbox[op.path] = record.zxid
            return
        if len(where) != 5:
            return
        seg, name = where[3], where[4]
        if place == "tasks":
            match = TASK.match(name)
            if not match:
                return
            key = (queue, seg, match[4])
            task = touched[key] = self.task(key)
            if op.kind == CREATE:
                task.created_ms = task.created_ms or record.wall_ms
                task.name = name
                if task.finished or task.buried:
                    self.fault(record, "resurrected", "task %s is created though it has ended" % task.id)
                task.tasks.add(op.path)
            elif op.kind == DELETE:
                task.tasks.discard(op.path)
        elif place in ("done", "dead"):
            key = (queue, seg, name)
            known = key in self.tasks
            task = touched[key] = self.task(key)
            self.note_end(record, op, task, place, known)

    def note_end(self, record, op, task, place, known):
        if op.kind == SET:
            self.fault(record, "result", "the record of %s in %s is changed" % (task.id, place))
        elif op.kind == CREATE:
            if place == "done":
                task.finished += 1
                if task.finished > 1:
                    self.fault(record, "result", "task %s gets a second result" % task.id)
                task.done = True
            else:
                task.buried += 1
                if task.buried > 1:
                    self.fault(record, "result", "task %s becomes a dead letter again" % task.id)
                task.dead = True
            if task.finished and task.buried and not (place == "done" and self.deletes_dead(record, op.path)):
                self.fault(record, "result", "task %s is finished and a dead letter" % task.id)
            task.state, task.ended_ms = self.state_of(op.data), record.wall_ms
            if not known and place == "done":
                self.fault(record, "result", "a result for %s, which was never accepted" % task.id)
        elif op.kind == DELETE:
            if place == "done":
                task.done = False
                folder = self.tree.get(op.path.rpartition("/")[0])
                if folder is None or folder.version < 2:
                    self.fault(record, "lost", "the result of %s is deleted without retention's mark" % task.id)
            else:
                task.dead = False
            task.removed = True

    def deletes_dead(self, record, path):
        return any(op.kind == DELETE and op.path == path.replace("/done/", "/dead/", 1) for op in record.ops)

    @staticmethod
    def state_of(data):
        try:
            return json.loads(data or b"{}").get("state")
        except (ValueError, AttributeError):
            return None

    def note_claim(self, record, op, where, touched):
        match = CLAIM.match(where[2])
        if not match:
            return
        folder = op.path.rpartition("/")[0]
        if op.kind == CREATE:
            claim = self.claims[op.path] = Claim(op.path, folder, match, record)
            self.claimed.append(claim)
            key = (claim.queue, claim.seg, claim.token)
            task = touched[key] = self.task(key)
            task.claims.add(op.path)
            task.assigned += 1
            task.first_claim = task.first_claim or record.wall_ms
            if claim.fence <= task.last_fence:
                self.fault(record, "fence", "claim on %s has fence %s after %s" % (task.id, claim.fence, task.last_fence))
            task.last_fence = claim.fence
            if claim.n <= self.highest_n.get(folder, 0):
                self.fault(record, "claim", "number %d is used again in %s" % (claim.n, folder))
            self.highest_n[folder] = max(claim.n, self.highest_n.get(folder, 0))
        elif op.kind == DELETE:
            claim = self.claims.pop(op.path, None)
            if claim is None:
                self.fault(record, "claim", "%s is deleted and was never made" % op.path)
            else:
                key = (claim.queue, claim.seg, claim.token)
                task = touched[key] = self.task(key)
                task.claims.discard(op.path)

    def check_task(self, record, task):
        places = len(task.tasks) + task.done + task.dead
        if places > 1:
            self.fault(record, "twice", "task %s is in %d places" % (task.id, places))
        elif places == 0 and not task.removed:
            self.fault(record, "lost", "task %s is in none of tasks, done, dead" % task.id)
            task.removed = True
        if len(task.claims) > 1:
            self.fault(record, "claim", "task %s has %d claims" % (task.id, len(task.claims)))
        for path in task.claims:
            claim = self.claims[path]
            live = "%s/queues/%s/tasks/%s/%s" % (self.root, claim.queue, claim.seg, claim.name)
            if live not in task.tasks:
                self.fault(record, "claim", "%s claims a task that is not in tasks" % path)

    def note_waiting(self, task):
        if task.tasks and not task.claims:
            self.unclaimed.add(task.id)
        else:
            self.unclaimed.discard(task.id)

    def note_starving(self, wall_ms, claimed):
        """Keeps the times in which a task waited and nothing was given out."""
        if self.starving_since is not None and (claimed or not self.unclaimed):
            self.starving.append((self.starving_since, wall_ms))
            self.starving_since = None
        if self.starving_since is None and self.unclaimed:
            self.starving_since = wall_ms

    def check_inbox_moves(self, record, effects, actor):
        """An inbox task leaves by one multi of the leader that makes a task or a dead letter of it."""
        gone = [(op, where) for op, where in effects if op.kind == DELETE and where[0] == "queues" and len(where) == 4
                and where[2] == "inbox"]
        if not gone:
            return
        for op, where in gone:
            self.inbox.pop(op.path, None)
        if actor[0] != "leader":
            self.withdrawn += len(gone)
            return
        for op, where in gone:
            queue, name = where[1], where[3]
            moved = [o for o, w in effects if o.kind == CREATE and w[0] == "queues" and len(w) == 5 and w[1] == queue
                     and w[2] == "moved" and w[4] == name]
            ids = [self.moved_id(o.data) for o in moved]
            if len(ids) != 1 or ids[0] is None:
                self.fault(record, "lost", "inbox task %s/%s leaves without an entry in moved" % (queue, name))
                continue
            made = [o for o, w in effects if o.kind == CREATE and w[0] == "queues" and len(w) == 5
                    and w[2] in ("tasks", "dead") and self.key_of(w) == ids[0]]
            if len(made) != 1:
                self.fault(record, "lost", "inbox task %s/%s becomes %d tasks" % (queue, name, len(made)))

    @staticmethod
    def moved_id(data):
        try:
            return tuple(json.loads(data)["id"].split(".", 2))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    @staticmethod
    def key_of(where):
        match = TASK.match(where[4])
        return (where[1], where[3], match[4] if match else where[4])

    @staticmethod
    def key_of_claim(where):
        match = CLAIM.match(where[-1])
        task = TASK.match(match[4])
        return (match[2], match[3], task[4] if task else match[4])

    # ---- who may do what ----

    def check_author(self, record, effects, actor):
        who, what = actor
        ends = {self.key_of(where) for op, where in effects if op.kind == CREATE and where[0] == "queues"
                and len(where) == 5 and where[2] in ("done", "dead")}
        for op, where in effects:
            if where[0] == "assign" and len(where) == 3:
                self.check_author_of_assign(record, op, where, who, what, ends)
            elif where[0] == "queues" and len(where) >= 4:
                self.check_author_of_queue(record, op, where, who)
        if who == "worker":
            mine = {self.key_of_claim(where) for op, where in effects if op.kind == DELETE and where[0] == "assign"
                    and op.path.startswith(what + "/") and CLAIM.match(where[2])}
            for key in ends - mine:
                self.fault(record, "worker", "%s.%s.%s ends without its claim being deleted by its worker" % key)

    def check_author_of_assign(self, record, op, where, who, what, ends):
        folder = op.path.rpartition("/")[0]
        if CLAIM.match(where[2]):
            if op.kind == CREATE:
                if who != "leader":
                    self.fault(record, "leader", "claim %s is not the leader's" % op.path)
                elif not any(o.kind == CHECK and o.path.startswith(folder + "/live-") for o in record.ops):
                    self.fault(record, "leader", "claim %s without a check of its worker's life" % op.path)
                return
            if who == "worker" and what != folder and not self.is_dead_life(folder, what):
                self.fault(record, "worker", "%s is touched from %s" % (op.path, what))
            elif who is None:
                self.fault(record, "author", "%s is touched by neither leader nor worker" % op.path)
            if op.kind == DELETE:
                self.count_end_of_claim(record, op, who, ends)
        elif where[2].startswith("o:") and op.kind == CREATE and who != "leader":
            self.fault(record, "leader", "order %s is not the leader's" % op.path)

    def is_dead_life(self, folder, mine):
        """A worker may return the claims of an earlier life of its own name that no session stands for any more."""
        return folder.rpartition(".")[0] == mine.rpartition(".")[0] and not self.lives.get(folder)

    def count_end_of_claim(self, record, op, who, ends):
        key = self.key_of_claim(op.path.split("/"))
        if key in ends:
            return
        if who == "leader":
            self.task(key).revoked += 1
            self.revocations.append((record.wall_ms, op.path.rpartition("/")[0]))
        else:
            self.task(key).returned += 1

    def check_author_of_queue(self, record, op, where, who):
        place = where[2]
        deep = len(where) == 5
        if place in ("done", "dead") and deep and op.kind == CREATE and who is None:
            self.fault(record, "author", "%s is written by neither leader nor worker" % op.path)
        elif place == "done" and not deep and op.kind in (SET, DELETE) and who != "leader":
            self.fault(record, "leader", "%s is marked or deleted by another" % op.path)
        elif place == "done" and deep and op.kind == DELETE and who != "leader":
            self.fault(record, "leader", "%s is deleted by another" % op.path)
        elif place == "tasks" and len(where) > 5 and op.kind == DELETE:
            if who is None:     # a stranger's children of a task are the worker's to delete, when the task ends
                self.fault(record, "author", "%s is deleted by neither leader nor worker" % op.path)
        elif place == "tasks" and not deep and op.kind == DELETE and who != "leader":
            self.fault(record, "leader", "segment %s is deleted by another" % op.path)
        elif place == "tasks" and deep and op.kind == CREATE:
            if who != "leader" or not self.is_change(record, op, where):
                self.check_segment_open(record, op)
        elif place == "tasks" and deep and op.kind == DELETE and TASK.match(where[4]) and who is None:
            self.fault(record, "author", "%s is deleted by neither leader nor worker" % op.path)
        elif place == "moved" and deep and who != "leader":
            self.fault(record, "leader", "%s is not the leader's" % op.path)
        elif place == "retry" and deep and who is None:
            self.fault(record, "author", "%s is touched by neither leader nor worker" % op.path)

    def is_change(self, record, op, where):
        """The same task under another name: deleted in the same multi, with the same token and sequence; never while claimed."""
        new = TASK.match(where[4])
        old = [TASK.match(other.path.rpartition("/")[2]) for other in record.ops
               if other.kind == DELETE and other.path.rpartition("/")[0] == op.path.rpartition("/")[0]]
        if not new or not any(match and match.groups()[1:] == new.groups()[1:] for match in old):
            return False
        if self.task((where[1], where[3], new[4])).claims:
            self.fault(record, "change", "%s is made while the task is claimed" % op.path)
        return True

    def check_segment_open(self, record, op):
        folder = op.path.rpartition("/")[0]
        if not any(o.kind == CHECK and o.path == folder and o.version == 0 for o in record.ops):
            self.fault(record, "segment", "%s is created without a check that its segment is open" % op.path)

    def check_length(self, record, folder):
        if self.parts(folder + "/x") is None or folder in self.too_long or folder.endswith("/inbox"):
            return      # the inbox is filled by others
        if self.tree.longest.get(folder, 0) > self.folder_max:
            self.too_long.add(folder)
            self.fault(record, "length", "%s has more than %d children" % (folder, self.folder_max))

    # ---- afterwards ----

    def longest_folder(self):
        """(path, children) of the longest folder that ever existed below the root, the inbox apart."""
        best = ("", 0)
        for folder, count in self.tree.longest.items():
            if self.parts(folder + "/x") is not None and not folder.endswith("/inbox") and count > best[1]:
                best = (folder, count)
        return best

    def stuck(self):
        """Ids of tasks that are still in tasks, and names that are still in the inbox."""
        return sorted(task.id for task in self.tasks.values() if task.tasks) + sorted(self.inbox)

    def ended(self, state=None):
        return [task for task in self.tasks.values() if (task.finished or task.buried)
                and (state is None or task.state == state)]

    def next_assign_after(self, wall_ms):
        """Milliseconds from a time of the servers' clock to the next claim, or None."""
        for claim in self.claimed:
            if claim.wall_ms >= wall_ms:
                return claim.wall_ms - wall_ms
        return None

    def longest_pause(self, from_ms, to_ms):
        """The longest time between two times in which a task waited and no claim was made, in ms."""
        open_end = [(self.starving_since, to_ms)] if self.starving_since is not None else []
        return max([0] + [min(b, to_ms) - max(a, from_ms) for a, b in self.starving + open_end])

    def summary(self):
        states = {}
        for task in self.tasks.values():
            word = task.state or ("waiting" if task.tasks else "gone")
            states[word] = states.get(word, 0) + 1
        folder, children = self.longest_folder()
        return {
            "records": self.records, "tasks": len(self.tasks), "states": states, "claims": len(self.claimed),
            "given out twice": sum(task.assigned > 1 for task in self.tasks.values()),
            "revoked": sum(task.revoked for task in self.tasks.values()),
            "returned": sum(task.returned for task in self.tasks.values()),
            "leaders": len(self.leader_changes), "refused leader multis": self.refused_leader,
            "refused worker multis": self.refused_worker, "withdrawn": self.withdrawn,
            "longest folder": "%s %d" % (folder, children), "stuck": len(self.stuck()),
            "violations": len(self.violations),
        }


def judge(records, root="/zkq", folder_max=FOLDER_MAX, strangers=()):
    verdict = Verdict(root, folder_max, strangers)
    for record in records:
        verdict.see(record)
    return verdict


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default="/zkq")
    parser.add_argument("--tasks", type=int, help="so many tasks must have ended")
    parser.add_argument("folders", nargs="+")
    options = parser.parse_args()
    try:
        verdict = judge(txnlog.whole_history(options.folders), options.root)
    except (txnlog.Damaged, OSError) as error:
        print("unknown: %s" % error)
        return 2
    for name, value in verdict.summary().items():
        print("%s: %s" % (name, value))
    for violation in verdict.violations[:100]:
        print("VIOLATION " + violation)
    if options.tasks is not None and len(verdict.ended()) != options.tasks:
        print("ended: %d, wanted %d; stuck: %s" % (len(verdict.ended()), options.tasks, verdict.stuck()[:20]))
        return 1
    if not verdict.tasks:
        print("unknown: no task was ever accepted")
        return 2
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
