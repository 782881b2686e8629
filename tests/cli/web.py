#!/usr/bin/python3
"""web: the dispatcher's HTTP process alone, the test being its main process: what it answers to good, bad and endless requests,
to many connections, and to silence. Prints a line for each row that is answered wrongly; exit 0 = none.

usage: web.py [BUILD]      BUILD has zkq-dispatcher, default: $top_builddir
"""
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

CONNECTIONS_MAX = 256           # src/io/connections.h
REQUESTS_MAX = 1000             # src/io/http.h
SILENT_S = 5                    # src/daemon/web.h
DEADLINE_S = 15
PATIENCE_S = 2                  # for the answer to a row
GOOD = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSED = 0                      # the connection ends without an answer
WAITS = -1                      # it waits for more; its deadlines are the real story's business


def request(line, *headers, body=b""):
    return b"\r\n".join([line, *headers]) + b"\r\n\r\n" + body


def get(path, *headers):
    return request(b"GET " + path + b" HTTP/1.1", b"Host: x", *headers)


# What is sent, and the codes that are right.
ROWS = [
    ("a good request", GOOD, {200}),
    ("an unknown path", get(b"/nothing"), {404}),
    ("no Host in 1.1", request(b"GET /livez HTTP/1.1"), {400}),
    ("no Host in 1.0", request(b"GET /livez HTTP/1.0"), {200}),
    ("another's Host", request(b"GET /livez HTTP/1.1", b"Host: evil.example:1"), {200}),
    ("two Hosts", get(b"/livez", b"Host: y"), {400}),
    ("HTTP/0.9", b"GET /livez\r\n\r\n", {400, CLOSED}),
    ("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9, {400, 501, CLOSED}),
    ("HTTP/9.9", request(b"GET /livez HTTP/9.9", b"Host: x"), {400, CLOSED}),
    ("a TLS hello", bytes.fromhex("16030100510100004d0303") + bytes(range(70)) + b"\r\n\r\n", {400, CLOSED}),
    ("binary nonsense", bytes(range(256)) * 8 + b"\r\n\r\n", {400, CLOSED}),
    ("an empty line", b"\r\n\r\n", {400, CLOSED}),
    ("a path of 1 MiB", get(b"/" + b"a" * (1 << 20)), {400, 413, CLOSED}),
    ("a header of 64 KiB", get(b"/livez", b"X: " + b"a" * 65536), {400, 413, CLOSED}),
    ("2,000 headers", get(b"/livez", *[b"X%d: y" % i for i in range(2000)]), {400, 413, CLOSED}),
    ("a header without a colon", get(b"/livez", b"nonsense"), {400, CLOSED}),
    ("a folded header before any", request(b"GET /livez HTTP/1.1", b" folded"), {400, CLOSED}),
    ("a NUL in a header", get(b"/livez", b"X: a\0b"), {200, 400, CLOSED}),
    ("a body on GET", get(b"/livez", b"Content-Length: 4") + b"body", {400}),
    ("more body than told", get(b"/livez", b"Content-Length: 1") + b"body", {400}),
    ("less body than told", get(b"/livez", b"Content-Length: 99") + b"body", {400, WAITS}),
    ("length 0 on GET", get(b"/livez", b"Content-Length: 0"), {200}),
    ("a negative length", get(b"/livez", b"Content-Length: -1"), {400}),
    ("two lengths", get(b"/livez", b"Content-Length: 0", b"Content-Length: 5") + b"hello", {400}),
    ("length and chunks", get(b"/livez", b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", {400}),
    ("a request hidden in a body", get(b"/livez", b"Content-Length: %d" % len(GOOD)) + GOOD, {400}),
    ("chunks on GET", get(b"/livez", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", {400}),
    ("POST", request(b"POST /metrics HTTP/1.1", b"Host: x", b"Content-Length: 3", body=b"a=b"), {405}),
    ("POST from elsewhere", request(b"POST / HTTP/1.1", b"Host: x", b"Origin: http://evil", b"Content-Length: 0"), {405}),
    ("POST of 1 MiB", request(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 1048576", body=b"a" * 65536), {400, 405, 413}),
    ("POST of 2^63 bytes", request(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 9223372036854775808"), {400, 405, 413}),
    ("POST of -5 bytes", request(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: -5"), {400, 405, 413}),
    ("a chunk of 2^64 - 1", request(b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked",
                                    body=b"ffffffffffffffff\r\n"), {400, 405, 413}),
    ("a chunk of -1", request(b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=b"-1\r\n"), {400, 405, 413}),
    ("a chunk of no number", request(b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=b"zz\r\n"),
     {400, 405, 413}),
    ("HEAD", request(b"HEAD /metrics HTTP/1.1", b"Host: x"), {200}),
    ("OPTIONS", request(b"OPTIONS * HTTP/1.1", b"Host: x"), {400, 405}),
    ("TRACE", request(b"TRACE /livez HTTP/1.1", b"Host: x"), {405}),
    ("CONNECT", request(b"CONNECT x:80 HTTP/1.1", b"Host: x"), {400, 405}),
    ("DELETE", request(b"DELETE /livez HTTP/1.1", b"Host: x"), {405}),
    ("PUT", request(b"PUT /livez HTTP/1.1", b"Host: x", b"Content-Length: 0"), {405}),
    ("PATCH", request(b"PATCH /livez HTTP/1.1", b"Host: x", b"Content-Length: 0"), {405}),
    ("an unknown method", request(b"BREW /livez HTTP/1.1", b"Host: x"), {405, 501}),
    ("a small method", request(b"get /livez HTTP/1.1", b"Host: x"), {400, 405, 501}),
    ("%00", get(b"/livez%00"), {400}),
    ("%00 in a query", get(b"/livez?a=%00"), {200, 400}),
    ("dots", get(b"/../../etc/passwd"), {404}),
    ("coded dots", get(b"/%2e%2e%2fetc%2fpasswd"), {404}),
    ("twice coded dots", get(b"/%252e%252e%252fetc"), {404}),
    ("a lone %", get(b"/%"), {400, 404}),
    ("%zz", get(b"/%zz"), {400, 404}),
    ("overlong UTF-8", get(b"/%c0%ae%c0%ae/"), {404}),
    ("raw bytes", get(b"/\xff\xfe"), {400, 404}),
    ("a whole URI", get(b"http://other/livez"), {200}),
    ("a URI without a path", get(b"http://other"), {200, 400, 404}),
    ("a path without a slash", get(b"livez"), {400, 404}),
    ("two slashes", get(b"//livez"), {400, 404}),
    ("an unknown parameter", get(b"/livez?sort=<script>&filter=(a+)+$"), {200, 400}),
    ("a parameter without value", get(b"/readyz?verbose"), {200}),
    ("a parameter without name", get(b"/readyz?=1"), {400}),
    ("only separators", get(b"/readyz?&&&"), {200}),
    ("10,000 separators", get(b"/readyz?" + b"&" * 4000), {200}),
    ("Accept: OpenMetrics", get(b"/metrics", b"Accept: application/openmetrics-text; version=1.0.0"), {200}),
    ("Accept-Encoding: gzip", get(b"/metrics", b"Accept-Encoding: gzip"), {200}),
    ("an old If-Modified-Since", get(b"/metrics", b"If-Modified-Since: Sat, 29 Oct 2016 19:43:31 GMT"), {200}),
    ("Expect: 100-continue", get(b"/livez", b"Expect: 100-continue"), {200, 400, 417}),
    ("Upgrade", get(b"/livez", b"Connection: Upgrade", b"Upgrade: websocket"), {200}),
    ("Range", get(b"/metrics", b"Range: bytes=0-0"), {200}),
    ("a token", get(b"/metrics", b"Authorization: Bearer " + b"a" * 4000), {200}),
]


def wait_until(condition, what, seconds=DEADLINE_S):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.02)


class Server:
    """The HTTP process, and a thread that gives it a sign of life now and then."""

    def __init__(self, build):
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = listener.getsockname()
        listener.setblocking(False)
        self.ours, theirs = socket.socketpair()
        # Its sockets have fixed numbers, see src/daemon/helper.h; these are out of the way of each other.
        passed = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 10) for one in (theirs, listener)]
        become = "import os, sys; [os.dup2(int(fd), 3 + i) for i, fd in enumerate(sys.argv[1:3])]; os.execv(sys.argv[3], sys.argv[3:])"
        self.process = subprocess.Popen([sys.executable, "-c", become, *map(str, passed), os.path.join(build, "zkq-dispatcher"),
                                         "--http-server", "--config=/dev/null"], pass_fds=passed)
        for one in passed:
            os.close(one)
        listener.close()
        theirs.close()
        self.checks = b"[+]zookeeper ok\n"
        self.speaking = True
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.speak, daemon=True)
        self.thread.start()

    def snapshot(self):
        """As src/daemon/snapshot.c spells it: struct header, the checks, the metrics."""
        metrics = b"# HELP zkq_x_total X.\n# TYPE zkq_x_total counter\nzkq_x_total 7\n"
        frame = struct.pack("@NiiB7x", len(self.checks), 2, 0, b"[-]" in self.checks) + self.checks + metrics
        return struct.pack("@I", len(frame)) + frame

    def speak(self):
        while not self.over.is_set():
            if self.speaking:
                try:
                    self.ours.sendall(self.snapshot())
                except OSError:
                    return
            self.over.wait(0.2)

    def connect(self):
        return socket.create_connection(self.address, timeout=DEADLINE_S)

    def ask(self, data, patience=DEADLINE_S):
        """(code, headers, body) of the first answer; code CLOSED or WAITS when there is none."""
        with self.connect() as peer:
            peer.settimeout(patience)
            try:
                peer.sendall(data)
            except OSError:
                pass    # refused while it was still being sent; the answer may be there all the same
            return read_answer(peer)

    def get(self, path):
        return self.ask(get(path))

    def stop(self):
        self.over.set()
        self.thread.join()
        self.ours.close()
        return self.process.wait(DEADLINE_S)


def read_answer(peer):
    got = b""
    try:
        while b"\r\n\r\n" not in got:
            piece = peer.recv(65536)
            if not piece:
                break
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and not head.startswith(b"HEAD") and len(body) < int(length.group(1)):
            piece = peer.recv(65536)
            if not piece:
                break
            body += piece
    except ConnectionResetError:
        head, _, body = got.partition(b"\r\n\r\n")
    except TimeoutError:
        return WAITS, "", got
    code = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    return int(code.group(1)) if code else CLOSED, head.decode("latin-1"), body


def rows(server):
    for name, data, codes in ROWS:
        code = server.ask(data, PATIENCE_S)[0] if not data.startswith(b"HEAD") else CLOSED
        if data.startswith(b"HEAD"):
            with server.connect() as peer:
                peer.sendall(data.replace(b"Host: x", b"Host: x\r\nConnection: close"))
                answer = b"".join(iter(lambda: peer.recv(65536), b""))
                code = int(answer.split()[1])
                if not answer.endswith(b"\r\n\r\n"):
                    yield "HEAD: has a body"
        if code not in codes:
            yield "%s: %d, not one of %s" % (name, code, sorted(codes))
        if server.ask(GOOD)[0] != 200:
            yield "%s: then a good request is not answered" % name
    hidden = request(b"HEAD /livez HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(GOOD), body=GOOD)
    with server.connect() as peer:
        peer.sendall(hidden)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
        if answer.count(b"HTTP/1.1 ") != 1 or b" 400 " not in answer:
            yield "a request hidden in the body of a HEAD: %r" % answer
    _, head, _ = server.ask(request(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 0"))
    if "allow: get, head" not in head.lower():
        yield "405 without Allow: %r" % head


def truncated(server):
    """A good request cut off at every byte, then closed: nobody is hurt."""
    for length in range(len(GOOD)):
        with server.connect() as peer:
            peer.sendall(GOOD[:length])
    if server.ask(GOOD)[0] != 200:
        yield "after requests that were cut off: no answer"


def pages(server):
    code, _, body = server.get(b"/readyz?verbose")
    if code != 200 or b"[+]loop ok" not in body or b"[+]zookeeper ok" not in body:
        yield "/readyz?verbose: %d %r" % (code, body)
    server.checks = b"[+]role ok\n[-]zookeeper not connected\n"
    wait_until(lambda: server.get(b"/readyz")[0] == 503, "not ready")
    if b"[-]zookeeper not connected" not in server.get(b"/readyz")[2]:
        yield "/readyz does not tell what fails"
    if server.get(b"/livez")[0] != 200:
        yield "/livez depends on ZooKeeper"
    server.checks = b"[+]zookeeper ok\n"
    wait_until(lambda: server.get(b"/readyz")[0] == 200, "ready again")
    code, head, body = server.get(b"/metrics")
    if code != 200 or "version=0.0.4" not in head or b"\nzkq_x_total 7\n" not in body or b"process_open_fds" not in body:
        yield "/metrics: %d %r" % (code, body)
    if b"/readyz" not in server.get(b"/")[2]:
        yield "/ does not tell what there is"
    if server.get(b"/healthz")[0] != 200:
        yield "/healthz is not /livez"


def promtool(server):
    if not shutil.which("promtool"):
        print("web: no promtool: its checks are left out")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=server.get(b"/metrics")[2], capture_output=True, check=False)
    if done.returncode != 0 or done.stdout or done.stderr:
        yield "promtool: exit %d: %s%s" % (done.returncode, done.stdout.decode(), done.stderr.decode())
    rules = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "etc", "zkq-alerts.yml")
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        yield "promtool: %s%s" % (done.stdout, done.stderr)


def pipeline(server):
    """10,000 requests at once: the first thousand are answered, then the connection ends."""
    with server.connect() as peer:
        def send():
            try:
                peer.sendall(GOOD * 10000)
            except OSError:
                pass
        sender = threading.Thread(target=send)
        sender.start()
        got = b""
        try:
            while True:
                piece = peer.recv(1 << 20)
                if not piece:
                    break
                got += piece
        except ConnectionResetError:
            pass    # what had not been read when it was closed
        sender.join()
    answers = got.count(b"HTTP/1.1 200 ")
    if not 1 < answers <= REQUESTS_MAX:
        yield "10,000 requests on one connection: %d answers" % answers
    if server.ask(GOOD)[0] != 200:
        yield "after 10,000 requests at once: no answer"


def memory(server):
    with open("/proc/%d/status" % server.process.pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))


def value_of(server, name):
    match = re.search(rb"(?m)^%s (\S+)$" % name, server.get(b"/metrics")[2])
    return float(match.group(1)) if match else None


def crowd(server):
    """More connections than may be: those that ask get answers, those that wait longest go."""
    idle = [server.connect() for _ in range(CONNECTIONS_MAX + 200)]
    if server.ask(GOOD)[0] != 200:
        yield "with %d idle connections: no answer" % len(idle)
    wait_until(lambda: value_of(server, b"zkq_http_connections") <= CONNECTIONS_MAX, "connections are dropped")
    if value_of(server, b"zkq_http_connections_dropped_total") < 200:
        yield "dropped: %s" % value_of(server, b"zkq_http_connections_dropped_total")
    idle[0].settimeout(DEADLINE_S)
    try:
        if idle[0].recv(1):
            yield "the oldest connection was told something"
    except (ConnectionResetError, TimeoutError) as error:
        if isinstance(error, TimeoutError):
            yield "the oldest connection was not dropped"
    idle[-1].sendall(GOOD)
    if read_answer(idle[-1])[0] != 200:
        yield "the newest connection was dropped"
    for peer in idle:
        peer.close()


def greedy(server):
    """More than may be there ask on and on and read nothing: it costs us little memory, others none of their time."""
    before = memory(server)
    greedy_ones = []
    for _ in range(CONNECTIONS_MAX + 50):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(server.address)
        peer.setblocking(False)
        try:
            for _ in range(5):
                peer.send(get(b"/metrics") * 100)
        except (BlockingIOError, ConnectionError):
            pass
        greedy_ones.append(peer)
    began = time.monotonic()
    if server.ask(GOOD)[0] != 200:
        yield "beside those that do not read: no answer for %.1f s" % (time.monotonic() - began)
    if value_of(server, b"zkq_http_connections") > CONNECTIONS_MAX + 2:
        yield "beside those that do not read there are %d" % value_of(server, b"zkq_http_connections")
    grown = memory(server) - before
    with open("/proc/%d/maps" % server.process.pid, encoding="utf-8") as file:
        sanitized = "libasan" in file.read()    # keeps what was freed
    if grown > 32 * 1024 and not sanitized:
        yield "those that do not read have cost %d kB" % grown
    for peer in greedy_ones:
        peer.close()


def silence(server):
    server.speaking = False
    wait_until(lambda: server.get(b"/livez")[0] == 503, "/livez tells of silence", SILENT_S + DEADLINE_S)
    for path in (b"/readyz", b"/metrics", b"/healthz"):
        if server.get(path)[0] != 503:
            yield "%s: %d in silence" % (path.decode(), server.get(path)[0])
    server.speaking = True
    wait_until(lambda: server.get(b"/livez")[0] == 200, "/livez tells of life")


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("top_builddir", ".")
    server = Server(build)
    faults = []
    for part in (rows, truncated, pages, promtool, pipeline, crowd, greedy, silence):
        faults += ["%s: %s" % (part.__name__, fault) for fault in part(server)]
        if server.process.poll() is not None:
            faults.append("%s: it ended with %d" % (part.__name__, server.process.returncode))
            break
    else:
        code = server.stop()
        if code != 0:
            faults.append("at the end: exit %d" % code)
    for fault in faults:
        print("web: " + fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
