"""Gradio's own page for servers with OpenAI's API, as docs/how-to/openai-clients.md shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from loadtest.chat_page import PYTHON
from vqaops.paths import RECIPES, ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import Server

PAGE = ROOT / "docs" / "how-to" / "openai-clients.md"
ASK = """
import json, sys
from gradio_client import Client, handle_file
message = {"text": "what color is the shape?", "files": [handle_file(sys.argv[2])]}
print(json.dumps(Client(sys.argv[1], verbose=False).predict(message=message, api_name="/open_api_stream")))
"""


@retry(retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(0.1), stop=stop_after_delay(90))
def await_page(url: str, process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, "the page ended"
    httpx.get(url, trust_env=False).raise_for_status()


def test_the_chat_page_of_the_documentation_answers(shapes_server: Server, tmp_path: Path):
    if not PYTHON.exists() or subprocess.run([str(PYTHON), "-c", "import openai"]).returncode:
        pytest.skip("the page's environment has no openai: make demo")
    (block,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    code = block.replace("http://127.0.0.1:8080", shapes_server.client.addresses.inference)
    code = code.replace("run/key_file.json", str(shapes_server.run / "key_file.json"))
    assert code != block
    port = free_ports(1)[0]
    own = {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen([str(PYTHON), "-c", code], env=os.environ | own, cwd=tmp_path) as process:
        try:
            url = f"http://127.0.0.1:{port}/"
            await_page(url, process)
            picture = RECIPES / "shapes" / "samples" / "red-triangle.jpg"
            asked = subprocess.run([str(PYTHON), "-c", ASK, url, str(picture)], capture_output=True, text=True)
        finally:
            process.terminate()
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == "red"
