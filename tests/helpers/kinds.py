"""Tiny random models of the Hub's common kinds, each as its class builds it of a few fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers import AutoConfig, PreTrainedModel

from hubmerge.models import shaken

WORDS = 64


@dataclass(frozen=True)
class Kind:
    """A class of transformers, and the fields of its configuration."""

    model_type: str
    name: str
    fields: dict[str, Any] = field(default_factory=dict)

    def build(self, seed: int) -> PreTrainedModel:
        """A model whose tensors are all generic."""
        config = AutoConfig.for_model(self.model_type, **self.fields)
        torch.manual_seed(seed)
        model: PreTrainedModel = getattr(transformers, self.name)(config).eval()
        return shaken(model, seed)


LABELS = {"id2label": {0: "neg", 1: "neutral", 2: "pos"}}
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
ENDS = {"bos_token_id": 5, "eos_token_id": 6, "pad_token_id": 0}
ENCODER = {**SHAPE, "vocab_size": WORDS, "max_position_embeddings": 64, "pad_token_id": 0}
CLASSIFIER = {**ENCODER, **LABELS}
DECODER = {**SHAPE, "vocab_size": WORDS, "max_position_embeddings": 64, **ENDS}
GROUPED = {**DECODER, "num_key_value_heads": 2}
SHORT = {"vocab_size": WORDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, **ENDS}
STACKS = {
    "vocab_size": WORDS,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    **ENDS,
}
IMAGES = {**SHAPE, "image_size": 32, "patch_size": 8, **LABELS}
WINDOWS = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
    **LABELS,
}
STAGES = {"hidden_sizes": [8, 16], "depths": [2, 2], **LABELS}
SEGMENTS = {
    "num_encoder_blocks": 2,
    "depths": [1, 1],
    "sr_ratios": [2, 1],
    "hidden_sizes": [8, 16],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "num_attention_heads": [1, 2],
    "mlp_ratios": [2, 2],
    "decoder_hidden_size": 16,
    **LABELS,
}
SOUND = {
    **SHAPE,
    "vocab_size": WORDS,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 16,
    **LABELS,
}
SEQUENCE = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
T5 = {**SEQUENCE, "vocab_size": WORDS, "decoder_start_token_id": 0, **ENDS}
TOWER = {**SHAPE, "vocab_size": WORDS, "max_position_embeddings": 32, **ENDS}
SIGHT = {**SHAPE, "image_size": 32, "patch_size": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}

KINDS: dict[str, Kind] = {
    "bert-classes": Kind("bert", "BertForSequenceClassification", CLASSIFIER),
    "bert-masked": Kind("bert", "BertForMaskedLM", ENCODER),
    "bert-tokens": Kind("bert", "BertForTokenClassification", CLASSIFIER),
    "bert-bare": Kind("bert", "BertModel", ENCODER),
    "bert-questions": Kind("bert", "BertForQuestionAnswering", ENCODER),
    "roberta-classes": Kind("roberta", "RobertaForSequenceClassification", CLASSIFIER),
    "roberta-masked": Kind("roberta", "RobertaForMaskedLM", ENCODER),
    "distilbert": Kind(
        "distilbert",
        "DistilBertForSequenceClassification",
        {"vocab_size": WORDS, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, **LABELS},
    ),
    "xlm-roberta": Kind("xlm-roberta", "XLMRobertaForSequenceClassification", CLASSIFIER),
    "electra": Kind(
        "electra", "ElectraForSequenceClassification", {**CLASSIFIER, "embedding_size": 16}
    ),
    "deberta-v2": Kind(
        "deberta-v2",
        "DebertaV2ForSequenceClassification",
        {
            **CLASSIFIER,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 8,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "type_vocab_size": 0,
            "position_biased_input": False,
        },
    ),
    "albert": Kind(
        "albert", "AlbertForSequenceClassification", {**CLASSIFIER, "embedding_size": 16}
    ),
    "mpnet-classes": Kind("mpnet", "MPNetForSequenceClassification", CLASSIFIER),
    "mpnet-bare": Kind("mpnet", "MPNetModel", ENCODER),
    "modernbert": Kind(
        "modernbert",
        "ModernBertForSequenceClassification",
        {**CLASSIFIER, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    ),
    "gpt2": Kind("gpt2", "GPT2LMHeadModel", SHORT),
    "gpt2-classes": Kind("gpt2", "GPT2ForSequenceClassification", {**SHORT, **LABELS}),
    "gpt_neo": Kind(
        "gpt_neo",
        "GPTNeoForCausalLM",
        {
            "vocab_size": WORDS,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "intermediate_size": 48,
            "max_position_embeddings": 64,
            **ENDS,
        },
    ),
    "gpt_neox": Kind("gpt_neox", "GPTNeoXForCausalLM", DECODER),
    "gptj": Kind("gptj", "GPTJForCausalLM", {**SHORT, "rotary_dim": 4}),
    "opt": Kind("opt", "OPTForCausalLM", {**DECODER, "ffn_dim": 48, "word_embed_proj_dim": 32}),
    "bloom": Kind(
        "bloom",
        "BloomForCausalLM",
        {"vocab_size": WORDS, "hidden_size": 32, "n_layer": 2, "n_head": 4, **ENDS},
    ),
    "phi": Kind("phi", "PhiForCausalLM", DECODER),
    "phi3": Kind("phi3", "Phi3ForCausalLM", GROUPED),
    "llama": Kind("llama", "LlamaForCausalLM", GROUPED),
    "llama-classes": Kind("llama", "LlamaForSequenceClassification", {**GROUPED, **LABELS}),
    "mistral": Kind("mistral", "MistralForCausalLM", GROUPED),
    "mixtral": Kind(
        "mixtral",
        "MixtralForCausalLM",
        {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "qwen2": Kind("qwen2", "Qwen2ForCausalLM", {**GROUPED, "tie_word_embeddings": True}),
    "qwen2_moe": Kind(
        "qwen2_moe",
        "Qwen2MoeForCausalLM",
        {**GROUPED, **EXPERTS, "shared_expert_intermediate_size": 40},
    ),
    "qwen3": Kind("qwen3", "Qwen3ForCausalLM", {**GROUPED, "head_dim": 8}),
    "qwen3_moe": Kind("qwen3_moe", "Qwen3MoeForCausalLM", {**GROUPED, **EXPERTS, "head_dim": 8}),
    "qwen3_5": Kind(
        "qwen3_5_text",
        "Qwen3_5ForCausalLM",
        {
            **GROUPED,
            "head_dim": 8,
            "num_hidden_layers": 4,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
    "gemma2": Kind("gemma2", "Gemma2ForCausalLM", {**GROUPED, "head_dim": 8}),
    "gemma3": Kind("gemma3_text", "Gemma3ForCausalLM", {**GROUPED, "head_dim": 8}),
    "olmo2": Kind("olmo2", "Olmo2ForCausalLM", GROUPED),
    "smollm3": Kind("smollm3", "SmolLM3ForCausalLM", GROUPED),
    "falcon": Kind(
        "falcon",
        "FalconForCausalLM",
        {
            "vocab_size": WORDS,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            **ENDS,
        },
    ),
    "starcoder2": Kind("starcoder2", "Starcoder2ForCausalLM", GROUPED),
    "granite": Kind("granite", "GraniteForCausalLM", GROUPED),
    "stablelm": Kind("stablelm", "StableLmForCausalLM", GROUPED),
    "cohere": Kind("cohere", "CohereForCausalLM", GROUPED),
    "deepseek_v3": Kind(
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        {
            **DECODER,
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "moe_intermediate_size": 24,
            "kv_lora_rank": 16,
            "q_lora_rank": 24,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
        },
    ),
    "gpt_oss": Kind(
        "gpt_oss",
        "GptOssForCausalLM",
        {**GROUPED, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "llama4": Kind(
        "llama4_text",
        "Llama4ForCausalLM",
        {**GROUPED, "head_dim": 8, "num_local_experts": 4, "intermediate_size_mlp": 64},
    ),
    "mamba": Kind(
        "mamba",
        "MambaForCausalLM",
        {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, **ENDS},
    ),
    "mamba2": Kind(
        "mamba2",
        "Mamba2ForCausalLM",
        {
            "vocab_size": WORDS,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "state_size": 8,
            "num_heads": 8,
            "head_dim": 8,
            "n_groups": 2,
            **ENDS,
        },
    ),
    "t5": Kind("t5", "T5ForConditionalGeneration", T5),
    "t5-gated": Kind(
        "t5",
        "T5ForConditionalGeneration",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "bart": Kind(
        "bart",
        "BartForConditionalGeneration",
        {**STACKS, "max_position_embeddings": 64, "decoder_start_token_id": 6},
    ),
    "whisper": Kind(
        "whisper",
        "WhisperForConditionalGeneration",
        {
            **STACKS,
            "max_source_positions": 50,
            "max_target_positions": 32,
            "num_mel_bins": 8,
            "decoder_start_token_id": 5,
        },
    ),
    "marian": Kind(
        "marian",
        "MarianMTModel",
        {
            **STACKS,
            "max_position_embeddings": 64,
            "decoder_start_token_id": 0,
            "decoder_vocab_size": WORDS,
        },
    ),
    "vit": Kind("vit", "ViTForImageClassification", IMAGES),
    "deit": Kind("deit", "DeiTForImageClassification", IMAGES),
    "deit-teacher": Kind("deit", "DeiTForImageClassificationWithTeacher", IMAGES),
    "beit": Kind(
        "beit", "BeitForImageClassification", {**IMAGES, "use_relative_position_bias": True}
    ),
    "dinov2": Kind("dinov2", "Dinov2ForImageClassification", IMAGES),
    "swin": Kind("swin", "SwinForImageClassification", WINDOWS),
    "swinv2": Kind("swinv2", "Swinv2ForImageClassification", WINDOWS),
    "convnext": Kind(
        "convnext",
        "ConvNextForImageClassification",
        {**STAGES, "num_stages": 2, "image_size": 32, "layer_scale_init_value": 0.5},
    ),
    "convnextv2": Kind(
        "convnextv2",
        "ConvNextV2ForImageClassification",
        {**STAGES, "num_stages": 2, "image_size": 32},
    ),
    "resnet-basic": Kind(
        "resnet",
        "ResNetForImageClassification",
        {**STAGES, "embedding_size": 8, "layer_type": "basic"},
    ),
    "resnet-bottleneck": Kind(
        "resnet",
        "ResNetForImageClassification",
        {**STAGES, "hidden_sizes": [16, 32], "embedding_size": 8, "layer_type": "bottleneck"},
    ),
    "regnet": Kind(
        "regnet",
        "RegNetForImageClassification",
        {**STAGES, "embedding_size": 8, "groups_width": 4},
    ),
    "efficientnet": Kind(
        "efficientnet",
        "EfficientNetForImageClassification",
        {
            "image_size": 32,
            "width_coefficient": 0.25,
            "depth_coefficient": 0.5,
            "hidden_dim": 320,
            **LABELS,
        },
    ),
    "mobilenet_v2": Kind(
        "mobilenet_v2",
        "MobileNetV2ForImageClassification",
        {"image_size": 32, "depth_multiplier": 0.25, **LABELS},
    ),
    "mobilevit": Kind(
        "mobilevit",
        "MobileViTForImageClassification",
        {
            "image_size": 32,
            "hidden_sizes": [16, 24, 32],
            "neck_hidden_sizes": [8, 8, 16, 24, 32, 40, 48],
            "num_attention_heads": 4,
            **LABELS,
        },
    ),
    "segformer": Kind("segformer", "SegformerForImageClassification", SEGMENTS),
    "segformer-pixels": Kind("segformer", "SegformerForSemanticSegmentation", SEGMENTS),
    "clip": Kind(
        "clip",
        "CLIPModel",
        {"text_config": TOWER, "vision_config": SIGHT, "projection_dim": 24},
    ),
    "siglip": Kind(
        "siglip",
        "SiglipModel",
        {"text_config": {**TOWER, "projection_size": 32}, "vision_config": SIGHT},
    ),
    "wav2vec2": Kind("wav2vec2", "Wav2Vec2ForSequenceClassification", SOUND),
    "wav2vec2-ctc": Kind("wav2vec2", "Wav2Vec2ForCTC", SOUND),
    "hubert": Kind("hubert", "HubertForSequenceClassification", SOUND),
    "ast": Kind(
        "audio-spectrogram-transformer",
        "ASTForAudioClassification",
        {
            **SHAPE,
            "patch_size": 4,
            "frequency_stride": 4,
            "time_stride": 4,
            "max_length": 16,
            "num_mel_bins": 16,
            **LABELS,
        },
    ),
    "detr": Kind(
        "detr",
        "DetrForObjectDetection",
        {
            **{name: size for name, size in STACKS.items() if name not in ("vocab_size", *ENDS)},
            "encoder_layers": 1,
            "decoder_layers": 1,
            "num_queries": 5,
            "use_timm_backbone": False,
            "backbone": None,
            "backbone_config": {
                "model_type": "resnet",
                "embedding_size": 8,
                "hidden_sizes": [8, 8, 8, 16],
                "depths": [1, 1, 1, 1],
                "layer_type": "basic",
                "out_features": ["stage4"],
            },
            **LABELS,
        },
    ),
    "vit_mae": Kind(
        "vit_mae",
        "ViTMAEForPreTraining",
        {
            **SIGHT,
            "decoder_hidden_size": 16,
            "decoder_num_hidden_layers": 1,
            "decoder_num_attention_heads": 2,
            "decoder_intermediate_size": 32,
        },
    ),
}
"""By a name for each: model types of breadth, from encoders to detectors."""
