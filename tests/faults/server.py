# SPDX-License-Identifier: MIT
"""Scripted peers, byte-exact: the ground that every protocol's fault server stands on.

A *script* is a function that is given one accepted connection, a Peer, and plays the other
side of it step by step: expect bytes, send bytes, cut them into pieces, close, reset, close
half, hang. Nothing is read ahead, so "after k bytes" means exactly that. The server knows no
protocol; clamd.py (and whatever comes later) puts scripts on top.

Time passes only where a fault is about time, and then on an event that the server's end sets.
"""
import array
import os
import select
import selectors
import socket
import struct
import threading

LINGER_RESET = struct.pack("ii", 1, 0)
MAX_PASSED_FDS = 8


class Gone(Exception):
    """The client went away, or the server stops: the script is over."""


class Done(Exception):
    """The script has ended the connection itself."""


class Peer:
    """One accepted connection and the steps a script can take on it."""

    def __init__(self, sock, listener, number):
        self.sock = sock
        self.listener = listener
        self.number = number  # counts the listener's connections from 0
        self.is_unix = sock.family == socket.AF_UNIX
        self.received = 0
        self.sent = 0
        self.requests = []  # what the protocol on top understood, in order
        self.passed = []  # descriptors received and not yet taken
        self.ended_by = None  # "script" or "client"
        if not self.is_unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- waiting: for the socket or the server's end, whichever comes first -------------
    def _wait(self, events, seconds=None):
        poller = select.poll()
        poller.register(self.sock, events)
        poller.register(self.listener.server.stop_fd, select.POLLIN)
        ready = dict(poller.poll(None if seconds is None else seconds * 1000))
        if self.listener.server.stop_fd in ready:
            raise Gone("server stops")
        return ready.get(self.sock.fileno(), 0)

    def pause(self, seconds):
        """Let time pass; ends at once when the client hangs up."""
        if self._wait(select.POLLRDHUP, seconds) & (select.POLLHUP | select.POLLERR):
            raise Gone("client hung up")

    def hang(self, reading=True):
        """Say nothing until the client gives up; with reading=False don't even listen."""
        while True:
            if not reading:
                self._wait(select.POLLRDHUP)
                raise Gone("client gave up")
            self._wait(select.POLLIN)
            self._receive(65536)

    # --- receiving ----------------------------------------------------------------------
    def _receive(self, limit, flags=0):
        try:
            if self.is_unix and not flags:
                space = socket.CMSG_SPACE(MAX_PASSED_FDS * 4)
                data, ancillary, _, _ = self.sock.recvmsg(limit, space)
                self._keep_passed(ancillary)
            else:
                data = self.sock.recv(limit, flags)
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("end of input")
        if not flags:
            self.received += len(data)
        return data

    def _keep_passed(self, ancillary):
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[:len(payload) - len(payload) % numbers.itemsize])
                self.passed.extend(numbers)

    def read(self, count):
        """Exactly count bytes."""
        data = bytearray()
        while len(data) < count:
            self._wait(select.POLLIN)
            data += self._receive(min(count - len(data), 1 << 20))
        return bytes(data)

    def peek(self, count):
        """The next count bytes, left unread."""
        while True:
            self._wait(select.POLLIN)
            data = self._receive(count, socket.MSG_PEEK)
            if len(data) == count:
                return data
            if self._wait(select.POLLRDHUP, 0.001):  # the rest is under way, or never comes
                raise Gone("end of input")

    def read_until(self, terminators, limit=8192):
        """Up to and including the first byte that is one of terminators."""
        data = bytearray()
        while len(data) < limit:
            data += self.read(1)
            if data[-1:] in terminators:
                break
        return bytes(data)

    def expect(self, wanted):
        got = self.read(len(wanted))
        if got != wanted:
            raise AssertionError(f"expected {wanted!r}, got {got!r}")

    def drain(self):
        """Read and forget until the client closes its side."""
        try:
            while True:
                self._wait(select.POLLIN)
                self._receive(65536)
        except Gone:
            pass

    # --- sending ------------------------------------------------------------------------
    def send(self, data):
        view = memoryview(data)
        while view:
            self._wait(select.POLLOUT)
            try:
                count = self.sock.send(view, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Gone(str(error)) from error
            self.sent += count
            view = view[count:]

    def send_split(self, data, at, pause):
        """In two packets, the second after a pause."""
        self.send(data[:at])
        self.pause(pause)
        self.send(data[at:])

    def drip(self, data, seconds):
        for index in range(len(data)):
            self.send(data[index:index + 1])
            self.pause(seconds)

    def flood(self, block, total=None):
        """Send block again and again: total bytes, or until the client gives up."""
        while total is None or total > 0:
            self.send(block if total is None else block[:total])
            if total is not None:
                total -= len(block)

    # --- endings ------------------------------------------------------------------------
    def close(self):
        """An orderly end of both directions."""
        raise Done()

    def half_close(self):
        """No more from us; the client may go on sending."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST. A Unix socket has none; there, leaving input unread gives ECONNRESET."""
        if not self.is_unix:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        raise Done()

    def take_passed(self):
        """The descriptors that have arrived since the last call; the caller closes them."""
        taken, self.passed = self.passed, []
        return taken

    def _release(self):
        for number in self.take_passed():
            os.close(number)
        self.sock.close()


class Listener:
    """One address with one script, and what was seen there."""

    def __init__(self, server, sock, address, script):
        self.server = server
        self.sock = sock
        self.address = address  # as an engine's `address` is written
        self.script = script
        self.peers = []
        self.failures = []  # scripts that broke, for the test to look at
        self.lock = threading.Lock()

    def play(self, sock):
        with self.lock:
            peer = Peer(sock, self, len(self.peers))
            self.peers.append(peer)
        try:
            self.script(peer)
            peer.ended_by = "script"
        except Done:
            peer.ended_by = "script"
        except Gone:
            peer.ended_by = "client"
        except Exception as error:  # a broken script must be seen, not lost in a thread
            self.failures.append(repr(error))
        finally:
            peer._release()

    @property
    def connections(self):
        return len(self.peers)

    def requests(self):
        with self.lock:
            return [request for peer in self.peers for request in peer.requests]


class Server:
    """Any number of listeners, a thread for each connection. Use as a context manager."""

    def __init__(self):
        self.stop_fd, self._stop_writer = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.stop_fd, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._threads = set()
        self._kept = []  # sockets that only have to exist
        self.listeners = []
        self._acceptor = threading.Thread(target=self._accept_loop, daemon=True)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # --- addresses ----------------------------------------------------------------------
    def listen_unix(self, path, script):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        return self._listen(sock, f"unix:{path}", script)

    def listen_tcp(self, script, host="127.0.0.1", receive_buffer=None):
        sock = self._bound_tcp(host)
        if receive_buffer:  # inherited by accepted sockets
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return self._listen(sock, _tcp_address(sock), script)

    def refusing_unix(self, path):
        """Bound, never listening: ECONNREFUSED."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        self._kept.append(sock)
        return f"unix:{path}"

    def refusing_tcp(self, host="127.0.0.1"):
        sock = self._bound_tcp(host)
        self._kept.append(sock)
        return _tcp_address(sock)

    def silent_unix(self, path):
        """The backlog is full and nobody accepts: connect blocks, or EAGAIN."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        self._fill_backlog(sock, path)
        return f"unix:{path}"

    def silent_tcp(self, host="127.0.0.1"):
        """The same for TCP: the kernel drops every further SYN, as a black hole would."""
        sock = self._bound_tcp(host)
        self._fill_backlog(sock, sock.getsockname())
        return _tcp_address(sock)

    def _bound_tcp(self, host):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.bind((host, 0))
        return sock

    def _fill_backlog(self, sock, where):
        sock.listen(0)
        self._kept.append(sock)
        for _ in range(4):  # one more than the queue holds stays in SYN-SENT
            client = socket.socket(sock.family)
            client.setblocking(False)
            client.connect_ex(where)
            self._kept.append(client)

    def _listen(self, sock, address, script):
        sock.listen(128)
        sock.setblocking(False)
        listener = Listener(self, sock, address, script)
        self.listeners.append(listener)
        with self._lock:
            self._selector.register(sock, selectors.EVENT_READ, listener)
        return listener

    # --- running ------------------------------------------------------------------------
    def _accept_loop(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                try:
                    sock, _ = key.fileobj.accept()
                except OSError:  # the client did not wait
                    continue
                sock.setblocking(True)
                thread = threading.Thread(target=self._play, args=(key.data, sock), daemon=True)
                with self._lock:
                    self._threads.add(thread)
                thread.start()

    def _play(self, listener, sock):
        listener.play(sock)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def stop(self):
        """End every script, close everything, wait for the threads."""
        os.write(self._stop_writer, b"x")
        self._acceptor.join()
        while True:
            with self._lock:
                thread = next(iter(self._threads), None)
            if thread is None:
                break
            thread.join()
        self._selector.close()
        for sock in self._kept + [listener.sock for listener in self.listeners]:
            sock.close()
        os.close(self.stop_fd)
        os.close(self._stop_writer)

    def failures(self):
        return [f"{listener.address}: {text}"
                for listener in self.listeners for text in listener.failures]


def _tcp_address(sock):
    host, port = sock.getsockname()[:2]
    return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False
