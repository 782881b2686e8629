"""acts: what strangers do to the tree, and odd surroundings of daemons: the longer deeds of rows of table.py. Each takes the
Place of tests/real/bad.py; what it returns is a check that must become true, or None."""
import glob
import os
import subprocess

QUEUE = "/queues/default"
TRUE = b'{"argv":["true"]}'


def acl(*permissions):
    """For everybody, only these."""
    from kazoo.security import make_acl
    return [make_acl("world", "anyone", **{permission: True for permission in permissions})]


# ---- the inbox ----

def done(place, name):
    return place.ends(name, state="done", exit=0)


def stays(place, *names):
    """A check: these are still in the inbox, and nothing became of them."""
    def check():
        if any(place.gone(name) or place.moved(name) for name in names):
            raise AssertionError("%s did not stay in the inbox" % (names,))
        return True
    return check


def put_with_child(place, name, **more):
    """Both at once: else the leader may move it before the child is there."""
    path = "/zkq%s/inbox/%s" % (QUEUE, name)
    both = place.client.transaction()
    both.create(path, TRUE, **more)
    both.create(path + "/child", b"x")
    refused = [one for one in both.commit() if isinstance(one, Exception)]
    if refused:
        raise refused[0]
    return stays(place, name)


def with_child(place):
    return put_with_child(place, "with-child")


def unreadable(place):
    return stays(place, place.inbox(TRUE, "unreadable", acl=acl("create", "delete")))


def unreadable_with_child(place):
    return put_with_child(place, "unremovable", acl=acl("create"))


def ephemeral(place):
    return done(place, place.inbox(ephemeral=True))


def session_ends(place):
    """Its session ends at once: it is moved in time, or was never there."""
    other = place.cluster.connect()
    names = [other.create("/zkq%s/inbox/t-" % QUEUE, TRUE, ephemeral=True, sequence=True).rpartition("/")[2] for _ in range(20)]
    other.stop()
    other.close()
    return lambda: all(place.gone(name) for name in names)


def container(place):
    """kazoo has no call for it."""
    from kazoo.protocol.serialization import Create
    from kazoo.security import OPEN_ACL_UNSAFE

    class CreateContainer(Create):
        type = 19

        @classmethod
        def deserialize(cls, data, offset):
            return Create.deserialize(data, offset)

    result = place.client.handler.async_result()
    place.client._call(CreateContainer("/zkq%s/inbox/a-container" % QUEUE, TRUE, OPEN_ACL_UNSAFE, 4), result)
    result.get(10)
    return done(place, "a-container")


def odd_names(place):
    names = [place.inbox(TRUE, name) for name in (
        "a b", " ", "\u00e9", "~", "-", "-x", "--help", "t-9999999999", "t--2147483648", "t-2147483648", "t-00000000001", "\u202enoitcnuf", "%2e%2e",
        "=cmd()", "x" * 128, "a.b", "default.0.abcdefghijkl", "\u200b", "'\"", "b.abcdefghijkl", "zookeeper")]
    checks = [done(place, name) for name in names]
    return lambda: all(check() for check in checks)


def long_name(place):
    name = place.inbox(TRUE, "n" * 300000)

    def check():
        if not place.leader_says("in the inbox is set aside: its name is too long"):
            return False
        place.client.delete("/zkq%s/inbox/%s" % (QUEUE, name))
        return True
    return check


def name_of_129(place):
    return stays(place, place.inbox(TRUE, "y" * 129))


def many(place):
    """Many at once; each ends once."""
    count = 1000 if place.quick else 4000
    pending = [place.client.create_async("/zkq%s/inbox/t-" % QUEUE, b'{"noop":true}', sequence=True) for _ in range(count)]
    names = [one.get(60).rpartition("/")[2] for one in pending]
    left = list(names)

    def check():
        while left and place.gone(left[-1]):
            left.pop()
        return not left
    return check


def rewritten(place):
    """Between the listing and the move; whatever was read is a task."""
    names = []
    for i in range(50):
        names.append(place.inbox('{"argv":["true"],"name":"before"}'))
        try:
            place.client.set("/zkq%s/inbox/%s" % (QUEUE, names[-1]), b'{"argv":["true"],"name":"after"}')
        except Exception:	# pylint: disable=broad-except
            pass	# it has gone already
    checks = [done(place, name) for name in names]
    return lambda: all(check() for check in checks)


