#!/usr/bin/env python3
"""Serves a directory over HTTP on a free port of 127.0.0.1.

    serve.py DIRECTORY PORT-FILE

The port is written to PORT-FILE once requests are answered. What the directory's path leads to may be replaced while
the server runs. Ends on SIGTERM.
"""
import functools
import http.server
import os
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def main():
    directory, port_file = sys.argv[1], sys.argv[2]
    handler = functools.partial(Handler, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with open(port_file + ".new", "w") as file:
        file.write("%d\n" % server.server_port)
    os.rename(port_file + ".new", port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
