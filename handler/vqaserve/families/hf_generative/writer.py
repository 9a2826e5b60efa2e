"""Writes the answers of a batch token by token; each prompt pays only for the tokens after its known beginning."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqaserve.families.generated import GeneratedAnswer, cut_at_stop
from vqaserve.families.generation import GenerationSettings, end_tokens, likeliest_tokens
from vqaserve.families.hf_generative.batch_states import BatchStates
from vqaserve.families.hf_generative.chat_prompt import Prompt
from vqaserve.families.hf_generative.prefix_cache import PrefixCache
from vqaserve.families.hf_generative.prompt_reader import PromptReader
from vqaserve.families.hf_generative.token_choice import TokenChooser


@dataclass
class Draft:
    """An answer that is being written.

    Attributes:
        prompt: The prompt.
        settings: Of the query.
        chooser: Chooses its tokens.
        number: Of the prompt in the batch, and of the answer among those to the prompt.
        known: Tokens of the prompt that were in the prefix cache.
        tokens: What is written.
        logs: Log-probability of each token, at temperature 1.
        likeliest: The likeliest tokens at each place, if the query asks for them.
        ended: Whether the answer ended by itself or with a text of ``stop``.
        abandoned: Whether nobody waits for the answer.
    """

    prompt: Prompt
    settings: GenerationSettings
    chooser: TokenChooser
    number: tuple[int, int]
    known: int = 0
    tokens: list[int] = field(default_factory=list)
    logs: list[float] = field(default_factory=list)
    likeliest: list[tuple[tuple[int, float], ...]] = field(default_factory=list)
    ended: bool = False
    abandoned: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether no more tokens are wanted."""
        return self.ended or self.abandoned or len(self.tokens) >= self.settings.max_new_tokens

    @property
    def answer(self) -> GeneratedAnswer:
        """The answer as it is."""
        return GeneratedAnswer(
            tokens=tuple(self.tokens),
            log_probability=sum(self.logs),
            prompt_tokens=len(self.prompt),
            ended=self.ended,
            cached_tokens=self.known,
            token_logs=tuple(self.logs) if self.settings.top_logprobs >= 0 else (),
            likeliest=tuple(self.likeliest),
        )


Heard = Callable[[Sequence[Draft]], Collection[int]]
"""Receives the drafts that have a new token, and returns the numbers of prompts that nobody waits for."""


class Writer:
    """The loop of a causal language model with a vision tower, in place of ``generate``.

    ``generate`` computes every prompt from its beginning, and a whole batch until its longest answer ends. Here a
    prompt begins after what the prefix cache has, and answers that have ended leave the batch.
    """

    def __init__(self, model: Any, tokenizer: Any, prefixes: PrefixCache, device: torch.device) -> None:
        """Take a model whose states of a token depend only on the tokens before it."""
        self._model = model
        self._tokenizer = tokenizer
        self._prefixes = prefixes
        self._device = device
        self._reader = PromptReader(model, prefixes, device)
        self._ends = end_tokens(model.generation_config.eos_token_id)

    @torch.inference_mode()
    def write(
        self, prompts: Sequence[Prompt], settings: Sequence[GenerationSettings], heard: Heard | None = None
    ) -> list[list[GeneratedAnswer]]:
        """Write ``settings[i].answers`` answers to each prompt.

        Args:
            prompts: The prompts of a batch.
            settings: Of each prompt; they may differ, and ``num_beams`` is not used.
            heard: Receives the drafts after each step, as soon as their tokens are chosen.
        """
        config = self._model.generation_config
        groups = [
            [
                Draft(prompt, asked, TokenChooser(asked, config, number), (row, number))
                for number in range(asked.answers)
            ]
            for row, (prompt, asked) in enumerate(zip(prompts, settings, strict=True))
        ]
        reading = self._reader.read(prompts, max(asked.max_new_tokens for asked in settings))
        for number, known in reading.known.items():
            for draft in groups[number]:
                draft.known = known
        rows = [row for row, number in enumerate(reading.order) for _ in groups[number]]
        drafts = [draft for number in reading.order for draft in groups[number]]
        logits = reading.logits
        if len(rows) > len(prompts):
            reading.states.select(rows)
            logits = logits[rows]
        self._write(drafts, reading.states, logits, heard)
        return [[draft.answer for draft in group] for group in groups]

    def _write(self, drafts: list[Draft], states: BatchStates, logits: Tensor, heard: Heard | None) -> None:
        """Write until all drafts are finished; ``drafts[i]`` is in row i of the states and the logits."""
        while True:
            writing = [row for row, draft in enumerate(drafts) if not draft.is_finished]
            self._choose(drafts, writing, logits)
            abandoned = heard([drafts[row] for row in writing]) if heard else ()
            for row in writing:
                drafts[row].abandoned = drafts[row].number[0] in abandoned
                if drafts[row].is_finished:
                    self._keep(drafts[row], states, row)
            left = [row for row in writing if not drafts[row].is_finished]
            if not left:
                return
            if 2 * len(left) <= len(drafts):  # to leave one out copies all others
                states.select(left)
                drafts = [drafts[row] for row in left]
            logits = self._step(drafts, states)

    def _choose(self, drafts: Sequence[Draft], rows: Sequence[int], logits: Tensor) -> None:
        """Add a token to the drafts in the given rows."""
        logs = logits.float().log_softmax(1)
        likeliest = logs.argmax(1).tolist()
        for row in rows:
            draft = drafts[row]
            token = likeliest[row]
            if not draft.chooser.is_greedy:
                before = torch.tensor([*draft.prompt.ids.tolist(), *draft.tokens], device=self._device)
                token = draft.chooser.choose(before, logits[row])
            draft.tokens.append(token)
            draft.logs.append(float(logs[row, token]))
            if draft.settings.top_logprobs > 0:
                draft.likeliest.append(likeliest_tokens(logs[row], draft.settings.top_logprobs))
            draft.ended = token in self._ends or self._is_stopped(draft)

    def _is_stopped(self, draft: Draft) -> bool:
        if not draft.settings.stop:
            return False
        text: str = self._tokenizer.decode(draft.tokens, skip_special_tokens=True)
        return cut_at_stop(text, draft.settings.stop) != text

    def _keep(self, draft: Draft, states: BatchStates, row: int) -> None:
        """Cache the states of a finished draft; those of its last token were not computed."""
        if draft.number[1] == 0 and self._prefixes.fits(states.nbytes(row)):
            written = np.array(draft.tokens[:-1], dtype=np.int64)
            self._prefixes.keep(np.concatenate([draft.prompt.keys, written]), states.take(row))

    def _step(self, drafts: Sequence[Draft], states: BatchStates) -> Tensor:
        """The logits of the next tokens [n, vocabulary]; a finished draft's mean nothing."""
        tokens = torch.tensor([[draft.tokens[-1]] for draft in drafts], device=self._device)
        places = [draft.prompt.next_position + len(draft.tokens) - 1 for draft in drafts]
        positions = torch.tensor(places, device=self._device)[:, None]
        axes = len(drafts[0].prompt.positions)
        output = self._model(
            input_ids=tokens,
            position_ids=positions if axes == 1 else positions[None].expand(axes, -1, -1),
            attention_mask=states.grow(torch.ones_like(tokens)),
            past_key_values=states.cache,
            use_cache=True,
        )
        logits: Tensor = output.logits[:, -1]
        return logits
