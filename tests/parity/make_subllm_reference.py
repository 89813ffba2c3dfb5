"""Makes tests/parity/subllm_data with SUBLLM's published class: small random models and their logits.

    python make_subllm_reference.py CHECKOUT        (of github.com/XiaoMi/subllm; needs torch, transformers,
                                                     numpy, safetensors)

Each folder has config.json, model.safetensors (the class's state_dict), tokens.json and logits.npy ([T, V],
float32): a prefill of one row. subllm_layout_test.cpp opens the folders as they are.
"""
import json
import pathlib
import shutil
import sys

import numpy
import safetensors.torch
import torch
import transformers

import public_subllm

SIZES = dict(num_embeddings=31, decoder_embed_dim=8, decoder_ffn_embed_dim=10, decoder_attention_heads=2,
             qk_bias=False, tokens_per_sample=64, padding_idx=0, bos_token_id=1, eos_token_id=2)
MODELS = {
    "one_level": dict(structure="T(T)T(T)", downsampling_factor_denominator="0.64", tie_weights=False),
    "nested": dict(structure="T(T(T)T)T", downsampling_factor_denominator="0.7", tie_weights=True),
    "llama": dict(structure="TT", tie_weights=False, bias=True),
}


def make(module, folder: pathlib.Path, settings: dict, seed: int) -> None:
    config = {**SIZES, **settings, "decoder_layers": settings["structure"].count("T")}
    model = public_subllm.build(module, config)
    public_subllm.randomise(model, seed)
    ids = torch.randint(1, config["num_embeddings"], (29,)).tolist()
    logits, _ = public_subllm.prefill(module, model, ids)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    (folder / "tokens.json").write_text(json.dumps(ids))
    numpy.save(folder / "logits.npy", logits.numpy())


def main() -> None:
    module = public_subllm.load(sys.argv[1])
    data = pathlib.Path(__file__).parent / "subllm_data"
    shutil.rmtree(data, ignore_errors=True)
    for seed, (name, settings) in enumerate(MODELS.items()):
        make(module, data / name, settings, seed)
        print(name, sum(f.stat().st_size for f in (data / name).iterdir()), "bytes")
    (data / "made_with.json").write_text(json.dumps(
        {"transformers": transformers.__version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
