"""Runs SUBLLM's published class (github.com/XiaoMi/subllm) on the CPU in fp32; it is imported, not contained.

Mended on import, because they keep it from running or from fp32: the syntax error; assertions that a row which keeps
every token trips; a one-token level that iterates a scalar; softmax in bfloat16; the demand for a GPU. CUDA-only
packages that are imported but not called here are replaced by empty modules.
Needs torch, transformers, numpy, safetensors.
"""
import pathlib
import re
import sys
import types
from unittest import mock

import torch
import transformers.modeling_outputs  # before the empty modules stand where it looks for flash_attn
import transformers.modeling_utils

UNUSED = ["xformers", "xformers.components", "xformers.components.attention", "xformers.components.attention.core",
          "xformers.ops", "flash_attn", "flash_attn.layers", "flash_attn.layers.rotary",
          "flash_attn.flash_attn_interface", "rotary_emb", "einops"]


def load(repository: str) -> types.ModuleType:
    """The modeling module of a checkout of the public repository."""
    path = pathlib.Path(repository) / "modeling" / "modeling_subllm_inference.py"
    source = re.sub(r"==\s+==", "==", path.read_text())
    module = types.ModuleType("public_subllm_code")
    sys.modules[module.__name__] = module
    with mock.patch.dict(sys.modules, {name: mock.MagicMock() for name in UNUSED}):
        exec(compile(source, str(path), "exec", optimize=1), module.__dict__)  # optimize=1 leaves assertions out
    torch.cuda.current_device = lambda: torch.device("cpu")
    original = module.apply_rotary_pos_emb

    def rotate(x, cos, sin, cos_wide, sin_wide, start=0, seq_len=None, input_len=None, pos_index=None):
        if seq_len == 1 and torch.is_tensor(input_len) and input_len.dim() == 0:
            prefill = module.new_tokens > 1 and pos_index is not None
            input_len = [pos_index.reshape(()) + 1 if prefill else input_len]
        return original(x, cos, sin, cos_wide, sin_wide, start=start, seq_len=seq_len, input_len=input_len,
                        pos_index=pos_index)

    module.apply_rotary_pos_emb = rotate
    return module


def build(module: types.ModuleType, config: dict):
    """The model of a config.json, in fp32 and evaluation."""
    model = module.SubllmModel(module.SubllmConfig(**config)).float().eval()
    for layer in model.decoder.layers:
        layer.self_attn.attention.onnx_trace = True  # its fp32 softmax
    return model


def randomise(model, seed: int, scorer_scale: float = 1.0) -> None:
    """Weights with which attention, feed-forward parts and decisions all count."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("to_scores.weight"):
                value.normal_(0, scorer_scale / value.shape[1] ** 0.5)
            elif name.endswith("bypass_scale"):
                value.uniform_(0.2, 1.1)
            elif value.dim() == 1:
                value.normal_(0 if name.endswith("bias") else 1, 0.2)
            else:
                value.normal_(0, 1 if "embed_tokens" in name else value.shape[1] ** -0.5)


@torch.no_grad()
def prefill(module, model, ids):
    """Logits [T, V] of one row, and the cache."""
    module.new_tokens = len(ids)
    out = model(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), use_cache=True)
    return out.logits[0], out.past_key_values


@torch.no_grad()
def stepwise(module, model, ids, first: int):
    """Logits [T, V] of a row of which `first` tokens are prefilled and the others decoded one by one."""
    logits, cache = prefill(module, model, ids[:first])
    rows = [logits]
    module.new_tokens = 1
    for t in range(first, len(ids)):
        out = model(torch.tensor([[ids[t]]]), attention_mask=torch.ones(1, t + 1, dtype=torch.long), use_cache=True,
                    past_key_values=cache)
        cache = out.past_key_values
        rows.append(out.logits[0])
    return torch.cat(rows)
