import hashlib
import http.server
import socket
import threading

import pytest

from vidgan.errors import MachineError
from vidgan.train import weights
from vidgan.train.weights import find_features

CONTENTS = b"as good as weights" * 1000
NAME = f"vgg16-{hashlib.sha256(CONTENTS).hexdigest()[:8]}.pth"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(weights.PUBLISHED, "vgg16", NAME)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / NAME).write_bytes(CONTENTS)
    return tmp_path / "published"


@pytest.fixture
def served(folder):
    """The folder on a real web server, and the list of what was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, *arguments):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_the_file_is_downloaded_once_with_progress(cache, served):
    address, asked = served
    seen = []
    for _ in range(2):
        path = find_features("vgg16", published_at=address, report=lambda *told: seen.append(told))
    assert path == cache / NAME
    assert path.read_bytes() == CONTENTS
    assert asked == [f"/{NAME}"]
    assert seen == [(NAME, len(CONTENTS), len(CONTENTS))]
    assert [file.name for file in cache.iterdir() if "lock" not in file.name] == [NAME]


def test_a_damaged_file_is_refused_and_not_kept(cache, folder, served):
    (folder / NAME).write_bytes(CONTENTS[:-1])
    with pytest.raises(MachineError, match=r"arrived damaged .* --features"):
        find_features("vgg16", published_at=served[0])
    assert [file.name for file in cache.iterdir() if "lock" not in file.name] == []


def test_a_missing_file_on_the_server_is_one_line(cache, folder, served, one_line):
    (folder / NAME).unlink()
    with pytest.raises(MachineError) as caught:
        find_features("vgg16", published_at=served[0])
    one_line(caught.value, NAME, "404", "--features")


def test_without_a_network_the_way_out_is_told(cache, one_line):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(MachineError) as caught:
        find_features("vgg16", published_at=address)
    one_line(caught.value, address, "can't be downloaded", "--features")


def test_a_connection_that_breaks_off_leaves_nothing(cache):
    def answer_half(listener):
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nonly a little")
        connection.close()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(20)
        thread = threading.Thread(target=answer_half, args=(listener,))
        thread.start()
        with pytest.raises(MachineError):
            find_features("vgg16", published_at=f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert [file.name for file in cache.iterdir() if "lock" not in file.name] == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, folder, one_line):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(MachineError) as caught:
        find_features("vgg16", published_at=folder.as_uri())
    one_line(caught.value, "can't be downloaded")


def test_other_choices_are_paths_or_the_default(tmp_path):
    assert find_features(None) is None
    assert find_features(str(tmp_path / "my.pth")) == tmp_path / "my.pth"


def test_the_published_names_end_with_their_sums():
    assert weights.PUBLISHED == {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}
