"""The chat app's presets: its settings of each model, under its own names."""

from __future__ import annotations

from typing import Any

Words = dict[str, Any]

_CNN: Words = {"image_encoder_type": "cnn", "image_encoder_dim": 512}
_RESNET50: Words = {"image_encoder_type": "cnn", "cnn_model_name": "resnet50", "image_encoder_dim": 2048}
_EFFICIENTNET: Words = {"image_encoder_type": "cnn", "cnn_model_name": "efficientnet_b0", "image_encoder_dim": 1280}
_VIT: Words = {"image_encoder_type": "vit", "image_encoder_dim": 768}
_LSTM: Words = {"text_encoder_type": "lstm", "text_encoder_dim": 128}
_BERT: Words = {"text_encoder_type": "bert", "text_encoder_dim": 768}
_CONCATENATION: Words = {"fusion_type": "concatenation"}
_COATTENTION: Words = {"fusion_type": "coattention", "coattention_hidden_dim": 512}
_BILINEAR: Words = {"fusion_type": "bilinear", "bilinear_hidden_dim": 512}


def _combined(image: Words, text: Words, fusion: Words) -> Words:
    width = image["image_encoder_dim"] + text["text_encoder_dim"]
    return {**image, **text, **fusion, "fusion_dim": width}


PRESETS: dict[str, Words] = {
    "original": _combined(_CNN, _LSTM, _CONCATENATION),
    "pretrained_cnn_lstm": _combined(_RESNET50, _LSTM, _CONCATENATION),
    "pretrained_vit_bert": _combined(_VIT, _BERT, _CONCATENATION),
    "pretrained_vit_bert_coattention": _combined(_VIT, _BERT, _COATTENTION),
    "pretrained_vit_bert_bilinear": _combined(_VIT, _BERT, _BILINEAR),
    "pretrained_cnn_bert": _combined(_RESNET50, _BERT, _CONCATENATION),
    "pretrained_cnn_bert_coattention": _combined(_RESNET50, _BERT, _COATTENTION),
    "pretrained_cnn_bert_bilinear": _combined(_RESNET50, _BERT, _BILINEAR),
    "efficient_vit_bert": _combined(_EFFICIENTNET, _BERT, _CONCATENATION),  # the app's name; it has no ViT
}
"""Settings that a preset leaves open, such as the CNN of ``original``, are derived from the tensors."""
