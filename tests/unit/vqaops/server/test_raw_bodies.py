from __future__ import annotations

from pathlib import Path

from vqaops.server.raw_bodies import write_raw_bodies_patch


def test_the_class_on_the_class_path_knows_no_form(tmp_path: Path):
    write_raw_bodies_patch(tmp_path / "front end")
    (written,) = (tmp_path / "front end").rglob("*.class")
    content = written.read_bytes()
    assert (
        written.relative_to(tmp_path / "front end").as_posix() == "io/netty/handler/codec/http/HttpHeaderValues.class"
    )
    assert content.startswith(b"\xca\xfe\xba\xbe")
    assert b"multipart/form-data" not in content
    assert b"application/x-www-form-urlencoded" not in content
    assert b"application/json" in content


def test_the_patch_can_be_written_twice(tmp_path: Path):
    write_raw_bodies_patch(tmp_path)
    write_raw_bodies_patch(tmp_path)
