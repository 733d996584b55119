"""Which models coverage is measured on: model types and classes, as transformers configures them.

Defaults are those of a real model of the type, nearly always its base size.
"""

from __future__ import annotations

SIZES = {
    "detr": {
        "use_timm_backbone": False,
        "backbone": None,
        "backbone_config": {"model_type": "resnet", "out_features": ["stage4"]},
    },
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 256,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "type_vocab_size": 0,
        "position_biased_input": False,
    },
    "esm": {
        "vocab_size": 33,
        "mask_token_id": 32,
        "pad_token_id": 1,
        "hidden_size": 640,
        "num_hidden_layers": 30,
        "num_attention_heads": 20,
        "intermediate_size": 2560,
        "max_position_embeddings": 1026,
        "position_embedding_type": "rotary",
        "token_dropout": True,
        "emb_layer_norm_before": False,
    },
    "wav2vec2-bert": {"vocab_size": 32},
    "nemotron": {"num_key_value_heads": 8},
    "deepseek_v2": {"num_experts_per_tok": 6, "first_k_dense_replace": 1},
    "xmod": {"languages": ["en_XX", "de_DE"], "default_language": "en_XX"},
}
"""Fields by model type that differ from the defaults: those of the models that people use."""

ENCODERS = """
bert BertForSequenceClassification BertForMaskedLM BertForTokenClassification
bert BertForQuestionAnswering BertModel
roberta RobertaForSequenceClassification RobertaForMaskedLM RobertaForTokenClassification
xlm-roberta XLMRobertaForSequenceClassification XLMRobertaForMaskedLM XLMRobertaModel
xlm-roberta-xl XLMRobertaXLForSequenceClassification
camembert CamembertForSequenceClassification CamembertForMaskedLM
distilbert DistilBertForSequenceClassification DistilBertForMaskedLM
mpnet MPNetForSequenceClassification MPNetModel
electra ElectraForSequenceClassification ElectraForPreTraining
deberta DebertaForSequenceClassification
deberta-v2 DebertaV2ForSequenceClassification DebertaV2ForTokenClassification
albert AlbertForSequenceClassification AlbertForMaskedLM
modernbert ModernBertForSequenceClassification ModernBertForMaskedLM
mobilebert MobileBertForSequenceClassification
convbert ConvBertForSequenceClassification
squeezebert SqueezeBertForSequenceClassification
roformer RoFormerForSequenceClassification
xlnet XLNetForSequenceClassification
funnel FunnelForSequenceClassification
longformer LongformerForSequenceClassification
big_bird BigBirdForSequenceClassification
nystromformer NystromformerForSequenceClassification
fnet FNetForSequenceClassification
rembert RemBertForSequenceClassification
megatron-bert MegatronBertForSequenceClassification
layoutlm LayoutLMForSequenceClassification
luke LukeForSequenceClassification
ernie ErnieForSequenceClassification
esm EsmForSequenceClassification
xmod XmodForSequenceClassification
ibert IBertForSequenceClassification
"""

DECODERS = """
gpt2 GPT2LMHeadModel GPT2ForSequenceClassification
gpt_neo GPTNeoForCausalLM
gpt_neox GPTNeoXForCausalLM
gptj GPTJForCausalLM
gpt_bigcode GPTBigCodeForCausalLM
opt OPTForCausalLM
bloom BloomForCausalLM
codegen CodeGenForCausalLM
phi PhiForCausalLM
phi3 Phi3ForCausalLM
llama LlamaForCausalLM LlamaForSequenceClassification
mistral MistralForCausalLM
mixtral MixtralForCausalLM
qwen2 Qwen2ForCausalLM Qwen2ForSequenceClassification
qwen2_moe Qwen2MoeForCausalLM
qwen3 Qwen3ForCausalLM
qwen3_moe Qwen3MoeForCausalLM
qwen3_5_text Qwen3_5ForCausalLM
gemma GemmaForCausalLM
gemma2 Gemma2ForCausalLM
gemma3_text Gemma3ForCausalLM
olmo OlmoForCausalLM
olmo2 Olmo2ForCausalLM
olmoe OlmoeForCausalLM
smollm3 SmolLM3ForCausalLM
falcon FalconForCausalLM
starcoder2 Starcoder2ForCausalLM
granite GraniteForCausalLM
granitemoe GraniteMoeForCausalLM
stablelm StableLmForCausalLM
cohere CohereForCausalLM
cohere2 Cohere2ForCausalLM
deepseek_v2 DeepseekV2ForCausalLM
deepseek_v3 DeepseekV3ForCausalLM
gpt_oss GptOssForCausalLM
llama4_text Llama4ForCausalLM
glm GlmForCausalLM
glm4 Glm4ForCausalLM
exaone4 Exaone4ForCausalLM
ernie4_5 Ernie4_5ForCausalLM
helium HeliumForCausalLM
nemotron NemotronForCausalLM
persimmon PersimmonForCausalLM
biogpt BioGptForCausalLM
xglm XGLMForCausalLM
mpt MptForCausalLM
mamba MambaForCausalLM
mamba2 Mamba2ForCausalLM
falcon_mamba FalconMambaForCausalLM
recurrent_gemma RecurrentGemmaForCausalLM
rwkv RwkvForCausalLM
openai-gpt OpenAIGPTLMHeadModel
ctrl CTRLLMHeadModel
"""

