"""Makes tests/parity/data with transformers: small random Llamas and their logits.

    python make_reference.py            (needs torch, transformers, numpy, safetensors)

The scaled ones are those of make_rope_reference.py. Each folder is as `save_pretrained` writes it, plus tokens.json (a list of ids) and logits.npy ([T, V],
float32, computed in fp32 from the saved weights). parity_test.cpp opens the folders as they are.
"""
import json
import pathlib
import shutil

import numpy
import torch
import transformers

MODELS = {
    "gqa_untied": dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_key_value_heads=2),
    "mha_tied": dict(hidden_size=40, intermediate_size=72, num_attention_heads=4, num_key_value_heads=4,
                     tie_word_embeddings=True, rope_theta=500000.0, rms_norm_eps=1e-5),
    "wide_heads": dict(hidden_size=36, intermediate_size=50, num_attention_heads=6, num_key_value_heads=3,
                       head_dim=14),
    "mqa_biases_bf16": dict(hidden_size=32, intermediate_size=64, num_attention_heads=4, num_key_value_heads=1,
                            attention_bias=True, mlp_bias=True),
    "sharded_fp16": dict(hidden_size=24, intermediate_size=40, num_attention_heads=3, num_key_value_heads=3),
}


def make(folder: pathlib.Path, name: str, settings: dict, seed: int) -> None:
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(**(dict(vocab_size=83, num_hidden_layers=2, max_position_embeddings=128,
                                              initializer_range=0.3, bos_token_id=1, eos_token_id=2) | settings))
    if "rope_theta" in settings and hasattr(config, "rope_parameters"):
        config.rope_parameters = {"rope_type": "default", "rope_theta": settings["rope_theta"]}
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():  # gains and biases other than their defaults, so that they count
        for key, value in model.named_parameters():
            if "norm" in key or key.endswith("bias"):
                value.add_(0.2 * torch.randn_like(value))
    stored = torch.bfloat16 if name.endswith("bf16") else torch.float16 if name.endswith("fp16") else torch.float32
    model.to(stored).save_pretrained(folder, max_shard_size="12KB" if name.startswith("sharded") else "1GB")
    for extra in folder.glob("generation_config.json"):
        extra.unlink()
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = torch.randint(0, 83, (37,)).tolist()
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    (folder / "tokens.json").write_text(json.dumps(tokens))
    numpy.save(folder / "logits.npy", logits.numpy().astype(numpy.float32))


def main() -> None:
    data = pathlib.Path(__file__).parent / "data"
    shutil.rmtree(data, ignore_errors=True)
    for seed, (name, settings) in enumerate(MODELS.items()):
        make(data / name, name, settings, seed)
        print(name, sum(f.stat().st_size for f in (data / name).iterdir()), "bytes")
    (data / "made_with.json").write_text(json.dumps(
        {"transformers": transformers.__version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
