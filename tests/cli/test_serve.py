"""The live page: this machine only, newly drawn only when due."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
from importlib import resources
from urllib.parse import urljoin, urlsplit

import pytest
from proxies import proxy
from waiting import wait_until

from yolo_dropout.cli import main
from yolo_dropout.cli.watch import MOST_CONNECTIONS, REST, LivePage, serve
from yolo_dropout.errors import InputError, SpecError


class Study:
    """A study whose state and cost of drawing the test sets by hand."""

    def __init__(self) -> None:
        self.state = "1"
        self.cost = 0.0
        self.now = 100.0
        self.drawn: list[str] = []
        self.page = LivePage(self.render, lambda: self.state, lambda: self.now)

    def render(self, version: str) -> str:
        self.now += self.cost
        self.drawn.append(version)
        return f"page {version}"


def ask(url: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    result = answer.status, answer.read().decode(), answer.headers
    connection.close()
    return result


def test_page_and_version_are_served():
    with serve(Study().page) as url:
        assert ask(url)[:2] == (200, "page 1")
        assert ask(url, "/version")[:2] == (200, "1")
        assert ask(url)[2]["Cache-Control"] == "no-store"


def test_only_this_machines_own_address_listens():
    with serve(Study().page) as url:
        assert urlsplit(url).hostname == "127.0.0.1"
        with socket.socket() as other:
            other.settimeout(2)
            assert other.connect_ex(("127.0.0.2", urlsplit(url).port)) != 0


FOREIGN = [
    *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example", "localhost:x"),
    *("evil.example:80@localhost", "", ":{port}", "127.0.0.2", "2130706433", "hub.example.org.evil.example"),
]


@pytest.mark.parametrize("host", FOREIGN)
def test_requests_that_name_another_host_are_refused(host: str):
    study = Study()
    with serve(study.page, hosts=["hub.example.org", "no host/at all"]) as url:
        assert ask(url, Host=host.format(port=urlsplit(url).port))[0] == 403
    assert study.drawn == []


@pytest.mark.parametrize("host", ["localhost:{port}", "localhost:9000", "127.0.0.1:9000", "LocalHost", "[::1]:9000"])
def test_this_machine_is_known_by_its_own_names_at_whatever_port_a_tunnel_gives_it(host: str):
    with serve(Study().page) as url:
        assert ask(url, Host=host.format(port=urlsplit(url).port))[0] == 200


@pytest.mark.parametrize("host", ["hub.example.org", "Hub.Example.Org:8443", "8000-m-s-x.prod.colab.dev"])
def test_a_host_that_was_named_is_answered(host: str):
    with serve(Study().page, hosts=["8000-m-s-x.prod.colab.dev", "hub.example.org:443"]) as url:
        assert ask(url, Host=host, Origin="https://evil.example")[0] == 200


def test_behind_a_proxy_that_strips_a_prefix_all_that_the_page_asks_for_is_there():
    script = (resources.files("yolo_dropout.report") / "static" / "report.js").read_text(encoding="utf-8")
    asked = re.findall(r'fetch\("([^"]*)"', script)
    assert sorted(asked) == ["./", "version"]
    with serve(Study().page, hosts=["hub.example.org"]) as url, proxy(url, "/user/x/proxy/8000") as port:
        for link, told in {"./": "page 1", "version": "1"}.items():
            path = urljoin("/user/x/proxy/8000/", link)
            assert ask(f"http://127.0.0.1:{port}", path, Host="hub.example.org")[:2] == (200, told)
        assert ask(f"http://127.0.0.1:{port}", "/user/x/proxy/8000/?token=a", Host="hub.example.org")[0] == 200
        assert ask(f"http://127.0.0.1:{port}", "/user/x/proxy/8000/", Host="evil.example")[0] == 403


def test_a_refusal_names_the_host_and_the_option_in_one_line():
    with serve(Study().page) as url:
        told = ask(url, Host="hub.example.org:8443")[1]
    assert told.startswith("hub.example.org:8443: this page does not answer to that host; ")
    assert told.endswith("give yolo-dropout watch --host-name hub.example.org\n")


@pytest.mark.parametrize("name", ["https://hub.example.org/", "hub.example.org/user", "*.example.org", ""])
def test_what_is_no_name_of_a_host_is_one_clear_line(name: str, tmp_path, capsys: pytest.CaptureFixture[str]):
    assert main(["watch", str(tmp_path), "--host-name", "a.example", "--host-name", name]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--host-name: must be a host's name as the browser's address bar shows it, " in error
    assert repr(name) in error


@pytest.mark.parametrize("path", ["/study.yaml", "/../etc/passwd", "/%2e%2e/", "//evil.example/", "/x?/", "/version/"])
def test_no_file_can_be_asked_for(path: str):
    with serve(Study().page) as url:
        assert ask(url, path)[0] == 404


def test_nothing_can_be_sent():
    with serve(Study().page) as url:
        assert ask(url, method="POST")[0] == 501


def test_page_is_drawn_again_only_when_the_study_has_changed():
    study = Study()
    assert study.page.html() == study.page.html() == "page 1"
    study.state = "2"
    assert study.page.html() == "page 2"
    assert study.drawn == ["1", "2"]


def test_nobody_looking_means_nothing_drawn():
    study = Study()
    with serve(study.page) as url:
        ask(url, "/version")
    assert study.drawn == []


def test_slow_page_rests_before_it_is_drawn_again():
    study = Study()
    study.cost = 2.0
    study.page.html()
    study.state = "2"
    study.now += 2.0 * REST - 0.1
    assert (study.page.version(), study.page.html()) == ("1", "page 1")
    study.now += 0.2
    assert (study.page.version(), study.page.html()) == ("2", "page 2")


def test_study_without_a_finished_run_says_so_and_asks_again():
    def render(version: str) -> str:
        raise InputError("no run has finished yet <b>")

    html = LivePage(render, lambda: "1").html()
    assert "no run has finished yet &lt;b&gt;" in html
    assert 'http-equiv="refresh"' in html


def test_port_in_use_is_one_clear_line():
    with (
        serve(Study().page) as url,
        pytest.raises(SpecError, match=f"port: must be a free port, got {urlsplit(url).port}"),
        serve(Study().page, urlsplit(url).port),
    ):
        pass


@pytest.mark.parametrize("port", [-1, 70000])
def test_impossible_port_is_one_clear_line(port: int):
    with pytest.raises(SpecError, match=r"port: must be a free port, got"), serve(Study().page, port):
        pass


def connected(url: str, stack: contextlib.ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", urlsplit(url).port), 30))


def test_more_connections_than_there_is_room_for_are_closed_at_once():
    with serve(Study().page, patience_s=600) as url, contextlib.ExitStack() as stack:
        held = [connected(url, stack) for _ in range(MOST_CONNECTIONS + 1)]
        assert held[-1].recv(1) == b""


def test_idle_and_broken_connections_take_nothing_from_the_study(capfd):
    with serve(Study().page, patience_s=0.5) as url, contextlib.ExitStack() as stack:
        idle = [connected(url, stack) for _ in range(MOST_CONNECTIONS)]
        assert idle[0].recv(1) == b"", "what asks for nothing is closed after a while"
        wait_until(lambda: answers(url))
        for _ in range(5):
            broken = connected(url, stack)
            broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            broken.sendall(b"GET / HTTP/1.1\r\n")
            broken.close()  # reset, in the midst of its request
        wait_until(lambda: answers(url))
    assert capfd.readouterr() == ("", "")


def answers(url: str) -> bool:
    try:
        return ask(url)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_port_is_free_again_afterwards():
    with serve(Study().page) as url:
        port = urlsplit(url).port
    with serve(Study().page, port) as again:
        assert ask(again)[0] == 200
