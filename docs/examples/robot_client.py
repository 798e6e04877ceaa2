# ruff: noqa: T201
"""A robot for Leyden in plain Python, nothing installed: it shows each job and asks for the result.

    python robot_client.py http://127.0.0.1:8765 token.txt

Put whatever drives your machine into `measure`, and it is a robot without a person.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

SERVER = sys.argv[1].rstrip("/") + "/v1/work"
with open(sys.argv[2]) as file:
    HEADERS = {"Authorization": f"Bearer {file.read().strip()}", "Content-Type": "application/json"}


def ask(method, path, body=None):
    """One request, sent again until it is answered: twice is harmless."""
    data = body and json.dumps(body).encode()
    while True:
        try:
            request = urllib.request.Request(SERVER + path, data, HEADERS, method=method)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return None  # the job is over, or no longer ours
            if error.code < 500:
                raise SystemExit(f"{error.code}: {error.read().decode()}") from None
        except (OSError, ValueError) as error:
            print("no answer:", error)
        time.sleep(2)


def measure(job, stop):
    """Do the job, give {metric: {value, unit}}. Raises ValueError where it fails."""
    for name, one in job["parameters"].items():
        print(f"  set {name} to {one['value']} {one['unit']}")
    scalars = {}
    for metric, unit in job["metrics"].items():
        text = input(f"  {metric} in {unit} (or: failed REASON) = ")
        if stop.is_set() or text.startswith("failed"):
            raise ValueError(text)
        scalars[metric] = {"value": float(text.replace(",", ".")), "unit": unit}
    return {"scalars": scalars}


def work(job):
    path, fence, done, stop = f"/{job['id']}", job["fence"], threading.Event(), threading.Event()
    print(f"job {job['key']}, sample {job['sample'] or '-'}, {job['state']}")

    def beat():
        while not done.wait(2):
            told = ask("POST", f"{path}/heartbeat", {"fence": fence})
            if told and told["stop"] and not stop.is_set():
                print("\n  STOP the machine, then press Enter")
                stop.set()

    if ask("POST", f"{path}/begin", {"fence": fence}) is None:  # nothing moves before this
        return
    threading.Thread(target=beat, daemon=True).start()
    try:
        end, told = "complete", measure(job, stop)
    except ValueError as error:
        end, told = "fail", {"kind": "channel_fault", "reason": str(error)}
    done.set()
    end, told = ("stopped", {}) if stop.is_set() else (end, told)
    ask("POST", f"{path}/{end}", {"fence": fence, **told})


while True:
    for job in ask("GET", "")["jobs"]:  # also what we had when we were last switched off
        work(job)
    ask("POST", "/claim", {"claim": str(uuid.uuid4()), "wait_s": 20})
