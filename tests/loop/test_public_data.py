"""`leyden data fetch`: checked, resumed, from a server or a folder, and never half-written."""

import functools
import hashlib
import http.server
import json
import os
import re
import threading
from typing import ClassVar

import pytest

from loop import public_data
from loop.cli import answer


@pytest.fixture
def leyden(capsys, monkeypatch, tmp_path):
    """Run `leyden data …` in this process: exit code, output, lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = answer(("data", *map(str, arguments)))
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, remembers what was asked for, and breaks off files called so."""

    asked: list[str]
    broken: set[str]

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        if self.path in self.broken:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"1,2,3\n")  # and no more
            return
        super().do_GET()


@pytest.fixture
def server(recorded_data):
    """The folder attia2020 on the loopback: its URL, and the handler's class."""

    class Own(Handler):
        asked: ClassVar[list[str]] = []
        broken: ClassVar[set[str]] = set()

    handler = functools.partial(Own, directory=str(recorded_data / "attia2020"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", Own
        running.shutdown()
        thread.join()


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_list_of_files_is_that_of_the_recorded_data(recorded_data):
    assert public_data.known() == ["attia2020", "severson2019"]
    for name in public_data.known():
        listed = {one.path: one.sha256 for one in public_data.files(name)}
        there = contents(recorded_data / name)
        assert listed == {path: there[path] for path in listed}
        assert all(len(one.source.split("/")[2]) == 40 for one in public_data.files(name))  # pinned


def test_files_come_from_a_server_and_only_once(leyden, server, tmp_path):
    url, handler = server
    code, out, err = leyden("fetch", "attia2020", "--mirror", url + "/")
    assert (code, err) == (0, [])
    assert "13 files fetched" in out
    assert contents(tmp_path / "attia2020") == {
        one.path: one.sha256 for one in public_data.files("attia2020")
    }
    (tmp_path / "attia2020" / "pred" / "2.csv").unlink()
    handler.asked.clear()
    code, out, _ = leyden("fetch", "attia2020", "--mirror", url, "--json")
    assert code == 0
    assert json.loads(out) == {
        "data": "attia2020", "folder": "attia2020", "fetched": 1, "kept": 12, "bytes": 1000,
    }  # fmt: skip
    assert handler.asked == ["/pred/2.csv"]


def test_files_come_from_a_mirror_folder(leyden, recorded_data, tmp_path):
    mirror = recorded_data / "attia2020"
    code, _, err = leyden("fetch", "attia2020", "-o", "sub/data", "--mirror", mirror)
    assert (code, err) == (0, [])
    assert contents(tmp_path / "sub/data") == contents(mirror)


def test_trouble_on_the_network_is_one_line_and_what_came_is_kept(leyden, server, tmp_path):
    url, handler = server
    handler.broken.add("/batch/3.csv")
    code, out, err = leyden("fetch", "attia2020", "--mirror", url)
    assert (code, out, len(err)) == (1, "", 1)
    assert err[0].startswith(f"leyden: {url}/batch/3.csv: ")
    assert sorted(contents(tmp_path / "attia2020")) == ["batch/0.csv", "batch/1.csv", "batch/2.csv"]
    code, out, err = leyden("fetch", "attia2020", "--mirror", f"{url}/nowhere")
    assert (code, len(err)) == (1, 1)
    assert "404" in err[0]
    handler.broken.clear()
    code, out, _ = leyden("fetch", "attia2020", "--mirror", url)
    assert (code, "10 files fetched" in out, "3 were there" in out) == (0, True, True)


def test_nobody_there_is_one_line(leyden):
    code, out, err = leyden("fetch", "attia2020", "--mirror", "http://127.0.0.1:9")
    assert (code, out, len(err)) == (1, "", 1)
    assert "the server cannot be reached" in err[0]


def test_a_wrong_checksum_names_the_file_and_leaves_nothing(leyden, recorded_data, tmp_path):
    mirror = tmp_path / "mirror"
    for one in public_data.files("attia2020"):
        (mirror / one.path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / one.path).write_bytes((recorded_data / "attia2020" / one.path).read_bytes())
    (mirror / "batch" / "1.csv").write_text("1,2,3\n")
    code, _, err = leyden("fetch", "attia2020", "-o", "new", "--mirror", mirror)
    assert (code, len(err)) == (1, 1)
    assert "batch/1.csv" in err[0]
    assert "checksum" in err[0]
    assert list(contents(tmp_path / "new")) == ["batch/0.csv"]


def test_a_file_of_the_user_is_never_overwritten(leyden, recorded_data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "policies_all.csv").write_text("my own\n")
    mirror = recorded_data / "attia2020"
    code, _, err = leyden("fetch", "attia2020", "-o", "mine", "--mirror", mirror)
    assert (code, len(err)) == (2, 1)
    assert "policies_all.csv is there already with other content" in err[0]
    assert (tmp_path / "mine" / "policies_all.csv").read_text() == "my own\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("severson",), "severson: unknown data set; .*did you mean 'severson2019'"),
        (("attia2020", "--mirror", "nowhere"), "nowhere: there is no such folder"),
        (("attia2020", "--mirror", "ftp://host/data"), "ftp://host/data: a folder, or a URL"),
        (("attia2020", "--mirror", "http://"), "http://: a folder, or a URL"),
        (("attia2020", "-o", "file", "--mirror", "."), "file: a file is in the way"),
        (("attia2020", "-o", "file/sub", "--mirror", "."), "file/sub: a file is in the way"),
    ],
)
def test_bad_input_is_one_line(leyden, tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    code, out, err = leyden("fetch", *arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert re.search(message, err[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(leyden, tmp_path):
    (tmp_path / "sealed").mkdir(mode=0o500)
    code, _, err = leyden("fetch", "attia2020", "-o", "sealed", "--mirror", tmp_path)
    assert (code, len(err)) == (2, 1)
    assert "sealed: cannot be written to" in err[0]