def deleted(place):
    """Between the listing and the read, or after it."""
    names = []
    for _ in range(200):
        names.append(place.inbox())
        place.client.delete_async("/zkq%s/inbox/%s" % (QUEUE, names[-1]))
    return lambda: all(place.gone(name) for name in names)


# ---- tasks, claims, workers, leaders ----

def task_with_child(place, *children):
    """A task that ends when these children are below it: its id, its path."""
    flag = "%s/children-%d" % (place.cluster.folder, len(children))
    one, = place.cluster.submit("sh", "-c", "until test -e %s; do sleep 0.05; done" % flag)
    token = one.split(".")[2]
    segment = "/zkq%s/tasks/%s" % (QUEUE, one.split(".")[1])
    name = place.cluster.wait(lambda: [name for name in place.client.get_children(segment) if ".%s-" % token in name], 10, "the task")[0]
    for child in children:
        place.client.create("%s/%s/%s" % (segment, name, child), b"x")
    with open(flag, "wb"):
        pass
    return one, "%s/%s" % (segment, name)


def result_is_done(place, one):
    record = place.cluster.record(place.cluster.result_path(one))
    return record and record["state"] == "done"


def children_below_task(place):
    """The worker removes what hinders the end."""
    one, _ = task_with_child(place, "child", "-", "a b", "\u00e9")
    return lambda: result_is_done(place, one)


def grandchild_below_task(place):
    """That is more than the worker removes: it keeps the result, says so, and tries again each minute."""
    one, _ = task_with_child(place, "child", "child/grandchild")
    return lambda: any("task %s: children of its znode cannot be deleted (not empty)" % one in daemon.log()
                       for daemon in place.cluster.daemons if daemon.name == "w1")


def junk(place):
    """Names that do not belong there, with data that is no JSON, everywhere."""
    for path in ("/queues/UPPER", "/queues/not..ok", "/queues/" + "q" * 33, QUEUE + "/junk", QUEUE + "/tasks/0/junk", QUEUE + "/tasks/junk",
                 QUEUE + "/tasks/0/5.zz.-.a-0", QUEUE + "/tasks/0/b.junk", "/assign/nobody", "/assign/a.b.c", "/workers/no.such name",
                 "/workers/bogus", "/election/junk", "/election/zz-n_99999999999", QUEUE + "/done/junk", QUEUE + "/dead/junk", "/stranger",
                 QUEUE + "/classes/junk", QUEUE + "/classes/00000000000000aa", QUEUE + "/cancel/junk", QUEUE + "/retry/0/junk",
                 QUEUE + "/keys/zz", QUEUE + "/moved/junk", "/drain/nobody", "/limits/x", "/logkeys/w9", "/events/junk"):
        place.client.create("/zkq" + path, b"\xff not json", makepath=True)
    return lambda: True


def forged_sequence(place):
    """A task under a name of its own choice, with a number far ahead or that of another, hides none."""
    for number in (999, 9, 10, 11):
        place.create("%s/tasks/0/5.0123456789abcdef.-.zzzzzzzzz%03d-%010d" % (QUEUE, number, number))
    ids = place.cluster.submit_many([{"noop": True}] * 20)

    def check():
        return all((place.cluster.record(place.cluster.result_path(one)) or {}).get("state") == "done" for one in ids)
    return check


def unknown_worker(place):
    """A folder with claims of a worker that never was: the leader removes it when it would be lost, or leaves it alone."""
    folder = "/assign/ghost.abcd1234"
    place.create(folder, b'{"v":1,"lost_after":1.0,"low":0}')
    place.create(folder + "/junk")
    place.create(folder + "/1:default:0:junk:1:0")
    return lambda: True


