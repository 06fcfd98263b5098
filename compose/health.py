"""Exit with 0 when Airflow's own /health says that database and scheduler are healthy.

Runs in the container, on Python 3.7 and later.
"""

import json
import sys
from urllib.request import ProxyHandler, build_opener

URL = "http://127.0.0.1:8080/health"
NEEDED = ("metadatabase", "scheduler")


def problems(answer):
    """What of a /health answer is not healthy, in words."""
    return [
        "{} is {}".format(part, (answer.get(part) or {}).get("status") or "unknown")
        for part in NEEDED
        if (answer.get(part) or {}).get("status") != "healthy"
    ]


def main():
    """Ask once; what is wrong goes to stdout, where the engine keeps it."""
    try:
        # No proxy of the environment stands between a container and itself.
        with build_opener(ProxyHandler({})).open(URL, timeout=8) as response:
            found = problems(json.loads(response.read().decode("utf-8")))
    except (OSError, ValueError) as error:
        found = [f"{URL} does not answer: {error}"]
    print("; ".join(found) or "healthy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
