#!/usr/bin/python3
"""proxy: a TCP forwarder for tests, that can cut, refuse, swallow or delay.

    forwarder = Forwarder(("127.0.0.1", 2181))      listens on forwarder.endpoint
    forwarder.swallow()     both directions vanish, connections stay open: a cut without a reset
    forwarder.cut()         connections are reset, new ones refused
    forwarder.forward()     as if nothing had been; what was swallowed stays lost, so such connections are reset
    forwarder.drop_replies_after(n)     from the n-th byte of the next replies on they are swallowed, then a reset
"""
import select
import socket
import struct
import threading

FORWARD, SWALLOW, CUT = "forward", "swallow", "cut"
RESET = struct.pack("ii", 1, 0)


class Pair:
    """One forwarded connection."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.spoilt = False

    def other(self, side):
        return self.server if side is self.client else self.client

    def reset(self):
        for side in (self.client, self.server):
            try:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            except OSError:
                pass
            side.close()


class Forwarder:
    def __init__(self, target, address="127.0.0.1"):
        self.target = target
        self.listener = socket.create_server((address, 0))
        self.endpoint = "%s:%d" % self.listener.getsockname()[:2]
        self.state = FORWARD
        self.replies_left = None    # bytes of replies that still pass, None = all
        self.swallowed = 0
        self.pairs = []
        self.wake_read, self.wake_write = socket.socketpair()
        self.stopping = False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    def _set(self, state):
        with self.lock:
            self.state = state
        self.wake_write.send(b".")

    def forward(self):
        self._set(FORWARD)

    def swallow(self):
        self._set(SWALLOW)

    def cut(self):
        self._set(CUT)

    def drop_replies_after(self, count):
        with self.lock:
            self.replies_left = count

    def stop(self):
        self.stopping = True
        self.wake_write.send(b".")
        self.thread.join()

    def _drop(self, pair):
        if pair in self.pairs:
            self.pairs.remove(pair)
            pair.reset()

    def _accept(self):
        client, _ = self.listener.accept()
        if self.state == CUT:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        try:
            server = socket.create_connection(self.target, 2)
        except OSError:
            client.close()
            return
        self.pairs.append(Pair(client, server))

    def _carry(self, pair, side):
        try:
            data = side.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(pair)
            return
        if self.state == SWALLOW:
            self.swallowed += len(data)
            pair.spoilt = True
            return
        reset = False
        if side is pair.server and self.replies_left is not None:
            with self.lock:
                reset = len(data) >= self.replies_left
                data = data[:self.replies_left]
                self.replies_left = None if reset else self.replies_left - len(data)
        try:
            if data:
                pair.other(side).sendall(data)
        except OSError:
            reset = True
        if reset:
            self._drop(pair)

    def _run(self):
        while not self.stopping:
            sides = {}
            for pair in self.pairs:
                sides[pair.client] = sides[pair.server] = pair
            ready, _, _ = select.select([self.listener, self.wake_read, *sides], [], [])
            for one in ready:
                if one is self.wake_read:
                    one.recv(4096)
                    for pair in list(self.pairs):
                        if self.state == CUT or (self.state == FORWARD and pair.spoilt):
                            self._drop(pair)
                elif one is self.listener:
                    self._accept()
                elif sides[one] in self.pairs:
                    self._carry(sides[one], one)
        for pair in list(self.pairs):
            self._drop(pair)
        self.listener.close()
        self.wake_read.close()
        self.wake_write.close()
