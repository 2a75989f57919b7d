"""Tiny random models of the architectures that people bring: what the conformance tests train, ask and save.

Weights are larger than usual, so that a wrong mask, position, window or factor shows in the numbers; windows are
shorter than the texts of the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import CHATML, write_tokenizer

WINDOW = 48
"""Tokens that a layer with a sliding window sees, where the architecture has one."""
BASE: Mapping[str, Any] = {
    "vocab_size": 420,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
OLD: Mapping[str, Any] = {"vocab_size": 420, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
LINEAR = {
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention"],
}
GEMMA_LAYERS = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}


@dataclass(frozen=True)
class Architecture:
    """One row of the matrix.

    Attributes:
        name: As people call the family.
        kind: Prefix of transformers' config and model classes.
        settings: Of the tiny config.
        without: Names of `BASE` that this config does not know.
        full: The config's settings, where `BASE` does not fit at all.
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    full: Mapping[str, Any] | None = None
    config: str = ""
    model: str = ""

    def build(self, folder: Path, seed: int = 3) -> Path:
        """Writes model and tokenizer."""
        import torch
        import transformers

        write_tokenizer(
            folder, CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_start|>", "<|im_end|>", "<|im_end|>"
        )
        base = {k: v for k, v in BASE.items() if k not in self.without} if self.full is None else dict(self.full)
        config = getattr(transformers, self.config or f"{self.kind}Config")(**{**base, **self.settings})
        torch.manual_seed(seed)
        module = getattr(transformers, self.model or f"{self.kind}ForCausalLM")(config).float()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if parameter.dim() > 1:
                    parameter.mul_(4)
                elif "norm" in name or name.endswith("bias"):
                    parameter.add_(torch.randn_like(parameter) * 0.2)
                elif "sink" in name:
                    parameter.copy_(torch.randn_like(parameter))
        module.save_pretrained(folder)
        return folder


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture("Llama 2 and 3", "Llama"),
    Architecture("SmolLM2", "Llama", {"tie_word_embeddings": True}),
    Architecture(
        "Llama 4 (text)",
        "Llama4",
        {
            "intermediate_size_mlp": 64,
            "num_local_experts": 4,
            "num_experts_per_tok": 1,
            "moe_layers": [1],
            "attention_chunk_size": WINDOW,
            "layer_types": ["chunked_attention", "full_attention"],
            "no_rope_layers": [1, 0],
        },
        config="Llama4TextConfig",
        model="Llama4ForCausalLM",
    ),
    Architecture("Mistral 0.1 (window)", "Mistral", {"sliding_window": WINDOW}),
    Architecture("Mistral 0.3 and later", "Mistral", {"sliding_window": None}),
    Architecture("Ministral (window in turns)", "Ministral", GEMMA_LAYERS),
    Architecture("Ministral 3", "Ministral3"),
    Architecture("Mixtral", "Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    Architecture("Qwen 2 and 2.5", "Qwen2"),
    Architecture("Qwen 3", "Qwen3"),
    Architecture("Qwen 3 MoE", "Qwen3Moe", {**EXPERTS, "decoder_sparse_step": 1}),
    Architecture("Qwen 3 Next", "Qwen3Next", {**EXPERTS, **LINEAR, "shared_expert_intermediate_size": 16}),
    Architecture("Qwen 3.5", "Qwen3_5", LINEAR, config="Qwen3_5TextConfig"),
    Architecture("Gemma 1", "Gemma"),
    Architecture("Gemma 2", "Gemma2", {**GEMMA_LAYERS, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0}),
    Architecture("Gemma 3", "Gemma3", {**GEMMA_LAYERS, "query_pre_attn_scalar": 8}, config="Gemma3TextConfig"),
    Architecture(
        "Gemma 4",
        "Gemma4",
        {**GEMMA_LAYERS, "vocab_size_per_layer_input": 420, "hidden_size_per_layer_input": 8, "global_head_dim": 8},
        config="Gemma4TextConfig",
    ),
    Architecture("Phi 2", "Phi", without=("head_dim",)),
    Architecture("Phi 3 and 4", "Phi3", without=("head_dim",)),
    Architecture("Phi 3 (window)", "Phi3", {"sliding_window": WINDOW}, without=("head_dim",)),
    Architecture("SmolLM3", "SmolLM3", {"no_rope_layers": [1, 0]}, without=("head_dim",)),
    Architecture("OLMo 2", "Olmo2", without=("head_dim",)),
    Architecture("OLMo 3", "Olmo3", GEMMA_LAYERS, without=("head_dim",)),
    Architecture(
        "Granite",
        "Granite",
        {"embedding_multiplier": 3.0, "residual_multiplier": 0.3, "attention_multiplier": 0.1, "logits_scaling": 4.0},
        without=("head_dim",),
    ),
    Architecture(
        "Granite hybrid",
        "GraniteMoeHybrid",
        {
            "layer_types": ["mamba", "attention"],
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "shared_intermediate_size": 32,
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_n_groups": 1,
            "embedding_multiplier": 3.0,
            "logits_scaling": 4.0,
        },
        without=("head_dim",),
    ),
    Architecture("Command R", "Cohere", {"logit_scale": 0.3}, without=("head_dim",)),
    Architecture("Command R7B (window)", "Cohere2", {**GEMMA_LAYERS, "logit_scale": 0.3}),
    Architecture(
        "GPT-2",
        "GPT2",
        full={**OLD, "n_positions": 512, "n_embd": 32, "n_layer": 2, "n_head": 4},
        model="GPT2LMHeadModel",
    ),
    Architecture("GPT-NeoX (Pythia)", "GPTNeoX", without=("head_dim", "num_key_value_heads")),
    Architecture(
        "Falcon",
        "Falcon",
        {"new_decoder_architecture": True, "num_kv_heads": 2},
        without=("head_dim", "num_key_value_heads", "intermediate_size"),
    ),
    Architecture(
        "Falcon (ALiBi)", "Falcon", {"alibi": True}, without=("head_dim", "num_key_value_heads", "intermediate_size")
    ),
    Architecture("BLOOM", "Bloom", full={**OLD, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    Architecture(
        "gpt-oss",
        "GptOss",
        {**GEMMA_LAYERS, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    Architecture(
        "DeepSeek V3",
        "DeepseekV3",
        {
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
            "n_group": 2,
            "topk_group": 1,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
            "v_head_dim": 8,
        },
        without=("head_dim",),
    ),
    Architecture("GLM 4", "Glm4"),
    Architecture(
        "GLM 4.5 MoE",
        "Glm4Moe",
        {
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "n_group": 1,
            "topk_group": 1,
        },
    ),
    Architecture(
        "LFM 2",
        "Lfm2",
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
        without=("head_dim",),
    ),
    Architecture("Mamba", "Mamba", full={**OLD, "hidden_size": 32, "state_size": 8, "num_hidden_layers": 2}),
    Architecture(
        "Mamba 2",
        "Mamba2",
        full={
            **OLD,
            "hidden_size": 32,
            "state_size": 8,
            "num_hidden_layers": 2,
            "num_heads": 8,
            "head_dim": 8,
            "n_groups": 1,
            "expand": 2,
        },
    ),
    Architecture(
        "Falcon H1",
        "FalconH1",
        {
            "mamba_d_ssm": 64,
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_n_groups": 1,
            "lm_head_multiplier": 0.3,
            "embedding_multiplier": 2.0,
            "key_multiplier": 0.5,
            "ssm_out_multiplier": 0.7,
        },
    ),
    Architecture("Ernie 4.5", "Ernie4_5"),
    Architecture("EXAONE 4", "Exaone4", {**GEMMA_LAYERS, "sliding_window_pattern": None}, without=("head_dim",)),
    Architecture("Apertus", "Apertus", without=("head_dim",)),
    Architecture("StarCoder 2 (window)", "Starcoder2", {"sliding_window": WINDOW}, without=("head_dim",)),
    Architecture("StableLM", "StableLm", without=("head_dim",)),
    Architecture("Hunyuan (dense)", "HunYuanDenseV1"),
    Architecture("Seed-OSS", "SeedOss"),
)
