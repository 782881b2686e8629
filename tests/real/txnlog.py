#!/usr/bin/python3
"""txnlog: reads the transaction logs of a ZooKeeper 3.8 server: what was committed, in order, and by which session.

    txnlog.py FOLDER...     prints the history of an ensemble, one line a transaction

Each FOLDER is a server's version-2 directory. Nothing here trusts the program under test.

One server's log need not be the history: after a snapshot sync it has a hole, and a deposed leader keeps
proposals that were never committed. whole_history() takes a log without holes whose every transaction gives the
tree digest that the servers themselves recorded, so that a missing or an extra transaction cannot hide.
"""
import os
import struct
import sys
import zlib

CREATE, DELETE, SET, SET_ACL, CHECK, MULTI = 1, 2, 5, 7, 13, 14
CREATE2, RECONFIG, CREATE_CONTAINER, DELETE_CONTAINER, CREATE_TTL = 15, 16, 19, 20, 21
CREATE_SESSION, CLOSE_SESSION, ERROR = -10, -11, -1
CREATES = (CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL)
DELETES = (DELETE, DELETE_CONTAINER)
WORDS = {CREATE: "create", CREATE2: "create", CREATE_CONTAINER: "create", CREATE_TTL: "create", DELETE: "delete",
         DELETE_CONTAINER: "delete", SET: "set", RECONFIG: "set", SET_ACL: "acl", CHECK: "check", ERROR: "error"}


class Damaged(Exception):
    """The bytes are no transaction log."""


class Op:
    """One change: kind (CREATE, DELETE, SET, SET_ACL, CHECK, ERROR), path, data, version, ephemeral, error.

    version: CHECK: expected data version (-1 = any); SET: the new version; CREATE: the parent's child version."""
    __slots__ = ("kind", "path", "data", "version", "ephemeral", "error", "owner")

    def __init__(self, kind, path="", data=None, version=0, ephemeral=False, error=0):
        self.kind, self.path, self.data = kind, path, data
        self.version, self.ephemeral, self.error = version, ephemeral, error
        self.owner = 0      # of a container: what stands in the place of a session

    def __repr__(self):
        text = "%s %s" % (WORDS.get(self.kind, self.kind), self.path)
        if self.kind in (CHECK, SET):
            text += " v%d" % self.version
        if self.kind == ERROR:
            text += str(self.error)
        return text.rstrip()


class Record:
    """One transaction. kind: what the log says; ops: its changes; applied is False for a refused multi."""
    __slots__ = ("session", "cxid", "zxid", "wall_ms", "kind", "ops", "applied", "timeout_ms", "closed", "digest")

    def __init__(self, session, zxid, wall_ms=0, kind=MULTI, ops=(), applied=True, cxid=0):
        self.session, self.cxid, self.zxid, self.wall_ms, self.kind = session, cxid, zxid, wall_ms, kind
        self.ops, self.applied = list(ops), applied
        self.timeout_ms, self.closed, self.digest = 0, [], None

    def __repr__(self):
        if self.kind == CREATE_SESSION:
            what = "open session, %d ms" % self.timeout_ms
        elif self.kind == CLOSE_SESSION:
            what = "close session: %s" % " ".join(self.closed)
        else:
            what = ("" if self.applied else "refused: ") + "; ".join(repr(op) for op in self.ops)
        return "0x%x %d 0x%x %s" % (self.zxid, self.wall_ms, self.session & (2 ** 64 - 1), what)


