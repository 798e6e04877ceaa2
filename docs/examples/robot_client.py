# ruff: noqa: T201, SIM115
"""A robot in plain Python: python robot_client.py http://127.0.0.1:8765 token.txt"""

import sys
import threading
import time
import uuid
from json import dumps, loads
from urllib.request import HTTPError, Request, urlopen


def ask(method, path, body=None):
    """One request, sent again until it is answered: twice is harmless."""
    while True:
        try:
            sent = Request(SERVER + path, body and dumps(body).encode(), HEADERS, method=method)
            with urlopen(sent, timeout=60) as answer:
                return loads(answer.read() or "null")
        except HTTPError as error:
            if error.code < 500:  # 409: the job is over, or no longer ours
                return None if error.code == 409 else sys.exit(error.read().decode())
        except (OSError, ValueError) as error:
            print("no answer:", error)
        time.sleep(2)


def measure(job, stop):
    """Do the job, give {metric: {value, unit}}; what drives your machine belongs here."""
    for name, one in job["parameters"].items():
        text = "{value}" if isinstance(one["value"], str) else "{value:.6g} {unit}"
        print(f"  set {name} to", text.format(**one).removesuffix(" 1"))
    scalars = {}
    for metric, unit in job["metrics"].items():
        while metric not in scalars:  # a slip is no failed job: asked until a number is given
            asked = f"  {metric} in {unit}".removesuffix(" in 1")
            try:
                text = input(f"{asked} (or: failed REASON) = ").strip()
                if stop.is_set() or text.startswith("failed"):
                    raise RuntimeError(text)
                if abs(value := float(text.replace(",", "."))) < float("inf"):
                    scalars[metric] = {"value": value, "unit": unit}
            except ValueError:
                print("  a number is needed")
    return {"scalars": scalars}


def work(job):
    path, fence, stop = f"/{job['id']}", job["fence"], threading.Event()
    print(f"job {job['key']}, sample {job['sample'] or '-'}, {job['state']}")

    def beat():
        while told := ask("POST", f"{path}/heartbeat", {"fence": fence}):  # until it is over
            if told["stop"] and not stop.is_set():
                stop.set()  # before it is said: Enter may come at once
                print("\n  STOP the machine, then press Enter")
            time.sleep(2)

    if ask("POST", f"{path}/begin", {"fence": fence}) is None:  # nothing moves before this
        return
    threading.Thread(target=beat, daemon=True).start()
    try:
        end, told = "complete", measure(job, stop)
    except RuntimeError as error:
        end, told = "fail", {"kind": "channel_fault", "reason": str(error)}
    end, told = ("stopped", {}) if stop.is_set() else (end, told)
    ask("POST", f"{path}/{end}", {"fence": fence, **told})


try:
    SERVER, token = f"{sys.argv[1].rstrip('/')}/v1/work", open(sys.argv[2], encoding="ascii").read()
    HEADERS = {"Authorization": f"Bearer {token.split()[0]}", "Content-Type": "application/json"}
    while True:
        for job in ask("GET", "")["jobs"]:  # also what we had when we were last switched off
            work(job)
        ask("POST", "/claim", {"claim": str(uuid.uuid4()), "wait_s": 20})
except (IndexError, OSError, UnicodeError) as error:
    sys.exit(f"needed: http://HOST:PORT and a file that holds the token ({error})")
except (EOFError, KeyboardInterrupt):
    sys.exit("\nleft; a job that was begun is shown again at the next start")
