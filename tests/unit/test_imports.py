from __future__ import annotations

import subprocess
import sys


def test_the_handler_loads_no_framework_before_a_family_asks_for_it():
    script = "import sys, vqa_handler; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