class Jute:
    """Reads jute, ZooKeeper's encoding."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form, size):
        if self.at + size > len(self.data):
            raise Damaged("a record ends too early")
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return value

    def int(self):
        return self.take(">i", 4)

    def long(self):
        return self.take(">q", 8)

    def bool(self):
        return self.take(">?", 1)

    def buffer(self):
        size = self.int()
        if size < 0:
            return None
        if self.at + size > len(self.data):
            raise Damaged("a buffer of %d bytes is longer than its record" % size)
        value = self.data[self.at:self.at + size]
        self.at += size
        return value

    def string(self):
        value = self.buffer()
        return "" if value is None else value.decode("utf-8", "surrogateescape")

    def acls(self):
        for _ in range(max(0, self.int())):
            self.int()
            self.buffer()
            self.buffer()

    def left(self):
        return len(self.data) - self.at


def read_op(kind, body):
    if kind in (CREATE, CREATE2):
        path, data = body.string(), body.buffer()
        body.acls()
        ephemeral = body.bool()
        return Op(CREATE, path, data, body.int(), ephemeral)
    if kind in (CREATE_CONTAINER, CREATE_TTL):
        path, data = body.string(), body.buffer()
        body.acls()
        op = Op(CREATE, path, data, body.int())
        op.owner = -2 ** 63 if kind == CREATE_CONTAINER else -2 ** 56 | body.long()
        return op
    if kind in DELETES:
        return Op(DELETE, body.string())
    if kind in (SET, RECONFIG):
        path, data = body.string(), body.buffer()
        return Op(SET, path, data, body.int())
    if kind == SET_ACL:
        path = body.string()
        body.acls()
        return Op(SET_ACL, path, None, body.int())
    if kind == CHECK:
        path = body.string()
        return Op(CHECK, path, None, body.int() - 1)    # the log holds expected version + 1
    if kind == ERROR:
        return Op(ERROR, error=body.int())
    raise Damaged("unknown type %d" % kind)


def read_record(data):
    body = Jute(data)
    session, cxid, zxid, wall_ms, kind = body.long(), body.int(), body.long(), body.long(), body.int()
    record = Record(session, zxid, wall_ms, kind, cxid=cxid)
    if kind == CREATE_SESSION:
        record.timeout_ms = body.int()
    elif kind == CLOSE_SESSION:
        if body.left() > 12:    # else it lists nothing and only the digest follows
            record.closed = [body.string() for _ in range(max(0, body.int()))]
        else:
            record.closed = None
            if body.left() in (4, 0):
                record.closed = []
    elif kind == MULTI:
        for _ in range(max(0, body.int())):
            sub_kind = body.int()
            record.ops.append(read_op(sub_kind, Jute(body.buffer() or b"")))
    else:
        record.ops.append(read_op(kind, body))
    record.applied = not any(op.kind == ERROR for op in record.ops)
    if record.applied and body.left() >= 12:
        body.at = len(data) - 12
        body.int()
        record.digest = body.long() & (2 ** 64 - 1)
    return record


def read_file(path):
    """The records of one log file, in order. A torn last record ends it, as it does for the server."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"ZKLG\0\0\0\2":
        if not data.strip(b"\0"):
            return
        raise Damaged("%s is no transaction log of version 2" % path)
    at = 16
    while at + 12 <= len(data):
        checksum, size = struct.unpack_from(">qi", data, at)
        at += 12
        if size <= 0:
            return
        body = data[at:at + size]
        if len(body) < size or data[at + size:at + size + 1] != b"B":
            return
        if zlib.adler32(body) != checksum:
            raise Damaged("%s: wrong checksum at byte %d" % (path, at))
        at += size + 1
        yield read_record(body)


def read_folder(folder):
    """The records of one server by zxid. A file that begins anew at an older zxid replaces what came after it."""
    names = [name for name in os.listdir(folder) if name.startswith("log.")]
    records = {}
    for name in sorted(names, key=lambda name: int(name[4:], 16)):
        for record in read_file(os.path.join(folder, name)):
            records[record.zxid] = record
    return [records[zxid] for zxid in sorted(records)]


def holes(records):
    """Zxids behind which something is missing: in each epoch the counters go 1, 2, 3 ..."""
    found = []
    epoch, counter = None, 0
    for record in records:
        if record.zxid >> 32 != epoch:
            epoch, counter = record.zxid >> 32, 0
        if record.zxid & 0xffffffff != counter + 1:
            found.append((epoch << 32) + counter)
        counter = record.zxid & 0xffffffff
    return found


class Node:
    __slots__ = ("data", "owner", "children", "czxid", "mzxid", "pzxid", "ctime", "mtime", "version", "cversion",
                 "aversion", "digest")

    def __init__(self, data=b"", owner=0, zxid=0, wall_ms=0):
        self.data, self.owner, self.children = data, owner, 0
        self.czxid = self.mzxid = self.pzxid = zxid
        self.ctime = self.mtime = wall_ms
        self.version = self.cversion = self.aversion = self.digest = 0


