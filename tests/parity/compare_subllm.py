"""Compares logits of SUBLLM's published class with this program's, over random configurations.

    python compare_subllm.py CHECKOUT [--models 40] [--seed 0] [--sublab ./sublab]

For each: both programs' prefill (positions level_local, as the class computes them), a folder that this program
wrote and the class loads, and for structures without nesting the class's decoding step by step. Exits 1 when a
difference above 1e-4 is not explained by a score within 1e-5 of the threshold.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
import safetensors.torch
import torch

import public_subllm

STRUCTURES = ["T(T)T", "T(TT)T(T)T", "TT(T(TT)T)TT", "T(T)(T)T", "T(T(T(T)T)T)T", "(T)T", "T(T(T)(T)T)T", "T((T)T)T",
              "TT", "T(T(T)T)T(T(T)T)T"]


def random_config(rng: random.Random, structure: str) -> dict:
    heads = rng.choice([1, 2, 3, 5, 7])
    config = dict(
        num_embeddings=rng.randint(20, 90), decoder_embed_dim=heads * 2 * rng.randint(1, 8),
        decoder_ffn_embed_dim=rng.randint(4, 80), decoder_layers=structure.count("T"),
        decoder_attention_heads=heads, norm_name="rmsnorm", mlp_name="swiglu",
        qk_bias=rng.random() < 0.15, tie_weights=rng.random() < 0.25, structure=structure,
        attn_type="vanilla", tokens_per_sample=256, n_positions=256, padding_idx=0, bos_token_id=1, eos_token_id=2,
        downsampling_factor_denominator=rng.choice(["0.64", "0.5", "0.8", "0.9", "0.33"]))
    if rng.random() < 0.2:
        config["bias"] = True
    return config


def our_logits(sublab: str, folder: pathlib.Path, ids: list, nested: bool) -> numpy.ndarray:
    (folder / "ids.json").write_text(json.dumps(ids))
    positions = ["--set", "model.positions=level_local"] if nested else []
    subprocess.run([sublab, "logits", str(folder), "--tokens", str(folder / "ids.json"), "--out",
                    str(folder / "ours.npy"), *positions], check=True, stdout=subprocess.DEVNULL)
    return numpy.load(folder / "ours.npy")


def exported(module, sublab: str, folder: pathlib.Path, ids: list, scratch: pathlib.Path) -> numpy.ndarray:
    """Logits of the class for what this program writes after reading `folder`."""
    subprocess.run([sublab, "import", str(folder), str(scratch / "ours")], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sublab, "export", str(scratch / "ours"), str(scratch / "back"), "--layout", "subllm"], check=True,
                   stdout=subprocess.DEVNULL)
    model = public_subllm.build(module, json.loads((scratch / "back" / "config.json").read_text()))
    model.load_state_dict(safetensors.torch.load_file(scratch / "back" / "model.safetensors"), strict=True)
    return public_subllm.prefill(module, model, ids)[0].numpy()


def depth(structure: str) -> int:
    level = deepest = 0
    for character in structure:
        level += {"(": 1, ")": -1}.get(character, 0)
        deepest = max(deepest, level)
    return deepest


def compare(module, sublab: str, rng: random.Random, structure: str) -> dict:
    config = random_config(rng, structure)
    model = public_subllm.build(module, config)
    public_subllm.randomise(model, rng.randrange(1 << 30), rng.choice([0.3, 1.0, 3.0]))
    nearest, kept = [1e9], []

    def watch(_, inputs, outputs):
        kept.append((outputs[0].shape[1], inputs[0].shape[0]))

    for downsampler in model.decoder.downsamplers:
        downsampler.to_scores.register_forward_hook(
            lambda _, inputs, scores: nearest.append(float(scores.abs().min()) if scores.numel() else 1e9))
        downsampler.register_forward_hook(watch)
    ids = [rng.randint(1, config["num_embeddings"] - 1) for _ in range(rng.choice([1, 2, 3, 9, 40, 130, 250]))]
    theirs = public_subllm.prefill(module, model, ids)[0].numpy()
    kept_in_prefill = list(kept)
    result = {"structure": structure, "tokens": len(ids), "logits": float(numpy.abs(theirs).max()),
              "kept": [f"{k}/{n}" for k, n in kept_in_prefill], "nearest": min(nearest)}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "public"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        safetensors.torch.save_file({k: v.clone() for k, v in model.state_dict().items()}, folder / "model.safetensors")
        ours = our_logits(sublab, folder, ids, depth(structure) > 1)
        result["prefill"] = float(numpy.abs(ours - theirs).max())
        result["exported"] = float(numpy.abs(exported(module, sublab, folder, ids, pathlib.Path(name)) - theirs).max())
    starts_with_block = structure[0] == "T"  # its first cache tells how many tokens went before
    if depth(structure) < 2 and starts_with_block and len(ids) > 1:
        first = rng.randint(1, len(ids) - 1)
        steps = public_subllm.stepwise(module, model, ids, first).numpy()
        result["stepwise"] = float(numpy.abs(ours - steps).max())
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout")
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sublab", default=str(pathlib.Path(__file__).parents[2] / "sublab"))
    arguments = parser.parse_args()
    module = public_subllm.load(arguments.checkout)
    torch.set_num_threads(1)
    rng = random.Random(arguments.seed)
    results = [compare(module, arguments.sublab, rng, STRUCTURES[i % len(STRUCTURES)]) for i in range(arguments.models)]
    unexplained = 0
    for result in results:
        worst = max(result.get(key, 0) for key in ("prefill", "exported", "stepwise"))
        result["tie"] = worst > 1e-4 and result["nearest"] < 1e-5
        unexplained += worst > 1e-4 and not result["tie"]
        print(json.dumps(result))
    for key in ("prefill", "exported", "stepwise"):
        values = [result[key] for result in results if key in result and not result["tie"]]
        print(f"{key}: {len(values)} models, largest difference {max(values):.2e}")
    print(f"decided otherwise by a tie: {sum(result['tie'] for result in results)}; unexplained: {unexplained}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
