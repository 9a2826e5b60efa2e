from __future__ import annotations

from demo.cards import card_markdown
from vqaops.server.descriptions import Description

LIMITS = {"max_image_pixels": 40e6, "max_jpeg_pixels": 51e6, "max_image_bytes": 25 * 2**20, "max_question_chars": 200}


def test_headings_with_nothing_but_code_below_them_are_left_out():
    code = "```sh\n# no heading\n```\n"
    card = f"# m\n\nText.\n\n## Made\n\n### Data\n\n{code}\n### Train\n{code}## Terms\n\nFree.\n"
    text = card_markdown("m/1.0.0", Description("visual_question_answering", card, LIMITS, frozenset()))
    assert [line for line in text.split("\n") if line.startswith("#")] == ["## m", "### Terms"]


def test_a_table_without_names_gets_a_marked_head_and_one_with_a_name_keeps_it():
    card = "# m\n\n| | |\n| --- | --- |\n| size | 1 MB |\n\n| | % |\n| --- | --- |\n| top-1 | 30 |\n"
    text = card_markdown("m/1.0.0", Description("visual_question_answering", card, LIMITS, frozenset()))
    assert text.count('<span class="all unnamed">-</span>') == 2
    assert '| <span class="unnamed">-</span> | % |' in text
