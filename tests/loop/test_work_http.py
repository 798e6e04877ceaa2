"""`/v1/work` over HTTP: who may, what is answered, and that the same post again is harmless."""

from __future__ import annotations

import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uvicorn
from fastapi.routing import APIRoute

from instruments.board import WorkState
from loop.api.access import OPEN
from loop.api.app import create_app
from loop.store.store import Store
from loop.store.work import WorkBoard, board_of
from loop.store.work_tokens import Tokens, tokens_of
from tests.loop.robots import post, posting, serving, token


class Site:
    """An application over one store, with robots of two instruments."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/w.db"
        self.store = Store.open(self.url)
        self.reader = Store.open(self.url, read_only=True)
        self.app = create_app(self.store, self.reader)
        self.board: WorkBoard = board_of(self.store)
        self.secrets: dict[str, str] = {}
        self.client, self.close = self._serve()

    def clear(self) -> None:
        """An empty board and new tokens."""
        with self.store._database.writing():
            for table in ("work_event", "work_part", "work", "robot_token"):
                self.store._database.run(f"DELETE FROM {table}", {})
        tokens = tokens_of(self.store)
        robots = (("arm", "coater"), ("leg", "coater"), ("eye", "camera"))
        self.secrets = {name: tokens.create(name, instrument) for name, instrument in robots}

    def _serve(self):
        """The application behind a real socket, in a thread; a client, and how to end both."""
        config = uvicorn.Config(self.app, port=0, log_level="warning", access_log=False)
        server, bound = uvicorn.Server(config), config.bind_socket()
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        client = httpx.Client(base_url=address, trust_env=False)
        while not server.started:
            time.sleep(0.01)

        def close() -> None:
            client.close()
            server.should_exit = True
            thread.join()
            bound.close()
            self.reader.close()
            self.store.close()

        return client, close

    def ask(self, robot: str, method: str, path: str, body: object = None, **more: object):
        headers = {"Authorization": f"Bearer {self.secrets[robot]}"} if robot else {}
        return self.client.request(method, f"/v1/{path}", json=body, headers=headers, **more)

    def headers(self, robot: str) -> dict[str, str]:
        """Of a request whose body is made by hand."""
        return {
            "Authorization": f"Bearer {self.secrets[robot]}",
            "Content-Type": "application/json",
        }

    def post(self, robot: str, path: str, **body: object):
        return self.ask(robot, "POST", f"work/{path}", body)

    def begun(self, robot: str = "arm", **changes: object) -> dict:
        self.board.post(posting(**changes), 99)
        job = self.post(robot, "claim", claim=str(uuid4())).json()
        assert self.post(robot, f"{job['id']}/begin", fence=job["fence"]).status_code == 200
        return job


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


@pytest.fixture
def site(served: Site) -> Site:
    served.clear()
    return served


Y = {"y": {"value": 2.0, "unit": "1"}}


def routes(app, job: dict) -> list[tuple[str, str, dict]]:
    """Every route of the application, as a request about a job that would be right."""
    bodies = {
        "claim": {"claim": str(uuid4())},
        "begin": {"fence": 1},
        "heartbeat": {"fence": 1},
        "parts": {"fence": 1, "part": 1},
        "complete": {"fence": 1, "scalars": Y},
        "fail": {"fence": 1, "kind": "aborted", "reason": "x"},
        "stopped": {"fence": 1},
    }
    found = []
    for path, methods in _paths(app):
        last = path.rpartition("/")[2]
        for method in sorted(methods - {"HEAD"}):
            found.append((method, path.replace("{work}", str(job["id"])), bodies.get(last)))
    assert len(found) >= 10
    return found


def _paths(app) -> list[tuple[str, set[str]]]:
    """Paths and methods as the published description has them, and what it leaves out."""
    described = app.openapi()["paths"]
    found = [(path, {method.upper() for method in one}) for path, one in described.items()]
    found += [(app.openapi_url, {"GET"})]
    direct = {route.path for route in app.routes if isinstance(route, APIRoute)}
    assert direct <= {path for path, _ in found}
    return found


def test_a_job_goes_its_way(site):
    site.board.post(posting(), 9)
    job = site.post("arm", "claim", claim=str(uuid4())).json()
    assert job["parameters"] == {"x": {"value": 1.5, "unit": "mm", "low": 0.0, "high": 5.0}}
    assert job["metrics"] == {"y": "1"}
    at = job["id"]
    told = site.post("arm", f"{at}/begin", fence=job["fence"]).json()
    assert told == {"state": "running", "stop": False, "reason": "", "lease_s": 10.0}
    told = site.post("arm", f"{at}/heartbeat", fence=1, progress=0.5, note="half", run_id="r9")
    assert told.json()["stop"] is False
    assert site.ask("arm", "GET", "work").json()["jobs"][0]["id"] == at
    assert site.ask("arm", "GET", f"work/{at}").json()["progress"] == 0.5
    assert site.post("arm", f"{at}/complete", fence=1, scalars=Y).json()["state"] == "finished"
    assert site.ask("arm", "GET", "work").json() == {"jobs": []}
    seen = site.board.look("coater", "c/1/1")
    assert seen.outcome["scalars"] == {"y": {"value": 2.0, "unit": "1", "sd": None}}


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "Basic YXJtOmFybQ==",
        "bearer leyden_" + "x" * 43,
        "Bearer \xe9",
        "Bearer " + "x" * 5000,
        "{secret}",
        "Bearer {secret}x",
        "Bearer {secret} {secret}",
    ],
)
def test_without_a_valid_token_every_route_is_closed(site, authorization):
    job = site.begun()
    headers = {}
    if authorization is not None:
        value = authorization.replace("{secret}", site.secrets["arm"])
        headers = {"Authorization": value.encode("latin-1")}
    for method, path, body in routes(site.app, job):
        for sent in (body, None):
            answer = site.client.request(method, path, json=sent, headers=headers)
            expected = 200 if path in OPEN else 401
            assert answer.status_code == expected, (method, path)
            if expected == 401:
                assert answer.json()["error"]["code"] == "unauthorized"
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert site.client.get("/nowhere", headers=headers).status_code == 401
    assert site.client.get("/docs", headers=headers).status_code == 401


@pytest.mark.parametrize("how", ["expired", "revoked", "secret in the address"])
def test_a_token_that_is_over_opens_nothing(site, how):
    job = site.begun()
    secret, query = site.secrets["arm"], ""
    if how == "expired":
        long_ago = datetime.now(UTC) - timedelta(days=2)
        past = Tokens(site.store._database, lambda: long_ago)
        secret = past.create("old", "coater", days=1)
    elif how == "revoked":
        assert tokens_of(site.store).revoke("arm") == 1
    else:
        query, secret = f"?token={secret}&access_token={secret}", ""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    for method, path, body in routes(site.app, job):
        answer = site.client.request(method, path + query, json=body, headers=headers)
        assert answer.status_code == (200 if path in OPEN else 401), (method, path)


@pytest.mark.parametrize("robot", ["leg", "eye"])
def test_another_robots_job_is_closed_on_every_route(site, robot):
    job = site.begun()
    before = site.board.look("coater", "c/1/1")
    for method, path, body in routes(site.app, job):
        if f"/{job['id']}" in path:
            answer = site.ask(robot, method, path.removeprefix("/v1/"), body)
            assert answer.status_code == 403, (method, path)
            assert answer.json()["error"]["code"] == "forbidden"
    assert site.ask(robot, "GET", "work").json() == {"jobs": []}
    assert site.post(robot, "claim", claim=str(uuid4())).status_code == 204
    after = site.board.look("coater", "c/1/1")
    assert (after.state, after.cycle, after.note) == (before.state, before.cycle, before.note)


def test_a_robot_may_look_at_what_waits_for_it_only(site):
    work = site.board.post(posting(), 9).id
    assert site.ask("arm", "GET", f"work/{work}").json()["state"] == "queued"
    assert site.ask("eye", "GET", f"work/{work}").status_code == 403
    assert site.post("arm", f"{work}/begin", fence=1).status_code == 409
    assert site.ask("arm", "GET", "work/99").status_code == 404


def test_the_same_post_again_is_harmless(site):
    site.board.post(posting(), 9)
    claim = {"claim": str(uuid4())}
    jobs = [site.post("arm", "claim", **claim).json() for _ in range(3)]
    assert jobs[0] == jobs[1] == jobs[2]
    at = jobs[0]["id"]
    series = {"cycles": [1, 2], "summary": {"capacity_ah": [1.1, None]}}
    requests = [
        ("begin", {"fence": 1}),
        ("parts", {"fence": 1, "part": 2, "series": series}),
        ("complete", {"fence": 1, "scalars": Y}),
    ]
    for path, body in requests:
        answers = [site.post("arm", f"{at}/{path}", **body) for _ in range(3)]
        assert [one.status_code for one in answers] == [200] * 3
    other = {"y": {"value": 3.0, "unit": "1"}}
    assert site.post("arm", f"{at}/complete", fence=1, scalars=other).status_code == 409
    assert site.post("arm", f"{at}/heartbeat", fence=1).status_code == 409
    assert site.post("arm", "claim", **claim).status_code == 409


def test_a_stale_fence_writes_nothing(site):
    job = site.begun()
    for path, body in (("heartbeat", {}), ("begin", {}), ("complete", {"scalars": Y})):
        answer = site.post("arm", f"{job['id']}/{path}", fence=7, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "superseded")
    assert site.board.look("coater", "c/1/1").state is WorkState.RUNNING


def test_a_stop_is_heard_of_in_the_next_heartbeat(site):
    job = site.begun()
    site.board.ask_to_stop("coater", "c/1/1", "the web tore")
    told = site.post("arm", f"{job['id']}/heartbeat", fence=1).json()
    assert (told["stop"], told["reason"]) == (True, "the web tore")
    assert site.post("arm", f"{job['id']}/stopped", fence=1).json()["state"] == "stopped"


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("complete", {"fence": 1, "scalars": {}}, "y is missing"),
        ("complete", {"fence": 1, "scalars": {**Y, "z": Y["y"]}}, "z is not asked for"),
        ("complete", {"fence": 1, "scalars": {"y": {"value": 1.0, "unit": "mm"}}}, "mm"),
        ("complete", {"fence": 1, "scalars": {"y": {"value": "1", "unit": "1"}}}, "number"),
        ("complete", {"fence": 1, "scalars": {"y": {"value": True, "unit": "1"}}}, "number"),
        ("complete", {"fence": "1", "scalars": Y}, "fence"),
        ("complete", {"fence": 1, "scalars": Y, "colour": 1}, "colour"),
        ("complete", {"scalars": Y}, "fence"),
        ("heartbeat", {"fence": 1, "progress": 1.5}, "progress"),
        ("heartbeat", {"fence": 1, "note": "x" * 501}, "note"),
        ("fail", {"fence": 1, "kind": "bored", "reason": "x"}, "kind"),
        ("fail", {"fence": 1, "kind": "aborted", "reason": ""}, "reason"),
        ("parts", {"fence": 1, "part": 0}, "part"),
        ("parts", {"fence": 1, "part": 1, "series": {"cycles": [2, 1], "summary": {"a": [1, 1]}}},
         "ascend"),
        ("parts", {"fence": 1, "part": 1, "series": {"cycles": [1], "summary": {"a": [1, 1]}}},
         "as long as"),
    ],
)  # fmt: skip
def test_what_does_not_make_sense_is_refused_in_one_line(site, path, body, told):
    job = site.begun()
    answer = site.post("arm", f"{job['id']}/{path}", **body)
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert told in message
    assert "\n" not in message
    assert site.board.look("coater", "c/1/1").state is WorkState.RUNNING


@pytest.mark.parametrize("text", ["NaN", "1e999", "-Infinity"])
def test_numbers_that_are_none_are_refused(site, text):
    job = site.begun()
    body = '{"fence": 1, "scalars": {"y": {"value": NUMBER, "unit": "1"}}}'.replace("NUMBER", text)
    headers = site.headers("arm")
    path = f"/v1/work/{job['id']}/complete"
    answer = site.client.post(path, content=body, headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"fence": "\xff"}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_told(site, body):
    job = site.begun()
    answer = site.client.post(
        f"/v1/work/{job['id']}/begin", content=body, headers=site.headers("arm")
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_json")


def test_routes_and_methods_that_are_none_are_told(site):
    for method, path, status, code in (
        ("GET", "work/1/nothing", 404, "not_found"),
        ("GET", "nothing", 404, "not_found"),
        ("PUT", "work/1", 405, "method_not_allowed"),
    ):
        answer = site.ask("arm", method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("number", ["9" * 23, "-" + "9" * 23, "0", "abc", "1.5", "9" * 5000])
def test_a_number_that_no_job_has_is_not_found(site, number):
    job = site.begun()
    for method, path, body in routes(site.app, job):
        if f"/{job['id']}" in path:
            path = path.removeprefix("/v1/").replace(f"/{job['id']}", f"/{number}")
            answer = site.ask("arm", method, path, body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_numbers_beyond_all_bounds_are_refused(site):
    job, huge = site.begun(), 10**30
    series = {"cycles": [huge], "summary": {"a": [1.0]}}
    curves = {**series, "cycles": [1], "curves": [[]], "curve_cycles": [huge]}
    file = {"name": "a", "sha256": "0" * 64, "bytes": huge}
    for path, body in (
        ("begin", {"fence": huge}),
        ("heartbeat", {"fence": huge}),
        ("parts", {"fence": 1, "part": huge}),
        ("parts", {"fence": 1, "part": 1, "series": series}),
        ("parts", {"fence": 1, "part": 1, "series": curves}),
        ("complete", {"fence": 1, "scalars": {"y": {"value": 10**400, "unit": "1"}}}),
        ("complete", {"fence": 1, "scalars": Y, "files": [file]}),
    ):
        answer = site.post("arm", f"{job['id']}/{path}", **body)
        assert answer.status_code == 422, (path, body)
        assert answer.json()["error"]["code"] == "invalid"
    for body in ({"fence": 1, "note": "\ud800"}, {"fence": 1, "\ud800": 1}):  # half a character
        sent = {"content": json.dumps(body), "headers": site.headers("arm")}
        assert site.client.post(f"/v1/work/{job['id']}/heartbeat", **sent).status_code == 422
    assert site.ask("eye", "POST", f"work/{job['id']}/begin", {"fence": huge}).status_code == 422


def test_units_convert_at_the_door(site):
    request = {**posting().request, "metrics": {"y": "mm"}}
    job = site.begun(request=request)
    metres = {"y": {"value": 0.002, "unit": "m", "sd": 1e-4}}
    assert site.post("arm", f"{job['id']}/complete", fence=1, scalars=metres).status_code == 200


def test_what_is_too_large_is_turned_away(site):
    job = site.begun()
    note = json.dumps({"fence": 1, "note": "x" * (1 << 20)})
    headers = {"Authorization": f"Bearer {site.secrets['arm']}"}
    path = f"/v1/work/{job['id']}/heartbeat"
    assert site.client.post(path, content=note, headers=headers).status_code == 413
    chunks = (b"x" * 65536 for _ in range(32))
    assert site.client.post(path, content=chunks, headers=headers).status_code == 413


def test_the_description_is_published_to_those_who_may(site):
    described = site.ask("arm", "GET", "openapi.json").json()
    assert "/v1/work/claim" in described["paths"]
    assert described["components"]["securitySchemes"]


def test_a_server_of_its_own(tmp_path: Path):
    """Over a real connection: work that is posted while a robot waits reaches it."""
    url = f"sqlite:///{tmp_path}/w.db"
    secret = token(url, "arm")
    with serving(url) as address, httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/v1/health").json()["status"] == "ok"
        assert client.get("/v1/work").status_code == 401
        client.headers["Authorization"] = f"Bearer {secret}"
        body = {"claim": str(uuid4()), "wait_s": 0.2}
        assert client.post("/v1/work/claim", json=body).status_code == 204
        post(url, "k1")
        answer = client.post("/v1/work/claim", json={**body, "wait_s": 5})
        assert answer.json()["key"] == "k1"
        assert answer.headers["Server-Timing"].startswith("app;dur=")


def test_a_server_that_was_killed_has_forgotten_nothing(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/w.db"
    secret = token(url, "arm")
    post(url, "k1")
    headers = {"Authorization": f"Bearer {secret}"}
    with serving(url) as address:
        body = {"claim": str(uuid4())}
        job = httpx.post(f"{address}/v1/work/claim", json=body, headers=headers).json()
        path = f"/v1/work/{job['id']}"
        fence = {"fence": job["fence"]}
        assert httpx.post(f"{address}{path}/begin", json=fence, headers=headers).is_success
    with serving(url) as address:
        held = httpx.get(f"{address}/v1/work", headers=headers).json()["jobs"]
        assert [one["key"] for one in held] == ["k1"]
        answer = httpx.post(
            f"{address}{path}/complete", json={**fence, "scalars": Y}, headers=headers
        )
        assert answer.is_success
