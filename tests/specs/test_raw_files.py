"""Raw files: from the folder at hand, else by download, always of the pinned content."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from splitmodel.errors import InputError
from splitmodel.specs.raw_files import RawFile

CONTENT = b"prompt_tokens,output_tokens\n5,6\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def url(tmp_path, monkeypatch):
    """Address of a file with the content, served from this machine; caches are empty."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "sizes.csv").write_bytes(CONTENT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SPLITMODEL_DATA", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/sizes.csv"
        server.shutdown()


def test_download(url):
    file = RawFile("sizes.csv", url, SHA256)
    assert file.path().read_bytes() == CONTENT
    assert file.path() == file.path()


def test_local_file_comes_first(url, tmp_path, monkeypatch):
    (tmp_path / "sizes.csv").write_bytes(CONTENT)
    monkeypatch.setenv("SPLITMODEL_DATA", str(tmp_path))
    assert RawFile("sizes.csv", url, SHA256).path() == tmp_path / "sizes.csv"


def test_local_file_of_other_content(tmp_path, monkeypatch):
    (tmp_path / "sizes.csv").write_bytes(b"changed")
    monkeypatch.setenv("SPLITMODEL_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"sizes\.csv: its SHA-256 is .* not"):
        RawFile("sizes.csv", "http://127.0.0.1:9/none", SHA256).path()


@pytest.mark.parametrize("sha256", ["0" * 64])
def test_download_of_other_content(url, sha256):
    with pytest.raises(InputError, match="the download failed"):
        RawFile("sizes.csv", url, sha256).path()


def test_no_file_and_no_connection(url):
    with pytest.raises(InputError, match=r"SPLITMODEL_DATA: names no folder with sizes\.csv"):
        RawFile("sizes.csv", "http://127.0.0.1:9/sizes.csv", SHA256).path()
