"""Runs `spex app` and writes down every address that it asks for or connects to."""

import sys
from pathlib import Path

from spex.cli import main


def watch(event, arguments):
    if event == "socket.connect":
        note(arguments[1])
    elif event == "socket.getaddrinfo":
        note(arguments[:2])


def note(address):
    with Path("addresses.txt").open("a") as file:
        file.write(f"{address}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    sys.addaudithook(watch)
    sys.exit(main(sys.argv[1:]))
