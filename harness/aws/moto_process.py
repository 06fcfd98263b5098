"""moto server as a process: ``python moto_process.py FD`` takes a free port, says which, and stays.

The port is written as a line to the file descriptor FD. moto's own command cannot say which
port it took, and asking for a port that was free a moment ago is a race.
"""

import os
import sys
import threading

from moto.server import ThreadedMotoServer


def main(ready: int) -> None:
    """Serve on the loopback until killed."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    os.environ["MOTO_PORT"] = str(port)  # for the URLs that moto itself hands out
    os.write(ready, f"{port}\n".encode())
    os.close(ready)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