def hidden(place):
    """What nobody may read, where leaders look when they take over; and reports of other shapes."""
    for path in ("/assign/hidden.abcd1234", "/workers/hidden", "/queues/hidden", "/logkeys/hidden", "/drain/hidden"):
        place.client.create("/zkq" + path, b"{}", makepath=True, acl=acl("create", "delete"))
    for i, text in enumerate(("", "{}", "[]", '{"v":1,"r":0}', '{"v":1,"r":4294967295,"lost_after":1e308}', '{"v":1,"r":1,"lost_after":-1}',
                              '{"v":1,"r":1,"low":-1}', '{"v":1,"r":1,"lost_after":1,"low":1e18}', '{"v":1,"r":1,"done":["9-1","x"]}',
                              '{"v":1,"r":1,"lost_after":3,"low":18446744073709551615,"returned":{"total":-1,"last":["x"]}}')):
        place.create("/assign/odd%d.abcd1234" % i, text.encode())
        place.create("/assign/w1.abcd123%d" % i, text.encode())
    return lambda: True


def junk_in_worker_folder(place):
    folder = [name for name in place.client.get_children("/zkq/assign") if name.startswith("w1.")][0]
    for name in ("junk", "1:default:0:junk:1:0", "o:999:kill", "o:x:y", "live-77"):
        place.create("/assign/%s/%s" % (folder, name))
    return lambda: True


def bogus_workers(place):
    """Lists show them or not; they give nothing to them and do not fail."""
    for i, text in enumerate(('{"v":1}', "[]", "null", '{"v":1,"load":"NaN","slots":-1}', '{"v":1,"slots":1e308,"queues":["default"]}',
                              '{"v":1,"slots":4,"queues":"default","start":-1,"pid":0,"host":"\\u001b[2J"}', "\xff")):
        place.create("/workers/bogus%d" % i, text.encode("latin-1"))

    def check():
        listed = place.cluster.zkq("worker", "list")
        if listed.returncode != 0 or "\x1b[2J" in listed.stdout or "w1" not in listed.stdout:
            raise AssertionError("zkq worker list: exit %d: %r %r" % (listed.returncode, listed.stdout, listed.stderr))
        return True
    return check


def stranger_leads(place):
    """A candidate that stays, lower than all: no session owns it, so a new leader must be found all the same."""
    old = place.cluster.leader()
    place.create("/election/%s-n_0000000000" % ("f" * 32), b"{}")
    if not old:
        raise AssertionError("no leader")
    old.expected = True
    code = old.terminate()
    if code != 0:
        raise AssertionError("the old leader: exit %d" % code)
    again = place.cluster.dispatcher("d9")
    check = done(place, place.inbox())

    def both():
        if not again.alive():
            raise AssertionError("the new dispatcher ended")
        return check()
    return both


def result_without_task(place):
    """Of another root, where no verdict looks: shown as what it is, or refused; never a crash."""
    place.client.create("/other/queues/default/done/0/abcdefghijkl", b'{"v":1,"state":"done","exit":"x"}', makepath=True)
    place.client.create("/other/queues/default/tasks/0", b"", makepath=True)
    for words in (("show",), ("results",), ("status",), ("wait", "--timeout=1s"), ("cancel", "--timeout=1s"), ("logs",)):
        ended = place.cluster.zkq(*words, "--root=/other", "default.0.abcdefghijkl", seconds=20)
        if ended.returncode < 0 or ended.returncode in (70, 99) or not (ended.returncode == 0 or ended.stderr.count("\n") == 1):
            raise AssertionError("zkq %s: exit %d: %r %r" % (words[0], ended.returncode, ended.stdout, ended.stderr))


# ---- dispatchers at roots that cannot be used ----

def dispatcher_at(place, root, words, environment=None):
    """A dispatcher there says why and stays, and ends as asked."""
    from stories import Daemon
    daemon = Daemon("odd", place.cluster.program("zkq-dispatcher") + [
        "--zk=" + place.cluster.ensemble.connect_string, "--root=" + root, "--session-timeout=2s"],
        dict(place.cluster.environment, **(environment or {})), place.cluster.folder)
    place.cluster.daemons.append(daemon)
    place.cluster.wait(lambda: words in daemon.log(), 15, "the dispatcher at %s says %r: %s" % (root, words, daemon.log()[-300:]))
    code = daemon.terminate()
    if code != 0:
        raise AssertionError("exit %d: %s" % (code, daemon.log()[-500:]))


def no_parent(place):
    dispatcher_at(place, "/none/zkq", "the parent of the root is missing")


def foreign_root(place):
    place.client.create("/foreign", b"something else")
    dispatcher_at(place, "/foreign", "its root holds no record of zkq; choose another root")


