"""A TCP connection, with TLS or without, that never blocks.

The rule: every call returns at once, but connecting and `wait`, which return within their time. With TLS the
certificate is always checked against the given authority and the given name; there is no way around it here. The
handshake happens inside the first reads and writes. mbedTLS wants a write that it could not finish offered again
unchanged, so callers offer the same bytes until they are taken. MicroPython only.
"""

import errno
import select
import socket
from time import ticks_diff, ticks_ms

from micropython import const

from firmware.device.trouble import Trouble

_STEP_MS = const(1000)
_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN)


def tls_context(authority):
    """For `Stream`; `authority`: the certificate (DER or PEM) that the server's has to descend from. Raises Trouble."""
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
    try:
        context.load_verify_locations(authority)
    except (ValueError, OSError) as error:
        raise Trouble("tls", "the authority's certificate cannot be read: %s" % error, True) from None
    return context


class Stream:
    """`context`: of `tls_context`, or None without TLS; `name`: what the certificate has to be for.

    Connecting may take `limit_ms`; `feed` is called all the while.
    """

    def __init__(self, address, context, name, limit_ms, feed):
        self._heard = False
        self._stream = None
        self._socket = socket.socket()
        try:
            self._connect(address, limit_ms, feed)
            self._stream = self._wrapped(context, name)
            self._poll = select.poll()
            self._poll.register(self._stream, select.POLLIN)
        except Exception:
            self.close()
            raise

    def _connect(self, address, limit_ms, feed):
        self._socket.setblocking(False)
        try:
            self._socket.connect(address)
            return
        except OSError as error:
            if error.errno not in _UNDER_WAY:
                raise Trouble("connect", str(error)) from None
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        start = ticks_ms()
        while not poll.poll(_STEP_MS):  # what became of it, the first write tells
            feed()
            if ticks_diff(ticks_ms(), start) >= limit_ms:
                raise Trouble("connect", "no answer within %d s" % (limit_ms // 1000))

    def _wrapped(self, context, name):
        if context is None:
            return self._socket
        try:
            return context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        except (OSError, ValueError, MemoryError) as error:
            raise Trouble("tls", str(error)) from None

    def read_into(self, buffer):
        """How many bytes came, 0 for none yet. Raises Trouble when the connection has ended."""
        try:
            n = self._stream.readinto(buffer)
        except ValueError as error:  # mbedTLS on the certificate
            raise Trouble("tls", str(error).strip(), True) from None
        except OSError as error:
            raise self._trouble(error) from None
        if n == 0:
            raise Trouble("lost", "the broker closed the connection")
        self._heard = self._heard or n is not None
        return n or 0

    def write(self, data):
        """How many bytes were taken, 0 for none yet."""
        try:
            return self._stream.write(data) or 0
        except ValueError as error:
            raise Trouble("tls", str(error).strip(), True) from None
        except OSError as error:
            raise self._trouble(error) from None

    def wait(self, limit_ms, to_write):
        """Until there is something to read, or, with `to_write`, room to write."""
        self._poll.modify(self._stream, select.POLLIN | select.POLLOUT if to_write else select.POLLIN)
        for _ in self._poll.ipoll(limit_ms):
            pass

    def close(self):
        """Never raises."""
        for one in (self._stream, self._socket):
            try:
                if one is not None:
                    one.close()
            except OSError:
                pass

    def _trouble(self, error):
        """mbedTLS has negative numbers below -256, the system small ones."""
        if error.errno is not None and abs(error.errno) > 256:
            return Trouble("tls", str(error))
        return Trouble("lost" if self._heard else "connect", str(error))