SEQUENCES = """
t5 T5ForConditionalGeneration T5EncoderModel
mt5 MT5ForConditionalGeneration
umt5 UMT5ForConditionalGeneration
longt5 LongT5ForConditionalGeneration
switch_transformers SwitchTransformersForConditionalGeneration
bart BartForConditionalGeneration BartForSequenceClassification
mbart MBartForConditionalGeneration
marian MarianMTModel
pegasus PegasusForConditionalGeneration
blenderbot BlenderbotForConditionalGeneration
blenderbot-small BlenderbotSmallForConditionalGeneration
m2m_100 M2M100ForConditionalGeneration
prophetnet ProphetNetForConditionalGeneration
led LEDForConditionalGeneration
"""

IMAGES = """
vit ViTForImageClassification ViTModel
deit DeiTForImageClassification DeiTForImageClassificationWithTeacher
beit BeitForImageClassification
dinov2 Dinov2ForImageClassification
dinov2_with_registers Dinov2WithRegistersForImageClassification
swin SwinForImageClassification
swinv2 Swinv2ForImageClassification
convnext ConvNextForImageClassification
convnextv2 ConvNextV2ForImageClassification
resnet ResNetForImageClassification
regnet RegNetForImageClassification
efficientnet EfficientNetForImageClassification
mobilenet_v1 MobileNetV1ForImageClassification
mobilenet_v2 MobileNetV2ForImageClassification
mobilevit MobileViTForImageClassification
segformer SegformerForImageClassification SegformerForSemanticSegmentation
poolformer PoolFormerForImageClassification
pvt PvtForImageClassification
pvt_v2 PvtV2ForImageClassification
cvt CvtForImageClassification
levit LevitForImageClassification
bit BitForImageClassification
focalnet FocalNetForImageClassification
vit_mae ViTMAEForPreTraining
vit_msn ViTMSNForImageClassification
data2vec-vision Data2VecVisionForImageClassification
ijepa IJepaForImageClassification
detr DetrForObjectDetection
yolos YolosForObjectDetection
dpt DPTForDepthEstimation
glpn GLPNForDepthEstimation
upernet UperNetForSemanticSegmentation
timesformer TimesformerForVideoClassification
videomae VideoMAEForVideoClassification
vivit VivitForVideoClassification
"""

SEVERAL = """
clip CLIPModel CLIPForImageClassification CLIPTextModelWithProjection CLIPVisionModelWithProjection
siglip SiglipModel SiglipForImageClassification
siglip2 Siglip2Model
chinese_clip ChineseCLIPModel
align AlignModel
blip BlipForConditionalGeneration
clipseg CLIPSegModel
vilt ViltForQuestionAnswering
wav2vec2 Wav2Vec2ForSequenceClassification Wav2Vec2ForCTC
hubert HubertForSequenceClassification HubertForCTC
wavlm WavLMForSequenceClassification
unispeech-sat UniSpeechSatForSequenceClassification
data2vec-audio Data2VecAudioForCTC
sew SEWForCTC
wav2vec2-bert Wav2Vec2BertForCTC
audio-spectrogram-transformer ASTForAudioClassification
whisper WhisperForConditionalGeneration WhisperForAudioClassification
speech_to_text Speech2TextForConditionalGeneration
clap ClapModel
"""

KINDS = {
    "text encoders": ENCODERS,
    "decoders": DECODERS,
    "encoder-decoders": SEQUENCES,
    "images": IMAGES,
    "two towers and sound": SEVERAL,
}


def models() -> list[tuple[str, str, str]]:
    """Kind, model type and class of every model that is attempted."""
    return [
        (kind, model_type, name)
        for kind, text in KINDS.items()
        for line in text.split("\n")
        if line
        for model_type, *names in [line.split()]
        for name in names
    ]
