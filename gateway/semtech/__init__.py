"""Semtech UDP: datagrams and the objects in them, the socket, and the forwarders that speak it."""