def newer_format(place):
    place.client.create("/newer", b'{"v":1,"format":2,"cluster":"x"}')
    dispatcher_at(place, "/newer", "tree: written in format 2, this dispatcher knows format 1")


def read_only(place):
    place.client.create("/readonly", b"", acl=acl("read"))
    dispatcher_at(place, "/readonly/zkq", "tree: cannot be created: not allowed")


# ---- surroundings ----

def manager(text, **more):
    """A service manager that talks nonsense."""
    def do(place):
        dispatcher_at(place, "/zkq-manager", "leads", dict(more, NOTIFY_SOCKET=text))
    return do


def clock(when):
    """The dispatcher's wall clock is elsewhere; its monotonic one is not touched."""
    def do(place):
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        linked = subprocess.run(["ldd", place.cluster.program("zkq-dispatcher")[-1]], capture_output=True, text=True, check=False).stdout
        if not library or "libasan" in linked:
            print("  skipped: faketime is missing, or the sanitizer wants to be first")
            return
        dispatcher_at(place, "/zkq-clock", "leads", {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME": when, "LD_PRELOAD": library[0]})
    return do


def full_disk(place):
    """Output that finds no room is lost, counted and said; the task's outcome is not touched."""
    state = place.cluster.folder + "/state-full"
    os.mkdir(state)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "none", state], capture_output=True, check=False).returncode != 0:
        print("  not permitted: a small file system of its own")
        return
    try:
        worker = place.cluster.worker("full", queues="disk")
        if place.cluster.zkq("queue", "create", "disk").returncode != 0:
            raise AssertionError("zkq queue create")
        one, = place.cluster.submit("-Q", "disk", "sh", "-c", "head -c 2000000 /dev/zero; exit 3")
        record = place.cluster.result(one)
        if (record["state"], record["exit"]) != ("failed", 3) or not record["dropped_bytes"] or record["log_complete"]:
            raise AssertionError("%r" % record)
        if worker.terminate() != 0:
            raise AssertionError("the worker: exit %d" % worker.process.returncode)
    finally:
        subprocess.run(["umount", "-l", state], check=False)


def torn_lives(place):
    """The file of earlier lives holds anything."""
    for name, content in (("torn", b"\0\xffabc\n" * 1000), ("empty", b""), ("half", b"abcd")):
        state = "%s/state-%s" % (place.cluster.folder, name)
        os.mkdir(state)
        with open(state + "/lives", "wb") as file:
            file.write(content)
        worker = place.cluster.worker(name, queues="lives-" + name)
        place.cluster.wait(lambda name=name: place.client.exists("/zkq/workers/" + name), 20, name)
        if worker.terminate() != 0:
            raise AssertionError("%s: exit %d" % (name, worker.process.returncode))


def kills_its_supervisor(place):
    """A task that kills the runner it runs under: its worker is lost, the task is given to another one, nothing else."""
    flag = place.cluster.folder + "/killed"
    first = place.cluster.worker("victim", queues="victim")
    if place.cluster.zkq("queue", "create", "victim").returncode != 0:
        raise AssertionError("zkq queue create")
    first.expected = True
    one, = place.cluster.submit("-Q", "victim", "sh", "-c", "test -e %s && exit 0; touch %s; kill -9 $PPID; sleep 60" % (flag, flag))
    first.process.wait(30)
    place.cluster.worker("heir", queues="victim")
    record = place.cluster.result(one, 40)
    if (record["state"], record["exit"]) != ("done", 0):
        raise AssertionError("%r" % record)


def queue_names(place):
    """No name is reserved: they are queues like others."""
    names = ["pending", "dead", "zookeeper", "tasks", "inbox", "none", "q" * 32]
    for name in names:
        made = place.cluster.zkq("queue", "create", name)
        if made.returncode != 0:
            raise AssertionError("%s: exit %d: %s" % (name, made.returncode, made.stderr))
    ids = [place.cluster.submit("-Q", name, "true")[0] for name in names]
    gone = place.cluster.zkq("cancel", "--timeout=20s", *ids)
    if gone.returncode != 0:
        raise AssertionError("cancel: exit %d: %s %s" % (gone.returncode, gone.stdout, gone.stderr))