class Tree:
    """The znodes as they are after a transaction; digest is computed as the servers do it (version 2)."""

    def __init__(self):
        self.nodes = {"": Node(), "/zookeeper": Node(), "/zookeeper/quota": Node(), "/zookeeper/config": Node()}
        self.nodes[""].children = 1
        self.owned = {}         # session: set of its ephemerals
        self.digest = 0
        self.longest = {}       # folder: most children it ever had
        for path in ("", "/zookeeper"):
            self._count(path)

    def _count(self, path):
        """Brings the digest up to date with the node at path."""
        if path.startswith("/zookeeper/"):
            return
        node = self.nodes[path]
        self.digest -= node.digest
        node.digest = zlib.crc32(struct.pack(
            ">qqqqqiiiq", node.czxid, node.mzxid, node.pzxid, node.ctime, node.mtime, node.version, node.cversion,
            node.aversion, node.owner), zlib.crc32(node.data or b"", zlib.crc32(path.encode("utf-8", "surrogateescape"))))
        self.digest = (self.digest + node.digest) & (2 ** 64 - 1)

    def get(self, path):
        return self.nodes.get(path)

    def apply(self, record):
        """Carries out one committed transaction."""
        if not record.applied:
            return
        for op in record.ops:
            if op.kind == CREATE:
                self._create(op, record)
            elif op.kind == DELETE:
                self._delete(op.path, record.zxid)
            elif op.kind == SET and op.path in self.nodes:
                node = self.nodes[op.path]
                node.data, node.version, node.mzxid, node.mtime = op.data, op.version, record.zxid, record.wall_ms
                self._count(op.path)
            elif op.kind == SET_ACL and op.path in self.nodes:
                self.nodes[op.path].aversion = op.version
                self._count(op.path)
        if record.kind == CLOSE_SESSION:
            mine = self.owned.pop(record.session, set())
            if record.closed is None:
                record.closed = sorted(mine)
            for path in record.closed:
                self._delete(path, record.zxid)

    def _create(self, op, record):
        if op.path in self.nodes:
            return
        folder = op.path.rpartition("/")[0]
        node = self.nodes[op.path] = Node(op.data, record.session if op.ephemeral else op.owner, record.zxid, record.wall_ms)
        if op.ephemeral:
            self.owned.setdefault(record.session, set()).add(op.path)
        parent = self.nodes.get(folder)
        if parent is not None:
            parent.children += 1
            if parent.children > self.longest.get(folder, 0):
                self.longest[folder] = parent.children
            version = parent.cversion + 1 if op.version == -1 else op.version
            if version > parent.cversion:
                parent.cversion, parent.pzxid = version, record.zxid
            self._count(folder)
        self._count(op.path)
        return node

    def _delete(self, path, zxid):
        node = self.nodes.pop(path, None)
        if node is None:
            return
        self.digest = (self.digest - node.digest) & (2 ** 64 - 1)
        if node.owner:
            self.owned.get(node.owner, set()).discard(path)
        folder = path.rpartition("/")[0]
        parent = self.nodes.get(folder)
        if parent is not None:
            parent.children -= 1
            parent.pzxid = max(parent.pzxid, zxid)
            self._count(folder)


def first_digest_fault(records):
    """The first record after which the tree's digest is not what the server recorded, or None."""
    tree = Tree()
    for record in records:
        tree.apply(record)
        if record.digest is not None and record.digest != tree.digest:
            return record
    return None


def whole_history(folders):
    """The committed history of an ensemble from the version-2 folders of its servers; Damaged when none is whole."""
    why = []
    logs = []
    for folder in folders:
        records = read_folder(folder)
        missing = holes(records)
        fault = None if missing else first_digest_fault(records)
        if not records:
            why.append("%s: empty" % folder)
        elif missing:
            why.append("%s: a hole after 0x%x" % (folder, missing[0]))
        elif fault:
            why.append("%s: the tree digest differs after 0x%x" % (folder, fault.zxid))
        else:
            logs.append(records)
    if not logs:
        raise Damaged("no log is the whole history: " + "; ".join(why))
    return max(logs, key=lambda records: records[-1].zxid)


def main():
    for record in whole_history(sys.argv[1:]):
        print(record)


if __name__ == "__main__":
    main()
