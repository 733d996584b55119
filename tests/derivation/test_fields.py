"""Sizes of equal length in the small model are told apart by the tower that they are of."""

from __future__ import annotations

import transformers

from hubmerge.derivation.fields import Fields, tower_of


def test_a_size_is_a_field_of_its_own_tower() -> None:
    def clip(text: int, vision: int) -> transformers.CLIPConfig:
        return transformers.CLIPConfig(
            text_config={"num_attention_heads": text}, vision_config={"num_attention_heads": vision}
        )

    fields = Fields(clip(4, 4), clip(16, 8))
    for tower, real in (("text", 16), ("vision", 8)):
        query = f"{tower}_model.encoder.layers.0.self_attn.q_proj.weight"
        path = fields.of(4, None, "head", [query])
        assert path == f"{tower}_config.num_attention_heads"
        assert fields.real(path) == real


def test_the_tower_of_names() -> None:
    assert tower_of(["model.decoder.layers.0.encoder_attn.k_proj.weight"]) == "decoder"
    assert tower_of(["text_model.final_layer_norm.weight", "text_projection.weight"]) == "text"
    assert tower_of(["visual_projection.weight", "vision_model.post_layernorm.bias"]) == "vision"
    assert tower_of(["encoder.block.0.wi.weight", "decoder.block.0.wi.weight"]) is None
    assert tower_of(["bert.embeddings.LayerNorm.weight"]) is None
